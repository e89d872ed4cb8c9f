//! WQL as real scripts send it, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod trees;

use cim::Value;
use cim::query::{
    DateUnit, Direction, Expr, Function, Join, JoinKind, LikePattern, Operator, PropertyRef, Query, Scalar,
    Select, Selected, Source,
};
use cim::wql::{self, WqlErrorKind};
use proptest::prelude::*;

fn eq(property: &str, value: impl Into<Value>) -> Expr {
    Expr::compare(property, Operator::Eq, value)
}

fn filter(class: &str, filter: Expr) -> Query {
    Query { filter: Some(filter), ..Query::all(class) }
}

/// `a.b`, or a bare name.
fn reference(text: &str) -> PropertyRef {
    match text.split_once('.') {
        Some((source, name)) => PropertyRef { source: Some(source.to_owned()), name: name.to_owned() },
        None => PropertyRef::new(text),
    }
}

fn property(text: &str) -> Scalar {
    Scalar::Property(reference(text))
}

fn source(class: &str, alias: Option<&str>) -> Source {
    Source { class: class.to_owned(), alias: alias.map(str::to_owned) }
}

fn same(left: &str, right: &str) -> Expr {
    Expr::Compare { left: property(left), op: Operator::Eq, right: property(right) }
}

fn is(name: &str, value: impl Into<Value>) -> Expr {
    Expr::Compare { left: property(name), op: Operator::Eq, right: Scalar::Literal(value.into()) }
}

fn join(kind: JoinKind, class: &str, alias: Option<&str>, on: Expr) -> Join {
    Join { kind, source: source(class, alias), on: Some(on) }
}

fn call(function: Function, arguments: impl IntoIterator<Item = Scalar>) -> Scalar {
    Scalar::Call(function, arguments.into_iter().collect())
}

fn check(text: &str, expect: Query) {
    assert_eq!(wql::parse(text), Ok(expect.clone()), "{text}");
    let printed = expect.to_string();
    assert_eq!(wql::parse(&printed), Ok(expect), "{printed}");
}

#[test]
fn queries_of_scripts_are_read() {
    check("SELECT * FROM SMS_DriverPackage", Query::all("SMS_DriverPackage"));
    check(
        "Select * from SMS_CIToContent where CI_ID=16777500",
        filter("SMS_CIToContent", eq("CI_ID", 16_777_500)),
    );
    check("select * from A where CI_ID = '123'", filter("A", eq("CI_ID", "123")));
    check(
        "select * from SMS_CategoryInstance where CategoryTypeName = 'DriverCategories' and LocalizedCategoryInstanceName = 'Name'",
        filter(
            "SMS_CategoryInstance",
            Expr::And(vec![
                eq("CategoryTypeName", "DriverCategories"),
                eq("LocalizedCategoryInstanceName", "Name"),
            ]),
        ),
    );
    check(
        "select * from SMS_ProviderLocation where ProviderForLocalSite = true",
        filter("SMS_ProviderLocation", eq("ProviderForLocalSite", true)),
    );
    check(
        "SELECT * FROM SMS_SystemResourceList WHERE RoleName='SMS Distribution Point' AND SiteCode=\"XYZ\"\n\tAND ServerName='srv'",
        filter(
            "SMS_SystemResourceList",
            Expr::And(vec![
                eq("RoleName", "SMS Distribution Point"),
                eq("SiteCode", "XYZ"),
                eq("ServerName", "srv"),
            ]),
        ),
    );
    check(
        r#"SELECT p.Name, SMS_Package.PackageID FROM SMS_Package AS p WHERE p.Name = "a\\b\"c" ORDER BY p.Name DESC, PackageID"#,
        Query {
            from: source("SMS_Package", Some("p")),
            select: Select::Items(vec![
                Selected::Property(reference("p.Name")),
                Selected::Property(reference("SMS_Package.PackageID")),
            ]),
            order: vec![
                (property("p.Name"), Direction::Descending),
                (property("PackageID"), Direction::Ascending),
            ],
            ..filter("", is("p.Name", "a\\b\"c"))
        },
    );
    check(
        "SELECT p.* FROM A p WHERE 'it''s' = Name",
        Query { from: source("A", Some("p")), ..filter("", eq("Name", "it's")) },
    );
    check("SELECT * FROM A WHERE 5 < b", filter("A", Expr::compare("b", Operator::Gt, 5)));
}

