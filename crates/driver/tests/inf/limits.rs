//! Files that are too much: each limit has its finding, and memory stays in proportion to the limit.

use driver::inf::{Inf, check_models, limits, manufacturers, models};
use driver::{Diagnostic, Severity};

fn errors(inf: &Inf) -> Vec<&'static str> {
    let error = |finding: &&Diagnostic| finding.severity == Severity::Error;
    inf.diagnostics().iter().filter(error).map(|finding| finding.code).collect()
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let mut bytes = b"[Version]\n".repeat(limits::FILE_BYTES_MAX / 10 + 1);
    let inf = Inf::parse(&bytes);
    assert_eq!((errors(&inf).as_slice(), inf.sections().len()), (["inf_too_large"].as_slice(), 0));
    bytes.truncate(limits::FILE_BYTES_MAX);
    assert!(!errors(&Inf::parse(&bytes)).contains(&"inf_too_large"));
}

#[test]
fn a_million_models_are_refused() {
    let mut text = "[Manufacturer]\nM=Models\n[Models]\n".to_owned();
    text.push_str(&"D=I,P\\1\n".repeat(1_000_000));
    let inf = Inf::parse(text.as_bytes());
    assert_eq!(errors(&inf), ["inf_too_many_entries"]);
    assert_eq!(inf.diagnostics()[0].place.unwrap().line as usize, limits::ENTRIES_MAX + 3);
    assert_eq!(models(&inf, "models").len(), limits::ENTRIES_MAX - 1);
}

#[test]
fn lines_sections_and_values_are_counted() {
    let check = |text: String, code: &str| assert_eq!(errors(&Inf::parse(text.as_bytes())), [code]);
    check("\n".repeat(limits::LINES_MAX as usize + 1) + "[a]\n", "inf_too_many_lines");
    check("[a]\n".repeat(limits::SECTIONS_MAX + 1), "inf_too_many_sections");
    check(format!("[a]\n{}", "\\\n".repeat(limits::LINES_MAX as usize)), "inf_too_many_lines");
    let row = ",".repeat(100_000) + "\n";
    check(format!("[a]\n{}", row.repeat(limits::FIELDS_MAX / 100_000 + 1)), "inf_too_many_fields");
}

#[test]
fn megabyte_lines_are_left_out() {
    let long = "x".repeat(limits::LINE_BYTES_MAX + 1);
    let continued = "x,\\\n".repeat(limits::LINE_BYTES_MAX);
    for line in [
        long.clone(),
        format!("k={long}"),
        format!("\"{long}"),
        format!("k={continued}x"),
        format!("; {long}"),
    ] {
        let inf = Inf::parse(format!("[a]\nb=c\n{line}\nd=e\n").as_bytes());
        let keys: Vec<_> = inf.section("a").unwrap().entries().filter_map(|entry| entry.key()).collect();
        assert_eq!(keys, ["b", "d"]);
        let told = inf.diagnostics().iter().any(|finding| finding.code == "inf_line_too_long");
        assert_eq!(told, !line.starts_with(';'));
        assert_eq!(errors(&inf), [""; 0]);
    }
    let inf = Inf::parse(format!("[{long}]\na\n").as_bytes());
    assert_eq!(inf.diagnostics()[0].code, "inf_section_name_long");
}

#[test]
fn strings_do_not_multiply_without_end() {
    let text = format!(
        "[a]\nb={}\n[{}]\n[Strings]\nk={}\n",
        "%k%".repeat(9000),
        "%k%".repeat(200),
        "v".repeat(9000)
    );
    let inf = Inf::parse(text.as_bytes());
    let value = inf.section("a").unwrap().entry("b").unwrap().value(0).into_owned();
    assert!(value.starts_with("vvv") && value.ends_with("%k%"));
    assert!(value.len() < 2 * limits::VALUE_BYTES_MAX + 9000, "{}", value.len());
    assert!(inf.sections().all(|section| section.name().len() <= limits::NAME_BYTES_MAX));
    assert!(inf.diagnostics().iter().any(|finding| finding.code == "inf_value_too_long"));
}

#[test]
fn strings_do_not_fill_memory() {
    // One long string in each of many values: each fits, all together do not.
    let text =
        |lines: usize| format!("[a]\n{}[Strings]\nk={}\n", "b=%k%\n".repeat(lines), "v".repeat(16_000));
    let lines = limits::ADDED_BYTES_MAX / 16_000;
    assert_eq!(errors(&Inf::parse(text(lines).as_bytes())), [""; 0]);
    assert_eq!(errors(&Inf::parse(text(lines + 2).as_bytes())), ["inf_too_much_text"]);
    // A string over the limit of a value replaces nothing, not even alone.
    let inf = Inf::parse(format!("[a]\nb=%k%\n[Strings]\nk={}\n", "v".repeat(17_000)).as_bytes());
    assert_eq!(inf.section("a").unwrap().entry("b").unwrap().value(0), "%k%");
}

#[test]
fn findings_are_counted_by_code_and_in_all() {
    let inf = Inf::parse(format!("[a]\n{}", "b=\"\n".repeat(1000)).as_bytes());
    let of_code = inf.diagnostics().iter().filter(|finding| finding.code == "inf_quote_unclosed").count();
    assert_eq!(of_code, limits::FINDINGS_OF_A_CODE_MAX);
    let last = inf.diagnostics().last().unwrap();
    assert_eq!((last.code, last.text.as_str()), ("inf_findings_cut", "980 more findings are not listed"));
}

#[test]
fn models_are_counted_as_often_as_they_are_reached() {
    let lines = "D=I,P\\1\n".repeat(1000);
    let text = format!("[Manufacturer]\n{}[Models]\n{lines}", "M=Models\n".repeat(1000));
    let inf = Inf::parse(text.as_bytes());
    assert_eq!(errors(&inf), [""; 0]);
    let reached = manufacturers(&inf).len();
    assert_eq!(reached, limits::MODELS_VALUES_MAX / 3001);
    let found = check_models(&inf);
    let last = found.last().unwrap();
    assert_eq!((last.severity, last.code), (Severity::Error, "inf_too_many_models"));
    assert_eq!(last.place.unwrap().line as usize, reached + 2);
    // A line that names one long section with many decorations does not multiply the name.
    let text = format!("[Manufacturer]\nM={}{}\n", "m".repeat(100_000), ",NT".repeat(100_000));
    assert_eq!(manufacturers(&Inf::parse(text.as_bytes())), []);
}

#[test]
fn languages_are_counted() {
    let section = |language: usize| format!("[Strings.{language:04x}]\nk{language}=v\n");
    let sections: String = (1..=limits::LANGUAGES_MAX + 10).map(section).collect();
    let inf = Inf::parse(format!("{sections}[a]\n%k1%=%k256%,%k257%\n").as_bytes());
    assert_eq!(inf.strings().languages().count(), limits::LANGUAGES_MAX);
    assert_eq!(inf.diagnostics()[0].code, "inf_too_many_languages");
    assert_eq!(inf.section("a").unwrap().entry("v").unwrap().values().collect::<Vec<_>>(), ["v", "%k257%"]);
}
