//! Each operation and each refusal, as a client that writes its own messages sees it.

use stage::{DriverFile, HOST, PACKAGE, nal_path, unc};

use crate::harness::{SITE, Service, class, instance, name, package, parameter, text, texts};

fn object(path: &str) -> String {
    parameter("ObjectName", path)
}

fn instance_name(path: &str) -> String {
    parameter("InstanceName", path)
}

#[tokio::test]
pub(crate) async fn instances_are_made_read_changed_and_deleted() {
    let service = Service::start().await;
    let new = instance("SMS_DriverPackage", &[("Name", "HP <840> & co"), ("PkgSourcePath", &unc("dell"))]);
    let new = new.replace(
        "</INSTANCE>",
        "<PROPERTY NAME=\"PkgSourceFlag\" TYPE=\"uint32\"><VALUE>2</VALUE></PROPERTY></INSTANCE>",
    );
    let made = service.call("CreateInstance", &parameter("NewInstance", &new)).await.good();
    assert!(made.body.contains("<IRETURNVALUE><INSTANCENAME CLASSNAME=\"SMS_DriverPackage\"><KEYBINDING NAME=\"PackageID\"><KEYVALUE VALUETYPE=\"string\" TYPE=\"string\">PS100002</KEYVALUE>"), "{}", made.body);
    let path = package("PS100002");
    let read = service.call("GetInstance", &instance_name(&path)).await.good();
    assert_eq!(read.value("Name"), Some("HP &lt;840&gt; &amp; co"));
    assert_eq!(read.value("PkgSourceFlag"), Some("2"));

    let change = format!(
        "<VALUE.NAMEDINSTANCE>{path}{}</VALUE.NAMEDINSTANCE>",
        instance("SMS_DriverPackage", &[("Description", "new"), ("Version", "9")])
    );
    let listed = texts("PropertyList", &["description"]);
    service.call("ModifyInstance", &[parameter("ModifiedInstance", &change), listed].concat()).await.good();
    let read = service.call("GetInstance", &instance_name(&path)).await.good();
    assert_eq!((read.value("Description"), read.value("Version")), (Some("new"), Some("")));
    service.call("ModifyInstance", &parameter("ModifiedInstance", &change)).await.good();
    let read = service.call("GetInstance", &instance_name(&path)).await.good();
    assert_eq!(read.value("Version"), Some("9"));

    let gone = service.call("DeleteInstance", &instance_name(&path)).await.good();
    assert!(
        gone.body.contains("<IMETHODRESPONSE NAME=\"DeleteInstance\"></IMETHODRESPONSE>"),
        "{}",
        gone.body
    );
    assert_eq!(service.call("GetInstance", &instance_name(&path)).await.code(), 6);
    assert_eq!(service.call("DeleteInstance", &instance_name(&path)).await.code(), 6);
}

/// A list says what is meant; what was read then is old, whatever is listed.
#[tokio::test]
pub(crate) async fn a_listed_change_of_an_old_object_is_refused() {
    let service = Service::start().await;
    let path = package(PACKAGE);
    let read = service.call("GetInstance", &instance_name(&path)).await.good();
    let edition = read.value("SedoObjectVersion").unwrap();
    let change = |listed: &str, value: &str| {
        let own = instance("SMS_DriverPackage", &[("SedoObjectVersion", edition), (listed, value)]);
        let named = format!("<VALUE.NAMEDINSTANCE>{path}{own}</VALUE.NAMEDINSTANCE>");
        [parameter("ModifiedInstance", &named), texts("PropertyList", &[listed])].concat()
    };
    service.call("ModifyInstance", &change("Description", "new")).await.good();
    let late = service.call("ModifyInstance", &change("Version", "old")).await;
    assert_ne!(late.code(), 0, "{late:?}");
    let read = service.call("GetInstance", &instance_name(&path)).await.good();
    assert_eq!((read.value("Description"), read.value("Version")), (Some("new"), Some("A12")));
    // Nobody sets what is only read, by whatever edition.
    let edition = read.value("SedoObjectVersion").unwrap();
    let own = instance("SMS_DriverPackage", &[("SedoObjectVersion", edition), ("SourceSite", "PS2")]);
    let named = format!("<VALUE.NAMEDINSTANCE>{path}{own}</VALUE.NAMEDINSTANCE>");
    let given = [parameter("ModifiedInstance", &named), texts("PropertyList", &["SourceSite"])].concat();
    assert_ne!(service.call("ModifyInstance", &given).await.code(), 0);
}

