//! What items look like and how many come at once.

use crate::harness::{
    ADDRESSING, Answer, Ask, DECLARATIONS, DMTF, DMTF_ALL, ENUMERATION, MICROSOFT, Service, WQL, WSMAN,
    filter,
};

const OPTIMIZED: &str = "<w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>";

fn class(name: &str) -> String {
    format!("{DMTF}{name}")
}

/// A complete answer has an empty context, and its items are of WS-Management's namespace; those of a pull are of
/// WS-Enumeration's, and the last one has no context.
#[tokio::test]
pub(crate) async fn mistakes_1_and_2_namespaces_and_contexts_are_those_of_the_answer() {
    let service = Service::start().await;
    let uri = class("SMS_DistributionPointInfo");
    let ask = Ask::of(&uri);
    let whole = service.enumerate(&ask, OPTIMIZED).await.good();
    assert_eq!((whole.items(WSMAN), whole.items(ENUMERATION)), (2, 0), "{}", whole.body);
    assert!(whole.has(WSMAN, "EndOfSequence") && !whole.has(ENUMERATION, "EndOfSequence"));
    assert_eq!(whole.all(ENUMERATION, "EnumerationContext"), [""]);

    let begun = service.enumerate(&ask, "").await.good();
    assert!(!begun.has(WSMAN, "Items") && !begun.has(WSMAN, "EndOfSequence"));
    let context = begun.context().unwrap();
    assert!(context.starts_with("uuid:"));
    let first = service.pull(&ask, &context, "").await.good();
    assert_eq!((first.items(ENUMERATION), first.items(WSMAN)), (1, 0), "one where no number is named");
    assert_eq!(first.context(), Some(context.clone()));
    assert!(!first.has(ENUMERATION, "EndOfSequence"));
    let last = service.pull(&ask, &context, "<n:MaxElements>10</n:MaxElements>").await.good();
    assert_eq!(last.items(ENUMERATION), 1);
    assert!(last.has(ENUMERATION, "EndOfSequence") && !last.has(ENUMERATION, "EnumerationContext"));
    assert!(!last.has(WSMAN, "EndOfSequence"));
}

#[tokio::test]
pub(crate) async fn an_empty_answer_is_whole_at_once() {
    let service = Service::start().await;
    let uri = class("SMS_Package");
    let ask = Ask::of(&uri);
    let whole = service.enumerate(&ask, OPTIMIZED).await.good();
    assert_eq!((whole.items(WSMAN), whole.context()), (0, None));
    assert!(whole.has(WSMAN, "Items") && whole.has(WSMAN, "EndOfSequence"));
    let answers = service.all(&ask, "", 10).await;
    assert_eq!((answers.len(), answers[1].items(ENUMERATION)), (2, 0));
}

/// References name the instance's own class and nothing but its keys, and with DMTF's URIs the namespace.
#[tokio::test]
pub(crate) async fn mistake_10_references_name_the_actual_class_and_its_keys() {
    let service = Service::start().await;
    let mode = |mode: &str| format!("{OPTIMIZED}<w:EnumerationMode>{mode}</w:EnumerationMode>");
    for (base, namespace) in [(DMTF, true), (MICROSOFT, false)] {
        let uri = format!("{base}SMS_PackageBaseclass");
        for (name, items) in [("EnumerateEPR", "EndpointReference"), ("EnumerateObjectAndEPR", "Item")] {
            let answer = service.enumerate(&Ask::of(&uri), &mode(name)).await.good();
            assert_eq!(answer.items(WSMAN), 1, "{}", answer.body);
            let of = if items == "Item" { WSMAN } else { ADDRESSING };
            assert_eq!(answer.all(of, items).len(), 1, "{}", answer.body);
            let own = format!("{base}SMS_DriverPackage");
            assert_eq!(answer.all(WSMAN, "ResourceURI"), std::slice::from_ref(&own), "{name}");
            let selectors = answer.all(WSMAN, "Selector");
            let expect: &[&str] = if namespace { &["root/sms/site_PS1", "PS100001"] } else { &["PS100001"] };
            assert_eq!(selectors, expect, "{name}");
            assert_eq!(answer.has(&own, "Name"), items == "Item");
        }
        let objects = service.enumerate(&Ask::of(&uri), &mode("EnumerateObject")).await.good();
        assert!(objects.has(&format!("{base}SMS_DriverPackage"), "PackageID"), "{}", objects.body);
    }
    let refused = service.enumerate(&Ask::of(&class("SMS_Site")), &mode("EnumerateEverything")).await;
    assert_eq!(refused.fault(), ("w:UnsupportedFeature".to_owned(), 0x8033_8086));
}

