//! The shipped schema: what clients may rely on, and that mistakes in MOF are found.

use cim::Value;
use provider::{Schema, SchemaError};

#[test]
fn the_shipped_classes_are_complete() {
    let schema = Schema::shipped();
    let package = schema.class("sms_driverpackage").unwrap();
    assert_eq!(package.derivation, ["SMS_PackageBaseclass", "SMS_BaseClass"]);
    assert_eq!(package.methods.len(), 10);
    assert_eq!(package.property("packagetype").unwrap().default, Value::Integer(3));
    assert!(package.property("PackageType").unwrap().qualifiers.get("ValueMap").is_some());
    let lazy: Vec<_> = package.lazy().into_iter().map(|property| property.name.as_str()).collect();
    let expect = [
        "AlternateContentProviders",
        "ExtendedData",
        "ExtendedDataSize",
        "IconSize",
        "ISVData",
        "ISVDataSize",
        "RefreshPkgSourceFlag",
        "RefreshSchedule",
    ];
    assert_eq!(lazy, expect);
    let start = &schema.class("SMS_ScheduleToken").unwrap().property("StartTime").unwrap().default;
    assert_eq!(*start, Value::DateTime("19700201000000.000000+***".parse().unwrap()));
}

#[test]
fn members_come_from_the_class_that_declares_or_overrides_them() {
    let schema = Schema::shipped();
    for (class, member, expect) in [
        ("SMS_DriverPackage", "Name", "SMS_PackageBaseclass"),
        ("SMS_DriverPackage", "packagetype", "SMS_DriverPackage"),
        ("SMS_Package", "Manufacturer", "SMS_PackageBaseclass"),
        ("SMS_Package", "PackageType", "SMS_Package"),
        ("SMS_DriverPackage", "RefreshPkgSource", "SMS_DriverPackage"),
        ("SMS_Driver", "CI_ID", "SMS_ConfigurationItemBaseClass"),
        ("SMS_Driver", "DriverClass", "SMS_Driver"),
        ("SMS_ST_RecurInterval", "StartTime", "SMS_ScheduleToken"),
    ] {
        assert_eq!(schema.class(class).unwrap().origin(member), expect, "{class}.{member}");
    }
    for class in schema.classes() {
        let own = |name: &str| name == class.name || class.derivation.iter().any(|base| base == name);
        let methods = class.methods.iter().map(|method| &method.name);
        for member in class.properties.iter().map(|property| &property.name).chain(methods) {
            assert!(own(class.origin(member)), "{}.{member}", class.name);
        }
    }
}

#[test]
fn the_driver_classes_are_complete() {
    let schema = Schema::shipped();
    let driver = schema.class("SMS_Driver").unwrap();
    assert_eq!(driver.derivation, ["SMS_ConfigurationItemBaseClass", "SMS_BaseClass"]);
    let lazy: Vec<_> = driver.lazy().into_iter().map(|property| property.name.as_str()).collect();
    let expect =
        ["IsDigest", "LocalizedEulas", "LocalizedInformation", "SDMPackageLocalizedData", "SDMPackageXML"];
    assert_eq!(lazy, expect);
    let kind = |class: &str, property: &str| {
        let property = schema.class(class).unwrap().property(property).unwrap();
        format!("{}{}", property.kind, if property.array { "[]" } else { "" })
    };
    for (class, property, expect) in [
        ("SMS_Driver", "CI_ID", "uint32"),
        ("SMS_Driver", "ConfigurationFlags", "uint64"),
        ("SMS_Driver", "CategoryInstance_UniqueIDs", "string[]"),
        ("SMS_Driver", "LocalizedInformation", "SMS_CI_LocalizedProperties[]"),
        ("SMS_CIToContent", "ContentID", "sint32"),
        ("SMS_PackageToContent", "ContentID", "sint32"),
        ("SMS_CategoryInstance", "LocalizedInformation", "SMS_Category_LocalizedProperties[]"),
    ] {
        assert_eq!(kind(class, property), expect, "{class}.{property}");
    }
    for (class, property, qualifier, expect) in [
        ("SMS_Driver", "CI_UniqueID", "Unique", true),
        ("SMS_Driver", "ModelName", "Unique", true),
        ("SMS_CategoryInstance", "CategoryInstance_UniqueID", "Unique", true),
        ("SMS_Driver", "SDMPackageXML", "Large", false),
    ] {
        let property_found = schema.class(class).unwrap().property(property).unwrap();
        assert_eq!(property_found.qualifiers.has(qualifier), expect, "{class}.{property}: {qualifier}");
    }
    for (class, keys) in [
        ("SMS_CIToContent", vec!["CI_ID", "ContentID", "SDMMethodType"]),
        ("SMS_DriverModel", vec!["CI_ID", "ModelManufacture", "ModelName"]),
        ("SMS_SupportedPlatforms", vec!["OSMaxVersion", "OSMinVersion", "OSName", "OSPlatform"]),
        ("SMS_PackageToContent", vec!["ContentID", "PackageID"]),
        ("SMS_DriverContainer", vec!["CI_ID", "PackageID"]),
        ("SMS_CIContentPackage", vec!["CI_ID", "PackageID"]),
    ] {
        let class = schema.class(class).unwrap();
        let names: Vec<_> = class.keys().into_iter().map(|key| key.name.as_str()).collect();
        assert_eq!((names, class.is_read_only()), (keys, true), "{}", class.name);
    }
    let create = driver.method("CreateFromINF").unwrap();
    let ways: Vec<_> =
        create.parameters.iter().map(|p| (p.name.as_str(), p.goes_in(), p.goes_out())).collect();
    assert_eq!(ways, [("DriverPath", true, false), ("INFFile", true, false), ("Driver", false, true)]);
    assert!(create.qualifiers.has("static"));
    for embedded in ["SMS_Driver_Details", "SMS_CI_LocalizedProperties", "SMS_Category_LocalizedProperties"] {
        assert!(schema.class(embedded).unwrap().is_embedded(), "{embedded}");
    }
}

