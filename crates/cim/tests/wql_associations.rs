//! `ASSOCIATORS OF` and `REFERENCES OF` as WMI's clients write them, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use cim::query::Query;
use cim::wql::{self, Associators, Form, References, Statement, WqlErrorKind};
use cim::{ObjectPath, Value};
use proptest::prelude::*;

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn questions_about_associations_are_read() {
    let check = |text: &str, expect: Statement| {
        assert_eq!(wql::parse_statement(text), Ok(expect.clone()), "{text}");
        let printed = expect.to_string();
        assert_eq!(wql::parse_statement(&printed), Ok(expect), "{printed}");
    };
    let package = || path("SMS_DriverPackage.PackageID='PS100001'");
    check(
        "associators of {SMS_DriverPackage.PackageID='PS100001'}",
        Statement::Associators(Associators::of(package())),
    );
    check(
        "ASSOCIATORS OF { SMS_DriverPackage.PackageID=\"PS100001\" } WHERE AssocClass = Haulier_PackageDriver \
         resultclass=SMS_Driver Role = 'Package' ResultRole = \"Driver\" RequiredAssocQualifier=Association \
         RequiredQualifier=Secured KeysOnly",
        Statement::Associators(Associators {
            assoc_class: some("Haulier_PackageDriver"),
            result_class: some("SMS_Driver"),
            role: some("Package"),
            result_role: some("Driver"),
            required_assoc_qualifier: some("Association"),
            required_qualifier: some("Secured"),
            form: Form::KeysOnly,
            ..Associators::of(package())
        }),
    );
    check(
        "REFERENCES OF{SMS_DriverPackage='PS100001'}where ClassDefsOnly Role=Package",
        Statement::References(References {
            role: some("Package"),
            form: Form::ClassDefsOnly,
            ..References::of(path("SMS_DriverPackage='PS100001'"))
        }),
    );
    let nal = r#"SMS_DistributionPointInfo.NALPath="[\"Display=\\}\"]MSWNET:\\}\\",SiteCode='}'"#;
    check(
        &format!("REFERENCES OF {{{nal}}} WHERE ResultClass = A"),
        Statement::References(References { result_class: some("A"), ..References::of(path(nal)) }),
    );
    check("SELECT * FROM A", Statement::Select(Query::all("A")));
}

#[test]
fn mistakes_in_questions_about_associations_are_reported_where_they_are() {
    for (text, column) in [
        ("ASSOCIATORS OF", 15),
        ("ASSOCIATORS OF SMS_Site='PS1'", 16),
        ("ASSOCIATORS OF {SMS_Site='PS1'", 16),
        ("ASSOCIATORS OF {SMS_Site='PS1}'", 16),
        ("ASSOCIATORS OF {SMS_Site.x}", 17),
        ("ASSOCIATORS OF {}", 17),
        ("ASSOCIATORS OF {A=1} AND Role=x", 22),
        ("ASSOCIATORS OF {A=1} WHERE", 27),
        ("ASSOCIATORS OF {A=1} WHERE Role", 32),
        ("ASSOCIATORS OF {A=1} WHERE Role=", 33),
        ("ASSOCIATORS OF {A=1} WHERE Role='x", 35),
        ("ASSOCIATORS OF {A=1} WHERE Role=x Role=y", 35),
        ("ASSOCIATORS OF {A=1} WHERE Role=x AND ResultRole=y", 35),
        ("ASSOCIATORS OF {A=1} WHERE Rôle=x", 28),
        ("ASSOCIATORS OF {A=1} WHERE KeysOnly ClassDefsOnly", 37),
        ("ASSOCIATORS OF {A=1} WHERE KeysOnly;", 36),
        ("ASSOCIATORS OF {A=1} WHERE SchemaOnly", 28),
        ("REFERENCES OF {A=1} WHERE AssocClass=x", 27),
        ("REFERENCES OF {A=1} WHERE Role=x ResultRole=y", 34),
    ] {
        let error = wql::parse_statement(text).unwrap_err();
        assert_eq!((error.position.line, error.position.column), (1, column), "{text}: {error}");
    }
    let long = format!("ASSOCIATORS OF {{A='{}'}}", "x".repeat(wql::QUERY_BYTES_MAX));
    assert_eq!(wql::parse_statement(&long).unwrap_err().kind, WqlErrorKind::TooLong);
}

proptest! {
    #[test]
    fn any_question_about_associations_prints_and_reads_the_same(
        key in "\\PC{0,20}",
        names in prop::collection::vec(prop::option::of("[A-Z][a-z_]{0,8}"), 6),
        form in prop::sample::select(vec![Form::Whole, Form::KeysOnly, Form::ClassDefsOnly]),
    ) {
        let path = ObjectPath::new("A", [("b".to_owned(), Value::text(key))]);
        let [assoc_class, result_class, role, result_role, required_assoc_qualifier, required_qualifier] =
            names.try_into().unwrap();
        let asked = Associators { path, assoc_class, result_class, role, result_role,
            required_assoc_qualifier, required_qualifier, form };
        let statement = Statement::Associators(asked);
        let text = statement.to_string();
        prop_assert_eq!(wql::parse_statement(&text), Ok(statement), "{}", text);
    }
}
