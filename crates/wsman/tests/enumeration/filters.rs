//! What filters find, and which are refused.

use crate::harness::{ADDRESSING, Ask, DMTF, DMTF_ALL, MICROSOFT, Service, WQL, WSMAN, filter};

const SELECTORS: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter";
const ASSOCIATION: &str = "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter";
const OPTIMIZED: &str = "<w:OptimizeEnumeration/><w:MaxElements>100</w:MaxElements>";

fn optimized(filter: &str) -> String {
    format!("{OPTIMIZED}{filter}")
}

/// The URI's class says nothing beside WQL.
#[tokio::test]
pub(crate) async fn wql_is_answered_at_every_uri() {
    let service = Service::start().await;
    let query = "SELECT * FROM SMS_DriverPackage WHERE Name LIKE 'Drivers%' AND SourceVersion &lt; 2";
    for uri in [
        DMTF_ALL.to_owned(),
        format!("{MICROSOFT}*"),
        format!("{MICROSOFT}SMS_DriverPackage"),
        format!("{DMTF}SMS_Site"),
    ] {
        for query in [
            query.to_owned(),
            "<![CDATA[ select * from SMS_DriverPackage where SourceVersion < 2 ]]>".to_owned(),
        ] {
            let answer = service.enumerate(&Ask::of(&uri), &optimized(&filter(WQL, &query))).await.good();
            assert_eq!(answer.items(WSMAN), 1, "{uri}: {}", answer.body);
        }
    }
}

#[tokio::test]
pub(crate) async fn selectors_filter_a_class() {
    let service = Service::start().await;
    let set = |selectors: &str| {
        optimized(&filter(SELECTORS, &format!("<w:SelectorSet>{selectors}</w:SelectorSet>")))
    };
    let uri = format!("{DMTF}SMS_DriverPackage");
    for (selectors, found) in [
        ("<w:Selector Name='packageid'>PS100001</w:Selector>", 1),
        (
            "<w:Selector Name='SourceVersion'>1</w:Selector><w:Selector Name='Manufacturer'>dell</w:Selector>",
            1,
        ),
        ("<w:Selector Name='Manufacturer'>Lenovo</w:Selector>", 0),
        ("", 1),
    ] {
        let answer = service.enumerate(&Ask::of(&uri), &set(selectors)).await.good();
        assert_eq!(answer.items(WSMAN), found, "{selectors}");
    }
    for selectors in [
        "<w:Selector Name='Nothing'>1</w:Selector>",
        "<w:Selector Name='SourceDate'>2024-01-01T00:00:00Z</w:Selector>",
    ] {
        let refused = service.enumerate(&Ask::of(&uri), &set(selectors)).await;
        assert_eq!(refused.fault(), ("n:CannotProcessFilter".to_owned(), 0x8033_801A), "{selectors}");
    }
    let many: String = (0..65).map(|n| format!("<w:Selector Name='k{n}'>1</w:Selector>")).collect();
    let refused = service.enumerate(&Ask::of(&uri), &set(&many)).await;
    assert_eq!(refused.fault().0, "w:EncodingLimit");
}

fn of_package(kind: &str, more: &str) -> String {
    let reference = format!(
        "<a:Address>{ADDRESSING}/role/anonymous</a:Address><a:ReferenceParameters>\
         <w:ResourceURI>{DMTF}SMS_DriverPackage</w:ResourceURI><w:SelectorSet>\
         <w:Selector Name='__cimnamespace'>root/sms/site_PS1</w:Selector>\
         <w:Selector Name='PackageID'>PS100001</w:Selector></w:SelectorSet></a:ReferenceParameters>"
    );
    let content = format!("<b:{kind}><b:Object>{reference}</b:Object>{more}</b:{kind}>");
    format!(
        "{}<w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>",
        optimized(&filter(ASSOCIATION, &content))
    )
}

