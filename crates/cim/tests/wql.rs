//! WQL as real scripts send it, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use cim::Value;
use cim::query::{Direction, Expr, LikePattern, Operator, Query, Scalar, Select};
use cim::wql::{self, WqlErrorKind};
use proptest::prelude::*;

fn eq(property: &str, value: impl Into<Value>) -> Expr {
    Expr::compare(property, Operator::Eq, value)
}

fn filter(class: &str, filter: Expr) -> Query {
    Query { filter: Some(filter), ..Query::all(class) }
}

#[test]
fn queries_of_scripts_are_read() {
    let check = |text: &str, expect: Query| assert_eq!(wql::parse(text), Ok(expect), "{text}");
    check("SELECT * FROM SMS_DriverPackage", Query::all("SMS_DriverPackage"));
    check(
        "Select * from SMS_CIToContent where CI_ID=16777500",
        filter("SMS_CIToContent", eq("CI_ID", 16_777_500)),
    );
    check("select * from A where CI_ID = '123'", filter("A", eq("CI_ID", "123")));
    check(
        "select * from SMS_ProviderLocation where ProviderForLocalSite = true",
        filter("SMS_ProviderLocation", eq("ProviderForLocalSite", true)),
    );
    check(
        "SELECT * FROM SMS_SystemResourceList WHERE RoleName='SMS Distribution Point' AND SiteCode=\"XYZ\"",
        filter(
            "SMS_SystemResourceList",
            Expr::And(vec![eq("RoleName", "SMS Distribution Point"), eq("SiteCode", "XYZ")]),
        ),
    );
    check(
        r#"SELECT p.Name, SMS_Package.PackageID FROM SMS_Package AS p WHERE p.Name = "a\\b\"c" ORDER BY p.Name DESC, PackageID"#,
        Query {
            select: Select::properties(["Name", "PackageID"]),
            order: vec![
                (Scalar::property("Name"), Direction::Descending),
                (Scalar::property("PackageID"), Direction::Ascending),
            ],
            ..filter("SMS_Package", eq("Name", "a\\b\"c"))
        },
    );
    check("SELECT p.* FROM A p WHERE 'it''s' = Name", filter("A", eq("Name", "it's")));
    check("SELECT * FROM A WHERE 5 < b", filter("A", Expr::compare("b", Operator::Gt, 5)));
}

#[test]
fn conditions_bind_as_in_sql() {
    let check = |text: &str, expect: Expr| {
        assert_eq!(wql::parse(&format!("SELECT * FROM A WHERE {text}")), Ok(filter("A", expect)), "{text}");
    };
    let like =
        |pattern: &str| Expr::Like { item: Scalar::property("Name"), pattern: LikePattern::parse(pattern) };
    let null = || Expr::is_null("b");
    check("a=1 OR b=2 AND c=3", Expr::Or(vec![eq("a", 1), Expr::And(vec![eq("b", 2), eq("c", 3)])]));
    check(
        "(a=1 or b=2) and not c=3",
        Expr::And(vec![Expr::Or(vec![eq("a", 1), eq("b", 2)]), eq("c", 3).not()]),
    );
    check("not not a=1", eq("a", 1));
    check("Name LIKE 'Dell%'", like("Dell%"));
    check("Name not like '[a-f]_'", like("[a-f]_").not());
    check("b IS NULL", null());
    check("b is not null", null().not());
    check("b = NULL", null());
    check("b <> NULL", null().not());
    check(
        "a NOT IN (1, '2', -3)",
        Expr::In { item: Scalar::property("a"), values: vec![1.into(), "2".into(), (-3).into()] }.not(),
    );
    check("a != 0x10", Expr::compare("a", Operator::Ne, 16));
    check("a >= 1.5e+1", Expr::compare("a", Operator::Ge, Value::Real(15.0)));
}

#[test]
fn what_is_not_served_is_named() {
    for (text, what) in [
        ("SELECT DISTINCT a FROM A", "DISTINCT"),
        ("SELECT COUNT(*) FROM A", "COUNT"),
        ("SELECT * FROM A JOIN B ON A.x = B.x", "JOIN"),
        ("SELECT * FROM A AS p INNER JOIN B ON p.x = B.x", "JOIN"),
        ("SELECT * FROM A, B", "a query on several classes"),
        ("SELECT * FROM A WHERE x IN (SELECT y FROM B)", "a subquery"),
        ("SELECT * FROM A WHERE UPPER(x) = 'Y'", "the function UPPER"),
        ("SELECT * FROM A WHERE x BETWEEN 1 AND 2", "BETWEEN"),
    ] {
        let error = wql::parse(text).unwrap_err();
        assert_eq!(error.kind, WqlErrorKind::Unsupported(what.to_owned()), "{text}");
    }
}

