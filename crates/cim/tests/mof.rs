//! MOF as written by hand and by other tools: what is understood, what is reported, and where.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use cim::class::Class;
use cim::mof::{self, Declaration};
use cim::{CimType, Instance, Value};
use proptest::prelude::*;

const SAMPLE: &str = r#"
// A class group.
#pragma locale ("en_US")
Qualifier Key : boolean = false, Scope(property, reference), Flavor(DisableOverride);
Qualifier Values : string[], Scope(any);
/* the root */
[Abstract] class SMS_BaseClass { };

[Secured, Icon("Package.ico")]
class SMS_Sample : SMS_BaseClass
{
    [key, SizeLimit("8")] string PackageID;
    [Values{"HIGH", "NOR" "MAL"} : ToSubclass] uint32 Priority = 2;
    boolean Flag = FALSE;
    uint8 Icon[] = {1, 0x0F, 101b, 017};
    real64 Ratio = -2.5e1;
    datetime Start = "19700201000000.000000+***";
    [lazy, EmbeddedInstance("SMS_ScheduleToken")] string RefreshSchedule[];
    SMS_ScheduleToken One;
    SMS_BaseClass ref Parent;
    [static] uint32 CheckSourceFolder([out, ID(1)] sint32 Result, [in, ID(0)] string SourceFolder);
    sint32 AddDriverContent([in] uint32 ContentIDs[], [in, optional] boolean bRefreshDPs = true);
};

instance of SMS_Sample { PackageID = "A\\B\"\x41"; One = instance of SMS_ScheduleToken { IsGMT = true; }; };
"#;

fn classes(text: &str) -> Vec<Class> {
    let parsed = mof::parse(text);
    assert_eq!(parsed.diagnostics, []);
    parsed
        .declarations
        .into_iter()
        .filter_map(|declaration| match declaration {
            Declaration::Class(class) => Some(class),
            _ => None,
        })
        .collect()
}

#[test]
fn a_class_is_read_whole() {
    let classes = classes(SAMPLE);
    let class = &classes[1];
    assert_eq!((class.name.as_str(), class.superclass.as_deref()), ("SMS_Sample", Some("SMS_BaseClass")));
    assert_eq!(class.qualifiers.get("ICON"), Some(&Value::text("Package.ico")));
    let seen: Vec<_> =
        class.properties.iter().map(|p| (p.name.as_str(), p.kind.to_string(), p.array)).collect();
    let expect = [
        ("PackageID", "string", false),
        ("Priority", "uint32", false),
        ("Flag", "boolean", false),
        ("Icon", "uint8", true),
        ("Ratio", "real64", false),
        ("Start", "datetime", false),
        ("RefreshSchedule", "SMS_ScheduleToken", true),
        ("One", "SMS_ScheduleToken", false),
        ("Parent", "SMS_BaseClass ref", false),
    ];
    assert_eq!(seen, expect.map(|(name, kind, array)| (name, kind.to_owned(), array)));
    let defaults: Vec<_> = class.properties.iter().map(|p| p.default.clone()).collect();
    assert_eq!(defaults[1], Value::Integer(2));
    assert_eq!(defaults[3], Value::Array([1, 15, 5, 15].map(Value::Integer).to_vec()));
    assert_eq!(defaults[4], Value::Real(-25.0));
    assert_eq!(defaults[5], Value::DateTime("19700201000000.000000+***".parse().unwrap()));
    let values = Value::Array(vec![Value::text("HIGH"), Value::text("NORMAL")]);
    assert_eq!(class.properties[1].qualifiers.get("values"), Some(&values));
}

#[test]
fn parameters_stand_in_call_order_with_direction_and_default() {
    let classes = classes(SAMPLE);
    let [check, add] = classes[1].methods.as_slice() else { panic!("two methods") };
    assert!(check.qualifiers.has("static") && !add.qualifiers.has("static"));
    let names: Vec<_> =
        check.parameters.iter().map(|p| (p.name.as_str(), p.goes_in(), p.goes_out())).collect();
    assert_eq!(names, [("SourceFolder", true, false), ("Result", false, true)]);
    assert_eq!(check.returns, CimType::Uint32);
    assert_eq!(add.parameters[1].default, Value::Boolean(true));
    assert!(add.parameters[0].array);
}

#[test]
fn instances_hold_escapes_and_other_instances() {
    let parsed = mof::parse(SAMPLE);
    let Some(Declaration::Instance(instance)) = parsed.declarations.last() else { panic!("an instance") };
    assert_eq!(instance.get("packageid"), Some(&Value::text("A\\B\"A")));
    let mut token = Instance::new("SMS_ScheduleToken");
    token.set("IsGMT", true);
    assert_eq!(instance.get("One"), Some(&Value::Instance(Box::new(token))));
}

#[test]
fn what_compilers_for_repositories_need_is_passed_over() {
    let parsed = mof::parse(
        r#"#pragma namespace ("\\.\root\sms")
        #PRAGMA deleteclass("A", NOFAIL)
        [dynamic, provider("ExtnProv") : ToInstance DisableOverride] class A as $A : B { string Names[4]; };
        instance of A as $One { [read] Names = {"x", "y"}; };"#,
    );
    assert_eq!(parsed.diagnostics, []);
    let [Declaration::Class(class), Declaration::Instance(instance)] = parsed.declarations.as_slice() else {
        panic!("{:?}", parsed.declarations);
    };
    assert_eq!(class.superclass.as_deref(), Some("B"));
    assert_eq!(instance.get("Names"), Some(&Value::Array(vec!["x".into(), "y".into()])));
    for (text, says) in [
        ("instance of A { x = $B; };", "an alias is no value"),
        ("class A as B { };", "expected an alias"),
        ("class A as $ { };", "has no meaning"),
    ] {
        let found = mof::parse(text).diagnostics;
        assert!(found.iter().any(|diagnostic| diagnostic.message.contains(says)), "{text}: {found:?}");
    }
}

