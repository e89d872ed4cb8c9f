use proptest::prelude::*;

use super::*;

fn eq(property: &str, value: impl Into<Value>) -> Expr {
    Expr::compare(property, Operator::Eq, value)
}

fn contains(property: &str, text: &str) -> Expr {
    Expr::Contains { item: Scalar::property(property), text: text.to_owned() }
}

fn any_contains(property: &str, text: &str) -> Expr {
    Expr::Any { property: PropertyRef::new(property), test: ElementTest::Contains(text.to_owned()) }
}

#[test]
fn every_form_of_the_grammar_is_read() {
    let check = |text: &str, expect: Expr| assert_eq!(parse(text), Ok(expect), "{text}");
    let starts = |text: &str| Expr::StartsWith { item: Scalar::property("Name"), text: text.to_owned() };
    let any = |value: &str| Expr::Any {
        property: PropertyRef::new("Names"),
        test: ElementTest::Compare(Operator::Eq, Value::text(value)),
    };
    let null = || Expr::is_null("a");
    check("Name eq 'x'", eq("Name", "x"));
    check("NAME EQ 'it''s'", eq("NAME", "it's"));
    check("'x' eq Name", eq("Name", "x"));
    check("5 lt a", Expr::compare("a", Operator::Gt, 5));
    check("a ne -5", Expr::compare("a", Operator::Ne, -5));
    check("a ge 1.5", Expr::compare("a", Operator::Ge, Value::Real(1.5)));
    check("a eq true and b eq false", Expr::And(vec![eq("a", true), eq("b", false)]));
    check("a eq null", null());
    check("a ne null", null().not());
    check(
        "(a eq 1 or b eq 2) and not (c eq 3)",
        Expr::And(vec![Expr::Or(vec![eq("a", 1), eq("b", 2)]), eq("c", 3).not()]),
    );
    check("a eq 1 or b eq 2 and c eq 3", Expr::Or(vec![eq("a", 1), Expr::And(vec![eq("b", 2), eq("c", 3)])]));
    check("contains(Name,'x')", contains("Name", "x"));
    check("contains(Name, 'x') eq true", contains("Name", "x"));
    check("contains(Name,'x') eq false", contains("Name", "x").not());
    check("contains(tolower(Name),'x')", contains("Name", "x"));
    check("contains(tolower(Name),tolower('X'))", contains("Name", "X"));
    check("startswith(Name,'Drivers - ')", starts("Drivers - "));
    check("not startswith(Name,'x')", starts("x").not());
    check("endswith(Name,'x')", Expr::EndsWith { item: Scalar::property("Name"), text: "x".to_owned() });
    check("toupper(Name) eq 'X'", eq("Name", "X"));
    check("Names/any(item: item eq 'x')", any("x"));
    check("Names/any(i:i eq 'x' or i eq 'y') eq true", Expr::Or(vec![any("x"), any("y")]));
    check("Names/any(i: contains(i,'x'))", any_contains("Names", "x"));
    check(
        "Names/any(i: i eq 'x' or contains(tolower(i),'y'))",
        Expr::Or(vec![any("x"), any_contains("Names", "y")]),
    );
    check("a in ('x', 'y')", Expr::In { item: Scalar::property("a"), values: vec!["x".into(), "y".into()] });
    check("IsPXE and a eq 1", Expr::And(vec![eq("IsPXE", true), eq("a", 1)]));
    check("IsPXE", eq("IsPXE", true));
    check("not IsPXE", eq("IsPXE", true).not());
    check("(a eq 1) eq false", eq("a", 1).not());
    let date = "20240101000000.000000+***".parse::<DateTime>().unwrap();
    for text in ["a gt 2024-01-01T00:00:00Z", "a gt 2024-01-01T01:00:00+01:00", "a gt 2024-01-01"] {
        check(text, Expr::compare("a", Operator::Gt, date));
    }
    for guid in ["0c4a1bb2-0000-4000-8000-00000000abcd", "ac4a1bb2-0000-4000-8000-00000000abcd"] {
        check(&format!("a eq {guid}"), eq("a", guid));
    }
}

