//! `haulier driver show`.

use anyhow::Result;
use serde_json::{Value, json};

use crate::commands::rows;
use crate::output::{self, Format, Table};
use crate::remote::{Key, Remote};

/// Packages and models that are shown; `--json` has all.
const NAMES_SHOWN: usize = 12;

/// Shows one driver with what the catalog knows about it.
pub(super) async fn run(wanted: &str, remote: &Remote, format: Format) -> Result<()> {
    let id = rows::number(&super::find(remote, wanted).await?, "CI_ID");
    let driver = remote.get(&super::key(id)).await?;
    let detail = remote.get(&Key::number("Haulier_DriverDetail", "CI_ID", id)).await?;
    let filter = format!("CI_ID eq {id}");
    let containers =
        remote.list("SMS_DriverContainer", &[("$filter", &filter), ("$orderby", "PackageID")]).await?;
    let models = remote.list("SMS_DriverModel", &[("$filter", &filter), ("$orderby", "ModelName")]).await?;
    if format == Format::Json {
        output::json(
            &json!({ "driver": driver, "detail": detail, "packages": containers, "models": models }),
        );
        return Ok(());
    }
    print(&driver, &detail);
    for (title, property, listed) in
        [("Packages", "PackageID", &containers), ("Models", "ModelName", &models)]
    {
        output::line(format_args!("{title}: {}", some_of(listed, property)));
    }
    for (title, property) in [("Missing files", "MissingFiles"), ("Findings", "Diagnostics")] {
        let texts = rows::texts(&detail, property);
        if !texts.is_empty() {
            output::line(format_args!("{title}:"));
            texts.iter().for_each(|text| output::line(format_args!("  {text}")));
        }
    }
    Ok(())
}

/// The first names of a list that may be long.
fn some_of(listed: &[Value], property: &str) -> String {
    let mut names: Vec<String> =
        listed.iter().take(NAMES_SHOWN).map(|row| rows::text(row, property)).collect();
    match listed.len().saturating_sub(NAMES_SHOWN) {
        0 if names.is_empty() => "none".to_owned(),
        0 => names.join(", "),
        more => {
            names.push(format!("and {more} more"));
            names.join(", ")
        }
    }
}

fn print(driver: &Value, detail: &Value) {
    let mut table = Table::new(&["PROPERTY", "VALUE"]);
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("Driver", rows::text(driver, "CI_ID"));
    row("Name", rows::text(driver, "LocalizedDisplayName"));
    row("Provider", rows::text(driver, "DriverProvider"));
    row("Class", rows::text(driver, "DriverClass"));
    row("Kind", rows::text(detail, "Kind"));
    row("Version", rows::text(driver, "DriverVersion"));
    row("Date", rows::text(driver, "DriverDate").chars().take(10).collect());
    row("Signature", signature(driver, detail));
    row("Starts at boot", rows::text(detail, "BootStart"));
    row("Enabled", rows::text(driver, "IsEnabled"));
    row("Categories", rows::texts(driver, "LocalizedCategoryInstanceNames").join(", "));
    row("Source", rows::text(driver, "ContentSourcePath"));
    row("INF file", rows::text(driver, "DriverINFFile"));
    row(
        "Content",
        format!(
            "{} files, {}; {} of them named by the INF, {} of those missing",
            rows::number(detail, "ContentFiles"),
            output::bytes(rows::number(detail, "ContentBytes")),
            rows::number(detail, "PayloadFiles"),
            rows::number(detail, "PayloadMissing"),
        ),
    );
    table.print();
}

fn signature(driver: &Value, detail: &Value) -> String {
    let state = rows::text(detail, "SignatureState");
    match rows::text(driver, "DriverSigner") {
        signer if signer.is_empty() => state,
        signer => format!("{state}: {signer}"),
    }
}