#[tokio::test]
pub(crate) async fn properties_are_read_and_written_alone() {
    let service = Service::start().await;
    let path = instance_name(&package(PACKAGE));
    let set = |name: &str, value: &str| [path.clone(), text("PropertyName", name), value.to_owned()].concat();
    service.call("SetProperty", &set("Description", &text("NewValue", "a < b"))).await.good();
    let got = service.call("GetProperty", &set("description", "")).await.good();
    assert!(got.body.contains("<IRETURNVALUE><VALUE>a &lt; b</VALUE></IRETURNVALUE>"), "{}", got.body);
    service.call("SetProperty", &set("Priority", &text("NewValue", "1"))).await.good();
    assert!(service.call("GetProperty", &set("Priority", "")).await.good().body.contains("<VALUE>1</VALUE>"));
    assert_eq!(service.call("SetProperty", &set("Priority", &text("NewValue", "x"))).await.code(), 13);
    assert_eq!(service.call("SetProperty", &set("Nothing", &text("NewValue", "x"))).await.code(), 12);
    assert_eq!(service.call("GetProperty", &set("Nothing", "")).await.code(), 12);
    assert_eq!(service.call("GetProperty", &path).await.code(), 4);
}

#[tokio::test]
pub(crate) async fn methods_run_on_instances_and_classes() {
    let service = Service::start().await;
    let refreshed = service.invoke("admin", &package(PACKAGE), "RefreshPkgSource", "").await.good();
    assert!(refreshed.body.contains("<METHODRESPONSE NAME=\"RefreshPkgSource\"><RETURNVALUE PARAMTYPE=\"sint32\"><VALUE>0</VALUE></RETURNVALUE></METHODRESPONSE>"), "{}", refreshed.body);
    service.snapshot().await;
    let read = service.call("GetInstance", &instance_name(&package(PACKAGE))).await.good();
    assert_eq!(read.value("SourceVersion"), Some("2"));
    // Out parameters, an embedded instance among them; types left out come from the class.
    DriverFile::default().write(&service.folder("net"));
    let given = format!(
        "<PARAMVALUE NAME=\"DriverPath\"><VALUE>{}</VALUE></PARAMVALUE><PARAMVALUE NAME=\"INFFile\" PARAMTYPE=\"string\"><VALUE>net.inf</VALUE></PARAMVALUE>",
        unc("net")
    );
    let draft =
        service.invoke("admin", "<CLASSNAME NAME=\"SMS_Driver\"/>", "CreateFromINF", &given).await.good();
    assert!(draft.body.contains("<PARAMVALUE NAME=\"Driver\" PARAMTYPE=\"string\" EmbeddedObject=\"instance\"><VALUE>&lt;INSTANCE CLASSNAME=\"SMS_Driver\"&gt;"), "{}", draft.body);
    for (target, method, given, expect) in [
        (package(PACKAGE), "Nothing", "", 17),
        (package("PS1FFFFF"), "RefreshPkgSource", "", 6),
        ("<CLASSNAME NAME=\"SMS_DriverPackage\"/>".to_owned(), "RefreshPkgSource", "", 4),
        ("<CLASSNAME NAME=\"SMS_Nothing\"/>".to_owned(), "Run", "", 5),
        ("<CLASSNAME NAME=\"SMS_Driver\"/>".to_owned(), "CreateFromINF", "", 4),
        (
            package(PACKAGE),
            "AddDriverContent",
            "<PARAMVALUE NAME=\"ContentIDs\" PARAMTYPE=\"uint32\"><VALUE.ARRAY><VALUE>x</VALUE></VALUE.ARRAY></PARAMVALUE>",
            4,
        ),
    ] {
        assert_eq!(service.invoke("admin", &target, method, given).await.code(), expect, "{target} {method}");
    }
    assert_eq!(service.invoke("reader", &package(PACKAGE), "RefreshPkgSource", "").await.code(), 2);
}