#[test]
fn every_stored_column_is_a_property_and_the_keys_agree() {
    for view in site::views::all() {
        let class = Schema::shipped().class(view.name).unwrap();
        // The view of a base class names each row's class, and has the properties of all of them.
        let of_rows = |name: &str| {
            let classes: Vec<_> = Schema::shipped().concrete(class).collect();
            name == "__CLASS" || classes.iter().any(|class| class.property(name).is_some())
        };
        for column in view.columns.iter().filter(|column| !(class.is_abstract() && of_rows(column.name))) {
            assert_eq!(
                class.property(column.name).map(|p| p.name.as_str()),
                Some(column.name),
                "{}",
                view.name
            );
        }
        // The keys of an association are references, which are stored as the keys of what they name.
        if !class.is_association() {
            let keys: Vec<_> = class.keys().into_iter().map(|key| key.name.as_str()).collect();
            assert_eq!(keys, view.key, "{}", view.name);
        }
    }
}

/// The same in every row, though their views take them from other views; and what has no rows.
const FIXED_ELSEWHERE: [(&str, &str); 10] = [
    ("SMS_Package", "IsPredefinedPackage"),
    ("SMS_Package", "RefreshPkgSourceFlag"),
    ("SMS_DriverPackage", "RefreshPkgSourceFlag"),
    ("SMS_SiteControlItem", "FileType"),
    ("SMS_SiteControlItem", "ItemType"),
    ("SMS_ObjectContentInfo", "FeatureType"),
    ("SMS_StatMsg", "PerClient"),
    ("SMS_StatMsg", "ReportFunction"),
    ("SMS_StatMsg", "SuccessfulTransaction"),
    ("SMS_StatMsg", "Transaction"),
];

/// What the compatibility page says of a property must be so: it is the same in every instance if the view has a literal
/// for it, or no column at all.
#[test]
fn properties_without_facts_are_marked() {
    let schema = Schema::shipped();
    let mut wrong = Vec::new();
    for view in site::views::all() {
        let class = schema.class(view.name).unwrap();
        let literals = site::views::constants(view);
        for property in class.properties.iter() {
            if ["computed", "writeonly"].iter().any(|mark| property.qualifiers.has(mark)) {
                continue;
            }
            let name = property.name.as_str();
            let filled_by_get = ["lazy", "large"].iter().any(|mark| property.qualifiers.has(mark))
                && view.column(name).is_none();
            if FIXED_ELSEWHERE.contains(&(class.name.as_str(), name)) {
                continue;
            }
            let fixed = literals.iter().any(|(column, _)| *column == name) || view.column(name).is_none();
            if !filled_by_get && fixed != property.qualifiers.has("constant") {
                wrong.push(format!("{}.{name}: constant is {fixed}", class.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_base_class_stands_for_its_subclasses() {
    let schema = Schema::shipped();
    let below = |class: &str| -> Vec<_> {
        schema.concrete(schema.class(class).unwrap()).map(|class| class.name.clone()).collect()
    };
    assert_eq!(below("SMS_PackageBaseclass"), ["SMS_DriverPackage", "SMS_Package"]);
    assert_eq!(below("SMS_DriverPackage"), ["SMS_DriverPackage"]);
    assert_eq!(below("SMS_ConfigurationItemBaseClass"), ["SMS_Driver"]);
    assert_eq!(below("SMS_CategoryInstanceBase"), ["SMS_CategoryInstance"]);
    assert_eq!(below("SMS_ScheduleToken").len(), 5);
    assert!(!schema.class("SMS_ScheduleToken").unwrap().is_queryable());
    assert!(!schema.class("SMS_ExtendedStatus").unwrap().is_queryable());
}

#[test]
fn mistakes_in_mof_are_found() {
    let check = |text: &str, expect: &str| {
        let error: SchemaError = Schema::read(&[("a.mof", text)]).unwrap_err();
        assert_eq!(error.to_string(), expect, "{text}");
    };
    check("class A { string; };", "a.mof: expected the property or method name (line 1, column 17)");
    check("class A {}; class a {};", "a.mof: a is declared twice");
    check("class A : B {};", "a.mof: B is not declared before its use in A");
    check("class A { [Kye] string x; };", "a.mof: Kye is not declared before its use in A");
    check("class A { string x; }; class B : A { uint8 X; };", "B.X has another type than in the superclass");
}

/// A second opinion: pywbem's compiler takes the shipped files and finds the same classes.
#[test]
fn another_compiler_finds_the_same_classes() {
    let Some(python) = std::env::var_os("HAULIER_TEST_PYTHON") else {
        eprintln!("NOT RUN: pywbemcli: HAULIER_TEST_PYTHON names no Python; `cargo xtask test` makes one");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let all: String = Schema::sources().iter().map(|(_, text)| format!("{text}\n")).collect();
    std::fs::write(folder.path().join("all.mof"), all).unwrap();
    let found = std::process::Command::new(std::path::Path::new(&python).with_file_name("pywbemcli"))
        .args(["--mock-server", "all.mof", "class", "enumerate", "--deep-inheritance", "--names-only"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[found.stdout, found.stderr].concat()).into_owned();
    assert!(found.status.success(), "{said}");
    let mut names: Vec<&str> = said.split_whitespace().collect();
    let mut ours: Vec<&str> = Schema::shipped().classes().map(|class| class.name.as_str()).collect();
    names.sort_unstable();
    ours.sort_unstable();
    assert_eq!(names, ours);
}
