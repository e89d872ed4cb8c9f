//! Every message that the site writes: identifiers, severities, components and insertion strings as in the original where
//! it has them, texts of our own, and what an administrator does about it. `docs/operations.md` shows the same table.

mod audit;
mod distribution;
mod own;

use super::Severity;

pub(super) const DISTRIBUTION_MANAGER: &str = "SMS_DISTRIBUTION_MANAGER";
pub(super) const TRANSFER_MANAGER: &str = "SMS_PACKAGE_TRANSFER_MANAGER";
pub(super) const DESPOOLER: &str = "SMS_DESPOOLER";
pub(super) const DP_MONITOR: &str = "SMS_DISTRIBUTION_POINT_MONITOR";
pub(super) const DRIVER_CATALOG: &str = "HAULIER_DRIVER_CATALOG";
pub(super) const SIGN_IN: &str = "HAULIER_SIGN_IN";
pub(super) const AGENT_SERVICE: &str = "HAULIER_AGENT_SERVICE";
/// The component of what somebody did or raised is the program that it was done with.
const RAISED: &str = "";

const AUDIT_TO_DO: &str = "Nothing; it says who did what.";

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u32,
    /// How bad it usually is.
    pub(crate) severity: Severity,
    /// Who says it; empty for the caller's program.
    pub(crate) component: &'static str,
    /// What its insertion strings are, in order, with commas between.
    pub(crate) inserts: &'static str,
    /// In words, with `%1` for the first insertion string.
    pub(crate) text: &'static str,
    /// What an administrator does about it, in Markdown.
    pub(crate) to_do: &'static str,
}

const GROUPS: [&[Entry]; 3] = [distribution::ENTRIES, audit::ENTRIES, own::ENTRIES];

const fn information(
    id: u32,
    component: &'static str,
    inserts: &'static str,
    text: &'static str,
    to_do: &'static str,
) -> Entry {
    Entry { id, severity: Severity::Information, component, inserts, text, to_do }
}

const fn warning(
    id: u32,
    component: &'static str,
    inserts: &'static str,
    text: &'static str,
    to_do: &'static str,
) -> Entry {
    Entry { id, severity: Severity::Warning, component, inserts, text, to_do }
}

const fn error(
    id: u32,
    component: &'static str,
    inserts: &'static str,
    text: &'static str,
    to_do: &'static str,
) -> Entry {
    Entry { id, severity: Severity::Error, component, inserts, text, to_do }
}

const fn audit(id: u32, inserts: &'static str, text: &'static str) -> Entry {
    Entry { id, severity: Severity::Information, component: RAISED, inserts, text, to_do: AUDIT_TO_DO }
}

/// The entry of a message.
pub(crate) fn find(id: u32) -> Option<&'static Entry> {
    GROUPS.iter().copied().flatten().find(|entry| entry.id == id)
}

/// The message in words.
pub(crate) fn text(id: u32, inserts: &[String]) -> String {
    let template = find(id).map_or("", |entry| entry.text);
    if template.is_empty() {
        return format!("Message {id}: {}", inserts.join(", "));
    }
    let mut pieces = template.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let mut chars = piece.chars();
        let number = chars.next().and_then(|c| c.to_digit(10)).map_or(0, |digit| digit as usize);
        text.push_str(number.checked_sub(1).and_then(|n| inserts.get(n)).map_or("", String::as_str));
        text.push_str(chars.as_str());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use super::*;

    fn all() -> Vec<Entry> {
        let mut all: Vec<Entry> = GROUPS.iter().copied().flatten().copied().collect();
        all.sort_unstable_by_key(|entry| entry.id);
        all
    }

    fn check(id: u32, inserts: &[&str], expect: &str) {
        let inserts: Vec<String> = inserts.iter().map(|&s| s.to_owned()).collect();
        assert_eq!(text(id, &inserts), expect);
    }

    #[test]
    fn texts_are_built_from_their_inserts() {
        check(2301, &["Dell", "PS100001", "2"], "Package Dell (PS100001) was processed: version 2.");
        check(2301, &["100 %", "PS100001"], "Package 100 % (PS100001) was processed: version .");
        check(9, &["a", "b"], "Message 9: a, b");
    }

    #[test]
    fn every_id_has_one_entry_and_every_text_uses_what_there_is() {
        let all = all();
        for pair in all.windows(2) {
            assert_ne!(pair[0].id, pair[1].id);
        }
        for Entry { id, inserts, text, to_do, .. } in all {
            let count = inserts.split(", ").count();
            assert!((1..=9).contains(&count), "{id}");
            let used = |number: usize| text.contains(&format!("%{number}"));
            assert!((1..=count).all(used), "{id} does not use all of {inserts}");
            assert!(!used(count + 1), "{id} uses more than {inserts}");
            assert!(!to_do.is_empty() && !text.contains('|') && !to_do.contains('|'), "{id}");
        }
    }

    /// `HAULIER_WRITE_GOLDEN=1` writes the table anew.
    #[test]
    fn operations_md_tells_what_to_do_for_every_id() {
        const BEGIN: &str = "<!-- status messages: made from the catalog -->\n";
        const END: &str = "<!-- end of status messages -->\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = page.split_once(BEGIN).expect("the table's begin is marked");
        let (_, after) = rest.split_once(END).expect("the table's end is marked");
        let expect = format!("{before}{BEGIN}{}{END}{after}", table());
        if std::env::var_os("HAULIER_WRITE_GOLDEN").is_some() {
            std::fs::write(&path, &expect).unwrap();
        } else {
            assert!(
                page == expect,
                "docs/operations.md is behind the catalog; write it with HAULIER_WRITE_GOLDEN=1"
            );
        }
    }

    fn table() -> String {
        let mut table =
            "\n| ID | | Component | Text | What to do |\n| --- | --- | --- | --- | --- |\n".to_owned();
        for Entry { id, severity, component, inserts, text, to_do } in all() {
            let severity = match severity {
                Severity::Information => "I",
                Severity::Warning => "W",
                Severity::Error => "E",
            };
            let component = if component.is_empty() { "the caller's program" } else { component };
            let mut text = text.to_owned();
            for (at, name) in inserts.split(", ").enumerate() {
                text = text.replace(&format!("%{}", at + 1), &format!("*{name}*"));
            }
            writeln!(table, "| {id} | {severity} | {component} | {text} | {to_do} |").unwrap();
        }
        table.push('\n');
        table
    }
}
