//! Every kind of value, there and back, and every form that clients send.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use stage::Stage;

use super::*;
use crate::names::{CIM, PREFIXES};
use crate::resource::{ResourceUri, Style};

/// Both families of URIs.
const STYLES: [&str; 2] = [
    "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/sms/site_PS1/X",
    "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/X",
];

async fn shapes() -> (Stage, Vec<Shape>) {
    let stage = Stage::new(Stage::fixed_clock()).await;
    let style = |uri: &&str| -> Style { ResourceUri::parse(uri).unwrap().0.style };
    let shape = |uri| Shape {
        style: style(uri),
        provider: stage.provider.clone(),
        precise_arrays: true,
        typed: true,
    };
    let shapes = STYLES.iter().map(shape).collect();
    (stage, shapes)
}

/// An envelope's declarations around what is written.
fn within(write: impl FnOnce(&mut Writer)) -> String {
    let mut out = Writer::new();
    let mut attributes = PREFIXES.to_vec();
    attributes.push(("xmlns:cim", CIM));
    out.open("r", &attributes);
    write(&mut out);
    out.finish()
}

/// What a reader must find where the text is written: XML cannot hold every character.
fn readable(text: &str) -> String {
    let is_allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
    text.chars().map(|c| if is_allowed(c) { c } else { '?' }).collect()
}

fn integer(kind: CimType) -> BoxedStrategy<(CimType, Value)> {
    let (least, greatest) = kind.integer_range().unwrap();
    prop_oneof![Just(least), Just(greatest), least..=greatest]
        .prop_map(move |number| (kind.clone(), Value::Integer(number)))
        .boxed()
}

fn datetime_value() -> impl Strategy<Value = (CimType, Value)> {
    let point = (-11_644_473_600_000_000_i64..253_402_000_000_000_000).prop_map(|micros| {
        Value::DateTime(DateTime::from_timestamp(Timestamp::from_microsecond(micros).unwrap()))
    });
    let interval = (0..100_000_000_u32, 0..86_400_000_000_u64)
        .prop_map(|(days, rest_us)| Value::DateTime(DateTime::Interval { days, rest_us }));
    prop_oneof![point, interval].prop_map(|value| (CimType::DateTime, value))
}

fn embedded_value() -> impl Strategy<Value = (CimType, Value)> {
    (any::<u32>(), any::<bool>()).prop_map(|(days, gmt)| {
        let mut token = Instance::new("SMS_ST_RecurInterval");
        token.set("DaySpan", days);
        token.set("IsGMT", gmt);
        (CimType::Embedded("SMS_ScheduleToken".to_owned()), Value::Instance(Box::new(token)))
    })
}

fn scalar() -> impl Strategy<Value = (CimType, Value)> {
    let integers = [
        CimType::Uint8,
        CimType::Uint16,
        CimType::Uint32,
        CimType::Uint64,
        CimType::Sint8,
        CimType::Sint16,
        CimType::Sint32,
        CimType::Sint64,
    ];
    let reals = prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE;
    let kinds = prop_oneof![Just(CimType::Real32), Just(CimType::Real64)];
    prop_oneof![
        proptest::strategy::Union::new(integers.map(integer)),
        any::<bool>().prop_map(|truth| (CimType::Boolean, Value::Boolean(truth))),
        (kinds, reals).prop_map(|(kind, number)| (kind, Value::Real(number))),
        any::<String>().prop_map(|text| (CimType::String, Value::String(text))),
        "[a-zé0-9あ]".prop_map(|text| (CimType::Char16, Value::String(text))),
        datetime_value(),
        "[A-Z0-9]{3}".prop_map(|code| {
            let path = ObjectPath::new("SMS_Site", [("SiteCode".to_owned(), Value::String(code))]);
            (CimType::Reference("SMS_Site".to_owned()), Value::Reference(path))
        }),
        embedded_value(),
        embedded_value().prop_map(|(_, value)| (CimType::Object, value)),
    ]
}

