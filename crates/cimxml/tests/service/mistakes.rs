//! The ten frequent mistakes of servers that speak CIM-XML, each as a test that they are not made here.

use stage::PACKAGE;

use crate::harness::{
    SITE, Service, class, escaped, extrinsic, framed, instance, intrinsic, name, package, parameter, text,
    texts,
};

const WBEMCLI: [(&str, &str); 1] = [("cimprotocolversion", "1.0")];

#[tokio::test]
async fn mistake_1_a_cim_error_is_no_http_error() {
    let service = Service::start().await;
    let missing = service.call("GetInstance", &parameter("InstanceName", &package("PS1FFFFF"))).await;
    assert_eq!((missing.status, missing.code()), (200, 6));
    assert!(missing.header("content-type").starts_with("application/xml"));
    assert_eq!((missing.header("cimoperation"), missing.header("cimerror")), ("MethodResponse", ""));
}

#[tokio::test]
async fn mistake_2_void_operations_return_nothing_and_names_are_repeated() {
    let service = Service::start().await;
    let change = format!(
        "<VALUE.NAMEDINSTANCE>{}{}</VALUE.NAMEDINSTANCE>",
        package(PACKAGE),
        instance("SMS_DriverPackage", &[("Description", "x")])
    );
    let changed = service.call("ModifyInstance", &parameter("ModifiedInstance", &change)).await.good();
    assert!(
        changed.body.contains("<IMETHODRESPONSE NAME=\"ModifyInstance\"></IMETHODRESPONSE>"),
        "{}",
        changed.body
    );
    // The name exactly as it was sent.
    let listed = service.call("enumerateinstancenames", &class("SMS_Site")).await.good();
    assert!(listed.body.contains("<IMETHODRESPONSE NAME=\"enumerateinstancenames\"><IRETURNVALUE>"));
    assert!(!listed.body.contains("PARAMVALUE"));
}

#[tokio::test]
async fn mistake_3_lists_and_pulls_have_elements_of_their_own() {
    let service = Service::start().await;
    let listed = service.call("EnumerateInstances", &class("SMS_Site")).await.good();
    assert_eq!((listed.count("VALUE.NAMEDINSTANCE"), listed.count("VALUE.INSTANCEWITHPATH")), (1, 0));
    let open = [class("SMS_Site"), text("MaxObjectCount", "5")].concat();
    let opened = service.call("OpenEnumerateInstances", &open).await.good();
    assert_eq!((opened.count("VALUE.NAMEDINSTANCE"), opened.count("VALUE.INSTANCEWITHPATH")), (0, 1));
}

#[tokio::test]
async fn mistake_4_every_piece_says_whether_it_is_the_last() {
    let service = Service::start().await;
    for count in [0, 1, 2, 5] {
        let given = [class("SMS_DistributionPointInfo"), text("MaxObjectCount", &count.to_string())].concat();
        let opened = service.call("OpenEnumerateInstances", &given).await.good();
        let expect = if count < 2 { "FALSE" } else { "TRUE" };
        assert_eq!(opened.value("EndOfSequence"), Some(expect), "{count}");
        assert_eq!(
            opened.value("EnumerationContext").is_some_and(|context| !context.is_empty()),
            expect == "FALSE"
        );
    }
}

#[tokio::test]
async fn mistake_5_elements_have_end_tags_and_wbemcli_gets_no_marks_on_arrays() {
    let service = Service::start().await;
    let given = [class("SMS_DriverPackage"), text("LocalOnly", "FALSE")].concat();
    let declared = service.call("GetClass", &given).await.good();
    let listed = service.call("EnumerateInstances", &class("SMS_DriverPackage")).await.good();
    for answer in [&declared, &listed] {
        assert!(!answer.body.contains("<PROPERTY/>") && !answer.body.contains("\"/>"), "{}", answer.body);
    }
    let request = intrinsic(SITE, "GetInstance", &parameter("InstanceName", &package(PACKAGE)));
    assert!(service.post("admin", &[], request.clone()).await.body.contains(
        "NAME=\"RefreshSchedule\" TYPE=\"string\" PROPAGATED=\"true\" EmbeddedObject=\"instance\""
    ));
    let like_wbemcli = request.replace("ID=\"1001\"", "ID=\"4711\"");
    let answer = service.post("admin", &WBEMCLI, like_wbemcli).await.good();
    assert!(!answer.body.contains("EmbeddedObject"), "{}", answer.body);
}

