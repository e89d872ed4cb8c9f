//! `haulier driver match` and `haulier package choose`: what the site's service for machines answers.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use driver::rank::DeviceIds;
use serde_json::{Value, json};

use crate::args::{DriverMatch, PackageChoose};
use crate::commands::rows;
use crate::output::{self, Format, Table};
use crate::remote::{Remote, RemoteError};

/// Windows' numbers of products.
const WORKSTATION: u8 = 1;
const SERVER: u8 = 3;

/// Finds the best driver for each device.
pub(super) async fn run(args: &DriverMatch, remote: &Remote, format: Format) -> Result<()> {
    let devices = devices(args)?;
    let devices: Vec<Value> = devices
        .iter()
        .map(|device| json!({ "hardware_ids": device.hardware_ids, "compatible_ids": device.compatible_ids }))
        .collect();
    let product_type = if args.server { SERVER } else { WORKSTATION };
    let machine = json!({
        "os": { "version": args.os, "architecture": args.architecture, "product_type": product_type },
        "devices": devices,
    });
    let report = remote.drivers("match", &machine).await?;
    match format {
        Format::Json => output::json(&report),
        Format::Text => print(&report),
    }
    if let Some(zip) = &args.zip {
        let bytes = remote.download_drivers("match.zip", &machine, zip).await?;
        if format == Format::Text {
            output::line(format_args!("{}: {}", zip.display(), output::bytes(bytes)));
        }
    }
    Ok(())
}

fn devices(args: &DriverMatch) -> Result<Vec<DeviceIds>> {
    let mut devices: Vec<DeviceIds> = args
        .ids
        .iter()
        .map(|id| DeviceIds { hardware_ids: vec![id.clone()], compatible_ids: Vec::new() })
        .collect();
    if let Some(file) = &args.devices {
        devices.extend(driver::devices::read(&text(file)?)?);
    }
    ensure!(!devices.is_empty(), "name the machine's devices with --devices FILE or --id HARDWARE-ID");
    Ok(devices)
}

fn text(file: &Path) -> Result<Vec<u8>> {
    let limit = driver::devices::TEXT_BYTES_MAX as u64 + 1;
    let mut text = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut text))
    };
    read.with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text)
}

fn print(report: &Value) {
    let mut table = Table::new(&["DEVICE", "DRIVER", "RANK", "VERSION", "PACKAGES", "NAME"]);
    for device in list(report, "devices").into_iter().chain(list(report, "components")) {
        let first =
            device["hardware_ids"][0].as_str().or(device["compatible_ids"][0].as_str()).unwrap_or("-");
        let extensions = list(device, "extensions");
        let drivers: Vec<&Value> =
            [&device["best"]].into_iter().filter(|best| !best.is_null()).chain(extensions).collect();
        if drivers.is_empty() {
            table.row([first, "none", "", "", "", ""].map(str::to_owned));
        }
        for driver in drivers {
            let packages: Vec<String> =
                list(driver, "packages").iter().map(|package| rows::text(package, "package_id")).collect();
            table.row([
                first.to_owned(),
                rows::text(driver, "ci_id"),
                rows::text(driver, "rank"),
                rows::text(driver, "version"),
                packages.join(", "),
                rows::text(driver, "name"),
            ]);
        }
    }
    table.print();
    output::line(format_args!(
        "{} devices have a driver, {} have none",
        rows::number(report, "matched"),
        rows::number(report, "unmatched")
    ));
}

fn list<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    value[name].as_array().map(|list| list.iter().collect()).unwrap_or_default()
}

/// Chooses the package for a model.
pub(crate) async fn choose(args: &PackageChoose, remote: &Remote, format: Format) -> Result<()> {
    let model = json!({
        "manufacturer": args.manufacturer, "model": args.model, "sku": args.sku,
        "os": args.os, "release": args.release, "architecture": args.architecture,
    });
    let choice = remote.drivers("package", &model).await?;
    let fits = !choice["package"].is_null();
    match format {
        Format::Json => output::json(&choice),
        Format::Text => print_choice(&choice),
    }
    if fits {
        return Ok(());
    }
    Err(RemoteError::NotFound { message: "no package fits this machine".to_owned() }.into())
}

fn print_choice(choice: &Value) {
    let package = &choice["package"];
    if !package.is_null() {
        output::line(format_args!(
            "{}  {}  ({})",
            rows::text(package, "package_id"),
            rows::text(package, "name"),
            rows::text(package, "reason")
        ));
    }
    for rejected in list(choice, "rejected") {
        // Standard output is the answer; why others were not chosen is beside it.
        output::error(&format_args!(
            "  not {}  {}: {}",
            rows::text(rejected, "package_id"),
            rows::text(rejected, "name"),
            rows::text(rejected, "reason")
        ));
    }
}