#[tokio::test]
async fn every_value_comes_back_as_it_went() {
    let (_stage, shapes) = shapes().await;
    let schema = shapes[0].provider.schema();
    let repeated = (scalar(), 1..4_usize, any::<bool>());
    let check = |((kind, value), count, array): ((CimType, Value), usize, bool)| {
        let expect = match &value {
            Value::String(text) => Value::String(readable(text)),
            other => other.clone(),
        };
        let (value, expect) = match array {
            true => (Value::Array(vec![value; count]), Value::Array(vec![expect; count])),
            false => (value, expect),
        };
        for shape in &shapes {
            let declared = Declared::new(&kind, array);
            let text = within(|out| write(out, shape, "Value", declared, &value, 0));
            let document = xml::parse(&text).unwrap();
            let members = read_members(document.root_element(), schema, |_| Some(declared)).unwrap();
            prop_assert_eq!(&members, &[("Value".to_owned(), expect.clone())], "{}", text);
        }
        Ok(())
    };
    TestRunner::default().run(&repeated, check).unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let (_stage, mut shapes) = shapes().await;
    let mut shape = shapes.remove(0);
    shape.typed = false;
    let (texts, text) = (Declared::new(&CimType::String, true), Declared::new(&CimType::String, false));
    let masked = Value::DateTime("202408********.******+***".parse().unwrap());
    let nil = r#"<V xsi:nil="true"/>"#;
    for (precise, declared, value, expect) in [
        (true, text, Value::Null, nil),
        (false, texts, Value::Null, nil),
        (true, texts, Value::Null, r#"<V xsi:nil="true" m:IsNullArray="true"/>"#),
        (true, texts, Value::Array(Vec::new()), ""),
        (true, text, Value::text(""), "<V></V>"),
        (true, texts, Value::Array(vec![Value::text("a"), Value::Null]), "<V>a</V><V></V>"),
        (
            true,
            Declared::new(&CimType::Uint32, true),
            Value::Array(vec![Value::Null, Value::from(1)]),
            "<V>1</V>",
        ),
        (true, Declared::new(&CimType::DateTime, false), masked, nil),
        (true, Declared::new(&CimType::Char16, false), Value::text("A"), "<V>65</V>"),
        (true, Declared::new(&CimType::Real64, false), Value::Real(1e300), "<V>1e300</V>"),
        (true, Declared::new(&CimType::Real32, false), Value::Real(f64::NAN), "<V>NaN</V>"),
        (true, Declared::new(&CimType::Real64, false), Value::Real(f64::NEG_INFINITY), "<V>-INF</V>"),
        (true, text, Value::text("a\u{1}<b>"), "<V>a?&lt;b&gt;</V>"),
    ] {
        shape.precise_arrays = precise;
        let mut out = Writer::new();
        write(&mut out, &shape, "V", declared, &value, 0);
        assert_eq!(out.finish(), expect, "{value:?}");
    }
}

/// What has a form of its own, or says its class, has no type beside: clients would not read it.
#[tokio::test]
async fn values_say_their_types_where_that_is_asked_for() {
    let (_stage, shapes) = shapes().await;
    let point = Value::DateTime(DateTime::parse_any("2024-08-30T20:55:06Z").unwrap());
    for (kind, value, expect) in [
        (CimType::Boolean, Value::Boolean(true), r#"<V xsi:type="cim:cimBoolean">true</V>"#),
        (CimType::Uint8, Value::Integer(1), r#"<V xsi:type="cim:cimUnsignedByte">1</V>"#),
        (CimType::Sint8, Value::Integer(1), r#"<V xsi:type="cim:cimByte">1</V>"#),
        (CimType::Uint16, Value::Integer(1), r#"<V xsi:type="cim:cimUnsignedShort">1</V>"#),
        (CimType::Sint16, Value::Integer(1), r#"<V xsi:type="cim:cimShort">1</V>"#),
        (CimType::Uint32, Value::Integer(1), r#"<V xsi:type="cim:cimUnsignedInt">1</V>"#),
        (CimType::Sint32, Value::Integer(-1), r#"<V xsi:type="cim:cimInt">-1</V>"#),
        (CimType::Uint64, Value::Integer(1), r#"<V xsi:type="cim:cimUnsignedLong">1</V>"#),
        (CimType::Sint64, Value::Integer(1), r#"<V xsi:type="cim:cimLong">1</V>"#),
        (CimType::Real32, Value::Real(0.5), r#"<V xsi:type="cim:cimFloat">0.5</V>"#),
        (CimType::Real64, Value::Real(0.5), r#"<V xsi:type="cim:cimDouble">0.5</V>"#),
        (CimType::String, Value::text("a"), r#"<V xsi:type="cim:cimString">a</V>"#),
        (CimType::Char16, Value::text("A"), r#"<V xsi:type="cim:cimChar16">65</V>"#),
        (CimType::String, Value::Null, r#"<V xsi:nil="true"/>"#),
        (
            CimType::DateTime,
            point,
            &format!("<V><cim:Datetime xmlns:cim=\"{CIM}\">2024-08-30T20:55:06Z</cim:Datetime></V>"),
        ),
    ] {
        let mut out = Writer::new();
        write(&mut out, &shapes[0], "V", Declared::new(&kind, false), &value, 0);
        assert_eq!(out.finish(), expect, "{kind}");
    }
}

#[test]
fn every_form_that_clients_send_is_read() {
    let schema = Schema::shipped();
    let at = |text: &str| Value::DateTime(DateTime::parse_any(text).unwrap());
    let bytes = Value::Array([0, 255].map(Value::Integer).to_vec());
    let check = |kind: CimType, array: bool, xml: &str, expect: Value| {
        let text = format!(
            "<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:cim='{CIM}' xmlns:p='urn:p'>{xml}</r>"
        );
        let document = xml::parse(&text).unwrap();
        let declared = Declared::new(&kind, array);
        let members = read_members(document.root_element(), schema, |_| Some(declared)).unwrap();
        assert_eq!(members, [("V".to_owned(), expect)], "{xml}");
    };
    check(CimType::Boolean, false, "<p:V> TRUE </p:V>", Value::Boolean(true));
    check(CimType::Boolean, false, "<p:V>0</p:V>", Value::Boolean(false));
    check(CimType::Uint32, false, "<p:V>-1</p:V>", Value::Integer(u32::MAX.into()));
    check(CimType::Uint32, false, "<V> +7 </V>", Value::Integer(7));
    check(CimType::Uint32, false, "<V>seven</V>", Value::text("seven"));
    check(CimType::Real32, false, "<V> 1.5e3 </V>", Value::Real(1500.0));
    check(CimType::Real64, false, "<V>INF</V>", Value::Real(f64::INFINITY));
    check(CimType::Real64, false, "<V> -INF </V>", Value::Real(f64::NEG_INFINITY));
    check(CimType::Real64, false, "<V>inf</V>", Value::text("inf"));
    check(CimType::String, false, "<V><![CDATA[ <a> ]]></V>", Value::text(" <a> "));
    check(CimType::String, false, "<V xsi:nil='1'/>", Value::Null);
    check(CimType::String, true, "<V xsi:nil='true'/>", Value::Null);
    check(CimType::String, true, "<V>a</V><W/><V/>".replace("<W/>", "").as_str(), {
        Value::Array(vec![Value::text("a"), Value::text("")])
    });
    check(CimType::Char16, false, "<V>65</V>", Value::text("A"));
    check(CimType::Char16, false, "<V>b</V>", Value::text("b"));
    check(CimType::Uint8, true, "<V>0</V><V>255</V>", bytes.clone());
    check(CimType::Uint8, true, "<V xsi:type='cim:cimBase64Binary'>AP8=</V>", bytes.clone());
    check(CimType::Uint8, true, "<V>AP8=</V>", bytes);
    // Four digits would be three bytes; a number that does not fit is refused by name.
    check(CimType::Uint8, true, "<V>1234</V>", Value::Array(vec![Value::text("1234")]));
    check(CimType::Uint8, true, "<V>+256</V>", Value::Array(vec![Value::text("+256")]));
    let said = Value::Array([0xd7, 0x6d, 0xf8].map(Value::Integer).to_vec());
    check(CimType::Uint8, true, "<V xsi:type='cim:cimBase64Binary'>1234</V>", said);
    let point = at("2024-08-30T20:55:06Z");
    check(
        CimType::DateTime,
        false,
        "<V><cim:Datetime>2024-08-30T22:55:06+02:00</cim:Datetime></V>",
        point.clone(),
    );
    check(
        CimType::DateTime,
        false,
        "<V><cim:CIM_DateTime>20240830205506.000000+***</cim:CIM_DateTime></V>",
        point.clone(),
    );
    check(CimType::DateTime, false, "<V xsi:type='cim:cimDateTime'>20240830205506.000000+***</V>", point);
    check(CimType::DateTime, false, "<V><cim:Date>2024-08-30</cim:Date></V>", at("2024-08-30T00:00:00Z"));
    check(CimType::DateTime, false, "<V><cim:Interval>P1DT2H</cim:Interval></V>", at("P1DT2H"));
    check(CimType::DateTime, false, "<V>yesterday</V>", Value::text("yesterday"));
    let token = |class: &str| {
        let mut token = Instance::new(class);
        token.set("DaySpan", 7_u32);
        Value::Instance(Box::new(token))
    };
    let kind = || CimType::Embedded("SMS_ScheduleToken".to_owned());
    let interval = token("SMS_ST_RecurInterval");
    let uri = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/SMS_ST_RecurInterval";
    check(
        kind(),
        false,
        "<V xsi:type='p:SMS_ST_RecurInterval_Type'><p:DaySpan>7</p:DaySpan></V>",
        interval.clone(),
    );
    check(kind(), false, &format!("<V><DaySpan xmlns='{uri}'>7</DaySpan></V>"), interval.clone());
    check(
        kind(),
        false,
        "<V><SMS_ST_RecurInterval><DaySpan>7</DaySpan></SMS_ST_RecurInterval></V>",
        interval,
    );
}

/// It is like nothing, not even itself.
#[test]
fn what_is_no_number_is_read_as_that() {
    let document = xml::parse("<r><V>NaN</V></r>").unwrap();
    let declared = Declared::new(&CimType::Real64, false);
    let members = read_members(document.root_element(), Schema::shipped(), |_| Some(declared)).unwrap();
    assert!(matches!(members[0].1, Value::Real(number) if number.is_nan()), "{members:?}");
}

/// An object of any class, as a class declares it that does not say which.
#[test]
fn an_object_of_any_class_says_which() {
    let read = |inner: &str| {
        let text =
            format!("<r xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:p='urn:p'>{inner}</r>");
        let document = xml::parse(&text).unwrap();
        let declared = Declared::new(&CimType::Object, false);
        read_members(document.root_element(), Schema::shipped(), |_| Some(declared))
            .map(|mut all| all.remove(0).1)
    };
    let Value::Instance(token) =
        read("<V xsi:type='p:SMS_ST_RecurInterval_Type'><p:DaySpan>7</p:DaySpan></V>").unwrap()
    else {
        panic!("no object")
    };
    assert_eq!(
        (token.class.as_str(), token.get("DaySpan")),
        ("SMS_ST_RecurInterval", Some(&Value::Integer(7)))
    );
    assert!(read("<V><p:DaySpan>7</p:DaySpan></V>").is_err(), "nothing says its class");
}

#[test]
fn names_are_bounded_and_repeats_are_not() {
    let schema = Schema::shipped();
    let read = |inner: &str| {
        let text = format!("<r>{inner}</r>");
        let document = xml::parse(&text).unwrap();
        read_members(document.root_element(), schema, |_| Some(Declared::new(&CimType::String, true)))
    };
    let names = |count: usize| (0..count).map(|n| format!("<n{n}/>")).collect::<String>();
    assert_eq!(read(&names(MEMBERS_MAX)).unwrap().len(), MEMBERS_MAX);
    let again = format!("{}<N7/><__CLASS/>{}", names(MEMBERS_MAX), "<n511/>".repeat(10_000));
    let members = read(&again).unwrap();
    let lengths = |at: usize| members[at].1.clone();
    assert_eq!(members.len(), MEMBERS_MAX);
    assert_eq!(lengths(7), Value::Array(vec![Value::text(""); 2]));
    assert_eq!(lengths(511), Value::Array(vec![Value::text(""); 10_001]));
    let refused = read(&names(MEMBERS_MAX + 1)).unwrap_err();
    assert_eq!(refused.line().subcode, Some("w:SchemaValidationError"), "{refused}");
}

#[test]
fn what_cannot_be_told_is_refused() {
    let schema = Schema::shipped();
    let any = CimType::Embedded(String::new());
    for (kind, xml, says) in
        [(CimType::String, "<V>a</V><V>b</V>", "is no array"), (any, "<V><a>1</a></V>", "xsi:type")]
    {
        let text = format!("<r>{xml}</r>");
        let document = xml::parse(&text).unwrap();
        let read = read_members(document.root_element(), schema, |_| Some(Declared::new(&kind, false)));
        let refused = read.unwrap_err();
        assert!(refused.to_string().contains(says), "{xml}: {refused}");
    }
}
