//! Every INF file of the corpus against a table of facts that an independent reader made.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use driver::inf::{CatalogFor, Inf, Version, manufacturers, models};

/// A fact of the table that is wrong, with the reason.
struct Exception {
    file: &'static str,
    column: &'static str,
    ours: &'static str,
    reason: &'static str,
}

/// These files hold runs of random bytes. Where those took a models line's `=`, or closed or opened a quote before it,
/// the line is a value without a key and names no device; the table counts it as one.
const LOST_EQUALS: &str = "damaged lines that lost their = are counted as models";

#[rustfmt::skip]
const EXCEPTIONS: &[Exception] = &[
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDASRSA.inf", column: "models_lines", ours: "1739", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDASRSA.inf", column: "distinct_ids", ours: "400", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista64/HDXSBCH.inf", column: "models_lines", ours: "550", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista64/HDXSBCH.inf", column: "distinct_ids", ours: "293", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDASST4.inf", column: "models_lines", ours: "8", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDATHX.inf", column: "models_lines", ours: "164", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDATHX.inf", column: "distinct_ids", ours: "39", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDASBCH.inf", column: "models_lines", ours: "726", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDASBCH.inf", column: "distinct_ids", ours: "362", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDASRSS.inf", column: "models_lines", ours: "175", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDASRSS.inf", column: "distinct_ids", ours: "35", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista64/HDXRT.inf", column: "models_lines", ours: "503", reason: LOST_EQUALS },
    Exception { file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista64/HDXRT.inf", column: "distinct_ids", ours: "276", reason: LOST_EQUALS },
    Exception {
        file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/Sound_1.3M_RTL/Vista/HDASF3.inf",
        column: "classguid",
        ours: "{4d36e96c-e325-11be-bfã1-08022be10\u{13}18}",
        reason: "the table shows the control character 0x13 of the damaged GUID as a blank",
    },
    Exception {
        file: "inf/vendor/lalcaraz+ecs-liva-win10-drivers/wlan_1.3M_BT_broadcom/Win32/btwl2cap.inf",
        column: "encoding",
        ours: "ansi",
        reason: "an AppleDouble file that only bears the name of an INF: binary, with more zeros than text",
    },
    Exception {
        file: "inf/doc-samples/print--package-aware-print-drivers-that-do-not-share-files-0.inf",
        column: "models_lines",
        ours: "1",
        reason: "the listing breaks a models line before its =, without a backslash: the first half is no models line",
    },
];

fn corpus(test: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let path = std::env::var_os("HAULIER_CORPUS").map_or_else(default, PathBuf::from);
    if path.join("inf/facts.tsv").is_file() {
        return Some(path);
    }
    eprintln!("NOT RUN: {test}: no driver corpus");
    None
}

/// What we read, in the table's columns.
pub(crate) fn facts(bytes: &[u8]) -> BTreeMap<&'static str, String> {
    let inf = Inf::parse(bytes);
    let (version, _) = Version::read(&inf);
    let (mut decorations, mut reached, mut ids, mut lines) =
        (BTreeSet::new(), HashSet::new(), HashSet::new(), 0);
    for line in manufacturers(&inf) {
        let names = line.decorations.iter().map(|text| format!("{}.{text}", line.models_base));
        for name in std::iter::once(line.models_base.clone()).chain(names) {
            if inf.section(&name).is_none() || !reached.insert(name.to_lowercase()) {
                continue;
            }
            for model in models(&inf, &name) {
                lines += 1;
                let all = std::iter::once(&model.hardware_id).chain(&model.compatible_ids);
                ids.extend(all.filter(|id| !id.is_empty()).map(|id| id.to_lowercase()));
            }
        }
        decorations.extend(line.decorations.iter().map(|text| text.to_lowercase()));
    }
    let catalog = |platform: CatalogFor| match platform {
        CatalogFor::Any => "catalogfile".to_owned(),
        CatalogFor::Nt => "catalogfile.nt".to_owned(),
        CatalogFor::Architecture(architecture) => format!("catalogfile.nt{architecture}"),
    };
    let catalogs: BTreeMap<String, &str> =
        version.catalogs.iter().map(|own| (catalog(own.platform), own.file.as_str())).collect();
    let catalogs: Vec<String> = catalogs.iter().map(|(key, file)| format!("{key}={file}")).collect();
    let languages: BTreeSet<String> =
        inf.strings().languages().map(|language| format!("{language:04x}")).collect();
    let (date, number) = version
        .driver_ver
        .as_ref()
        .map(|own| (own.date_text.clone(), own.version_text.clone()))
        .unwrap_or_default();
    let join = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
    BTreeMap::from([
        ("encoding", inf.encoding().to_string()),
        ("signature", version.signature),
        ("class", version.class),
        ("classguid", version.class_guid),
        ("provider", version.provider),
        ("driverver_date", date),
        ("driverver_version", number),
        ("catalogs", catalogs.join(";")),
        ("decorations", join(&decorations)),
        ("models_sections", reached.len().to_string()),
        ("models_lines", lines.to_string()),
        ("distinct_ids", ids.len().to_string()),
        ("extensionid", version.extension_id),
        ("string_langs", join(&languages)),
        ("sections", inf.sections().len().to_string()),
        ("bytes", bytes.len().to_string()),
    ])
}

#[test]
fn corpus_facts() {
    let Some(corpus) = corpus("corpus_facts") else { return };
    let table = std::fs::read_to_string(corpus.join("inf/facts.tsv")).unwrap();
    let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let (mut differences, mut used, mut compared) = (Vec::new(), HashSet::new(), 0);
    for row in rows {
        let file = row[0];
        let ours = facts(&std::fs::read(corpus.join(file)).unwrap());
        for (column, theirs) in
            header.iter().zip(&row).filter(|(column, _)| !["file", "sha256"].contains(column))
        {
            compared += 1;
            let ours = ours[column].as_str();
            if ours == *theirs {
                continue;
            }
            let known = |own: &&Exception| own.file == file && own.column == *column && own.ours == ours;
            match EXCEPTIONS.iter().find(known) {
                Some(exception) => {
                    assert!(!exception.reason.is_empty());
                    used.insert((exception.file, exception.column));
                }
                None => differences.push(format!("{file}\n    {column}: table {theirs:?}, we {ours:?}")),
            }
        }
    }
    assert!(differences.is_empty(), "{} of {compared}:\n{}", differences.len(), differences.join("\n"));
    assert_eq!(used.len(), EXCEPTIONS.len(), "each exception is needed");
}
