//! The project's own chores: `cargo xtask test`, `tidy`, `bench`, `kerberos` and `soak`.
//!
//! Each sets up by itself what it needs beyond the Rust toolchain, and says so.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool; it is not part of the product"
)]

mod bench;
mod kerberos;
mod lanes;
mod machine;
mod postgres;
mod process;
mod soak;
mod suite;
mod summary;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test    everything that must hold before a change is shared: format, house rules, lints, tests, documentation
  tidy    only the house rules
  bench   measure Haulier against the tools people would use instead; writes bench/results/
          (with names - snapshot, unchanged, wire, serve, memory - only these, and nothing is written)
  kerberos
          lint and test the feature `kerberos` beside a real realm; it builds much of the workspace again
  soak    draw property tests anew, live 1,000 seeds of a simulated site, and kill processes at random 2,000 times (or as
          often as you say); look for anything lost or wrong
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => suite::run(),
        ["tidy"] => tidy::run(),
        ["kerberos"] => kerberos::run(),
        ["soak"] => soak::run(None),
        ["soak", kills] => soak::run(Some(kills)),
        ["bench", names @ ..] => bench::run(names),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the repository").to_owned()
}