#[tokio::test]
pub(crate) async fn subclasses_are_shown_as_asked_for() {
    let service = Service::start().await;
    let uri = class("SMS_PackageBaseclass");
    let own = class("SMS_DriverPackage");
    let mode = |mode: &str| format!("{OPTIMIZED}<b:PolymorphismMode>{mode}</b:PolymorphismMode>");
    let ask = Ask::of(&uri);
    let whole = service.enumerate(&ask, &mode("IncludeSubClassProperties")).await.good();
    assert!(whole.has(&own, "SMS_DriverPackage") && whole.has(&own, "PackageID"));
    let base = service.enumerate(&ask, &mode("ExcludeSubClassProperties")).await.good();
    assert!(base.has(&uri, "SMS_PackageBaseclass") && base.has(&uri, "PackageID"), "{}", base.body);
    assert!(!base.has(&own, "SMS_DriverPackage"));
    let none = service.enumerate(&ask, &mode("None")).await.good();
    assert_eq!(none.items(WSMAN), 0, "{}", none.body);
    let refused = service.enumerate(&ask, &mode("Some")).await;
    assert_eq!(refused.fault(), ("b:PolymorphismModeNotSupported".to_owned(), 0x8033_8137));
}

#[tokio::test]
pub(crate) async fn mistake_10_an_answer_is_never_longer_than_the_client_takes() {
    let service = Service::start().await;
    service.fill_status_messages(300).await;
    let uri = class("SMS_StatMsg");
    let mut ask = Ask::of(&uri);
    for envelope_bytes in [8192, 20_000, 512_000] {
        ask.envelope_bytes = envelope_bytes;
        let answers = service.all(&ask, OPTIMIZED, 32_000).await;
        let longest = answers.iter().map(|answer| answer.body.len()).max().unwrap();
        assert!(longest <= envelope_bytes, "{longest} of {envelope_bytes}");
        assert!(answers.len() == 1 || longest > envelope_bytes / 2, "{longest} of {envelope_bytes}");
        let items = |answer: &Answer| answer.items(WSMAN) + answer.items(ENUMERATION);
        assert_eq!(answers.iter().map(items).sum::<usize>(), 300);
    }
    let context = service.enumerate(&ask, "").await.good().context().unwrap();
    let few = "<n:MaxElements>100</n:MaxElements><n:MaxCharacters>5000</n:MaxCharacters>";
    let some = service.pull(&ask, &context, few).await.good();
    assert!((1..10).contains(&some.items(ENUMERATION)), "{}", some.items(ENUMERATION));
    // What does not fit stays for who asks for more.
    let tight = service.pull(&ask, &context, "<n:MaxCharacters>50</n:MaxCharacters>").await;
    assert_eq!(tight.fault(), ("w:EncodingLimit".to_owned(), 0x8033_8048));
    let rest = service.pull(&ask, &context, "<n:MaxElements>1000</n:MaxElements>").await.good();
    assert_eq!(rest.items(ENUMERATION) + some.items(ENUMERATION), 300);
}

#[tokio::test]
pub(crate) async fn projections_and_rows_have_no_class() {
    let service = Service::start().await;
    let asked = |text: &str| format!("{OPTIMIZED}{}", filter(WQL, text));
    let ask = Ask::of(DMTF_ALL);
    let chosen = asked("SELECT Name, SourceVersion FROM SMS_DriverPackage");
    let some = service.enumerate(&ask, &chosen).await.good();
    assert_eq!(some.all("", "Name"), ["Drivers - Dell 7440"]);
    assert_eq!((some.all("", "SourceVersion"), some.has("", "PackageID")), (vec!["1".to_owned()], false));
    assert!(some.has(WSMAN, "XmlFragment"));
    let both = format!("{chosen}<w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>");
    let both = service.enumerate(&ask, &both).await.good();
    assert!(both.all(WSMAN, "Selector").contains(&"PS100001".to_owned()), "{}", both.body);
    let count =
        service.enumerate(&ask, &asked("SELECT COUNT(*) FROM SMS_DistributionPointInfo")).await.good();
    assert_eq!(count.all("", "Count"), ["2"]);
    let join = "SELECT * FROM SMS_DriverPackage JOIN SMS_DistributionPoint \
                ON SMS_DriverPackage.PackageID = SMS_DistributionPoint.PackageID";
    let rows = service.enumerate(&ask, &asked(join)).await.good();
    let generic = class("__GENERIC");
    assert!(rows.has(&generic, "__GENERIC") && rows.has(&generic, "SMS_DriverPackage"), "{}", rows.body);
    assert_eq!(rows.all(&class("SMS_DistributionPoint"), "PackageID"), ["PS100001"]);
    let refused = format!("{}<w:EnumerationMode>EnumerateEPR</w:EnumerationMode>", asked(join));
    assert_eq!(service.enumerate(&ask, &refused).await.fault().0, "w:UnsupportedFeature");
}

