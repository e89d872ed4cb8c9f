//! Driver folders, written out and signed on the spot.

use std::fs;
use std::path::Path;

use driver::analysis::{AnalysisError, Folder, FolderLimits, analyze};
use driver::catalog::Trust;
use driver::{Diagnostic, DriverFacts};
use samples::catalog::{Catalog, Signer};
use tempfile::TempDir;

/// A folder that lives as long as the test.
pub(crate) struct Rig {
    pub(crate) dir: TempDir,
}

/// An INF for one amd64 device that copies `net.sys`; `more` is appended.
pub(crate) fn inf(more: &str) -> String {
    let text = format!(
        "[Version]\nSignature=\"$Windows NT$\"\nClass=Net\nClassGuid={{4d36e972-e325-11ce-bfc1-08002be10318}}\n\
         Provider=%V%\nCatalogFile=net.cat\nDriverVer=03/05/2026,1.2.3.4\n[Manufacturer]\n%V%=M,NTamd64\n\
         [M.NTamd64]\n%D%=Net_Install,PCI\\VEN_1&DEV_2,PCI\\VEN_1\n[Net_Install.NT]\nCopyFiles=Net_Files\n\
         [Net_Install.NT.Services]\nAddService=net,2,Net_Service\n[Net_Service]\nServiceType=1\nStartType=3\n\
         [Net_Files]\nnet.sys\n[SourceDisksNames]\n1=disk\n[SourceDisksFiles]\nnet.sys=1\n\
         [Strings]\nV=Acme\nD=\"Acme Net\"\n{more}"
    );
    text.replace('\n', "\r\n")
}

/// Entries and a string that they name: replacing it adds more than the limit.
pub(crate) fn too_much_text() -> String {
    format!("{}[Strings]\nbig={}\n", "%big%\n".repeat(2_100), "v".repeat(16_000))
}

impl Rig {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let rig = Self { dir: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(path, bytes)| rig.write(path, bytes));
        rig
    }

    /// `net.inf`, `net.sys` and a good `net.cat`.
    pub(crate) fn signed(inf: &str) -> Self {
        let rig = Self::new(&[("net.inf", inf.as_bytes()), ("net.sys", b"net driver")]);
        rig.sign("net.cat", &["net.inf", "net.sys"]);
        rig
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn sign(&self, catalog: &str, files: &[&str]) {
        let catalog_of = files.iter().fold(Catalog::new(2), |catalog, file| {
            catalog.file(file, &fs::read(self.dir.path().join(file)).unwrap())
        });
        self.write(catalog, &catalog_of.signed(Signer::HardwareLabs).build());
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn folder(&self) -> Folder {
        Folder::scan(self.path(), &FolderLimits::default()).unwrap()
    }

    /// The driver of an INF, under the roots of the sample authority.
    pub(crate) fn analyze(&self, inf: &str) -> Result<DriverFacts, AnalysisError> {
        analyze(&self.folder(), inf, &trust())
    }
}

pub(crate) fn trust() -> Trust {
    let at = "2026-06-01T00:00:00Z".parse().unwrap();
    Trust::from_pem(samples::catalog::root_pem().as_bytes(), at).unwrap()
}

/// The codes of what was found, without those about the age of signatures.
pub(crate) fn codes(findings: &[Diagnostic]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code).filter(|code| *code != "timestamp_missing").collect()
}

/// `path[:architectures]`, then `!` where it is missing, `+` or `-` where a catalog lists it or does not.
pub(crate) fn payload(driver: &DriverFacts) -> Vec<String> {
    let line = |file: &driver::PayloadFile| {
        let architectures = if file.architectures.is_empty() { "" } else { ":" };
        let covered = match file.covered {
            Some(true) => "+",
            Some(false) => "-",
            None => "",
        };
        let missing = if file.present { "" } else { "!" };
        format!("{}{architectures}{}{missing}{covered}", file.path, file.architectures.join(","))
    };
    driver.payload.iter().map(line).collect()
}