#[test]
fn mistakes_are_reported_where_they_are() {
    for (text, column) in [
        ("", 1),
        ("DELETE FROM A", 1),
        ("SELECT FROM A", 8),
        ("SELECT * FROM", 14),
        ("SELECT * FROM A WHERE", 22),
        ("SELECT * FROM A WHERE x", 24),
        ("SELECT * FROM A WHERE x = y", 27),
        ("SELECT * FROM A WHERE x NOT = 1", 29),
        ("SELECT * FROM A WHERE (x = 1", 29),
        ("SELECT * FROM A WHERE x = 'a", 27),
        ("SELECT * FROM A WHERE x = 1 2", 29),
        ("SELECT * FROM A WHERE B.x = 1", 23),
        ("SELECT * FROM A WHERE x = 12abc", 27),
        ("SELECT * FROM A WHERE x IN ()", 29),
        ("SELECT * FROM A; DROP TABLE A", 16),
    ] {
        let error = wql::parse(text).unwrap_err();
        assert!(matches!(error.kind, WqlErrorKind::Syntax(_)), "{text}: {error}");
        assert_eq!((error.position.line, error.position.column), (1, column), "{text}: {error}");
    }
}

#[test]
fn length_depth_and_terms_are_bounded() {
    let kind = |text: &str| wql::parse(text).unwrap_err().kind;
    assert_eq!(kind(&" ".repeat(wql::QUERY_BYTES_MAX + 1)), WqlErrorKind::TooLong);
    let nested =
        |depth: usize| format!("SELECT * FROM A WHERE {}x=1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(wql::parse(&nested(wql::DEPTH_MAX - 1)).is_ok());
    assert_eq!(kind(&nested(wql::DEPTH_MAX)), WqlErrorKind::TooDeep);
    assert_eq!(kind(&nested(30_000)), WqlErrorKind::TooDeep);
    let list = vec!["1"; wql::TERMS_MAX].join(",");
    assert_eq!(kind(&format!("SELECT * FROM A WHERE x IN ({list})")), WqlErrorKind::TooManyTerms);
}

fn expr() -> impl Strategy<Value = Expr> {
    let name = || "[A-Z][a-z]{0,3}_".prop_map(String::from);
    let value = || {
        prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[ -~é]{0,10}".prop_map(Value::String),
            (-1e6f64..1e6).prop_map(Value::Real),
        ]
    };
    let op = prop::sample::select(vec![
        Operator::Eq,
        Operator::Ne,
        Operator::Lt,
        Operator::Le,
        Operator::Gt,
        Operator::Ge,
    ]);
    let leaf = prop_oneof![
        (name(), op, value()).prop_map(|(property, op, value)| Expr::compare(property, op, value)),
        name().prop_map(Expr::is_null),
        (name(), prop::collection::vec(value(), 1..4))
            .prop_map(|(property, values)| Expr::In { item: Scalar::property(property), values }),
        (name(), "[a-c%_\\[\\]^\\-x\"]{0,8}").prop_map(|(property, text)| Expr::Like {
            item: Scalar::property(property),
            pattern: LikePattern::parse(&text)
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            // A doubled NOT reads as none, so only one is printed here.
            inner.prop_map(|inner| if matches!(inner, Expr::Not(_)) { inner } else { inner.not() }),
        ]
    })
}

proptest! {
    #[test]
    fn any_condition_prints_and_reads_the_same(filter in expr()) {
        let query = Query { filter: Some(filter), ..Query::all("A") };
        prop_assert_eq!(wql::parse(&query.to_string()), Ok(query));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,120}") {
        let _ = wql::parse(&text);
    }

    #[test]
    fn no_almost_right_text_makes_the_reader_panic(words in prop::collection::vec(
        prop::sample::select(vec!["SELECT ", "* ", "FROM ", "A ", "WHERE ", "x ", "= ", "1 ", "'y' ", "AND ", "OR ", "NOT ",
            "LIKE ", "IN ", "( ", ") ", ", ", ". ", "IS ", "NULL ", "ORDER ", "BY ", "DESC ", "'", "\"", "\\", "-"]), 0..40)) {
        let _ = wql::parse(&words.concat());
    }
}
