//! Prints what an import would find below a folder, one INF file a line.
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::path::Path;

use driver::analysis::{Folder, FolderLimits, analyze, find_infs};
use driver::catalog::Trust;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().ok_or("the first argument is a folder")?;
    let at = "2026-11-22T00:00:00Z".parse()?;
    let trust = match arguments.next() {
        Some(pem) => Trust::from_pem(&std::fs::read(pem)?, at)?,
        None => Trust::none(at),
    };
    let folder = Folder::scan(Path::new(&root), &FolderLimits::default())?;
    for inf in find_infs(&folder) {
        let (around, name) = folder.around(&inf).ok_or("found in the folder")?;
        match analyze(&around, &name, &trust) {
            Ok(facts) => println!(
                "{inf}\t{:?}\t{}\t{}\t{}\t{}\t{:?}\t{}\tpayload {} missing {} uncovered {}\tplatforms {}\t{}",
                facts.signature.state,
                facts.signature.signer,
                facts.class,
                facts.provider,
                facts.version_text,
                facts.date,
                facts.display_name,
                facts.payload.len(),
                facts.payload.iter().filter(|file| !file.present).count(),
                facts.payload.iter().filter(|file| file.covered == Some(false)).count(),
                facts.platforms.len(),
                facts.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | "),
            ),
            Err(error) => println!("{inf}\tERROR {}\t{error}", error.win32()),
        }
    }
    Ok(())
}