#[test]
fn joins_are_read_in_both_syntaxes() {
    let (driver, folder) = ("SMS_DriverPackage", "SMS_ObjectContainerItem");
    check(
        "Select * from SMS_DriverPackage join SMS_ObjectContainerItem ON SMS_ObjectContainerItem.InstanceKey = SMS_DriverPackage.PackageID WHERE SMS_ObjectContainerItem.ObjectType = 23 AND SMS_ObjectContainerItem.ContainerNodeID = \"16777230\" AND SMS_DriverPackage.Name = \"Pkg\"",
        Query {
            joins: vec![join(
                JoinKind::Inner,
                folder,
                None,
                same("SMS_ObjectContainerItem.InstanceKey", "SMS_DriverPackage.PackageID"),
            )],
            ..filter(
                driver,
                Expr::And(vec![
                    is("SMS_ObjectContainerItem.ObjectType", 23),
                    is("SMS_ObjectContainerItem.ContainerNodeID", "16777230"),
                    is("SMS_DriverPackage.Name", "Pkg"),
                ]),
            )
        },
    );
    check(
        "SELECT a.*, b, b.x FROM A a, B AS b WHERE a.k = b.k",
        Query {
            from: source("A", Some("a")),
            joins: vec![Join { kind: JoinKind::Cross, source: source("B", Some("b")), on: None }],
            select: Select::Items(vec![
                Selected::Source("a".to_owned()),
                Selected::Source("b".to_owned()),
                Selected::Property(reference("b.x")),
            ]),
            ..filter("", same("a.k", "b.k"))
        },
    );
    for (words, kind) in [
        ("JOIN", JoinKind::Inner),
        ("inner join", JoinKind::Inner),
        ("LEFT JOIN", JoinKind::Left),
        ("left outer join", JoinKind::Left),
        ("RIGHT OUTER JOIN", JoinKind::Right),
        ("FULL JOIN", JoinKind::Full),
    ] {
        check(
            &format!("SELECT * FROM A {words} B ON (A.k = B.k AND B.n = 1) {words} C AS c ON c.k = B.k"),
            Query {
                joins: vec![
                    join(kind, "B", None, Expr::And(vec![same("A.k", "B.k"), is("B.n", 1)])),
                    join(kind, "C", Some("c"), same("c.k", "B.k")),
                ],
                ..Query::all("A")
            },
        );
    }
    let cross = Join { kind: JoinKind::Cross, source: source("B", None), on: None };
    check("SELECT * FROM A CROSS JOIN B", Query { joins: vec![cross], ..Query::all("A") });
    check(
        "SELECT A FROM A JOIN B ON A.k = B.k",
        Query {
            joins: vec![join(JoinKind::Inner, "B", None, same("A.k", "B.k"))],
            select: Select::Items(vec![Selected::Source("A".to_owned())]),
            ..Query::all("A")
        },
    );
}

#[test]
fn subqueries_are_read() {
    let inner = |class: &str, alias: Option<&str>, select: &str| Query {
        from: source(class, alias),
        select: Select::Items(vec![Selected::Property(reference(select))]),
        ..Query::all("")
    };
    let in_query = |item: &str, query: Query| Expr::InQuery { item: property(item), query: Box::new(query) };
    let package = Query {
        joins: vec![
            join(
                JoinKind::Inner,
                "SMS_PackageToContent",
                Some("PTC"),
                same("CTC.ContentID", "PTC.ContentID"),
            ),
            join(JoinKind::Inner, "SMS_DriverPackage", Some("Pkg"), same("PTC.PackageID", "Pkg.PackageID")),
        ],
        filter: Some(is("Pkg.PackageID", "XYZ00010")),
        ..inner("SMS_CIToContent", Some("CTC"), "CTC.CI_ID")
    };
    check(
        "SELECT * FROM SMS_Driver WHERE CI_ID IN (SELECT CTC.CI_ID FROM SMS_CIToContent AS CTC JOIN SMS_PackageToContent AS PTC\n  ON CTC.ContentID=PTC.ContentID JOIN SMS_DriverPackage AS Pkg ON PTC.PackageID=Pkg.PackageID WHERE Pkg.PackageID='XYZ00010')",
        filter("SMS_Driver", in_query("CI_ID", package)),
    );
    check(
        "SELECT * FROM A WHERE x NOT IN (SELECT y FROM B WHERE y IN (SELECT DISTINCT z FROM C)) OR A.n = 1",
        filter(
            "A",
            Expr::Or(vec![
                in_query(
                    "x",
                    Query {
                        filter: Some(in_query("y", Query { distinct: true, ..inner("C", None, "z") })),
                        ..inner("B", None, "y")
                    },
                )
                .not(),
                is("A.n", 1),
            ]),
        ),
    );
    check(
        "SELECT * FROM A AS o WHERE NOT EXISTS (SELECT * FROM B WHERE B.k = o.k)",
        Query {
            from: source("A", Some("o")),
            ..filter("", Expr::Exists(Box::new(filter("B", same("B.k", "o.k")))).not())
        },
    );
}