#[tokio::test]
pub(crate) async fn lists_and_their_shapes() {
    let service = Service::start().await;
    let listed = service.call("EnumerateInstances", &class("SMS_DriverPackage")).await.good();
    assert_eq!(
        (listed.count("VALUE.NAMEDINSTANCE"), listed.count("INSTANCENAME"), listed.count("INSTANCE")),
        (1, 1, 1)
    );
    let some =
        [class("sms_driverpackage"), texts("PropertyList", &["NAME", "nothing", "PackageType"])].concat();
    let some = service.call("EnumerateInstances", &some).await.good();
    assert_eq!(some.count("PROPERTY"), 2, "{}", some.body);
    let names = service.call("EnumerateInstanceNames", &class("SMS_DistributionPointInfo")).await.good();
    assert_eq!((names.count("INSTANCENAME"), names.count("INSTANCE")), (2, 0));
    // The instances of a superclass, whole and as its own.
    let deep = service.call("EnumerateInstances", &class("SMS_PackageBaseclass")).await.good();
    assert!(deep.body.contains("<INSTANCE CLASSNAME=\"SMS_DriverPackage\">"), "{}", deep.body);
    let none = service.call("EnumerateInstances", &class("SMS_Driver")).await.good();
    assert!(none.body.contains("<IRETURNVALUE></IRETURNVALUE>"), "{}", none.body);
    assert_eq!(service.call("EnumerateInstances", &class("SMS_BaseClass")).await.code(), 7);
    // Embedded classes live only inside other objects.
    assert_eq!(
        service.call("EnumerateInstances", &class("SMS_ST_RecurInterval")).await.good().count("INSTANCE"),
        0
    );
    let origin = [class("SMS_DriverPackage"), text("IncludeClassOrigin", "TRUE")].concat();
    assert!(
        service
            .call("EnumerateInstances", &origin)
            .await
            .good()
            .body
            .contains("CLASSORIGIN=\"SMS_PackageBaseclass\"")
    );
}

#[tokio::test]
pub(crate) async fn long_lists_leave_in_pieces_and_are_whole() {
    const ROWS: usize = 5_000;
    let service = Service::start().await;
    service.fill_status_messages(ROWS).await;
    let listed = service.call("EnumerateInstances", &class("SMS_StatusMessage")).await.good();
    assert_eq!(listed.header("transfer-encoding"), "chunked");
    assert_eq!(listed.count("VALUE.NAMEDINSTANCE"), ROWS);
    assert!(listed.body.ends_with("</IRETURNVALUE></IMETHODRESPONSE></SIMPLERSP></MESSAGE></CIM>"));
    let names = service.call("EnumerateInstanceNames", &class("SMS_StatusMessage")).await.good();
    assert_eq!(names.count("INSTANCENAME"), ROWS);
}

#[tokio::test]
pub(crate) async fn queries_are_answered_in_wql() {
    let service = Service::start().await;
    let ask = |language: &str, query: &str| [text("QueryLanguage", language), text("Query", query)].concat();
    let found = service
        .call("ExecQuery", &ask("WQL", "SELECT * FROM SMS_DriverPackage WHERE Name LIKE 'Drivers%'"))
        .await
        .good();
    assert_eq!(found.count("VALUE.OBJECTWITHPATH"), 1);
    assert!(found.body.contains(&format!("<HOST>{HOST}</HOST>")));
    let counted =
        service.call("ExecQuery", &ask("wql", "SELECT COUNT(*) FROM SMS_DriverPackage")).await.good();
    assert_eq!((counted.count("VALUE.OBJECT"), counted.value("Count")), (1, Some("1")));
    let joined =
        "SELECT p.*, d.* FROM SMS_DriverPackage p JOIN SMS_DistributionPoint d ON p.PackageID = d.PackageID";
    let joined = service.call("ExecQuery", &ask("WQL", joined)).await.good();
    for column in ["p", "d"] {
        let column = format!(
            "<PROPERTY NAME=\"{column}\" TYPE=\"string\" EmbeddedObject=\"instance\"><VALUE>&lt;INSTANCE "
        );
        assert!(joined.body.contains(&column), "{column}: {}", joined.body);
    }
    assert_eq!(
        service.call("ExecQuery", &ask("DMTF:CQL", "SELECT * FROM SMS_DriverPackage")).await.code(),
        14
    );
    assert_eq!(service.call("ExecQuery", &ask("WQL", "SELECT FROM")).await.code(), 15);
    assert_eq!(service.call("ExecQuery", &ask("WQL", "SELECT * FROM SMS_Nothing")).await.code(), 5);
    assert_eq!(service.call("ExecQuery", &text("QueryLanguage", "WQL")).await.code(), 4);
}

