//! Queries over many instances: how long they take through the AdminService against the same SQL on the database alone,
//! what a list of all of them costs in memory, and how fast single instances are read.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::Workshop;
use super::drivers::{import_into, write_small_driver};
use super::gauge::timed;
use super::report::{Line, Report};
use super::rig::Rig;
use crate::process::{command, output};

const MB: f64 = 1e6;
pub(super) const DRIVERS: usize = 100_000;
const PACKAGES: usize = 10_000;
/// Single instances read in one run, over one connection.
const GETS: usize = 5_000;
const REPETITIONS: usize = 5;
/// What the project promises for a site.
pub(super) const LIMIT_BYTES: f64 = 300.0 * MB;

/// What is asked, and the SQL that answers it.
const QUESTIONS: [(&str, &str, &str); 6] = [
    ("all drivers, every property", "SMS_Driver", "SELECT * FROM \"SMS_Driver\" ORDER BY \"CI_ID\""),
    (
        "all drivers, two properties",
        "SMS_Driver?$select=CI_ID,LocalizedDisplayName",
        "SELECT \"CI_ID\", \"LocalizedDisplayName\" FROM \"SMS_Driver\" ORDER BY \"CI_ID\"",
    ),
    (
        "1,111 drivers by a part of their names",
        "SMS_Driver?$filter=contains(LocalizedDisplayName,'device%2077')",
        "SELECT * FROM \"SMS_Driver\" WHERE LOWER(\"LocalizedDisplayName\") LIKE '%device 77%' ORDER BY \"CI_ID\"",
    ),
    (
        "the newest 50 drivers",
        "SMS_Driver?$orderby=DateCreated%20desc&$top=50",
        "SELECT * FROM \"SMS_Driver\" ORDER BY \"DateCreated\" DESC, \"CI_ID\" LIMIT 50",
    ),
    (
        "1,111 packages by the beginning of their names",
        "SMS_DriverPackage?$filter=startswith(Name,'Pack%207')",
        "SELECT * FROM \"SMS_DriverPackage\" WHERE LOWER(\"Name\") LIKE 'pack 7%' ORDER BY \"PackageID\"",
    ),
    (
        "all packages, every property",
        "SMS_DriverPackage",
        "SELECT * FROM \"SMS_DriverPackage\" ORDER BY \"PackageID\"",
    ),
];

/// Runs one statement so often and prints the seconds of each run and the rows, or reads so many keys one by one.
const SQLITE: &str = "import sqlite3, sys, time\n\
    db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)\n\
    for sql in sys.argv[2:]:\n\
    \x20   start = time.perf_counter()\n\
    \x20   rows = len(db.execute(sql).fetchall())\n\
    \x20   print(time.perf_counter() - start, rows)\n";

/// Everything about queries, on one filled site.
pub(crate) fn all(workshop: &Workshop, report: &mut Report) -> Result<()> {
    let rig = filled(workshop)?;
    let database = workshop.folder().join("queries/ps1/site.db");
    for (what, question, sql) in QUESTIONS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..REPETITIONS {
            ours.push(asked(&rig, question)?);
            theirs.push(sqlite(&database, &[sql.to_owned()])?[0]);
        }
        let peer = "the same SQL, rows fetched by `python3`".to_owned();
        report.add(Line {
            what: format!("{what}, of {DRIVERS} drivers and {PACKAGES} packages"),
            unit: "s",
            ours,
            peer,
            theirs,
        });
    }
    gets(&rig, &database, workshop, report)?;
    rig.forget_memory_peak()?;
    let bytes = asked_bytes(&rig, "SMS_Driver")?;
    println!("a list of {DRIVERS} drivers has {:.1} MB", bytes / MB);
    let (site, _) = rig.memory_peaks()?;
    report.add(Line {
        what: format!("peak memory of the site while it lists {DRIVERS} drivers"),
        unit: "MB",
        ours: vec![site as f64 / MB],
        peer: "limit".to_owned(),
        theirs: vec![LIMIT_BYTES / MB],
    });
    Ok(())
}

