//! OData options as scripts send them, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod trees;

use cim::odata::{self, DEPTH_MAX, NAMES_MAX, OPTION_BYTES_MAX, TERMS_MAX};
use cim::query::{DateUnit, Direction, ElementTest, Expr, Function, Operator, PropertyRef, Scalar};
use cim::{DateTime, Value, wql};
use proptest::prelude::*;

fn eq(property: &str, value: impl Into<Value>) -> Expr {
    Expr::compare(property, Operator::Eq, value)
}

fn name() -> Scalar {
    Scalar::property("Name")
}

fn contains(text: &str) -> Expr {
    Expr::Contains { item: name(), text: text.to_owned() }
}

fn any(test: ElementTest) -> Expr {
    Expr::Any { property: PropertyRef::new("Names"), test }
}

fn any_eq(value: &str) -> Expr {
    any(ElementTest::Compare(Operator::Eq, value.into()))
}

fn call(function: Function, arguments: impl IntoIterator<Item = Scalar>) -> Scalar {
    Scalar::Call(function, arguments.into_iter().collect())
}

fn literal(value: impl Into<Value>) -> Scalar {
    Scalar::Literal(value.into())
}

fn compare(left: Scalar, op: Operator, right: impl Into<Value>) -> Expr {
    Expr::Compare { left, op, right: literal(right) }
}

fn check(text: &str, expect: Expr) {
    assert_eq!(odata::filter(text), Ok(expect.clone()), "{text}");
    let printed = odata::print_filter(&expect).unwrap();
    assert_eq!(odata::filter(&printed), Ok(expect), "{printed}");
}

#[test]
fn comparisons_are_read() {
    let starts = |text: &str| Expr::StartsWith { item: name(), text: text.to_owned() };
    let null = || Expr::is_null("a");
    check("Name eq 'x'", eq("Name", "x"));
    check("NAME EQ 'it''s'", eq("NAME", "it's"));
    check("'x' eq Name", eq("Name", "x"));
    check("5 lt a", Expr::compare("a", Operator::Gt, 5));
    check("a ne -5", Expr::compare("a", Operator::Ne, -5));
    check("a ge 1.5", Expr::compare("a", Operator::Ge, Value::Real(1.5)));
    check("packageID eq 16456789", eq("packageID", 16_456_789));
    check("a eq true and b eq false", Expr::And(vec![eq("a", true), eq("b", false)]));
    check("a eq null", null());
    check("null ne a", null().not());
    check(
        "a eq b",
        Expr::Compare { left: Scalar::property("a"), op: Operator::Eq, right: Scalar::property("b") },
    );
    check(
        "(a eq 1 or b eq 2) and not (c eq 3)",
        Expr::And(vec![Expr::Or(vec![eq("a", 1), eq("b", 2)]), eq("c", 3).not()]),
    );
    check("a eq 1 or b eq 2 and c eq 3", Expr::Or(vec![eq("a", 1), Expr::And(vec![eq("b", 2), eq("c", 3)])]));
    check("contains(Name,'x')", contains("x"));
    check("Contains( Name , 'x' ) Eq True", contains("x"));
    check("contains(Name,'x') eq false", contains("x").not());
    check("contains(Name,'x') ne true", contains("x").not());
    check("contains(tolower(Name),tolower('X'))", contains("X"));
    check("startswith(Name,'Drivers - ')", starts("Drivers - "));
    check("not startswith(Name,'x')", starts("x").not());
    check("not not startswith(Name,'x')", starts("x"));
    check("endswith(Name,'x')", Expr::EndsWith { item: name(), text: "x".to_owned() });
    check("toupper(Name) eq 'X'", eq("Name", "X"));
    check("a in ('x', 'y')", Expr::In { item: Scalar::property("a"), values: vec!["x".into(), "y".into()] });
    check("not (a in (1))", Expr::In { item: Scalar::property("a"), values: vec![1.into()] }.not());
    check("IsPXE and a eq 1", Expr::And(vec![eq("IsPXE", true), eq("a", 1)]));
    check("not IsPXE", eq("IsPXE", true).not());
    check("(a eq 1) eq false", eq("a", 1).not());
    check("Name eq 'a%20''b+/()'", eq("Name", "a%20'b+/()"));
}