#[tokio::test]
pub(crate) async fn classes_are_declared() {
    let service = Service::start().await;
    let whole =
        [class("SMS_DriverPackage"), text("LocalOnly", "false"), text("IncludeClassOrigin", "true")].concat();
    let whole = service.call("GetClass", &whole).await.good();
    assert!(whole.body.contains("<QUALIFIER NAME=\"Key\""), "{}", whole.body);
    assert!(whole.body.contains("<PROPERTY NAME=\"PackageID\" TYPE=\"string\" CLASSORIGIN=\"SMS_PackageBaseclass\" PROPAGATED=\"true\">"));
    let local = service.call("GetClass", &class("SMS_DriverPackage")).await.good();
    assert!(!local.body.contains("NAME=\"PackageID\""));
    let below = service.call("EnumerateClassNames", &class("SMS_PackageBaseclass")).await.good();
    assert!(below.body.contains("<CLASSNAME NAME=\"SMS_DriverPackage\"/>"));
    let top = service.call("EnumerateClassNames", "").await.good();
    assert!(
        top.body.contains("<CLASSNAME NAME=\"SMS_BaseClass\"/>") && !top.body.contains("SMS_DriverPackage")
    );
    let all = service.call("EnumerateClassNames", &text("DeepInheritance", "TRUE")).await.good();
    let classes = service.call("EnumerateClasses", &text("DeepInheritance", "TRUE")).await.good();
    assert_eq!(classes.count("CLASS"), all.count("CLASSNAME"));
    assert!(all.count("CLASSNAME") > 50 && !all.body.contains("SMS_ProviderLocation"));
    let root = service
        .call_as("admin", "root/sms", "EnumerateClassNames", &text("DeepInheritance", "TRUE"))
        .await
        .good();
    assert!(root.body.contains("SMS_ProviderLocation"));
    for (operation, given) in [
        ("CreateClass", parameter("NewClass", "<CLASS NAME=\"A\"/>")),
        ("ModifyClass", parameter("ModifiedClass", "<CLASS NAME=\"A\"/>")),
        ("DeleteClass", class("SMS_Site")),
        ("SetQualifier", String::new()),
        ("DeleteQualifier", text("QualifierName", "Key")),
    ] {
        assert_eq!(service.call(operation, &given).await.code(), 7, "{operation}");
    }
    let key = service.call("GetQualifier", &text("QualifierName", "key")).await.good();
    assert!(key.body.contains("<QUALIFIER.DECLARATION NAME=\"Key\" TYPE=\"boolean\""), "{}", key.body);
    assert_eq!(service.call("GetQualifier", &text("QualifierName", "Nothing")).await.code(), 6);
    assert!(service.call("EnumerateQualifiers", "").await.good().count("QUALIFIER.DECLARATION") > 10);
}

#[tokio::test]
pub(crate) async fn associations_lead_from_one_object_to_others() {
    let service = Service::start().await;
    let of = |path: &str, more: &str| [object(path), more.to_owned()].concat();
    let path = package(PACKAGE);
    let found = service.call("Associators", &of(&path, "")).await.good();
    assert!(found.body.contains("<INSTANCE CLASSNAME=\"SMS_DistributionPointInfo\">"), "{}", found.body);
    let names = service.call("AssociatorNames", &of(&path, "")).await.good();
    assert_eq!(names.count("OBJECTPATH"), found.count("VALUE.OBJECTWITHPATH"));
    let links = service.call("References", &of(&path, "")).await.good();
    assert!(links.body.contains("<PROPERTY.REFERENCE NAME=\"Package\""), "{}", links.body);
    let link_names = service.call("ReferenceNames", &of(&path, "")).await.good();
    assert_eq!(link_names.count("OBJECTPATH"), links.count("VALUE.OBJECTWITHPATH"));
    assert!(link_names.body.contains("<VALUE.REFERENCE>"));
    let only = parameter("ResultClass", "<CLASSNAME NAME=\"SMS_Driver\"/>");
    assert_eq!(service.call("Associators", &of(&path, &only)).await.good().count("INSTANCE"), 0);
    let unknown = parameter("ResultClass", "<CLASSNAME NAME=\"SMS_Nothing\"/>");
    assert_eq!(service.call("Associators", &of(&path, &unknown)).await.code(), 5);
    assert_eq!(service.call("Associators", &of(&package("PS1FFFFF"), "")).await.code(), 6);
    // The distribution point knows the package, too.
    let point = service.call("EnumerateInstanceNames", &class("SMS_DistributionPointInfo")).await.good();
    let (_, rest) = point.body.split_once("<INSTANCENAME").unwrap();
    let (first, _) = rest.split_once("</INSTANCENAME>").unwrap();
    let point = format!("<INSTANCENAME{first}</INSTANCENAME>");
    let back = service.call("AssociatorNames", &of(&point, "")).await.good();
    assert!(back.body.contains(PACKAGE) || point.contains("dp2"), "{}", back.body);
    // An association is an instance like any other.
    let (_, rest) = link_names.body.split_once("</NAMESPACEPATH><INSTANCENAME").unwrap();
    let (key, _) = rest.split_once("</INSTANCENAME></INSTANCEPATH></OBJECTPATH>").unwrap();
    service.call("GetInstance", &instance_name(&format!("<INSTANCENAME{key}</INSTANCENAME>"))).await.good();
    // Of a class, the schema answers.
    let class = "<CLASSNAME NAME=\"SMS_DriverPackage\"/>";
    let classes = service.call("AssociatorNames", &of(class, "")).await.good();
    assert!(classes.body.contains("<CLASSNAME NAME=\"SMS_DistributionPointInfo\"/>"), "{}", classes.body);
    let classes = service.call("References", &of(class, "")).await.good();
    assert!(classes.count("CLASS") > 0 && classes.count("CLASSPATH") == classes.count("CLASS"));
    let role = text("Role", "nothing");
    assert_eq!(service.call("ReferenceNames", &of(class, &role)).await.good().count("OBJECTPATH"), 0);
}

