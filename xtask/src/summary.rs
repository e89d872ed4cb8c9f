//! Reads what the test runners print: their closing lines, and what could not run.

use std::time::Duration;

/// What a run of the tests came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Results {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// `NOT RUN: <test>: <why>` lines, each once.
    pub(crate) not_run: Vec<String>,
    /// Inside a runner's list of what passing tests printed.
    in_successes: bool,
}

impl Results {
    /// Takes a line of a runner's output; whether a reader wants to see it.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        if let Some(at) = line.find("NOT RUN: ") {
            let text = line[at..].to_owned();
            if !self.not_run.contains(&text) {
                self.not_run.push(text);
            }
        }
        if let Some((passed, failed)) = closing_line(line) {
            self.passed += passed;
            self.failed += failed;
        }
        match line.trim_end() {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            text if text.starts_with("test result: ") => self.in_successes = false,
            _ => {}
        }
        !self.in_successes
    }
}

/// Passed and failed tests of `test result: ok. 3 passed; 0 failed; ...`.
fn closing_line(line: &str) -> Option<(u64, u64)> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        counts.split(';').find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok())
    };
    Some((count("passed")?, count("failed")?))
}

/// As people say it: `4.2 s`, `3 min 5 s`.
pub(crate) fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    format!("{} min {} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines() {
        for (line, expect) in [
            (
                "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
                Some((3, 0)),
            ),
            ("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", Some((1, 2))),
            ("test result: nothing", None),
            ("test a ... ok", None),
        ] {
            assert_eq!(closing_line(line), expect, "{line}");
        }
    }

    #[test]
    fn output_of_passing_tests_is_read_and_not_shown() {
        let lines = [
            ("running 1 test", true),
            ("test corpus_all ... ok", true),
            ("successes:", false),
            ("---- corpus_all stdout ----", false),
            ("NOT RUN: corpus_all: no driver corpus", false),
            ("successes:", false),
            ("    corpus_all", false),
            ("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", true),
        ];
        let mut results = Results::default();
        for (line, shown) in lines {
            assert_eq!(results.take(line), shown, "{line}");
        }
        assert_eq!((results.passed, results.failed), (1, 0));
        assert_eq!(results.not_run, ["NOT RUN: corpus_all: no driver corpus"]);
    }

    #[test]
    fn durations() {
        assert_eq!(spoken(Duration::from_millis(4210)), "4.2 s");
        assert_eq!(spoken(Duration::from_secs(185)), "3 min 5 s");
    }
}