#[test]
fn dates_and_guids_are_read() {
    let date = "20240101000000.000000+***".parse::<DateTime>().unwrap();
    for text in [
        "a gt 2024-01-01T00:00:00Z",
        "a gt 2024-01-01T01:00:00+01:00",
        "a gt 2024-01-01T00:00:00",
        "a gt 2024-01-01T00:00:00.000Z",
        "a gt 2024-01-01",
        "2024-01-01 lt a",
    ] {
        check(text, Expr::compare("a", Operator::Gt, date));
    }
    check("a gt datetime'2024-01-01T00:00:00'", Expr::compare("a", Operator::Gt, "2024-01-01T00:00:00"));
    for guid in ["0c4a1bb2-0000-4000-8000-00000000abcd", "ac4a1bb2-0000-4000-8000-00000000abcd"] {
        check(&format!("a eq {guid}"), eq("a", guid));
        check(&format!("a eq guid'{guid}'"), eq("a", guid));
    }
}

#[test]
fn functions_are_read() {
    let date = || Scalar::property("SourceDate");
    check("length(Name) gt 5", compare(call(Function::Length, [name()]), Operator::Gt, 5));
    check(
        "indexof(Name,'x') eq 0",
        compare(call(Function::IndexOf, [name(), literal("x")]), Operator::Eq, 1),
    );
    check(
        "-1 ne indexof(Name,'x')",
        compare(call(Function::IndexOf, [name(), literal("x")]), Operator::Ne, 0),
    );
    check(
        "substring(Name,1) eq 'ell'",
        compare(call(Function::Substring, [name(), literal(2)]), Operator::Eq, "ell"),
    );
    check(
        "substring(toupper(Name),0,2) eq 'De'",
        compare(call(Function::Substring, [name(), literal(1), literal(2)]), Operator::Eq, "De"),
    );
    check(
        "contains(concat(Name,trim(Version)),'x')",
        Expr::Contains {
            item: call(Function::Concat, [name(), call(Function::Trim, [Scalar::property("Version")])]),
            text: "x".to_owned(),
        },
    );
    for (word, unit) in [
        ("year", DateUnit::Year),
        ("month", DateUnit::Month),
        ("day", DateUnit::Day),
        ("hour", DateUnit::Hour),
        ("Minute", DateUnit::Minute),
        ("SECOND", DateUnit::Second),
    ] {
        check(
            &format!("{word}(SourceDate) eq 5"),
            compare(call(Function::DatePart(unit), [date()]), Operator::Eq, 5),
        );
    }
    check(
        "SourceDate lt now()",
        Expr::Compare { left: date(), op: Operator::Lt, right: call(Function::GetDate, []) },
    );
}

#[test]
fn elements_of_arrays_are_tested() {
    let contains = |text: &str| any(ElementTest::Contains(text.to_owned()));
    let ne = |value: &str| any(ElementTest::Compare(Operator::Ne, value.into()));
    check("Names/any(item: item eq 'x')", any_eq("x"));
    check("Names/ANY(role: 'x' eq Role)", any_eq("x"));
    check("Names/any(i:i eq 'x' or i eq 'y') eq true", Expr::Or(vec![any_eq("x"), any_eq("y")]));
    check("Names/any(i: (i eq 'x' or (i eq 'y')))", Expr::Or(vec![any_eq("x"), any_eq("y")]));
    check("Names/any(i: contains(i,'x'))", contains("x"));
    check("Names/any(i: contains(tolower(i),'x') eq true)", contains("x"));
    check("Names/any(i: not (contains(i,'x') eq false))", contains("x"));
    check("Names/any(i: startswith(i,'x'))", any(ElementTest::StartsWith("x".to_owned())));
    check("Names/any(i: endswith(i,'x'))", any(ElementTest::EndsWith("x".to_owned())));
    check("Names/any(i: i in ('x','y'))", any(ElementTest::In(vec!["x".into(), "y".into()])));
    check("Names/any(i: not (i eq 'x'))", ne("x"));
    check("Names/any(i: not (i ne 'x' and i ne 'y'))", Expr::Or(vec![any_eq("x"), any_eq("y")]));
    check("Names/any(i: 5 lt i)", any(ElementTest::Compare(Operator::Gt, 5.into())));
    check("Names/any(i: i eq 'x') eq false", any_eq("x").not());
    check("not Names/any(i: i eq 'x') and a eq 1", Expr::And(vec![any_eq("x").not(), eq("a", 1)]));
    check("Names/all(i: i eq 'x')", ne("x").not());
    check("Names/all(i: i ne 'x' and i ne 'y')", Expr::Or(vec![any_eq("x"), any_eq("y")]).not());
    check("Names/all(i: not contains(i,'x'))", contains("x").not());
}