#[tokio::test]
pub(crate) async fn the_interop_namespace_describes_the_server() {
    let service = Service::start().await;
    for space in ["interop", "root/interop"] {
        let manager =
            service.call_as("reader", space, "EnumerateInstances", &class("CIM_ObjectManager")).await.good();
        assert_eq!((manager.count("INSTANCE"), manager.value("ElementName")), (1, Some("Haulier")));
        let spaces =
            service.call_as("reader", space, "EnumerateInstanceNames", &class("CIM_Namespace")).await.good();
        for expect in [SITE, "root/sms", "interop", "root/interop"] {
            assert!(spaces.body.contains(&format!(">{expect}<")), "{expect}: {}", spaces.body);
        }
        let profiles = service
            .call_as("reader", space, "EnumerateInstances", &class("CIM_RegisteredProfile"))
            .await
            .good();
        assert_eq!(profiles.count("INSTANCE"), 0);
    }
    let (_, rest) = {
        let names = service
            .call_as("reader", "interop", "EnumerateInstanceNames", &class("CIM_Namespace"))
            .await
            .good();
        let (_, rest) = names.body.split_once("<INSTANCENAME").unwrap();
        let (first, rest) = rest.split_once("</INSTANCENAME>").unwrap();
        (rest.to_owned(), format!("<INSTANCENAME{first}</INSTANCENAME>"))
    };
    let one = service.call_as("reader", "interop", "GetInstance", &instance_name(&rest)).await.good();
    assert_eq!(one.value("ClassInfo"), Some("201"));
    for (operation, given, expect) in [
        ("GetInstance", instance_name(&rest.replace("CIM_Namespace\"", "CIM_RegisteredProfile\"")), 6),
        ("DeleteInstance", instance_name(&rest), 7),
        ("CreateInstance", parameter("NewInstance", &instance("CIM_Namespace", &[("Name", "x")])), 7),
        ("EnumerateInstances", class("SMS_DriverPackage"), 5),
        ("GetClass", class("CIM_Process"), 5),
        (
            "ExecQuery",
            [text("QueryLanguage", "WQL"), text("Query", "SELECT * FROM CIM_Namespace")].concat(),
            7,
        ),
    ] {
        assert_eq!(
            service.call_as("admin", "interop", operation, &given).await.code(),
            expect,
            "{operation}"
        );
    }
    assert_eq!(
        service.call_as("admin", "interop", "Associators", &object(&rest)).await.good().count("INSTANCE"),
        0
    );
}