#[test]
fn what_is_no_filter_is_refused_with_its_place() {
    for (text, column) in [
        ("", 1),
        ("Name eq", 8),
        ("Name eq x", 10),
        ("Name eq 'x", 9),
        ("Name = 'x'", 6),
        ("Name eq 'x' and", 16),
        ("(Name eq 'x'", 13),
        ("Name eq 'x')", 12),
        ("1 eq 2", 7),
        ("indexof(Name,'x') eq 1", 1),
        ("contains('x',Name)", 13),
        ("contains(Name,5)", 16),
        ("contains(Name,'x') eq 5", 24),
        ("Names/all(i: i eq 'x')", 7),
        ("Names/any(i: j eq 'x')", 22),
        ("Names/any(i: i eq 'x' and i eq 'y')", 23),
        ("Names/any(i: contains(j,'x'))", 24),
        ("a gt null", 10),
        ("a eq 12x", 6),
        ("a in ()", 7),
        ("Name eq 'x'; DROP TABLE package", 12),
    ] {
        assert_eq!(parse(text).map_err(|error| error.column), Err(column), "{text}: {:?}", parse(text));
    }
}

#[test]
fn depth_and_terms_are_bounded() {
    let nested = |depth: usize| format!("{}a eq 1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(DEPTH_MAX - 1)).is_ok());
    assert!(parse(&nested(30_000)).unwrap_err().reason.contains("nest deeper"));
    let many = vec!["a eq 1"; TERMS_MAX + 1].join(" or ");
    assert!(parse(&many).unwrap_err().reason.contains("more than"));
}

/// A condition as OData text, in the fewest forms that say everything.
fn print(condition: &Expr) -> String {
    let joined = |terms: &[Expr], word: &str| {
        terms.iter().map(|term| format!("({})", print(term))).collect::<Vec<_>>().join(&format!(" {word} "))
    };
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let literal = |value: &Value| match value {
        Value::String(text) => quoted(text),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        other => panic!("the generator makes no {other:?}"),
    };
    match condition {
        Expr::And(terms) => joined(terms, "and"),
        Expr::Or(terms) => joined(terms, "or"),
        Expr::Not(term) => format!("not ({})", print(term)),
        Expr::Compare { left: Scalar::Property(property), op, right: Scalar::Literal(value) } => {
            let word = match op {
                Operator::Eq => "eq",
                Operator::Ne => "ne",
                Operator::Lt => "lt",
                Operator::Le => "le",
                Operator::Gt => "gt",
                Operator::Ge => "ge",
            };
            format!("{property} {word} {}", literal(value))
        }
        Expr::IsNull(Scalar::Property(property)) => format!("{property} eq null"),
        Expr::In { item: Scalar::Property(property), values } => {
            format!("{property} in ({})", values.iter().map(literal).collect::<Vec<_>>().join(","))
        }
        Expr::StartsWith { item: Scalar::Property(property), text } => {
            format!("startswith({property},{})", quoted(text))
        }
        Expr::EndsWith { item: Scalar::Property(property), text } => {
            format!("endswith({property},{})", quoted(text))
        }
        Expr::Contains { item: Scalar::Property(property), text } => {
            format!("contains({property},{})", quoted(text))
        }
        Expr::Any { property, test: ElementTest::Compare(_, value) } => {
            format!("{property}/any(i: i eq {})", literal(value))
        }
        other => panic!("the generator makes no {other:?}"),
    }
}

fn condition() -> impl Strategy<Value = Expr> {
    let name = || "[A-Z][a-z]{0,3}_".prop_map(String::from);
    let text = || "[ -~é]{0,10}".prop_map(String::from);
    let value = || {
        prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            text().prop_map(Value::String)
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
        (name(), text())
            .prop_map(|(property, text)| Expr::StartsWith { item: Scalar::property(property), text }),
        (name(), text())
            .prop_map(|(property, text)| Expr::EndsWith { item: Scalar::property(property), text }),
        (name(), text())
            .prop_map(|(property, text)| Expr::Contains { item: Scalar::property(property), text }),
        (name(), value()).prop_map(|(property, value)| Expr::Any {
            property: PropertyRef::new(property),
            test: ElementTest::Compare(Operator::Eq, value),
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(Expr::not),
        ]
    })
}

proptest! {
    #[test]
    fn any_condition_prints_and_reads_the_same(condition in condition()) {
        let text = print(&condition);
        prop_assert_eq!(parse(&text), Ok(condition), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_almost_right_text_makes_the_reader_panic(words in prop::collection::vec(
        prop::sample::select(vec!["a ", "eq ", "1 ", "'x' ", "and ", "or ", "not ", "(", ")", ",", "/any(", "i: ", "contains(",
            "tolower(", "in ", "null ", "true ", "'", "-", "2024-01-01", ":"]), 0..40)) {
        let _ = parse(&words.concat());
    }
}