#[test]
fn mistakes_are_reported_where_they_are_and_the_rest_is_kept() {
    let check = |text: &str, expect: &[(u32, u32, &str)], kept: &[&str]| {
        let parsed = mof::parse(text);
        let seen: Vec<_> = parsed
            .diagnostics
            .iter()
            .map(|d| (d.position.line, d.position.column, d.message.as_str()))
            .collect();
        assert_eq!(seen, expect, "{text}");
        let names: Vec<_> = parsed
            .declarations
            .iter()
            .filter_map(|declaration| match declaration {
                Declaration::Class(class) => Some((class.name.as_str(), class.properties.len())),
                _ => None,
            })
            .map(|(name, properties)| format!("{name}:{properties}"))
            .collect();
        assert_eq!(names, kept, "{text}");
    };
    check("class A { uint32 ; string b; };", &[(1, 18, "expected the property or method name")], &["A:1"]);
    check(
        "class A {\n uint8 x = 256;\n};",
        &[(2, 12, "the number 256 does not fit the type uint8")],
        &["A:0"],
    );
    check("class A { uint8 x[] = 1; };", &[(1, 23, "an array needs a value in braces")], &["A:0"]);
    check(
        "nonsense here; class B { };",
        &[(1, 1, "expected class, instance of, qualifier or #pragma")],
        &["B:0"],
    );
    check("class A { string b", &[(1, 19, "expected ';'")], &[]);
    check("class A { string b; }\nclass B { };", &[(2, 1, "expected ';'")], &[]);
    check(
        "class A { string b = \"x\n; };",
        &[(1, 22, "the closing quote is missing on this line"), (2, 1, "expected a value")],
        &["A:0"],
    );
    check("/* open", &[(1, 1, "the comment is never closed")], &[]);
    check("class A { \u{a7} };", &[(1, 11, "the character '\u{a7}' has no meaning here")], &["A:0"]);
    check("instance of A { x = 1; X = 2; }; class B { };", &[(1, 26, "X is given twice")], &["B:0"]);
    check(
        "class A { [ID(99999999999999999999999999999999999999999)] string b; };",
        &[(1, 15, "99999999999999999999999999999999999999999 is no number"), (1, 56, "expected a value")],
        &["A:0"],
    );
}

#[test]
fn length_depth_and_diagnostics_are_bounded() {
    let long = " ".repeat(mof::MOF_BYTES_MAX + 1);
    assert_eq!(mof::parse(&long).diagnostics.len(), 1);
    let deep = format!("instance of A {{ x = {}", "{".repeat(100_000));
    let parsed = mof::parse(&deep);
    assert!(parsed.diagnostics[0].message.contains("nest deeper"), "{:?}", parsed.diagnostics);
    let nested = "instance of A { x = ".repeat(100_000);
    assert!(mof::parse(&nested).diagnostics[0].message.contains("nest deeper"));
    let properties = |count: usize| (0..count).map(|n| format!("p{n} = {n};")).collect::<String>();
    let wide = |count: usize| mof::parse(&format!("instance of A {{ {} }};", properties(count))).diagnostics;
    assert_eq!(wide(mof::PROPERTIES_MAX), []);
    assert!(wide(mof::PROPERTIES_MAX + 1)[0].message.contains("more than"));
    assert_eq!(mof::parse(&"\u{a7}".repeat(10_000)).diagnostics.len(), mof::DIAGNOSTICS_MAX);
}

#[test]
fn what_is_printed_reads_the_same() {
    let first = mof::parse(SAMPLE).declarations;
    let printed: String = first.iter().map(ToString::to_string).collect();
    let again = mof::parse(&printed);
    assert_eq!(again.diagnostics, [], "{printed}");
    assert_eq!(again.declarations, first);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::from),
        (-1e9f64..1e9).prop_map(Value::Real),
        "[ -~\n\r\té§]{0,12}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(inner, 0..4).prop_map(|values| {
                let properties =
                    values.into_iter().enumerate().map(|(n, value)| (format!("p{n}"), value)).collect();
                Value::Instance(Box::new(Instance { class: "A_B".to_owned(), properties }))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_instance_prints_and_reads_the_same(value in value()) {
        let declaration = Declaration::Instance(Instance { class: "A".to_owned(), properties: vec![("x".to_owned(), value)] });
        let parsed = mof::parse(&declaration.to_string());
        prop_assert_eq!(parsed.diagnostics, vec![]);
        prop_assert_eq!(parsed.declarations, vec![declaration]);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = mof::parse(&text);
    }

    #[test]
    fn no_almost_right_text_makes_the_reader_panic(words in prop::collection::vec(
        prop::sample::select(vec!["class ", "A ", ": ", "{", "}", ";", "[", "]", "(", ")", ",", "=", "string ", "\"x\"", "1",
            "instance of ", "qualifier ", "#pragma ", "'", "\"", "\\", "0x", "-", ".", "/*", "*/", "//", "\n"]), 0..60)) {
        let _ = mof::parse(&words.concat());
    }
}