#[test]
fn what_is_no_filter_is_refused_with_its_place() {
    for (text, column, says) in [
        ("", 1, "a property or a value"),
        ("Name eq", 8, "a property or a value"),
        ("Name eq 'x", 9, "closing quote"),
        ("Name = 'x'", 6, "no meaning"),
        ("Name eq 'x' and", 16, "a property or a value"),
        ("(Name eq 'x'", 13, "closing parenthesis"),
        ("Name eq 'x')", 12, "the end"),
        ("1 eq 2", 1, "compared with a value"),
        ("'x'", 4, "a comparison such as eq"),
        ("length(Name)", 13, "a comparison such as eq"),
        ("contains('x',Name)", 10, "first argument must be a property"),
        ("contains(Name,5)", 15, "second argument must be a text"),
        ("contains(Name,x)", 15, "second argument must be a text"),
        ("contains(Name,'x') eq 5", 23, "eq true or eq false"),
        ("contains(Name,'x') gt true", 23, "eq true or eq false"),
        ("Names/none(i: i eq 'x')", 7, "any(...) and all(...)"),
        ("Names/Length eq 1", 7, "any(...) and all(...)"),
        ("Names/any()", 11, "a name for the element"),
        ("Names/any(i: j eq 'x')", 14, "only i is tested"),
        ("Names/any(i: i eq j)", 14, "compared with a value"),
        ("Names/any(i: i eq null)", 14, "compared with a value"),
        ("Names/any(i: i eq 'x' and i eq 'y')", 23, "joined by or"),
        ("Names/all(i: i eq 'x' or i eq 'y')", 23, "joined by and"),
        ("Names/all(i: contains(i,'x'))", 14, "opposite"),
        ("Names/any(i: not (i in ('x')))", 19, "opposite"),
        ("Names/any(i: contains(j,'x'))", 14, "only i is tested"),
        ("Names/any(i: i/any(j: j eq 'x'))", 15, "a comparison such as eq"),
        ("a gt null", 1, "null takes eq and ne"),
        ("a eq 12x", 6, "no number, date or GUID"),
        ("a in ()", 7, "a list holds values"),
        ("a in (b)", 7, "a list holds values"),
        ("a has 'x'", 3, "has is not supported: compare the number"),
        ("a add 1 eq 2", 3, "add is not supported"),
        ("date(a) eq 2024-01-01", 1, "date is not supported"),
        ("cast(a,'Edm.String') eq 'x'", 1, "cast is not supported"),
        ("geo.distance(a,b) lt 5", 4, "no meaning"),
        ("soundex(a) eq 'x'", 1, "the function soundex is not supported"),
        ("length() eq 1", 1, "wrong number of arguments"),
        ("tolower(a,b) eq 'x'", 1, "takes one argument"),
        ("indexof(Name,'x') eq a", 1, "compared with a number"),
        ("indexof(Name,'x') in (1)", 1, "compared with a number"),
        ("substring(Name,a) eq 'x'", 1, "must be a number"),
        ("Name eq 'x'; DROP TABLE package", 12, "no meaning"),
    ] {
        let error = odata::filter(text).unwrap_err();
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.reason.contains(says), "{text}: {error}");
    }
}

/// What administrators are told is what is read.
#[test]
fn the_examples_of_the_documentation_are_read() {
    let page = include_str!("../../../docs/queries.md");
    let (_, part) = page.split_once("## OData").unwrap();
    let (part, _) = part.split_once("## Limits").unwrap();
    let mut read = 0;
    for row in part.lines().filter(|line| line.starts_with("| ")) {
        let second = row.split(" | ").nth(1).unwrap();
        let example = second
            .split('`')
            .nth(1)
            .filter(|code| code.contains([' ', '(', '=']) || *code == "IsReadingSource");
        let Some(example) = example else { continue };
        let is_read = match example.split_once('=') {
            Some(("$orderby", order)) => odata::order(order).is_ok(),
            Some(("$select", names)) => odata::select(names).is_ok(),
            _ if example.starts_with("tolower ") => continue,
            _ => odata::filter(example).is_ok(),
        };
        assert!(is_read, "{example}: {:?}", odata::filter(example));
        read += 1;
    }
    assert!(read >= 10, "{read} examples");
}

