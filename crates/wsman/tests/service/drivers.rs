//! What only drivers have: names in several languages, lists that are emptied, and rows of any class.

use cim::{Instance, Value};
use provider::Caller;
use site::Actor;
use stage::{DriverFile, unc};

use crate::harness::{Ask, DMTF, Service};

const WQL: &str = "http://schemas.microsoft.com/wbem/wsman/1/WQL";
const ENUMERATE: &str = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate";

/// A service with a driver that has a name in two languages and a category; the driver's key.
async fn with_a_driver() -> (Service, String) {
    let service = Service::start().await;
    DriverFile::default().write(&service.stage.folder("net"));
    let (provider, admin) = (&service.stage.provider, Caller::from(Actor::local()));
    let object = |class: &str, values: &[(&str, Value)]| {
        let mut object = Instance::new(class);
        values.iter().for_each(|(name, value)| object.set(name, value.clone()));
        Value::Instance(Box::new(object))
    };
    let named = |class: &str, name: &str, locale: u32, text: &str| {
        object(class, &[(name, Value::text(text)), ("LocaleID", Value::from(locale))])
    };
    let label = named("SMS_Category_LocalizedProperties", "CategoryInstanceName", 1033, "Network");
    let mut category = Instance::new("SMS_CategoryInstance");
    category.set("CategoryTypeName", "DriverCategories");
    category.set("SourceSite", "PS1");
    category.set("LocalizedInformation", Value::Array(vec![label]));
    let category = provider.create(&admin, category).await.unwrap();
    let category = provider.get(&admin, &category).await.unwrap();
    let given = [("DriverPath", unc("net")), ("INFFile", "net.inf".to_owned())];
    let given = given.map(|(name, value)| (name.to_owned(), Value::String(value))).to_vec();
    let draft = provider.invoke(&admin, "SMS_Driver", None, "CreateFromINF", given).await.unwrap();
    let Some((_, Value::Instance(mut driver))) = draft.out.into_iter().find(|(name, _)| name == "Driver")
    else {
        panic!("no driver")
    };
    let names = [(1033, "Adapter"), (1031, "Netzwerkkarte")]
        .map(|(locale, name)| named("SMS_CI_LocalizedProperties", "DisplayName", locale, name));
    driver.set("LocalizedInformation", Value::Array(names.to_vec()));
    let unique = category.get("CategoryInstance_UniqueID").unwrap().clone();
    driver.set("CategoryInstance_UniqueIDs", Value::Array(vec![unique]));
    let path = provider.create(&admin, *driver).await.unwrap();
    let key = match &path.keys[0].1 {
        Value::Integer(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    (service, key)
}

#[tokio::test]
async fn names_are_in_the_language_of_the_request() {
    let (service, _) = with_a_driver().await;
    let query = "SELECT CI_ID, LocalizedDisplayName FROM SMS_Driver";
    let ask = Ask::class(ENUMERATE, "x").uri("http://schemas.dmtf.org/wbem/wscim/1/*").body(&format!(
        "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>10</w:MaxElements>\
         <w:Filter Dialect=\"{WQL}\">{query}</w:Filter></n:Enumerate>"
    ));
    for (language, expect) in
        [("en-US", "Adapter"), ("de-DE", "Netzwerkkarte"), ("de-CH", "Netzwerkkarte"), ("tlh", "Adapter")]
    {
        let sent = "<w:Locale xml:lang=\"en-US\"";
        let envelope = ask.envelope().replace(sent, &format!("<w:Locale xml:lang=\"{language}\""));
        let answer = service.send("admin", &envelope).await;
        assert_eq!(answer.texts("LocalizedDisplayName"), [expect], "{language}: {answer:?}");
    }
}

/// `Set-CimInstance -Property @{CategoryInstance_UniqueIDs=@()}`: the driver leaves its categories.
#[tokio::test]
async fn a_driver_leaves_its_categories() {
    let (service, key) = with_a_driver().await;
    let get = || Ask::class("Get", "SMS_Driver").key("CI_ID", &key);
    let before = service.ask(&get()).await;
    assert_eq!(before.texts("LocalizedCategoryInstanceNames"), ["Network"], "{before:?}");
    let options = "<w:OptionSet><w:Option Name=\"msftwinrm:UsePreciseArrays\" Type=\"xs:boolean\">true</w:Option>\
                   <w:Option Name=\"wmiarray:__MIInstanceModifiedPropertiesList\" Type=\"xs:string\">\
                   CategoryInstance_UniqueIDs</w:Option></w:OptionSet>";
    let body = format!("<p:SMS_Driver xmlns:p=\"{DMTF}SMS_Driver\"><p:CI_ID>{key}</p:CI_ID></p:SMS_Driver>");
    let put = Ask::class("Put", "SMS_Driver").key("CI_ID", &key).header(options).body(&body);
    assert_eq!(service.ask(&put).await.status, 200);
    let after = service.ask(&get()).await;
    assert_eq!((after.status, after.text("CategoryInstance_UniqueIDs")), (200, None), "{after:?}");
    assert_eq!(after.text("LocalizedCategoryInstanceNames"), None);
}

/// Rows are objects of any class: each says which, and what is inside of one says its own.
#[tokio::test]
async fn rows_of_a_query_are_objects_of_their_classes() {
    let (service, key) = with_a_driver().await;
    let run = async |query: &str| {
        let body = format!(
            "<p:Run_INPUT xmlns:p=\"{DMTF}Haulier_Query\"><p:Query>{query}</p:Query><p:Top>10</p:Top></p:Run_INPUT>"
        );
        let answer =
            service.ask(&Ask::class(&format!("{DMTF}Haulier_Query/Run"), "Haulier_Query").body(&body)).await;
        assert_eq!((answer.status, answer.text("ReturnValue").as_deref()), (200, Some("0")), "{answer:?}");
        answer
    };
    let rows = |body: &str, class: &str| {
        let class_uri = format!("=\"{DMTF}{class}\" xsi:type=\"p1:{class}_Type\">");
        body.split("<p:Rows ").skip(1).filter(|row| row.contains(&class_uri)).count()
    };
    let points = run("SELECT * FROM SMS_DistributionPointInfo").await;
    assert_eq!(
        (rows(&points.body, "SMS_DistributionPointInfo"), points.texts("Rows").len()),
        (2, 2),
        "{points:?}"
    );
    let joined = run("SELECT d.*, c.* FROM SMS_Driver d JOIN SMS_CIToContent c ON d.CI_ID = c.CI_ID").await;
    assert_eq!(joined.texts("Rows").len(), 1, "{joined:?}");
    for class in ["SMS_Driver", "SMS_CIToContent"] {
        let inner = format!("=\"{DMTF}{class}\" xsi:type=\"p2:{class}_Type\">");
        assert!(joined.body.contains(&inner), "{class}: {joined:?}");
    }
    assert!(joined.texts("CI_ID").iter().all(|id| *id == key), "{joined:?}");
    let counted = run("SELECT COUNT(*) FROM SMS_DistributionPointInfo").await;
    assert_eq!(
        (counted.texts("Rows").len(), counted.text("Count").as_deref()),
        (1, Some("2")),
        "{counted:?}"
    );
}
