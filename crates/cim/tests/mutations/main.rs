//! The fuzz targets as plain tests: hand-written texts, changed at random from a fixed seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod exercise;

use mutations::Mutations;

const CASES: u32 = 6_000;

const WQL: [&str; 5] = [
    "SELECT * FROM SMS_Driver WHERE CI_ID IN (SELECT CTC.CI_ID FROM SMS_CIToContent AS CTC JOIN SMS_PackageToContent AS PTC ON CTC.ContentID=PTC.ContentID WHERE PTC.PackageID='XYZ00010')",
    "Select a.*, b from A a left outer join B b on a.k = b.k and b.n <> -1.5e3 where a.Name not like '[^a-f]_%\\\\' order by upper(a.Name) desc, b.k",
    "SELECT DISTINCT Manufacturer FROM A, B WHERE DATEDIFF(day, SourceDate, GETDATE()) > 7 AND NOT EXISTS (SELECT * FROM C WHERE C.x = A.x)",
    "SELECT COUNT(*) FROM A WHERE __this ISA \"B\" OR x IS NOT NULL OR 'it''s' = y AND z IN (1, '2', TRUE)",
    "SELECT Order FROM A WHERE SUBSTRING(CONCAT(a, 'x'), 1, 2) = \"say \\\"so\\\"\"",
];

const STATEMENTS: [&str; 4] = [
    "ASSOCIATORS OF {SMS_DriverPackage.PackageID=\"PS100001\"} WHERE AssocClass = Haulier_PackageDriver ResultClass=SMS_Driver Role=Package ResultRole = 'Driver' KeysOnly",
    "references of {\\\\SRV\\root\\sms\\site_PS1:A.b=\"}\\\"\\\\\",c='{x}'} where ResultClass=B RequiredQualifier=Key role=\"c\"",
    "ASSOCIATORS OF{SMS_Site='PS1'} WHERE ClassDefsOnly RequiredAssocQualifier = Association",
    "SELECT * FROM A WHERE B = '{x}'",
];

const ODATA: [&str; 5] = [
    "startswith(Name,'Dell') and (Priority eq 2 or not contains(tolower(Name),'it''s') eq true)",
    "LocalizedCategoryInstanceNames/any(item: item eq 'x' or startswith(item,'y')) and Names/all(i: i ne 'z')",
    "SourceDate gt 2024-01-01T00:00:00Z and a in ('x', 2, -1.5) or b eq null",
    "indexof(Name,'x') gt 0 and substring(concat(Name,'y'),1,2) eq 'z' and year(now()) ge 2024",
    "Name desc,length(a) asc, b",
];

const MOF: [&str; 3] = [
    "Qualifier Key : boolean = false, Scope(property), Flavor(DisableOverride);\n[Abstract] class A : B { [Key, SizeLimit(\"8\")] string ID; uint8 Icon[] = {1, 0x0F}; datetime Start = \"19700201000000.000000+***\"; };",
    "class C { [static] uint32 Check([in, ID(0)] string Folder, [out, ID(1)] sint32 Result); real64 r = -2.5e1; C ref Parent; };",
    "/* x */ instance of A { ID = \"a\\\\b\\\"\\x41\"; One = instance of T { IsGMT = true; L = {1, 2}; }; }; // end",
];

const VALUES: [&str; 10] = [
    "20240830205506.123456+120",
    "****0830205506.12****+***",
    "00000007010203.000001:000",
    "2024-08-30T20:55:06.5+02:00",
    "P2000DT1H2M3.000004S",
    "\\\\SRV.example.test\\root\\sms\\site_XYZ:A.b=\"x\\\\y\\\"\",c=-12,d=TRUE",
    "A='x'",
    "A=@",
    "[\"Display=\\\\srv\\\"]MSWNET:[\"SMS_SITE=XYZ\",\"A=1\"]\\\\srv\\",
    "791378800008000055147880001B2000000120000011E00000491D80182314003C9F1D8000280400",
];

/// Pieces that the grammars know.
const PIECES: [&str; 43] = [
    "\"",
    "'",
    "\\",
    "''",
    "(",
    ")",
    ",",
    ".",
    "*",
    "=",
    "<>",
    "{",
    "}",
    "[",
    "]",
    ";",
    ":",
    "/",
    "//",
    "/*",
    "*/",
    "@",
    "-",
    "0x",
    "\n",
    "\u{e9}",
    " NOT ",
    " AND ",
    " or ",
    "SELECT ",
    "(SELECT x FROM A)",
    " eq ",
    "/any(i: ",
    "null",
    "instance of ",
    "class ",
    "UPPER(",
    "P1DT",
    "+***",
    "FFFFFFFFFFFFFFFF",
    " OF ",
    "Role=",
    " WHERE ",
];

fn run(samples: &[&str], seed: u64, exercise: fn(&str)) {
    let mut mutations = Mutations::of_texts(seed, &PIECES);
    let mut changed = 0;
    samples.iter().for_each(|sample| exercise(sample));
    for _ in 0..CASES {
        let text = mutations.text(samples, 4);
        changed += u32::from(!samples.contains(&text.as_str()));
        exercise(&text);
    }
    assert!(changed > CASES * 8 / 10, "{changed} of {CASES} cases were changed");
}

#[test]
fn mutated_wql_is_read() {
    run(&WQL, 0x4861_756c_6965_7221, exercise::wql);
}

#[test]
fn mutated_statements_are_read() {
    run(&STATEMENTS, 0x4861_756c_6965_7225, exercise::statements);
}

#[test]
fn mutated_odata_is_read() {
    run(&ODATA, 0x4861_756c_6965_7222, exercise::odata);
}

#[test]
fn mutated_mof_is_read() {
    run(&MOF, 0x4861_756c_6965_7223, exercise::mof);
}

#[test]
fn mutated_values_are_read() {
    run(&VALUES, 0x4861_756c_6965_7224, exercise::values);
}