#[tokio::test]
async fn mistake_6_embedded_objects_are_escaped_once() {
    let service = Service::start().await;
    let token = instance(
        "SMS_CI_LocalizedProperties",
        &[("DisplayName", "a < b & \"c\""), ("LocaleID", "1033"), ("Description", "")],
    );
    let wanted = "&lt;INSTANCE CLASSNAME=\"SMS_CI_LocalizedProperties\"&gt;";
    stage::DriverFile::default().write(&service.folder("net"));
    let given = format!(
        "<PARAMVALUE NAME=\"DriverPath\"><VALUE>{}</VALUE></PARAMVALUE><PARAMVALUE NAME=\"INFFile\"><VALUE>net.inf</VALUE></PARAMVALUE>",
        stage::unc("net")
    );
    let draft = service
        .post("admin", &[], extrinsic("<CLASSNAME NAME=\"SMS_Driver\"/>", "CreateFromINF", &given))
        .await
        .good();
    let driver = draft
        .value("Driver")
        .unwrap()
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    assert!(
        driver.starts_with("<INSTANCE CLASSNAME=\"SMS_Driver\">") && driver.ends_with("</INSTANCE>"),
        "{driver}"
    );
    let made = service.call("CreateInstance", &parameter("NewInstance", &driver)).await.good();
    let (_, key) = made.body.split_once("TYPE=\"uint32\">").unwrap();
    let path = format!(
        "<INSTANCENAME CLASSNAME=\"SMS_Driver\"><KEYBINDING NAME=\"CI_ID\"><KEYVALUE VALUETYPE=\"numeric\">{}</KEYVALUE></KEYBINDING></INSTANCENAME>",
        key.split('<').next().unwrap()
    );
    let array = format!(
        "<PROPERTY.ARRAY NAME=\"LocalizedInformation\" TYPE=\"string\" EmbeddedObject=\"instance\"><VALUE.ARRAY><VALUE>{}</VALUE></VALUE.ARRAY></PROPERTY.ARRAY>",
        escaped(&token)
    );
    let change = format!(
        "<VALUE.NAMEDINSTANCE>{path}<INSTANCE CLASSNAME=\"SMS_Driver\">{array}</INSTANCE></VALUE.NAMEDINSTANCE>"
    );
    service.call("ModifyInstance", &parameter("ModifiedInstance", &change)).await.good();
    let read = service.call("GetInstance", &parameter("InstanceName", &path)).await.good();
    assert!(read.body.contains(wanted) && read.body.contains("a &amp;lt; b &amp;amp; "), "{}", read.body);
}

#[tokio::test]
async fn mistake_7_the_header_for_the_object_is_decoded_and_compared_loosely() {
    let service = Service::start().await;
    let request = extrinsic(&package(PACKAGE), "RefreshPkgSource", "");
    for object in [
        "root/sms/site_PS1:SMS_DriverPackage.PackageID=\"PS100001\"",
        "root%2Fsms%2Fsite_PS1%3ASMS_DriverPackage.PackageID=\"PS100001\"",
        "ROOT%2fSMS%2fsite_ps1%3asms_driverpackage.PackageID%3D%22PS100001%22",
    ] {
        service
            .post("admin", &[("cimobject", object), ("cimmethod", "RefreshPkgSource")], request.clone())
            .await
            .good();
    }
    let other = service.post("admin", &[("cimobject", "root/sms/site_PS1:SMS_Driver")], request).await;
    assert_eq!((other.status, other.header("cimerror")), (400, "header-mismatch"));
}

#[tokio::test]
async fn mistake_8_namespaces_are_one_element_a_part_and_have_no_slash_in_front() {
    let service = Service::start().await;
    let opened = service
        .call("OpenEnumerateInstancePaths", &[class("SMS_Site"), text("MaxObjectCount", "1")].concat())
        .await
        .good();
    assert!(opened.body.contains("<LOCALNAMESPACEPATH><NAMESPACE NAME=\"root\"/><NAMESPACE NAME=\"sms\"/><NAMESPACE NAME=\"site_PS1\"/></LOCALNAMESPACEPATH>"), "{}", opened.body);
    // Of clients, every spelling is taken.
    for written in ["/root/sms/site_PS1", "root\\sms\\site_PS1", "ROOT/SMS/SITE_PS1/"] {
        let space = format!("<LOCALNAMESPACEPATH><NAMESPACE NAME=\"{written}\"/></LOCALNAMESPACEPATH>");
        let request = framed(&format!(
            "<IMETHODCALL NAME=\"EnumerateInstanceNames\">{space}{}</IMETHODCALL>",
            class("SMS_Site")
        ));
        assert_eq!(service.post("admin", &[], request).await.good().count("INSTANCENAME"), 1, "{written}");
    }
}

#[tokio::test]
async fn mistake_9_keys_have_their_types() {
    let service = Service::start().await;
    service.fill_status_messages(1).await;
    let names = service.call("EnumerateInstanceNames", &class("SMS_StatusMessage")).await.good();
    assert!(names.body.contains("<KEYVALUE VALUETYPE=\"numeric\" TYPE=\""), "{}", names.body);
    let names = service.call("EnumerateInstanceNames", &class("SMS_DriverPackage")).await.good();
    assert!(
        names.body.contains("<KEYVALUE VALUETYPE=\"string\" TYPE=\"string\">PS100001</KEYVALUE>"),
        "{}",
        names.body
    );
    // Without a type it is a string, and the only key needs no name.
    let short = "<INSTANCENAME CLASSNAME=\"SMS_DriverPackage\"><KEYVALUE>PS100001</KEYVALUE></INSTANCENAME>";
    service.call("GetInstance", &parameter("InstanceName", short)).await.good();
    service
        .call(
            "GetInstance",
            &parameter("InstanceName", &name("sms_driverpackage", &[("packageid", "ps100001")])),
        )
        .await
        .good();
}

#[tokio::test]
async fn mistake_10_property_lists_have_no_case_and_keys_are_marked() {
    let service = Service::start().await;
    let listed = texts("PropertyList", &["NAME", "packageID"]);
    let read = service
        .call("GetInstance", &[parameter("InstanceName", &package(PACKAGE)), listed.clone()].concat())
        .await
        .good();
    assert_eq!(read.count("PROPERTY"), 2, "{}", read.body);
    let declared = [class("SMS_DriverPackage"), text("LocalOnly", "FALSE"), listed].concat();
    let declared = service.call("GetClass", &declared).await.good();
    assert_eq!(
        (declared.count("PROPERTY"), declared.body.matches("<QUALIFIER NAME=\"Key\"").count()),
        (2, 1)
    );
}