#[tokio::test]
pub(crate) async fn associations_are_followed() {
    let service = Service::start().await;
    let ask = Ask::of(DMTF_ALL);
    let associated = service.enumerate(&ask, &of_package("AssociatedInstances", "")).await.good();
    assert!(associated.items(WSMAN) > 0, "{}", associated.body);
    let associations = service.enumerate(&ask, &of_package("AssociationInstances", "")).await.good();
    assert!(associations.items(WSMAN) > 0, "{}", associations.body);
    assert!(associations.body.contains("PS100001"), "{}", associations.body);
    let none = "<b:ResultClassName>SMS_Site</b:ResultClassName><b:Role>Nothing</b:Role>";
    let none = service.enumerate(&ask, &of_package("AssociatedInstances", none)).await.good();
    assert_eq!(none.items(WSMAN), 0);
    let query = "ASSOCIATORS OF {SMS_DriverPackage.PackageID='PS100001'}";
    let asked = service.enumerate(&ask, &optimized(&filter(WQL, query))).await.good();
    assert_eq!(asked.items(WSMAN), associated.items(WSMAN));
    let unknown = of_package("AssociatedInstances", "<b:ResultClassName>SMS_Nothing</b:ResultClassName>");
    assert_eq!(service.enumerate(&ask, &unknown).await.status, 500);
}

/// Everything by which an association filter chooses, with the object's reference in an element of its own and without.
#[tokio::test]
pub(crate) async fn associations_are_chosen_by_class_roles_and_properties() {
    let service = Service::start().await;
    let ask = Ask::of(DMTF_ALL);
    let asked = async |kind: &str, more: &str, wrapped: bool| {
        let mut filter = of_package(kind, more)
            .replace("<w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>", "");
        if wrapped {
            filter = filter.replace("<b:Object>", "<b:Object><a:EndpointReference>");
            filter = filter.replace("</b:Object>", "</a:EndpointReference></b:Object>");
        }
        service.enumerate(&ask, &filter).await
    };
    let (objects, links) = ("AssociatedInstances", "AssociationInstances");
    let class = |name: &str| format!("<b:AssociationClassName>{name}</b:AssociationClassName>");
    let role = |name: &str| format!("<b:Role>{name}</b:Role>");
    let result = |name: &str| format!("<b:ResultRole>{name}</b:ResultRole>");
    let of = |name: &str| format!("<b:ResultClassName>{name}</b:ResultClassName>");
    let points = class("Haulier_PackageDistributionPoint");
    for wrapped in [false, true] {
        for (kind, more, found) in [
            (objects, points.clone(), 1),
            (objects, class("haulier_packagedistributionpoint"), 1),
            (objects, class("Haulier_PackageDriver"), 0),
            (objects, format!("{points}{}{}", role("Package"), result("DistributionPoint")), 1),
            (objects, format!("{points}{}", result("package")), 0),
            (objects, format!("{points}{}", role("DistributionPoint")), 0),
            (objects, format!("{points}{}", of("SMS_DistributionPointInfo")), 1),
            (links, of("Haulier_PackageDistributionPoint"), 1),
            (links, format!("{}{}", of("Haulier_PackageDistributionPoint"), role("DistributionPoint")), 0),
        ] {
            let answer = asked(kind, &more, wrapped).await.good();
            assert_eq!(answer.items(WSMAN), found, "{more}: {}", answer.body);
        }
        let shown = "<b:IncludeResultProperty>nalpath</b:IncludeResultProperty>\
                     <b:IncludeResultProperty>Name</b:IncludeResultProperty>";
        let answer = asked(objects, &format!("{points}{shown}"), wrapped).await.good();
        let fragment = answer.body.split("<w:XmlFragment ").nth(1).unwrap_or_default();
        assert!(fragment.contains("><NALPath>") && fragment.contains("<Name>"), "{}", answer.body);
        assert!(!fragment.contains("<SiteCode>"), "{fragment}");
        for wrong in [class("SMS_Nothing"), of("SMS_Nothing")] {
            let refused = asked(objects, &wrong, wrapped).await;
            assert_eq!(refused.fault(), ("n:CannotProcessFilter".to_owned(), 0x8033_801A), "{wrong}");
        }
        let path = "PackageID'>PS100001";
        for (wrong, subcode, code) in [
            (
                of_package(objects, "").replace(path, "PackageID'>PS1FFFFF"),
                "a:DestinationUnreachable",
                0x8033_8000,
            ),
            (of_package(objects, "").replace(path, "Name'>x"), "w:InvalidSelectors", 0x8033_805B),
            (
                of_package(objects, "").replace("ReferenceParameters", "Nothing"),
                "w:SchemaValidationError",
                0x8033_8041,
            ),
            (of_package(objects, "").replace("b:Object>", "b:Other>"), "n:CannotProcessFilter", 0x8033_801A),
        ] {
            let refused = service.enumerate(&ask, &wrong).await;
            assert_eq!(refused.fault(), (subcode.to_owned(), code), "{wrong}");
        }
    }
}