#[tokio::test]
pub(crate) async fn wrong_namespaces_classes_instances_and_parameters_have_their_codes() {
    let service = Service::start().await;
    let keyless = "<INSTANCENAME CLASSNAME=\"SMS_DriverPackage\"/>".to_owned();
    for (space, operation, given, expect) in [
        ("root/cimv2", "EnumerateInstances", class("SMS_DriverPackage"), 3),
        ("root/sms/site_XYZ", "GetInstance", instance_name(&package(PACKAGE)), 3),
        (SITE, "EnumerateInstances", class("SMS_Nothing"), 5),
        (SITE, "EnumerateInstanceNames", class("SMS_Nothing"), 5),
        (SITE, "GetClass", class("SMS_Nothing"), 5),
        (SITE, "GetInstance", instance_name(&name("SMS_Nothing", &[("A", "x")])), 5),
        ("root/sms", "EnumerateInstances", class("SMS_DriverPackage"), 5),
        (SITE, "GetInstance", instance_name(&package("PS1FFFFF")), 6),
        (SITE, "GetInstance", instance_name(&keyless), 4),
        (SITE, "GetInstance", instance_name(&name("SMS_DriverPackage", &[("Name", "x")])), 4),
        (SITE, "GetInstance", String::new(), 4),
        (SITE, "GetInstance", [instance_name(&package(PACKAGE)), text("Wrong", "x")].concat(), 4),
        (SITE, "GetInstance", [instance_name(&package(PACKAGE)), text("LocalOnly", "x")].concat(), 4),
        (SITE, "EnumerateInstances", String::new(), 4),
        (
            SITE,
            "CreateInstance",
            parameter("NewInstance", &instance("SMS_DriverPackage", &[("Nothing", "x")])),
            12,
        ),
        (SITE, "CreateInstance", parameter("NewInstance", &instance("SMS_Site", &[])), 7),
        (
            SITE,
            "CreateInstance",
            parameter("NewInstance", &instance("SMS_DriverPackage", &[("PackageID", "PS1FFFFF")])),
            4,
        ),
        (SITE, "CreateInstance", String::new(), 4),
        (SITE, "ModifyInstance", String::new(), 4),
        (SITE, "SendTestIndications", String::new(), 7),
    ] {
        let answer = service.call_as("admin", space, operation, &given).await;
        assert_eq!(answer.code(), expect, "{operation} {given}: {}", answer.body);
        assert!(answer.body.contains("DESCRIPTION=\"CIM_ERR_"), "{}", answer.body);
    }
    for operation in ["CreateInstance", "DeleteInstance"] {
        let given = match operation {
            "CreateInstance" => parameter("NewInstance", &instance("SMS_DriverPackage", &[("Name", "x")])),
            _ => instance_name(&package(PACKAGE)),
        };
        let denied = service.call_as("reader", SITE, operation, &given).await;
        assert_eq!(denied.code(), 2, "{}", denied.body);
        // The provider's own words are inside.
        assert!(denied.body.contains("<INSTANCE CLASSNAME=\"SMS_ExtendedStatus\">"), "{}", denied.body);
    }
}

#[tokio::test]
pub(crate) async fn a_package_is_distributed_by_instances_and_methods() {
    let service = Service::start().await;
    let nal = nal_path("dp2.example.test");
    let new = instance(
        "SMS_DistributionPoint",
        &[("PackageID", PACKAGE), ("ServerNALPath", &nal), ("SiteCode", "PS1")],
    );
    let made = service.call("CreateInstance", &parameter("NewInstance", &new)).await.good();
    assert_eq!(made.count("KEYBINDING"), 3, "{}", made.body);
    assert_eq!(
        service.call("EnumerateInstances", &class("SMS_DistributionPoint")).await.good().count("INSTANCE"),
        2
    );
    assert_eq!(service.call("CreateInstance", &parameter("NewInstance", &new)).await.code(), 11);
    let point = name(
        "SMS_DistributionPoint",
        &[("PackageID", PACKAGE), ("ServerNALPath", &nal), ("SiteCode", "PS1")],
    );
    let set = [instance_name(&point), text("PropertyName", "RefreshNow"), text("NewValue", "true")].concat();
    service.call("SetProperty", &set).await.good();
    service.call("DeleteInstance", &instance_name(&point)).await.good();
    let given = format!(
        "<PARAMVALUE NAME=\"SiteCode\" PARAMTYPE=\"string\"><VALUE.ARRAY><VALUE>PS1</VALUE></VALUE.ARRAY></PARAMVALUE>\
         <PARAMVALUE NAME=\"NALPath\" PARAMTYPE=\"string\"><VALUE.ARRAY><VALUE>{}</VALUE></VALUE.ARRAY></PARAMVALUE>",
        crate::harness::escaped(&nal)
    );
    service.invoke("admin", &package(PACKAGE), "AddDistributionPoints", &given).await.good();
    assert_eq!(
        service.call("EnumerateInstances", &class("SMS_DistributionPoint")).await.good().count("INSTANCE"),
        2
    );
}
