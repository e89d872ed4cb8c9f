//! What came out: a table for people, the same as JSON for comparing runs.

use std::fmt::Write;

use anyhow::{Context, Result};
use clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::gauge::median;

/// Figures of one run of the benches.
#[derive(Debug)]
pub(crate) struct Report {
    date: String,
    machine: String,
    lines: Vec<Line>,
}

/// One comparison: what we need or reach, and what the peer does.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What was measured, on what.
    pub(crate) what: String,
    /// Unit of the figures, such as `MB/s`.
    pub(crate) unit: &'static str,
    /// Every repetition of ours.
    pub(crate) ours: Vec<f64>,
    /// With what we compare: a tool, or a limit.
    pub(crate) peer: String,
    /// Every repetition of the peer's, or its one figure.
    pub(crate) theirs: Vec<f64>,
}

impl Line {
    fn ratio(&self) -> f64 {
        median(&self.ours) / median(&self.theirs)
    }
}

impl Report {
    pub(crate) fn new() -> Result<Report> {
        let cpus = std::fs::read_to_string("/proc/cpuinfo").context("no /proc/cpuinfo: is this Linux?")?;
        let model =
            cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Report {
            date: SystemClock.now().to_string()[..10].to_owned(),
            machine: format!("{cores} x {}", model.trim_start_matches([' ', '\t', ':'])),
            lines: Vec::new(),
        })
    }

    /// Takes a line and prints it.
    pub(crate) fn add(&mut self, line: Line) {
        println!("{}", row(&line));
        self.lines.push(line);
    }

    /// Prints the table; writes it when the run was `complete`.
    pub(crate) fn finish(&self, complete: bool) -> Result<()> {
        let table = self.table();
        println!("\n{table}");
        if !complete {
            println!("Not written: only a whole run goes to bench/results/");
            return Ok(());
        }
        let folder = crate::root().join("bench/results");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{}.md", self.date)), &table)?;
        let json = serde_json::to_string_pretty(&self.json())?;
        std::fs::write(folder.join(format!("{}.json", self.date)), json + "\n")?;
        println!("Written to bench/results/{}.md and .json", self.date);
        Ok(())
    }

    fn table(&self) -> String {
        let mut out =
            format!("# {}\n\nOn {}. Medians; the ratio is ours to theirs.\n\n", self.date, self.machine);
        out.push_str("| What | Haulier | Peer | | Ratio |\n| --- | ---: | --- | ---: | ---: |\n");
        for line in &self.lines {
            writeln!(out, "{}", row(line)).expect("a String takes everything");
        }
        out
    }

    fn json(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "what": line.what, "unit": line.unit, "haulier": line.ours,
                    "peer": line.peer, "theirs": line.theirs, "ratio": line.ratio(),
                })
            })
            .collect();
        json!({ "date": self.date, "machine": self.machine, "lines": lines })
    }
}

fn row(line: &Line) -> String {
    let figure = |values: &[f64]| format!("{} {}", rounded(median(values)), line.unit);
    format!(
        "| {} | {} | {} | {} | {} |",
        line.what,
        figure(&line.ours),
        line.peer,
        figure(&line.theirs),
        rounded(line.ratio())
    )
}

/// Three significant digits, whole numbers as they are.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let line = Line {
            what: "snapshot".to_owned(),
            unit: "MB/s",
            ours: vec![90.0, 110.0, 100.0],
            peer: "cp".to_owned(),
            theirs: vec![400.0],
        };
        assert_eq!(row(&line), "| snapshot | 100 MB/s | cp | 400 MB/s | 0.250 |");
    }

    #[test]
    fn figures() {
        for (value, expect) in
            [(12345.6, "12346"), (45.67, "45.7"), (1.2345, "1.23"), (0.01234, "0.012"), (3.0, "3")]
        {
            assert_eq!(rounded(value), expect);
        }
    }
}
