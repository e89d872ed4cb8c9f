//! The demo's last word: a table of versions, bytes and hashes, and whether all of it held.

use serde::Serialize;
use serde_json::Value;

use super::proof::Checked;
use crate::commands::rows;
use crate::output::{self, Format, Table};

/// An update that sends more than this share of the package did not send "only what changed".
const UPDATE_SHARE_MAX: f64 = 0.5;

/// One version on one distribution point.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) site: String,
    pub(super) distribution_point: String,
    pub(super) version: u64,
    pub(super) bytes_total: u64,
    pub(super) bytes_received: u64,
    pub(super) files_compared: u64,
    pub(super) bytes_compared: u64,
}

impl Row {
    /// What a distribution point reported of a version, beside what was compared.
    pub(super) fn new(state: &Value, checked: Checked) -> Self {
        Self {
            site: rows::text(state, "SiteCode"),
            distribution_point: rows::text(state, "ServerName"),
            version: rows::number(state, "InstalledVersion"),
            bytes_total: rows::number(state, "BytesTotal"),
            bytes_received: rows::number(state, "BytesReceived"),
            files_compared: checked.files,
            bytes_compared: checked.bytes,
        }
    }
}

/// Prints the table; returns what did not hold.
pub(super) fn print(package_id: &str, rows: &[Row], format: Format) -> Vec<String> {
    let failures = failures(rows);
    match format {
        Format::Json => output::json(&serde_json::json!({
            "package": package_id, "rows": rows, "failures": failures,
        })),
        Format::Text => {
            let mut table = Table::new(&[
                "SITE",
                "DISTRIBUTION POINT",
                ">VERSION",
                ">PACKAGE",
                ">SENT",
                ">SHARE",
                ">FILES VERIFIED",
                ">BYTES VERIFIED",
            ]);
            for row in rows {
                table.row([
                    row.site.clone(),
                    row.distribution_point.clone(),
                    row.version.to_string(),
                    output::bytes(row.bytes_total),
                    output::bytes(row.bytes_received),
                    output::percent(row.bytes_received, row.bytes_total),
                    row.files_compared.to_string(),
                    output::bytes(row.bytes_compared),
                ]);
            }
            output::line("");
            table.print();
            output::line(match failures.as_slice() {
                [] => format!(
                    "\n{package_id}: every distribution point serves version {}, and every hash is right.",
                    rows.iter().map(|row| row.version).max().unwrap_or(0)
                ),
                failures => format!("\n{package_id}: {}", failures.join("; ")),
            });
        }
    }
    failures
}

fn failures(rows: &[Row]) -> Vec<String> {
    let mut failures = Vec::new();
    let first = rows.iter().map(|row| row.version).min().unwrap_or(0);
    for row in rows {
        let Row { distribution_point, version, bytes_total, bytes_received, bytes_compared, .. } = row;
        if bytes_compared != bytes_total {
            failures.push(format!(
                "{distribution_point} reports {bytes_total} bytes of version {version}, the source has {bytes_compared}"
            ));
        }
        if *version > first && *bytes_received as f64 > *bytes_total as f64 * UPDATE_SHARE_MAX {
            failures.push(format!(
                "{distribution_point} received {bytes_received} bytes for a package of {bytes_total}"
            ));
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: u64, bytes_received: u64, bytes_compared: u64) -> Row {
        Row {
            site: "PS1".to_owned(),
            distribution_point: "dp1".to_owned(),
            version,
            bytes_total: 1000,
            bytes_received,
            files_compared: 1,
            bytes_compared,
        }
    }

    #[test]
    fn the_demo_fails_when_bytes_are_missing_or_an_update_sends_the_whole() {
        for (rows, failing) in [
            (vec![row(1, 900, 1000)], false),
            (vec![row(3, 900, 1000)], false),
            (vec![row(1, 900, 1000), row(2, 100, 1000)], false),
            (vec![row(1, 900, 1000), row(2, 900, 1000)], true),
            (vec![row(1, 100, 999)], true),
        ] {
            assert_eq!(!failures(&rows).is_empty(), failing);
        }
    }
}
