//! Drivers: how fast INF files are read, how fast a folder of drivers is imported, and what many of them cost in
//! memory. On the corpus of real drivers where this machine has it, else on generated ones.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use samples::PackSpec;
use serde_json::Value;

use super::Workshop;
use super::gauge::{timed, timed_script};
use super::report::{Line, Report};
use super::rig::Rig;
use crate::process::{command, output};

const MB: f64 = 1e6;
const REPETITIONS: usize = 5;
/// How often the INF files are parsed in one run, so that starting the program does not count.
const ROUNDS: usize = 20;
const DRIVERS: PackSpec = PackSpec { seed: 71, drivers: 120, large_files: 0, large_file_bytes: 0 };
const MANY: usize = 10_000;
/// What the project promises for a site.
const LIMIT_BYTES: f64 = 300.0 * MB;

/// INF files parsed on one core: text, version, every models line.
pub(crate) fn infs(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let (what, folder) = drivers(workshop, "inf")?;
    let run = |rounds: usize| -> Result<(f64, Value)> {
        let mut program = command(&workshop.infs);
        let (seconds, printed) = timed(|| output(program.arg(&folder).arg(rounds.to_string())))?;
        Ok((seconds, serde_json::from_str(&printed)?))
    };
    let (mut ours, mut cat) = (Vec::new(), Vec::new());
    let mut files = 0.0;
    for _ in 0..REPETITIONS {
        let (once, figures) = run(1)?;
        let (often, _) = run(1 + ROUNDS)?;
        files = figures["files"].as_f64().context("the example counts its files")?;
        ours.push(files * ROUNDS as f64 / (often - once).max(f64::EPSILON));
        let script = "find \"$1\" \\( -iname '*.inf' -o -iname '*.inx' \\) -print0 | xargs -0 sha256sum";
        cat.push(files / timed_script(script, &[&folder])?);
    }
    report.add(Line {
        what: format!("INF files parsed on one core, {files} of {what}"),
        unit: "files/s",
        ours,
        peer: "`sha256sum`, files read and hashed".to_owned(),
        theirs: cat,
    });
    Ok(())
}

/// A folder of drivers imported by a running site, against reading and hashing the same bytes.
pub(crate) fn import(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let (what, folder) = drivers(workshop, "")?;
    let folder_text = folder.to_str().context("the folder has a UTF-8 name")?;
    let (mut ours, mut sha256sum) = (Vec::new(), Vec::new());
    for repetition in 0..REPETITIONS {
        let rig = Rig::start(workshop, &format!("import {repetition}"))?;
        let (seconds, report) = timed(|| import_into(&rig, folder_text))?;
        ensure!(report["import"]["StateName"] == "done", "{report}");
        ours.push(seconds);
        sha256sum.push(timed_script("find \"$1\" -type f -print0 | xargs -0 sha256sum", &[&folder])?);
    }
    let peer = "`sha256sum`".to_owned();
    report.add(Line { what: format!("import of {what}"), unit: "s", ours, peer, theirs: sha256sum });
    Ok(())
}

/// The most memory that a site takes to import many small drivers.
pub(crate) fn many(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let folder = workshop.folder().join("many drivers");
    for number in 0..MANY {
        write_small_driver(&folder.join(format!("{:02}/driver{number}", number % 100)), number)?;
    }
    let rig = Rig::start(workshop, "many drivers imported")?;
    let (seconds, imported) =
        timed(|| import_into(&rig, folder.to_str().context("the work folder has a UTF-8 name")?))?;
    ensure!(imported["import"]["Imported"] == MANY, "{}", imported["import"]);
    let (site, _) = rig.memory_peaks()?;
    println!("{MANY} drivers imported in {seconds:.1} s");
    report.add(Line {
        what: format!("peak memory of the site, import of {MANY} drivers"),
        unit: "MB",
        ours: vec![site as f64 / MB],
        peer: "limit".to_owned(),
        theirs: vec![LIMIT_BYTES / MB],
    });
    Ok(())
}

/// Imports a folder and gives the report; that some files are no drivers is part of real folders.
pub(crate) fn import_into(rig: &Rig, folder: &str) -> Result<Value> {
    let printed = rig.haulier_even_if_failing(&["driver", "import", folder, "--json"])?;
    serde_json::from_str(&printed).with_context(|| format!("the import printed {printed}"))
}

/// Real drivers where there are any: what they are called, and where they are.
fn drivers(workshop: &Workshop, part: &str) -> Result<(String, PathBuf)> {
    let beside = crate::root().join("../shared/corpus");
    let corpus = std::env::var_os("HAULIER_CORPUS").map_or(beside, PathBuf::from).join(part);
    if corpus.is_dir() {
        return Ok(("the corpus of real drivers".to_owned(), corpus.canonicalize()?));
    }
    let folder = workshop.folder().join("generated drivers");
    if !folder.is_dir() {
        samples::write_pack(&folder, &DRIVERS)?;
    }
    Ok(("generated drivers".to_owned(), folder))
}

/// A driver of two small files, unlike every other.
pub(crate) fn write_small_driver(folder: &Path, number: usize) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let inf = format!(
        "[Version]\r\nSignature=\"$Windows NT$\"\r\nClass=Net\r\nClassGuid={{4d36e972-e325-11ce-bfc1-08002be10318}}\r\n\
         Provider=\"Small Drivers\"\r\nDriverVer=01/02/2026,1.0.0.{number}\r\nCatalogFile=small{number}.cat\r\n\
         [Manufacturer]\r\n\"Small Drivers\"=Models,NTamd64.10.0\r\n[Models.NTamd64.10.0]\r\n\
         \"Small device {number}\"=Install,PCI\\VEN_1234&DEV_{number:04X}\r\n\
         [Install]\r\nCopyFiles=Files\r\n[Files]\r\nsmall{number}.sys\r\n[DestinationDirs]\r\nFiles=13\r\n\
         [SourceDisksNames]\r\n1=disk\r\n[SourceDisksFiles]\r\nsmall{number}.sys=1\r\n\
         [Install.Services]\r\nAddService=small{number},2,Service\r\n\
         [Service]\r\nServiceType=1\r\nStartType=3\r\nErrorControl=1\r\nServiceBinary=%13%\\small{number}.sys\r\n"
    );
    std::fs::write(folder.join(format!("small{number}.inf")), inf)?;
    std::fs::write(folder.join(format!("small{number}.sys")), number.to_le_bytes().repeat(256))?;
    Ok(())
}