/// A site with many drivers, imported as an administrator does, and many packages without a source.
pub(super) fn filled(workshop: &Workshop) -> Result<Rig> {
    let folder = workshop.folder().join("drivers to query");
    for number in 0..DRIVERS {
        write_small_driver(&folder.join(format!("{:03}/driver{number}", number % 1000)), number)?;
    }
    let rig = Rig::start(workshop, "queries")?;
    let (seconds, imported) =
        timed(|| import_into(&rig, folder.to_str().context("the work folder has a UTF-8 name")?))?;
    ensure!(imported["import"]["Imported"] == DRIVERS, "{}", imported["import"]);
    println!("{DRIVERS} drivers imported in {seconds:.1} s");
    let mut requests = String::new();
    for number in 0..PACKAGES {
        let body = format!("{{\\\"Name\\\":\\\"Pack {number}\\\"}}");
        request(&mut requests, &rig, "SMS_DriverPackage", &format!("json = \"{body}\"\n"));
    }
    let (seconds, _) = timed(|| curl_all(workshop, &requests))?;
    println!("{PACKAGES} packages made in {seconds:.1} s");
    Ok(rig)
}

/// Single instances with all their properties, one after the other.
fn gets(rig: &Rig, database: &Path, workshop: &Workshop, report: &mut Report) -> Result<()> {
    let first = 16_777_217;
    let keys: Vec<usize> = (0..GETS).map(|number| first + number * (DRIVERS / GETS)).collect();
    let mut requests = String::new();
    keys.iter().for_each(|key| request(&mut requests, rig, &format!("SMS_Driver({key})"), ""));
    let sql: Vec<String> =
        keys.iter().map(|key| format!("SELECT * FROM \"SMS_Driver\" WHERE \"CI_ID\" = {key}")).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        let (seconds, _) = timed(|| curl_all(workshop, &requests))?;
        ours.push(GETS as f64 / seconds);
        theirs.push(GETS as f64 / sqlite(database, &sql)?.iter().sum::<f64>());
    }
    let peer = "the same SQL, rows fetched by `python3`".to_owned();
    report.add(Line {
        what: "drivers read by key over one connection".to_owned(),
        unit: "/s",
        ours,
        peer,
        theirs,
    });
    Ok(())
}

/// Seconds of a whole answer.
fn asked(rig: &Rig, question: &str) -> Result<f64> {
    let printed = ask(rig, question, "%{time_total}")?;
    printed.trim().parse().with_context(|| format!("curl printed {printed}"))
}

fn asked_bytes(rig: &Rig, question: &str) -> Result<f64> {
    let printed = ask(rig, question, "%{size_download}")?;
    printed.trim().parse().with_context(|| format!("curl printed {printed}"))
}

fn ask(rig: &Rig, question: &str, figure: &str) -> Result<String> {
    let mut curl = command("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "/dev/null"]);
    curl.args(["--user", &rig.credentials(), "--write-out", figure]);
    output(curl.arg(rig.admin_service_url(question)))
}

/// Adds a request to a script for curl.
fn request(script: &mut String, rig: &Rig, resource: &str, more: &str) {
    let next = if script.is_empty() { "" } else { "next\n" };
    let url = rig.admin_service_url(resource);
    write!(
        script,
        "{next}url = \"{url}\"\nuser = \"{}\"\noutput = \"/dev/null\"\nfail\nnoproxy = \"*\"\n{more}",
        rig.credentials()
    )
    .expect("a String takes everything");
}

/// Sends all requests of a script over one connection.
fn curl_all(workshop: &Workshop, script: &str) -> Result<()> {
    let file: PathBuf = workshop.folder().join("requests");
    std::fs::write(&file, script)?;
    let mut curl = command("curl");
    output(curl.args(["--silent", "--show-error", "--fail-early", "--config"]).arg(&file)).map(|_| ())
}

/// The seconds that each statement took.
fn sqlite(database: &Path, statements: &[String]) -> Result<Vec<f64>> {
    let mut python = command("python3");
    python.args(["-c", SQLITE]).arg(database).args(statements);
    let printed = output(&mut python)?;
    let seconds = |line: &str| line.split(' ').next().and_then(|number| number.parse().ok());
    printed.lines().map(|line| seconds(line).with_context(|| format!("python3 printed {line}"))).collect()
}
