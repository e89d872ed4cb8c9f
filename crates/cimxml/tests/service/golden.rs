//! Each operation and each error on the wire. The files are protocol: a change of one is a change for clients.
//!
//! `HAULIER_WRITE_GOLDEN=1` writes what is served; read the difference before it is committed.

use std::path::PathBuf;

use stage::PACKAGE;

use crate::harness::{SITE, Service, class, extrinsic, instance, intrinsic, package, parameter, text, texts};

/// Request and answer, broken into lines for reading; the wire has none.
fn compare(name: &str, request: &str, answer: &str) {
    let lines = |text: &str| text.replace("><", ">\n<");
    let text = format!("{}\n\n{}\n", lines(request), lines(answer));
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("HAULIER_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&file).unwrap(), "{name}");
}

#[tokio::test]
async fn operations_on_the_wire() {
    let service = Service::start().await;
    let of_package = parameter("InstanceName", &package(PACKAGE));
    let object = parameter("ObjectName", &package(PACKAGE));
    let few = texts("PropertyList", &["Name", "PackageID", "SourceVersion", "SourceDate", "RefreshSchedule"]);
    let query = |language: &str, name: &str| {
        [text(language, "WQL"), text(name, "SELECT Name, PackageType FROM SMS_DriverPackage")].concat()
    };
    let change = format!(
        "<VALUE.NAMEDINSTANCE>{}{}</VALUE.NAMEDINSTANCE>",
        package(PACKAGE),
        instance("SMS_DriverPackage", &[("Description", "new")])
    );
    let some = text("MaxObjectCount", "10");
    for (operation, given) in [
        ("GetInstance", [of_package.clone(), few.clone()].concat()),
        (
            "EnumerateInstances",
            [class("SMS_DriverPackage"), few.clone(), text("IncludeClassOrigin", "TRUE")].concat(),
        ),
        ("EnumerateInstanceNames", class("SMS_DistributionPoint")),
        ("CreateInstance", parameter("NewInstance", &instance("SMS_DriverPackage", &[("Name", "new")]))),
        ("ModifyInstance", parameter("ModifiedInstance", &change)),
        ("DeleteInstance", parameter("InstanceName", &package("PS100002"))),
        ("GetClass", [class("SMS_DistributionPoint"), text("LocalOnly", "FALSE")].concat()),
        ("EnumerateClassNames", class("SMS_PackageBaseclass")),
        ("EnumerateClasses", [class("SMS_ScheduleToken"), text("IncludeQualifiers", "FALSE")].concat()),
        ("ExecQuery", query("QueryLanguage", "Query")),
        ("Associators", [object.clone(), texts("PropertyList", &["ServerName"])].concat()),
        ("AssociatorNames", object.clone()),
        ("References", object.clone()),
        ("ReferenceNames", object),
        ("GetProperty", [of_package.clone(), text("PropertyName", "Name")].concat()),
        (
            "SetProperty",
            [of_package.clone(), text("PropertyName", "Version"), text("NewValue", "2")].concat(),
        ),
        ("GetQualifier", text("QualifierName", "Key")),
        ("EnumerateQualifiers", String::new()),
        ("OpenEnumerateInstances", [class("SMS_DriverPackage"), few, some.clone()].concat()),
        ("OpenEnumerateInstancePaths", [class("SMS_DriverPackage"), some.clone()].concat()),
        ("OpenQueryInstances", [query("FilterQueryLanguage", "FilterQuery"), some.clone()].concat()),
        (
            "OpenAssociatorInstances",
            [of_package.clone(), texts("PropertyList", &["ServerName"]), some.clone()].concat(),
        ),
        ("OpenAssociatorInstancePaths", [of_package.clone(), some.clone()].concat()),
        ("OpenReferenceInstances", [of_package.clone(), some.clone()].concat()),
        ("OpenReferenceInstancePaths", [of_package, some].concat()),
    ] {
        let request = intrinsic(SITE, operation, &given);
        let answer = service.post("admin", &[], request.clone()).await.good();
        assert_eq!(
            (answer.header("cimoperation"), answer.header("wbemserverresponsetime")),
            ("MethodResponse", "0")
        );
        assert_eq!(answer.header("content-type"), "application/xml; charset=\"utf-8\"");
        compare(operation, &request, &answer.body);
    }
}

#[tokio::test]
async fn pulls_and_methods_on_the_wire() {
    let service = Service::start().await;
    let named = |context: &str, text: String| text.replace(context, "CONTEXT");
    let points = class("SMS_DistributionPointInfo");
    let query = "SELECT Name FROM SMS_DistributionPointInfo";
    let query = [text("FilterQueryLanguage", "WQL"), text("FilterQuery", query)].concat();
    for (open, given, pull) in [
        (
            "OpenEnumerateInstances",
            [points.clone(), texts("PropertyList", &["Name"])].concat(),
            "PullInstancesWithPath",
        ),
        ("OpenEnumerateInstancePaths", points, "PullInstancePaths"),
        ("OpenQueryInstances", query, "PullInstances"),
    ] {
        let opened = service.call(open, &given).await.good();
        let context = opened.value("EnumerationContext").unwrap().to_owned();
        let given = [text("EnumerationContext", &context), text("MaxObjectCount", "1")].concat();
        for (operation, given) in [(pull, given), ("CloseEnumeration", text("EnumerationContext", &context))]
        {
            let request = intrinsic(SITE, operation, &given);
            let answer = service.post("admin", &[], request.clone()).await.good();
            compare(operation, &named(&context, request), &named(&context, answer.body));
        }
    }
    let given = "<PARAMVALUE NAME=\"SourceFolder\" PARAMTYPE=\"string\"><VALUE>C:\\x</VALUE></PARAMVALUE>";
    for (file, request) in [
        ("method-instance", extrinsic(&package(PACKAGE), "RefreshPkgSource", "")),
        ("method-class", extrinsic("<CLASSNAME NAME=\"SMS_DriverPackage\"/>", "CheckSourceFolder", given)),
    ] {
        let answer = service.post("admin", &[], request.clone()).await.good();
        compare(file, &request, &answer.body);
    }
    for (file, operation, given) in [
        ("interop-namespaces", "EnumerateInstances", class("CIM_Namespace")),
        ("interop-manager", "EnumerateInstances", class("CIM_ObjectManager")),
    ] {
        let request = intrinsic("interop", operation, &given);
        let answer = service.post("reader", &[], request.clone()).await.good();
        compare(file, &request, &answer.body);
    }
}

/// A package that is not there.
fn missing() -> String {
    parameter("InstanceName", &package("PS1FFFFF"))
}

/// A request for each error that one request can meet: the file, who asks, and what.
fn refused() -> Vec<(&'static str, &'static str, String)> {
    let of_package = parameter("InstanceName", &package(PACKAGE));
    vec![
        ("error-access-denied", "reader", intrinsic(SITE, "DeleteInstance", &of_package)),
        ("error-invalid-namespace", "admin", intrinsic("root/cimv2", "EnumerateClassNames", "")),
        ("error-invalid-parameter", "admin", intrinsic(SITE, "GetInstance", "")),
        ("error-invalid-class", "admin", intrinsic(SITE, "EnumerateInstances", &class("SMS_Nothing"))),
        ("error-not-found", "admin", intrinsic(SITE, "GetInstance", &missing())),
        ("error-not-supported", "admin", intrinsic(SITE, "DeleteClass", &class("SMS_Site"))),
        (
            "error-no-such-property",
            "admin",
            intrinsic(SITE, "GetProperty", &[of_package.clone(), text("PropertyName", "x")].concat()),
        ),
        (
            "error-query-language",
            "admin",
            intrinsic(SITE, "ExecQuery", &[text("QueryLanguage", "DMTF:CQL"), text("Query", "x")].concat()),
        ),
        (
            "error-invalid-query",
            "admin",
            intrinsic(SITE, "ExecQuery", &[text("QueryLanguage", "WQL"), text("Query", "x")].concat()),
        ),
        ("error-method-not-found", "admin", extrinsic(&package(PACKAGE), "Nothing", "")),
        (
            "error-enumeration-context",
            "admin",
            intrinsic(SITE, "CloseEnumeration", &text("EnumerationContext", "x")),
        ),
        (
            "error-operation-timeout",
            "admin",
            intrinsic(
                SITE,
                "OpenEnumerateInstances",
                &[class("SMS_Site"), text("OperationTimeout", "0")].concat(),
            ),
        ),
        (
            "error-filtered-enumeration",
            "admin",
            intrinsic(
                SITE,
                "OpenAssociatorInstances",
                &[of_package.clone(), text("FilterQueryLanguage", "WQL"), text("FilterQuery", "x")].concat(),
            ),
        ),
        (
            "error-continuation",
            "admin",
            intrinsic(
                SITE,
                "OpenEnumerateInstances",
                &[class("SMS_Site"), text("ContinueOnError", "TRUE")].concat(),
            ),
        ),
        (
            "error-type-mismatch",
            "admin",
            intrinsic(
                SITE,
                "SetProperty",
                &[of_package.clone(), text("PropertyName", "Priority"), text("NewValue", "high")].concat(),
            ),
        ),
        (
            "error-method-not-available",
            "admin",
            extrinsic("<CLASSNAME NAME=\"SMS_Identification\"/>", "GetFileBinary", ""),
        ),
    ]
}

#[tokio::test]
async fn errors_on_the_wire() {
    let service = Service::start().await;
    for (file, user, request) in refused() {
        let answer = service.post(user, &[], request.clone()).await;
        assert_ne!(answer.code(), 0, "{file}");
        compare(file, &request, &answer.body);
    }
    let request = intrinsic(SITE, "GetInstance", &missing()).replace("ID=\"1001\"", "ID=\"4711\"");
    let answer = service.post("admin", &[("cimprotocolversion", "1.0")], request.clone()).await;
    compare("error-wbemcli", &request, &answer.body);
}

/// What depends on what was done before, or goes on meanwhile.
#[tokio::test]
async fn errors_of_changes_on_the_wire() {
    let service = Service::start().await;
    let of_package = parameter("InstanceName", &package(PACKAGE));
    let request = intrinsic(SITE, "DeleteInstance", &of_package);
    let places = service.changes_of("admin");
    compare("error-server-limits", &request, &service.post("admin", &[], request.clone()).await.body);
    drop(places);
    let group = instance("SMS_DistributionPointGroup", &[("Name", "all")]);
    let request = intrinsic(SITE, "CreateInstance", &parameter("NewInstance", &group));
    service.post("admin", &[], request.clone()).await.good();
    compare("error-already-exists", &request, &service.post("admin", &[], request.clone()).await.body);
    let stale = instance("SMS_DriverPackage", &[("SedoObjectVersion", "PS100001;0")]);
    let stale = format!("<VALUE.NAMEDINSTANCE>{}{stale}</VALUE.NAMEDINSTANCE>", package(PACKAGE));
    let request = intrinsic(SITE, "ModifyInstance", &parameter("ModifiedInstance", &stale));
    compare("error-failed", &request, &service.post("admin", &[], request.clone()).await.body);
}

/// What is refused before there is an operation: the status, and the headers that say why and what to do.
#[tokio::test]
async fn refusals_on_the_wire() {
    let service = Service::start().await;
    let good = intrinsic(SITE, "GetInstance", &parameter("InstanceName", &package(PACKAGE)));
    let twice = good.replace("SIMPLEREQ>", "MULTIREQ>");
    let newer = good.replace("PROTOCOLVERSION=\"1.0\"", "PROTOCOLVERSION=\"2.0\"");
    let long = " ".repeat(4 * 1024 * 1024 + 1);
    let none: &[(&str, &str)] = &[];
    for (name, user, method, headers, body) in [
        ("refusal-method", "admin", "GET", none, ""),
        ("refusal-m-post", "admin", "M-POST", none, good.as_str()),
        ("refusal-media-type", "admin", "POST", &[("content-type", "text/plain")], good.as_str()),
        ("refusal-signed-out", "", "POST", none, good.as_str()),
        ("refusal-cross-site", "admin", "POST", &[("sec-fetch-site", "cross-site")], good.as_str()),
        ("refusal-not-well-formed", "admin", "POST", none, "<CIM>"),
        ("refusal-not-valid", "admin", "POST", none, "<CIM CIMVERSION=\"2.0\" DTDVERSION=\"2.0\"/>"),
        ("refusal-header-mismatch", "admin", "POST", &[("cimmethod", "DeleteInstance")], good.as_str()),
        ("refusal-multiple-requests", "admin", "POST", none, twice.as_str()),
        ("refusal-protocol-version", "admin", "POST", none, newer.as_str()),
        ("refusal-too-long", "admin", "POST", none, long.as_str()),
    ] {
        let answer = service.request(user, method, "/cimom", headers, body).await;
        let mut lines = vec![format!("{method} /cimom")];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.extend((body.len() < 10_000).then(|| format!("\n{body}")));
        let mut told = vec![answer.status.to_string()];
        for shown in ["allow", "cimerror", "www-authenticate", "connection", "content-type"] {
            let values = answer.headers.get_all(shown).iter();
            told.extend(values.map(|value| format!("{shown}: {}", value.to_str().unwrap())));
        }
        told.push(format!("\n{}", answer.body));
        assert!(answer.status >= 400, "{name}: {answer:?}");
        compare(name, &lines.join("\n"), &told.join("\n"));
    }
}
