//! Kerberos beside a real realm. It is a feature of its own, because it needs a library in C, and that library's headers to
//! build, so it is a command of its own too.

use std::path::PathBuf;

use anyhow::Result;

use crate::lanes;
use crate::machine;
use crate::process::{cargo, succeeds};
use crate::summary::Results;

/// Programs of a realm, and the packages that bring them.
const PROGRAMS: [(&str, &str); 3] =
    [("krb5kdc", "krb5-kdc"), ("kadmin.local", "krb5-admin-server"), ("kinit", "krb5-user")];
/// What the library is built against, and what reads its headers.
const LIBRARIES: [&str; 2] = ["libkrb5-dev", "libclang-dev"];
/// Both programs that have the feature, so that they are built as one.
const FEATURES: &str = "wsman/kerberos,haulier/kerberos";

/// Lints and tests what the feature adds; whether all of it held.
pub(crate) fn run() -> Result<bool> {
    let mut results = Results::default();
    let python = prepare()?;
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--features", FEATURES, "--"];
    let lints = succeeds(cargo(&lints).args(["-D", "warnings"]))?;
    let tests = ["--workspace", "--features", FEATURES, "--test", "kerberos"];
    let tests = lanes::run(
        &tests,
        |program| {
            program.env("HAULIER_TEST_KERBEROS_PYTHON", &python);
        },
        |line| {
            if results.take(line) {
                println!("{line}");
            }
        },
    )?;
    // The unit tests that are there only with the feature, or say something else with it.
    let units = ["test", "--workspace", "--quiet", "--features", FEATURES, "--lib", "--bins", "--"];
    let units = succeeds(cargo(&units).args(["kerberos", "stands_alone"]))?;
    Ok(lints && tests && units)
}

/// Brings what is needed; the Python whose clients compile against the same headers.
fn prepare() -> Result<PathBuf> {
    for (program, package) in PROGRAMS {
        machine::need(program, package)?;
    }
    LIBRARIES.into_iter().try_for_each(machine::need_library)?;
    let declared = crate::root().join("xtask/clients/kerberos.txt");
    let venv = crate::root().join("target/clients-kerberos");
    machine::python_with(&machine::need("python3", "python3")?, &declared, &venv)
}
