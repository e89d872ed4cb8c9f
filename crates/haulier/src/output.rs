//! Printing: text for people, JSON for scripts. The only module that writes to stdout.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program speaks")]

use std::io::{IsTerminal, Write};

use serde::Serialize;

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Tables and sentences.
    Text,
    /// One JSON document.
    Json,
}

impl Format {
    /// The format that `--json` asks for.
    pub(crate) fn from_flag(json: bool) -> Self {
        if json { Format::Json } else { Format::Text }
    }
}

/// Prints one line and makes sure that a reader at the other end of a pipe sees it now.
pub(crate) fn line(text: impl std::fmt::Display) {
    println!("{text}");
    // A closed pipe is the reader's choice, not an error of ours.
    let _ = std::io::stdout().flush();
}

/// Confirms to a script that a command did what it should; a person sees the exit code and silence.
pub(crate) fn done(format: Format, what: &impl Serialize) {
    if format == Format::Json {
        json(what);
    }
}

/// Prints the last word of a command that failed, on stderr.
pub(crate) fn error(text: &impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Prints a value as JSON.
pub(crate) fn json(value: &impl Serialize) {
    line(serde_json::to_string_pretty(value).expect("our own values have a JSON form"));
}

/// Prints a value as JSON in one line, of several.
pub(crate) fn json_line(value: &impl Serialize) {
    line(serde_json::to_string(value).expect("our own values have a JSON form"));
}

/// Whether stderr is a terminal, so that progress may be drawn.
pub(crate) fn draws_progress() -> bool {
    std::io::stderr().is_terminal()
}

/// A table of text; columns are as wide as their widest cell.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<bool>,
}

impl Table {
    /// A table with these headings; a heading that starts with `>` makes its column align right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let right = headings.iter().map(|h| h.starts_with('>')).collect();
        let first = headings.iter().map(|h| h.trim_start_matches('>').to_owned()).collect();
        Self { rows: vec![first], right }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        line(self.render());
    }

    fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.right.len())
            .map(|column| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let lines = self.rows.iter().map(|row| {
            let cells = row.iter().zip(&widths).zip(&self.right).map(|((cell, &width), &right)| {
                if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Bytes for people: `0 B`, `512 B`, `1.5 KB`, `2.0 GB` (powers of 1000).
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A time for people: `9 s`, `1 min 15 s`, `2 h 5 min`, `3 days`.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `part` of `whole` in percent, with the digits that matter.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let value = part as f64 * 100.0 / whole as f64;
    if value >= 10.0 { format!("{value:.0} %") } else { format!("{value:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_short() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (999_949, "999.9 KB"),
            (999_950, "1.0 MB"),
            (4_200_000_000, "4.2 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_are_short() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3599, "59 min 59 s"),
            (7500, "2 h 5 min"),
            (172_800, "2 days"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn percent_keeps_small_shares_visible() {
        for (part, whole, text) in [(0, 0, "-"), (1, 1000, "0.1 %"), (1, 3, "33 %"), (5, 5, "100 %")] {
            assert_eq!(percent(part, whole), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", ">BYTES"]);
        table.row(["a".to_owned(), "1".to_owned()]);
        table.row(["longer".to_owned(), "1000".to_owned()]);
        assert_eq!(table.render(), "NAME    BYTES\na           1\nlonger   1000");
    }
}