#[tokio::test]
pub(crate) async fn the_declarations_of_all_classes_are_enumerated() {
    let service = Service::start().await;
    let mut ask = Ask::of(DECLARATIONS);
    ask.headers = "<w:SelectorSet><w:Selector Name='__cimnamespace'>root/sms/site_PS1</w:Selector>\
                   <w:Selector Name='ClassName'></w:Selector></w:SelectorSet>";
    let answers = service.all(&ask, OPTIMIZED, 32_000).await;
    let document = |answer: &Answer| {
        let document = xml::parse(&answer.body).unwrap();
        let classes = document.descendants().filter(|node| node.has_tag_name("CLASS"));
        classes.map(|class| class.attribute("NAME").unwrap().to_owned()).collect::<Vec<_>>()
    };
    let names: Vec<String> = answers.iter().flat_map(document).collect();
    let schema = service.provider.schema();
    assert_eq!(names, schema.classes().map(|class| class.name.clone()).collect::<Vec<_>>());
}

/// Declarations are of what the selectors name, look as the options say, and come with references where these are asked for.
#[tokio::test]
pub(crate) async fn declarations_are_those_that_are_asked_for() {
    let service = Service::start().await;
    let selectors = |more: &str| {
        format!(
            "<w:SelectorSet>{more}</w:SelectorSet><w:OptionSet><w:Option Name='IncludeQualifiers'>false</w:Option></w:OptionSet>"
        )
    };
    let namespace = |name: &str| format!("<w:Selector Name='__cimnamespace'>{name}</w:Selector>");
    let of_class = |name: &str| format!("<w:Selector Name='ClassName'>{name}</w:Selector>");
    let own = namespace("root/sms/site_PS1");
    let ask = async |headers: &str, mode: &str| {
        let body = format!("{OPTIMIZED}<w:EnumerationMode>{mode}</w:EnumerationMode>");
        let ask = Ask { headers, envelope_bytes: 8_000_000, ..Ask::of(DECLARATIONS) };
        service.enumerate(&ask, &body).await
    };
    let names = |answer: &Answer| {
        let declared = answer.body.split("<CLASS NAME=\"").skip(1);
        declared.map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let below = selectors(&format!("{own}{}", of_class("sms_packagebaseclass")));
    let packages = ask(&below, "EnumerateObject").await.good();
    assert_eq!(names(&packages), ["SMS_DriverPackage", "SMS_Package"]);
    assert!(!packages.body.contains("<QUALIFIER "), "{}", packages.body);
    let above = ask(&selectors(&namespace("root/sms")), "EnumerateObject").await.good();
    assert_eq!(names(&above), ["SMS_ProviderLocation"]);
    let all = ask(&selectors(&format!("{own}{}", of_class(""))), "EnumerateObject").await.good();
    assert!(names(&all).len() > 50, "{:?}", names(&all));
    let both = ask(&below, "EnumerateObjectAndEPR").await.good();
    assert_eq!((both.all(WSMAN, "Item").len(), names(&both).len()), (2, 2), "{}", both.body);
    let references = ask(&below, "EnumerateEPR").await.good();
    for answer in [&both, &references] {
        let expect = ["root/sms/site_PS1", "SMS_DriverPackage", "root/sms/site_PS1", "SMS_Package"];
        assert_eq!(answer.all(WSMAN, "Selector"), expect, "{}", answer.body);
        assert_eq!(answer.all(WSMAN, "ResourceURI"), [DECLARATIONS, DECLARATIONS]);
    }
    assert_eq!(names(&references), [""; 0], "{}", references.body);
    let unknown = ask(&selectors(&of_class("SMS_Nothing")), "EnumerateObject").await;
    assert_eq!(unknown.fault(), ("a:DestinationUnreachable".to_owned(), 0x8033_81ED));
    let elsewhere = selectors(&format!("{}{}", namespace("root/sms"), of_class("SMS_PackageBaseclass")));
    assert_eq!(ask(&elsewhere, "EnumerateObject").await.fault().1, 0x8033_81ED);
}