#[test]
fn functions_counts_and_classes_are_read() {
    let name = || Scalar::property("Name");
    let literal = |value: Value| Scalar::Literal(value);
    let compare = |left, op, right| Expr::Compare { left, op, right };
    let now = || call(Function::GetDate, []);
    let condition = |text: &str, expect: Expr| {
        check(&format!("SELECT * FROM A WHERE {text}"), filter("A", expect));
    };
    condition(
        "upper(Name) = 'X' ",
        compare(call(Function::Upper, [name()]), Operator::Eq, literal("X".into())),
    );
    condition(
        "'x' <> LOWER(SUBSTRING(A.Name, 2, 3))",
        compare(
            call(
                Function::Lower,
                [call(Function::Substring, [property("A.Name"), literal(2.into()), literal(3.into())])],
            ),
            Operator::Ne,
            literal("x".into()),
        ),
    );
    condition(
        "DATEDIFF(dd, SourceDate, GetDate()) > 7",
        compare(
            call(Function::DateDiff(DateUnit::Day), [Scalar::property("SourceDate"), now()]),
            Operator::Gt,
            literal(7.into()),
        ),
    );
    condition(
        "SourceDate >= DateAdd(Month, -1, GETDATE())",
        compare(
            Scalar::property("SourceDate"),
            Operator::Ge,
            call(Function::DateAdd(DateUnit::Month), [literal((-1).into()), now()]),
        ),
    );
    condition(
        "DatePart('yy', SourceDate) = 2024",
        compare(
            call(Function::DatePart(DateUnit::Year), [Scalar::property("SourceDate")]),
            Operator::Eq,
            literal(2024.into()),
        ),
    );
    condition(
        "LOWER(Name) LIKE 'dell%' AND len(Name) IS NOT NULL AND UPPER(Name) IN ('A')",
        Expr::And(vec![
            Expr::Like { item: call(Function::Lower, [name()]), pattern: LikePattern::parse("dell%") },
            Expr::IsNull(call(Function::Length, [name()])).not(),
            Expr::In { item: call(Function::Upper, [name()]), values: vec!["A".into()] },
        ]),
    );
    condition("__this ISA \"B\"", Expr::Isa { source: None, class: "B".to_owned() });
    condition("NOT A isa 'B'", Expr::Isa { source: Some("A".to_owned()), class: "B".to_owned() }.not());
    check(
        "SELECT DISTINCT Manufacturer FROM A ORDER BY UPPER(Manufacturer) desc",
        Query {
            select: Select::properties(["Manufacturer"]),
            distinct: true,
            order: vec![(call(Function::Upper, [Scalar::property("Manufacturer")]), Direction::Descending)],
            ..Query::all("A")
        },
    );
    check("select count(*) from A", Query { select: Select::Count(None), ..Query::all("A") });
    check(
        "SELECT COUNT(A.x) FROM A",
        Query { select: Select::Count(Some(reference("A.x"))), ..Query::all("A") },
    );
}

