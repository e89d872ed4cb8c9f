//! Arbitrary bytes, and arbitrary INF files of which is known what they say.

use driver::inf::Inf;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::exercise::exercise;

/// How a value is written; all forms say the same.
fn written(value: &str, form: u8) -> String {
    let plain =
        !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "._\\&*{}-".contains(c));
    let unquoted = plain && !value.ends_with('\\');
    match form % 3 {
        0 if unquoted => value.to_owned(),
        1 if unquoted => format!(" {value}\t"),
        _ => format!("\"{}\"", value.replace('"', "\"\"").replace('%', "%%")),
    }
}

#[derive(Debug, Clone)]
struct Line {
    key: Option<String>,
    values: Vec<String>,
    form: u8,
    comment: bool,
}

impl Line {
    fn written(&self) -> String {
        let mut text = self.key.as_ref().map(|key| written(key, self.form) + " =").unwrap_or_default();
        let values: Vec<_> =
            self.values.iter().zip(self.form..).map(|(value, form)| written(value, form)).collect();
        text.push_str(&values.join(if self.form & 8 == 0 { "," } else { ", \\ ; more\r\n\t" }));
        if self.comment {
            text.push_str(" ; and \"so on\\");
        }
        text
    }

    /// What a reader must see: values after the last that is not empty may be missing, so that it is compared by index.
    fn expected(&self) -> (Option<String>, Vec<String>) {
        (self.key.clone(), self.values.clone())
    }
}

fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[ -~äß漢]{0,12}").unwrap()
}

fn line() -> impl Strategy<Value = Line> {
    let word = proptest::string::string_regex("[!-~]{1,8}").unwrap();
    (proptest::option::of(word), vec(text(), 1..5), 0_u8..16, any::<bool>()).prop_map(
        |(key, mut values, form, comment)| {
            // A line without a key must not start like a section or a comment; quotes keep the others apart.
            if key.is_none() && values[0].is_empty() {
                values[0].push('v');
            }
            Line { key, values, form, comment }
        },
    )
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read(bytes in vec(any::<u8>(), 0..2000)) {
        exercise(&bytes);
    }

    #[test]
    fn arbitrary_characters_of_the_grammar_are_read(text in "[\\[\\]a%\";=,\\\\ \r\n\x1a\0.1]{0,400}") {
        exercise(text.as_bytes());
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        exercise(&wide);
    }

    #[test]
    fn what_is_written_is_read(
        sections in vec(("[A-Za-z0-9. _-]{0,6}[a-z]", vec(line(), 0..8)), 0..6),
        end in proptest::sample::select(&["\r\n", "\n", "\r"]),
        wide in any::<bool>(),
    ) {
        prop_assume!(sections.iter().all(|(name, _)| !name.trim().to_lowercase().starts_with("strings")));
        let mut text = String::new();
        for (name, lines) in &sections {
            text.push_str(&format!("[ {name}]{end}"));
            lines.iter().for_each(|line| text.push_str(&(line.written() + end)));
        }
        let bytes = if wide {
            [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
        } else {
            text.clone().into_bytes()
        };
        exercise(&bytes);
        let inf = Inf::parse(&bytes);
        for (name, _) in &sections {
            let folded = name.trim().to_lowercase();
            let lines: Vec<&Line> = sections
                .iter()
                .filter(|(other, _)| other.trim().to_lowercase() == folded)
                .flat_map(|(_, lines)| lines)
                .collect();
            let section = inf.section(name.trim()).unwrap();
            prop_assert_eq!(section.entries().count(), lines.len(), "{}", text);
            for (entry, line) in section.entries().zip(lines) {
                let (key, values) = line.expected();
                prop_assert_eq!(entry.key().map(|key| key.into_owned()), key, "{}", text);
                for (index, value) in values.iter().enumerate() {
                    prop_assert_eq!(entry.value(index).into_owned(), value.clone(), "{}", text);
                }
            }
        }
    }
}