#[tokio::test]
pub(crate) async fn what_cannot_be_answered_is_refused_with_its_code() {
    let service = Service::start().await;
    let class = format!("{DMTF}SMS_Site");
    let cql = "http://schemas.dmtf.org/wbem/cql/1/dsp0202.pdf";
    let any = "SELECT * FROM SMS_Site";
    let above = MICROSOFT.replace("site_PS1/", "*");
    for (uri, body, subcode, code) in [
        (DMTF_ALL, String::new(), "a:DestinationUnreachable", 0x8033_80FB_u32),
        // The classes of the site are not in the namespace above it, where their addresses would name them.
        (&above, filter(WQL, any), "n:CannotProcessFilter", 0x8033_801A),
        (
            &above,
            filter(WQL, "ASSOCIATORS OF {SMS_DriverPackage.PackageID='PS100001'}"),
            "n:CannotProcessFilter",
            0x8033_801A,
        ),
        (DMTF_ALL, filter(cql, any), "n:FilterDialectRequestedUnavailable", 0x8033_8019),
        (&class, "<w:Filter>..</w:Filter>".to_owned(), "n:FilterDialectRequestedUnavailable", 0x8033_8019),
        (DMTF_ALL, filter(WQL, "SELECT"), "n:CannotProcessFilter", 0x8033_801A),
        (DMTF_ALL, filter(WQL, "SELECT * FROM SMS_Nothing"), "n:CannotProcessFilter", 0x8033_801A),
        (DMTF_ALL, filter(WQL, "SELECT Nothing FROM SMS_Site"), "n:CannotProcessFilter", 0x8033_801A),
        (DMTF_ALL, filter(ASSOCIATION, "<b:Nothing/>"), "n:CannotProcessFilter", 0x8033_801A),
        (
            &class,
            "<n:EndTo><a:Address>x</a:Address></n:EndTo>".to_owned(),
            "w:UnsupportedFeature",
            0x8033_8042,
        ),
        (&class, "<n:Expires>PT10M</n:Expires>".to_owned(), "n:UnsupportedExpirationType", 0x8033_811C),
        (&class, "<w:MaxElements>0</w:MaxElements>".to_owned(), "w:SchemaValidationError", 0x8033_8041),
    ] {
        let refused = service.enumerate(&Ask::of(uri), &body).await;
        assert_eq!(refused.fault(), (subcode.to_owned(), code), "{body}");
    }
    let refused = service.enumerate(&Ask::of(DMTF_ALL), &filter(cql, any)).await;
    let enumeration = "http://schemas.xmlsoap.org/ws/2004/09/enumeration";
    assert!(refused.all(enumeration, "SupportedDialect").contains(&WQL.to_owned()), "{}", refused.body);
    let mut keyed = Ask::of(&class);
    keyed.headers = "<w:SelectorSet><w:Selector Name='SiteCode'>PS1</w:Selector></w:SelectorSet>";
    assert_eq!(service.enumerate(&keyed, "").await.fault().0, "w:InvalidSelectors");
    let own = optimized(&filter(WQL, "SELECT * FROM SMS_ProviderLocation"));
    assert_eq!(service.enumerate(&Ask::of(&above), &own).await.good().items(WSMAN), 1);
    // What is not known says nothing.
    let stray = "<w:OptimizeEnumeration/><x xmlns='urn:x'/><w:Nothing/><w:MaxElements> 5 </w:MaxElements>";
    assert_eq!(service.enumerate(&Ask::of(&class), stray).await.good().items(WSMAN), 1);
}