#[test]
fn words_of_the_language_are_names_where_nothing_else_can_stand() {
    check(
        "SELECT Count, Order, Left FROM A WHERE In = 1 AND A.From LIKE 'x' AND Like IS NULL AND ISA > 2 AND Exists = 3 ORDER BY Desc DESC, By",
        Query {
            select: Select::properties(["Count", "Order", "Left"]),
            order: vec![
                (Scalar::property("Desc"), Direction::Descending),
                (Scalar::property("By"), Direction::Ascending),
            ],
            ..filter(
                "A",
                Expr::And(vec![
                    eq("In", 1),
                    Expr::Like { item: property("A.From"), pattern: LikePattern::parse("x") },
                    Expr::is_null("Like"),
                    Expr::compare("ISA", Operator::Gt, 2),
                    eq("Exists", 3),
                ]),
            )
        },
    );
    check("SELECT Distinct FROM A", Query { select: Select::properties(["Distinct"]), ..Query::all("A") });
    check("SELECT * FROM A AS Order", Query { from: source("A", Some("Order")), ..Query::all("") });
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
    check("NULL <> b", null().not());
    check(
        "a NOT IN (1, '2', -3)",
        Expr::In { item: Scalar::property("a"), values: vec![1.into(), "2".into(), (-3).into()] }.not(),
    );
    check("a != 0x10", Expr::compare("a", Operator::Ne, 16));
    check("a >= 1.5e+1", Expr::compare("a", Operator::Ge, Value::Real(15.0)));
    check("a = b", same("a", "b"));
    check("A.a < A.b", Expr::Compare { left: property("A.a"), op: Operator::Lt, right: property("A.b") });
}

