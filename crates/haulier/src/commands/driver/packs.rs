//! `haulier driver packs`: a vendor's list of driver packs, read here; a pack of it, fetched and imported by the site.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use driver::vendor::{self, Pack, PackCatalog, PackFormat, PackOs};
use serde_json::{Value, json};

use super::import;
use crate::args::{PacksCommand, PacksImport, PacksList};
use crate::commands::site_path::as_the_site_sees;
use crate::output::{self, Format, Table};
use crate::remote::Remote;

/// Does what the command line says.
pub(super) async fn run(command: &PacksCommand, remote: &Remote, format: Format) -> Result<()> {
    match command {
        PacksCommand::List(args) => list(args, format),
        PacksCommand::Import(args) => import(args, remote, format).await,
    }
}

fn read(file: &Path) -> Result<PackCatalog> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    opened.take(vendor::BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    vendor::read(&bytes).with_context(|| format!("{} is not understood", file.display()))
}

/// Lists the packs of a vendor's list that fit.
pub(crate) fn list(args: &PacksList, format: Format) -> Result<()> {
    let catalog = read(&args.catalog)?;
    let packs: Vec<&Pack> = catalog.packs.iter().filter(|pack| fits(pack, args)).collect();
    match format {
        Format::Json => {
            let packs: Vec<Value> = packs.into_iter().map(to_json).collect();
            let findings: Vec<String> = catalog.diagnostics.iter().map(ToString::to_string).collect();
            let vendor = catalog.vendor.manufacturer();
            output::json(
                &json!({ "vendor": vendor, "version": catalog.version, "packs": packs, "findings": findings }),
            );
        }
        Format::Text => print(&catalog, &packs),
    }
    Ok(())
}

fn fits(pack: &Pack, args: &PacksList) -> bool {
    let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
    pack.targets.iter().any(|target| {
        args.model.as_ref().is_none_or(|model| holds(&target.model.name, model))
            && args
                .sku
                .as_ref()
                .is_none_or(|sku| target.model.system_ids.iter().any(|id| id.eq_ignore_ascii_case(sku)))
            && args.os.as_ref().is_none_or(|os| holds(&os_text(&target.os), os))
    })
}

fn os_text(os: &PackOs) -> String {
    let later = if os.or_later { " or later" } else { "" };
    format!("{} {}{later}", os.name, os.release).trim().to_owned()
}

fn print(catalog: &PackCatalog, packs: &[&Pack]) {
    let mut table = Table::new(&["PACK", "VERSION", "RELEASED", ">SIZE", "FORMAT", "SYSTEM", "MODELS"]);
    for pack in packs {
        let mut systems: Vec<String> = pack.targets.iter().map(|target| os_text(&target.os)).collect();
        systems.sort();
        systems.dedup();
        let models: Vec<&str> = pack.models().iter().map(|model| model.name.as_str()).collect();
        table.row([
            pack.id.clone(),
            pack.version.clone(),
            pack.released
                .map(|day| format!("{}-{:02}-{:02}", day.year, day.month, day.day))
                .unwrap_or_default(),
            pack.size_bytes.map(output::bytes).unwrap_or_default(),
            format_name(pack.format).to_owned(),
            systems.join(", "),
            models.join(", "),
        ]);
    }
    table.print();
    output::line(format_args!(
        "{} of {} packs of {}; {} findings in the list (--json shows them)",
        packs.len(),
        catalog.packs.len(),
        catalog.vendor.manufacturer(),
        catalog.diagnostics.len()
    ));
}

fn format_name(format: PackFormat) -> &'static str {
    match format {
        PackFormat::Cabinet => "cab",
        PackFormat::Zip => "zip",
        PackFormat::Program => "exe",
        PackFormat::Installer => "msi",
        PackFormat::Other => "other",
    }
}

fn to_json(pack: &Pack) -> Value {
    let models: Vec<Value> = pack
        .targets
        .iter()
        .map(|target| {
            json!({
                "model": target.model.name, "system_ids": target.model.system_ids,
                "os": target.os.name, "release": target.os.release, "architecture": target.os.architecture.name(),
            })
        })
        .collect();
    json!({
        "id": pack.id, "name": pack.name, "version": pack.version, "url": pack.url,
        "format": format_name(pack.format), "size_bytes": pack.size_bytes,
        "md5": pack.hashes.md5, "sha1": pack.hashes.sha1, "sha256": pack.hashes.sha256, "targets": models,
    })
}

async fn import(args: &PacksImport, remote: &Remote, format: Format) -> Result<()> {
    let catalog = read(&args.catalog)?;
    let pack = catalog
        .packs
        .iter()
        .find(|pack| pack.id.eq_ignore_ascii_case(&args.pack) || pack.name.eq_ignore_ascii_case(&args.pack))
        .with_context(|| {
            format!("the list has no pack {}; `haulier driver packs list` shows them", args.pack)
        })?;
    // Said before gigabytes are fetched for it.
    ensure!(
        !matches!(pack.format, PackFormat::Program | PackFormat::Installer),
        "{} is a program ({}), which only Windows can extract: run it there, and import the folder with `haulier driver import`",
        pack.id,
        pack.url
    );
    let known = &pack.hashes;
    ensure!(
        known.md5.is_some() || known.sha1.is_some() || known.sha256.is_some(),
        "the list states no usable hash of {}; download it, check it, and import the file",
        pack.id
    );
    let location = match &args.from {
        Some(from) if from.contains("://") => from.clone(),
        Some(path) => as_the_site_sees(path)?,
        None => pack.url.clone(),
    };
    let source = json!({
        "Location": location,
        "SizeBytes": pack.size_bytes.filter(|_| pack.size_exact),
        "MD5": known.md5, "SHA1": known.sha1, "SHA256": known.sha256,
    });
    import::start(remote, json!({ "Packs": [source] }), &args.options, format).await
}