#[test]
fn length_depth_and_terms_are_bounded() {
    let reason = |text: &str| odata::filter(text).unwrap_err().reason;
    let nested = |depth: usize| format!("{}a eq 1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(odata::filter(&nested(DEPTH_MAX - 1)).is_ok());
    assert!(reason(&nested(30_000)).contains("nest deeper"));
    assert!(reason(&format!("{}a{} eq 1", "trim(".repeat(100), ")".repeat(100))).contains("nest deeper"));
    assert!(reason(&format!("a/any(i: {}", "(".repeat(100))).contains("nest deeper"));
    let many = vec!["a eq 1"; TERMS_MAX + 1].join(" or ");
    assert!(reason(&many).contains("more than"));
    assert!(reason(&" ".repeat(OPTION_BYTES_MAX + 1)).contains("longer"));
}

#[test]
fn lists_of_names_are_read() {
    let names = |text: &str| odata::select(text).map_err(|error| error.column);
    let some = |names: &[&str]| Ok(Some(names.iter().map(|name| (*name).to_owned()).collect()));
    assert_eq!(names("Name"), some(&["Name"]));
    assert_eq!(names(" Name , __PATH,PackageID"), some(&["Name", "__PATH", "PackageID"]));
    assert_eq!(names("*"), Ok(None));
    assert_eq!(names("Name,*"), Ok(None));
    assert_eq!(names(" "), Ok(None));
    for (text, column) in [(",", 1), ("a,,b", 3), ("a,", 3), ("a,b c", 3), ("a;b", 1), ("Nam\u{e9}", 1)] {
        assert_eq!(names(text), Err(column), "{text}");
    }
    assert!(names(&vec!["a"; NAMES_MAX + 1].join(",")).is_err());

    let order = |text: &str| odata::order(text).map_err(|error| error.column);
    let (up, down) = (Direction::Ascending, Direction::Descending);
    assert_eq!(order("Name"), Ok(vec![(name(), up)]));
    assert_eq!(
        order("Name DESC, a asc,length(Name) desc"),
        Ok(vec![(name(), down), (Scalar::property("a"), up), (call(Function::Length, [name()]), down)])
    );
    assert_eq!(odata::print_order(&order("Name desc,a").unwrap()).unwrap(), "Name desc,a");
    for (text, column) in
        [("", 1), ("a b", 3), ("a desc desc", 8), ("a,", 3), ("5", 1), ("a eq 1", 3), ("*", 1)]
    {
        assert_eq!(order(text), Err(column), "{text}");
    }
    assert!(order(&vec!["a"; NAMES_MAX + 1].join(",")).is_err());
}

#[test]
fn wql_prints_as_odata_where_it_can() {
    let odata = |condition: &str| {
        let query = wql::parse(&format!("SELECT * FROM A WHERE {condition}")).unwrap();
        odata::print_filter(&query.filter.unwrap())
    };
    for (condition, expect) in [
        ("A.a = 'O\\'Neil' AND b > 3", "a eq 'O''Neil' and b gt 3"),
        ("a LIKE '%x%' OR NOT b IS NULL", "contains(a,'x') or not (b eq null)"),
        ("a LIKE 'x%'", "startswith(a,'x')"),
        ("a LIKE '%x'", "endswith(a,'x')"),
        ("a LIKE 'x' AND b LIKE '%'", "a eq 'x' and b ne null"),
        ("a IN (1, 'x')", "a in (1,'x')"),
        ("(a = 1 OR b = 2) AND c <= 1.5", "(a eq 1 or b eq 2) and c le 1.5"),
        ("DATEPART(year, d) = 2024", "year(d) eq 2024"),
        ("SUBSTRING(a, 1, 2) = 'x'", "substring(a,0,2) eq 'x'"),
        ("INDEXOF(a, 'x') > 0", "indexof(a,'x') gt -1"),
        ("d < GETDATE()", "d lt now()"),
    ] {
        assert_eq!(odata(condition).as_deref(), Ok(expect), "{condition}");
    }
    for condition in [
        "a LIKE 'x%y'",
        "a LIKE '[ab]'",
        "EXISTS (SELECT * FROM B)",
        "a IN (SELECT b FROM B)",
        "__this ISA 'B'",
        "d < DATEADD(day, 1, GETDATE())",
        "DATEPART(week, d) = 1",
        "SUBSTRING(a, b) = 'x'",
        "INDEXOF(a, 'x') = b",
        "INDEXOF(a, 'x') IN (1)",
    ] {
        assert!(odata(condition).is_err(), "{condition}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let time = (0i64..4_000_000_000_000)
        .prop_map(|ms| DateTime::from_timestamp(jiff::Timestamp::from_millisecond(ms).unwrap()).into());
    prop_oneof![3 => trees::value(), 1 => time]
}

fn condition() -> impl Strategy<Value = Expr> {
    let item = || {
        let property = trees::name().prop_map(Scalar::property);
        property.prop_recursive(2, 4, 2, |inner| {
            prop_oneof![
                inner.clone().prop_map(|item| call(Function::Trim, [item])),
                inner.clone().prop_map(|item| call(Function::Length, [item])),
                inner.clone().prop_map(|item| call(Function::DatePart(DateUnit::Hour), [item])),
                (inner.clone(), 1i64..9)
                    .prop_map(|(item, from)| call(Function::Substring, [item, literal(from)])),
                (inner, value())
                    .prop_map(|(item, value)| call(Function::Concat, [item, Scalar::Literal(value)])),
            ]
        })
    };
    let text = || "[ -~é]{0,10}".prop_map(String::from);
    let values = || prop::collection::vec(value(), 1..4);
    let test = prop_oneof![
        (trees::operator(), value()).prop_map(|(op, value)| ElementTest::Compare(op, value)),
        values().prop_map(ElementTest::In),
        text().prop_map(ElementTest::StartsWith),
        text().prop_map(ElementTest::EndsWith),
        text().prop_map(ElementTest::Contains),
    ];
    let leaf = prop_oneof![
        (item(), trees::operator(), value()).prop_map(|(left, op, value)| Expr::Compare {
            left,
            op,
            right: Scalar::Literal(value)
        }),
        (item(), trees::operator(), item()).prop_map(|(left, op, right)| Expr::Compare { left, op, right }),
        (item(), trees::operator(), -9i64..9).prop_map(|(text, op, at)| compare(
            call(Function::IndexOf, [text, literal("x")]),
            op,
            at
        )),
        item().prop_map(Expr::IsNull),
        (item(), values()).prop_map(|(item, values)| Expr::In { item, values }),
        (item(), text()).prop_map(|(item, text)| Expr::StartsWith { item, text }),
        (item(), text()).prop_map(|(item, text)| Expr::EndsWith { item, text }),
        (item(), text()).prop_map(|(item, text)| Expr::Contains { item, text }),
        (trees::name(), test).prop_map(|(name, test)| Expr::Any { property: PropertyRef::new(name), test }),
    ];
    trees::combined(leaf.boxed())
}

proptest! {
    #[test]
    fn any_condition_prints_and_reads_the_same(condition in condition()) {
        let text = odata::print_filter(&condition).unwrap();
        prop_assert_eq!(odata::filter(&text), Ok(condition), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        let _ = odata::filter(&text);
        let _ = odata::order(&text);
        let _ = odata::select(&text);
    }

    #[test]
    fn no_almost_right_text_makes_the_reader_panic(words in prop::collection::vec(
        prop::sample::select(vec!["a ", "eq ", "1 ", "'x' ", "and ", "or ", "not ", "(", ")", ",", "/any(", "/all(", "i: ",
            "contains(", "tolower(", "indexof(", "substring(", "in ", "null ", "true ", "'", "-", "2024-01-01", ":", "now()"]),
        0..40)) {
        let text = words.concat();
        if let Ok(filter) = odata::filter(&text)
            && let Ok(printed) = odata::print_filter(&filter) {
            prop_assert_eq!(odata::filter(&printed), Ok(filter), "{}", printed);
        }
        let _ = odata::order(&text);
    }
}