#[test]
fn texts_are_escaped_as_scripts_write_them() {
    for (text, plain) in [
        (
            r#"'["Display=\\\\srv\\"]MSWNET:["SMS_SITE=XYZ"]\\\\srv\\'"#,
            r#"["Display=\\srv\"]MSWNET:["SMS_SITE=XYZ"]\\srv\"#,
        ),
        (r#""[\"Display=\\\\srv\\\"]MSWNET:""#, r#"["Display=\\srv\"]MSWNET:"#),
        (r"'it''s'", "it's"),
        (r"'it\'s'", "it's"),
        (r#""it's""#, "it's"),
        (r#""say ""so""""#, r#"say "so""#),
        (r"'C:\temp\x'", r"C:\temp\x"),
        ("''", ""),
        ("'\u{e9}'", "\u{e9}"),
    ] {
        let query = wql::parse(&format!("SELECT * FROM A WHERE x = {text}"));
        assert_eq!(query, Ok(filter("A", eq("x", plain))), "{text}");
    }
    let query = wql::parse(r"SELECT * FROM A WHERE NALPath LIKE '%\\srv.example.test\\'").unwrap();
    let pattern = LikePattern::parse(r"%\srv.example.test\");
    assert_eq!(
        query,
        filter("A", Expr::Like { item: Scalar::property("NALPath"), pattern: pattern.clone() })
    );
    assert!(pattern.matches(r#"["Display=\\SRV.example.test\"]MSWNET:["SMS_SITE=XYZ"]\\srv.example.test\"#));
}

#[test]
fn what_is_not_served_is_named_with_what_to_write_instead() {
    for (text, column, what) in [
        ("SELECT TOP 5 * FROM A", 8, "TOP"),
        ("SELECT UPPER(x) FROM A", 8, "the function UPPER in a SELECT list"),
        ("SELECT DISTINCT COUNT(*) FROM A", 8, "COUNT together with DISTINCT"),
        ("SELECT COUNT(DISTINCT x) FROM A", 14, "COUNT together with DISTINCT"),
        ("SELECT * FROM A WHERE x = (SELECT y FROM B)", 27, "a subquery as a value"),
        ("SELECT * FROM A WHERE (SELECT y FROM B) = x", 23, "a subquery as a value"),
        ("SELECT * FROM (SELECT * FROM B)", 15, "a subquery behind FROM"),
        ("SELECT * FROM A WHERE x IN (SELECT y FROM B ORDER BY y)", 45, "ORDER BY in a subquery"),
        ("SELECT * FROM A WHERE SOUNDEX(x) = 'Y'", 23, "the function SOUNDEX"),
        ("SELECT * FROM A WHERE x BETWEEN 1 AND 2", 25, "BETWEEN"),
        ("SELECT * FROM A WHERE x NOT BETWEEN 1 AND 2", 29, "BETWEEN"),
        ("SELECT * FROM A WHERE x LIKE 'a!%' ESCAPE '!'", 36, "ESCAPE"),
        ("SELECT x FROM A GROUP BY x", 17, "GROUP"),
        ("SELECT x FROM A WHERE x = 1 GROUP BY x", 29, "GROUP"),
        ("SELECT x FROM A UNION SELECT x FROM B", 17, "UNION"),
        ("SELECT x FROM A LIMIT 5", 17, "LIMIT"),
        ("SELECT * FROM A NATURAL JOIN B", 17, "NATURAL"),
        ("SELECT * FROM A JOIN B USING (x)", 24, "USING"),
        ("SELECT __PATH FROM A", 8, "the system property __PATH"),
        ("SELECT A.__CLASS FROM A", 10, "the system property __CLASS"),
        ("SELECT * FROM A WHERE __CLASS = 'B'", 23, "the system property __CLASS"),
        ("ASSOCIATORS OF {A.k=1} WHERE ResultClass = B", 1, "ASSOCIATORS OF"),
        ("references of {A.k=1}", 1, "REFERENCES OF"),
        ("SELECT * FROM meta_class WHERE __this ISA 'A'", 15, "a schema query"),
        ("SELECT * FROM __InstanceCreationEvent WITHIN 5 WHERE TargetInstance ISA 'A'", 15, "an event query"),
        ("SELECT * FROM A WITHIN 5", 17, "WITHIN"),
        ("SELECT * FROM A WHERE TargetInstance ISA 'A'", 23, "an event query"),
    ] {
        let error = wql::parse(text).unwrap_err();
        let named = matches!(&error.kind, WqlErrorKind::Unsupported { what: found, instead }
            if found == what && !instead.is_empty());
        assert!(named, "{text}: {error}");
        assert_eq!((error.position.line, error.position.column), (1, column), "{text}: {error}");
    }
}

#[test]
fn mistakes_are_reported_where_they_are() {
    for (text, column) in [
        ("", 1),
        ("DELETE FROM A", 1),
        ("SELECT FROM A", 8),
        ("SELECT * FROM", 14),
        ("SELECT *, x FROM A", 9),
        ("SELECT COUNT(*), x FROM A", 16),
        ("SELECT COUNT(x.*) FROM A", 17),
        ("SELECT COUNT() FROM A", 14),
        ("SELECT x.y.z FROM A", 11),
        ("SELECT b.x FROM A", 8),
        ("SELECT * FROM A WHERE", 22),
        ("SELECT * FROM A WHERE x", 24),
        ("SELECT * FROM A WHERE x NOT = 1", 29),
        ("SELECT * FROM A WHERE (x = 1", 29),
        ("SELECT * FROM A WHERE x = 'a", 27),
        (r"SELECT * FROM A WHERE x = 'C:\'", 27),
        ("SELECT * FROM A WHERE x = 1 2", 29),
        ("SELECT * FROM A WHERE B.x = 1", 23),
        ("SELECT * FROM A WHERE x = 12abc", 27),
        ("SELECT * FROM A WHERE x IN ()", 29),
        ("SELECT * FROM A WHERE x IN (NULL)", 29),
        ("SELECT * FROM A WHERE x IN (y)", 29),
        ("SELECT * FROM A WHERE x > NULL", 23),
        ("SELECT * FROM A WHERE 1 = 1", 23),
        ("SELECT * FROM A WHERE 1 IS NULL", 25),
        ("SELECT * FROM A WHERE x IN (SELECT * FROM B)", 28),
        ("SELECT * FROM A WHERE x IN (SELECT y, z FROM B)", 28),
        ("SELECT * FROM A WHERE x IN (SELECT y FROM B", 44),
        ("SELECT * FROM A WHERE UPPER() = 'x'", 23),
        ("SELECT * FROM A WHERE SUBSTRING(x) = 'x'", 23),
        ("SELECT * FROM A WHERE DATEPART(century, x) = 1", 32),
        ("SELECT * FROM A WHERE DATEPART(x) = 1", 32),
        ("SELECT * FROM A WHERE __this ISA 'B C'", 23),
        ("SELECT * FROM A WHERE q ISA 'B'", 23),
        ("SELECT * FROM A JOIN B", 23),
        ("SELECT * FROM A JOIN B ON A.x = C.x", 33),
        ("SELECT * FROM A LEFT B ON A.x = B.x", 22),
        ("SELECT * FROM A, A", 18),
        ("SELECT * FROM A a JOIN B AS A ON A.x = 1", 24),
        ("SELECT * FROM A AS", 19),
        ("SELECT * FROM A ORDER x", 23),
        ("SELECT * FROM A ORDER BY", 25),
        ("SELECT * FROM A ORDER BY 1", 26),
        ("SELECT * FROM A; DROP TABLE A", 16),
    ] {
        let error = wql::parse(text).unwrap_err();
        assert!(matches!(error.kind, WqlErrorKind::Syntax(_)), "{text}: {error}");
        assert_eq!((error.position.line, error.position.column), (1, column), "{text}: {error}");
    }
    let error = wql::parse("SELECT *\nFROM A\nWHERE \u{e9} = 1").unwrap_err();
    assert_eq!(error.to_string(), "the character '\u{e9}' has no meaning here (line 3, column 7)");
}

/// What administrators are told is what is read.
#[test]
fn the_examples_of_the_documentation_are_read() {
    let page = include_str!("../../../docs/queries.md");
    let (_, wql_part) = page.split_once("## WQL").unwrap();
    let (wql_part, _) = wql_part.split_once("## OData").unwrap();
    let rows = wql_part
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("SELECT") | line.contains("... "));
    let mut read = 0;
    for row in rows {
        let query = row.split('`').nth(1).unwrap().replace("... ", "SELECT * FROM A ");
        assert!(wql::parse(&query).is_ok(), "{query}: {:?}", wql::parse(&query));
        read += 1;
    }
    assert!(read >= 10, "{read} examples");
    let refused = "SELECT * FROM SMS_DriverPackage WHERE Priority BETWEEN 1 AND 9";
    let error = wql::parse(refused).unwrap_err().to_string();
    assert!(page.contains(refused) && page.contains(&error), "{error}");
}

#[test]
fn length_depth_terms_and_classes_are_bounded() {
    let kind = |text: &str| wql::parse(text).unwrap_err().kind;
    assert_eq!(kind(&" ".repeat(wql::QUERY_BYTES_MAX + 1)), WqlErrorKind::TooLong);
    let nested =
        |depth: usize| format!("SELECT * FROM A WHERE {}x=1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(wql::parse(&nested(wql::DEPTH_MAX - 2)).is_ok());
    assert_eq!(kind(&nested(wql::DEPTH_MAX - 1)), WqlErrorKind::TooDeep);
    assert_eq!(kind(&nested(30_000)), WqlErrorKind::TooDeep);
    let exists = "EXISTS (SELECT * FROM B WHERE ".repeat(100);
    assert_eq!(kind(&format!("SELECT * FROM A WHERE {exists}")), WqlErrorKind::TooDeep);
    let calls = format!("SELECT * FROM A WHERE {}x{} = 1", "UPPER(".repeat(100), ")".repeat(100));
    assert_eq!(kind(&calls), WqlErrorKind::TooDeep);
    let list = vec!["1"; wql::TERMS_MAX].join(",");
    assert_eq!(kind(&format!("SELECT * FROM A WHERE x IN ({list})")), WqlErrorKind::TooManyTerms);
    let many = |count: usize| {
        let joins: String = (1..count).map(|n| format!(", B AS b{n}")).collect();
        format!("SELECT * FROM A{joins}")
    };
    assert!(wql::parse(&many(wql::SOURCES_MAX)).is_ok());
    assert_eq!(kind(&many(wql::SOURCES_MAX + 1)), WqlErrorKind::TooManySources);
}

proptest! {
    #[test]
    fn any_query_prints_and_reads_the_same(query in trees::query()) {
        let text = query.to_string();
        prop_assert_eq!(wql::parse(&text), Ok(query), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,120}") {
        let _ = wql::parse(&text);
    }

    #[test]
    fn no_almost_right_text_makes_the_reader_panic(words in prop::collection::vec(
        prop::sample::select(vec!["SELECT ", "* ", "FROM ", "A ", "WHERE ", "x ", "= ", "1 ", "'y' ", "AND ", "OR ", "NOT ",
            "LIKE ", "IN ", "( ", ") ", ", ", ". ", "IS ", "NULL ", "ORDER ", "BY ", "DESC ", "'", "\"", "\\", "-", "JOIN ",
            "LEFT ", "ON ", "AS ", "DISTINCT ", "COUNT(", "EXISTS (SELECT ", "UPPER(", "DATEPART(yy, ", "ISA ", "__this "]),
        0..40)) {
        let text = words.concat();
        for text in [text.clone(), format!("SELECT * FROM A WHERE {text}"), format!("SELECT * FROM A JOIN B ON {text}")] {
            if let Ok(query) = wql::parse(&text) {
                let printed = query.to_string();
                prop_assert_eq!(wql::parse(&printed), Ok(query), "{}", printed);
            }
        }
    }
}
