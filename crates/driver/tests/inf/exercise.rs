//! What must hold for any bytes whatever. The fuzz target calls this too.

use driver::inf::{Inf, Version, check_models, limits, manufacturers, models, oem};

/// Reads the bytes in every way there is and checks what never may fail.
pub(crate) fn exercise(bytes: &[u8]) {
    let inf = Inf::parse(bytes);
    // One more tells how many were dropped; errors come on top, and each stops the reading.
    assert!(inf.diagnostics().len() <= limits::FINDINGS_MAX + 3);
    assert!(
        inf.diagnostics().iter().filter_map(|finding| finding.place).all(|at| at.line > 0 && at.column > 0)
    );
    assert!(inf.sections().len() <= limits::SECTIONS_MAX);
    let (mut entries, mut values) = (0, 0);
    for section in inf.sections() {
        let found = inf.section(section.name()).expect("a section is found by its own name");
        assert_eq!(found.line(), section.line());
        for entry in section.entries() {
            (entries, values) = (entries + 1, values + entry.values().len());
            let raw = entry.raw().len();
            assert!(entry.values().all(|value| value.len() <= raw.max(limits::VALUE_BYTES_MAX)));
            assert_eq!(entry.value(entry.values().len()), "");
            if let Some(key) = entry.key() {
                assert!(section.entry(&key).is_some_and(|first| first.line() <= entry.line()));
            }
        }
    }
    assert!(entries <= limits::ENTRIES_MAX && values <= limits::FIELDS_MAX);
    for language in inf.strings().languages().chain([0, 0x0407]) {
        let _ = inf.strings().get(language, "provider");
    }
    exercise_models(&inf);
    assert!(!oem::parse(bytes).inf_files().iter().any(|file| file.split('/').any(|part| part == "..")));
}

fn exercise_models(inf: &Inf) {
    let (version, findings) = Version::read(inf);
    let fatal = findings.iter().any(|finding| finding.severity == driver::Severity::Error);
    assert_eq!(fatal, !version.is_windows());
    assert!(version.catalogs.iter().all(|catalog| !catalog.file.contains(['/', '\\'])));
    for line in manufacturers(inf) {
        for section in line.sections() {
            for model in models(inf, &section.name) {
                let ids = std::iter::once(&model.hardware_id).chain(&model.compatible_ids);
                assert!(ids.clone().all(|id| id.chars().count() <= limits::DEVICE_ID_CHARS));
                assert!(model.description.chars().count() <= limits::DESCRIPTION_CHARS);
            }
        }
    }
    assert!(check_models(inf).len() <= limits::FINDINGS_MAX + 1);
}
