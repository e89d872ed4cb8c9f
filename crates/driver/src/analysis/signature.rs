//! What the catalogs of a driver prove about it. Each architecture has one that counts, and only that one counts for it:
//! whatever else lies beside the INF, anybody could have made.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::payload::Payload;
use super::{AnalysisError, Folder};
use crate::catalog::{Catalog, CatalogError, SignatureCheck, SignerState, Trust};
use crate::digest::{self, FileDigests, Wanted};
use crate::inf::{Architecture, Version};
use crate::{Diagnostic, Severity, Signature, SignatureState};

/// The catalogs that an INF names.
pub(super) struct Catalogs {
    named: Vec<NamedCatalog>,
    /// Which of them counts; without one, the INF names none for the architecture.
    counting: BTreeMap<Architecture, usize>,
    diagnostics: Vec<Diagnostic>,
}

struct NamedCatalog {
    /// Relative to the folder; as on disk where it is there.
    path: String,
    found: Found,
    /// What it proves about the INF.
    verdict: SignatureState,
}

enum Found {
    Missing,
    Unreadable,
    Read(Box<(Catalog, SignatureCheck)>),
}

impl Catalogs {
    /// Reads and verifies the catalogs beside an INF file, which is given by its path and bytes.
    pub(super) fn read(
        folder: &Folder,
        beside: &str,
        inf: (&str, &[u8]),
        version: &Version,
        trust: &Trust,
    ) -> Result<Self, AnalysisError> {
        let mut catalogs = Self::none();
        // The same catalog may be named for several platforms.
        let mut known = HashMap::new();
        for catalog in &version.catalogs {
            let path = format!("{beside}{}", catalog.file);
            let on_disk = folder.lookup(&path).map(str::to_owned);
            let path = on_disk.clone().unwrap_or(path);
            let index = *known.entry(path.to_lowercase()).or_insert(catalogs.named.len());
            if index == catalogs.named.len() {
                let named = match on_disk {
                    Some(path) => catalogs.judge(&folder.read(&path)?, path, inf, trust)?,
                    None => catalogs.missing(path),
                };
                catalogs.named.push(named);
            }
            let counts = |architecture: &Architecture| version.catalog(*architecture) == Some(&catalog.file);
            catalogs.counting.extend(
                Architecture::ALL.into_iter().filter(counts).map(|architecture| (architecture, index)),
            );
        }
        if catalogs.named.is_empty() {
            let text = "the INF names no catalog: the driver is unsigned";
            catalogs.diagnostics.push(Diagnostic::new(Severity::Note, "no_catalog", text));
        }
        Ok(catalogs)
    }

    /// Those of an INF that was not read.
    pub(super) fn none() -> Self {
        Self { named: Vec::new(), counting: BTreeMap::new(), diagnostics: Vec::new() }
    }

    /// The paths of the catalogs and whether each is there.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, bool)> {
        self.named.iter().map(|own| (own.path.as_str(), !matches!(own.found, Found::Missing)))
    }

    /// Whether the catalog that counts on an architecture lists a file; `None` if it cannot be read.
    pub(super) fn lists(&self, architecture: Architecture, digests: &FileDigests) -> Option<bool> {
        match &self.counting_on(architecture)?.found {
            Found::Read(read) => Some(read.0.lists(digests)),
            Found::Missing | Found::Unreadable => None,
        }
    }

    /// The verdict: the worst of those on the architectures that the driver is for, each by its own catalog and payload.
    pub(super) fn signature(
        &self,
        architectures: &BTreeSet<Architecture>,
        payload: &Payload,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Signature {
        diagnostics.extend(self.diagnostics.iter().cloned());
        let verdicts = architectures.iter().map(|architecture| {
            let mut signature =
                self.counting_on(*architecture).map_or_else(no_catalog, NamedCatalog::signature);
            if signature.state.is_signed() && payload.differs.contains(architecture) {
                signature.state = SignatureState::PayloadNotCovered;
            }
            signature
        });
        // The first of equals.
        verdicts.min_by_key(|signature| weight(signature.state)).unwrap_or_else(no_catalog)
    }

    fn counting_on(&self, architecture: Architecture) -> Option<&NamedCatalog> {
        self.counting.get(&architecture).map(|index| &self.named[*index])
    }

    fn missing(&mut self, path: String) -> NamedCatalog {
        let text = "the INF names this catalog, which is not there: the driver is unsigned and incomplete";
        let finding = Diagnostic::new(Severity::Warning, "catalog_missing", text).in_file(&path);
        self.diagnostics.push(finding);
        NamedCatalog { path, found: Found::Missing, verdict: SignatureState::CatalogMissing }
    }

    fn judge(
        &mut self,
        bytes: &[u8],
        path: String,
        inf: (&str, &[u8]),
        trust: &Trust,
    ) -> Result<NamedCatalog, AnalysisError> {
        let catalog = match Catalog::parse(bytes) {
            Ok(catalog) => catalog,
            Err(error) => {
                self.diagnostics.push(unreadable(&error).in_file(&path));
                let verdict = SignatureState::CatalogUnreadable;
                return Ok(NamedCatalog { path, found: Found::Unreadable, verdict });
            }
        };
        let check = catalog.verify(trust);
        let found = catalog.diagnostics().iter().chain(&check.diagnostics).cloned();
        self.diagnostics.extend(found.map(|finding| finding.in_file(&path)));
        let covered = catalog.lists(&digests(inf)?);
        let verdict = match check.state {
            SignerState::Broken => SignatureState::Broken,
            SignerState::NoSigner => SignatureState::NoSigner,
            _ if !covered => SignatureState::InfNotCovered,
            SignerState::NotTrusted => SignatureState::SignerNotTrusted,
            SignerState::Trusted => SignatureState::Trusted,
        };
        if !covered {
            self.diagnostics.push(not_covered(&catalog, &path, inf)?);
        }
        Ok(NamedCatalog { path, found: Found::Read(Box::new((catalog, check))), verdict })
    }
}

impl NamedCatalog {
    /// What it says, whatever the payload is.
    fn signature(&self) -> Signature {
        let mut signature = Signature { state: self.verdict, ..no_catalog() };
        if let Found::Read(read) = &self.found {
            signature.signer.clone_from(&read.1.signer);
            signature.program.clone_from(&read.1.program);
            signature.whql = read.1.whql;
        }
        signature
    }
}

fn no_catalog() -> Signature {
    Signature { state: SignatureState::NoCatalog, signer: String::new(), program: String::new(), whql: false }
}

fn weight(state: SignatureState) -> u8 {
    match state {
        SignatureState::Trusted => 8,
        SignatureState::SignerNotTrusted => 7,
        SignatureState::PayloadNotCovered => 6,
        SignatureState::InfNotCovered => 5,
        SignatureState::Broken => 4,
        SignatureState::NoSigner => 3,
        SignatureState::CatalogUnreadable => 2,
        SignatureState::CatalogMissing => 1,
        SignatureState::NoCatalog => 0,
    }
}

fn unreadable(error: &CatalogError) -> Diagnostic {
    Diagnostic::new(Severity::Warning, error.code(), error.to_string())
}

/// Says why a catalog may not list an INF.
fn not_covered(catalog: &Catalog, path: &str, inf: (&str, &[u8])) -> Result<Diagnostic, AnalysisError> {
    let restored = with_carriage_returns(inf.1);
    let finding = if restored != inf.1 && catalog.lists(&digests((inf.0, &restored))?) {
        let text =
            format!("{path} lists this INF with CR LF at its line ends; something turned them into LF");
        Diagnostic::new(Severity::Warning, "inf_line_ends_changed", text)
    } else {
        let text = format!(
            "{path} does not list this INF: it was changed after signing, or the catalog is another's"
        );
        Diagnostic::new(Severity::Warning, "inf_not_covered", text)
    };
    Ok(finding.in_file(inf.0))
}

/// The bytes with CR LF where there is a lone LF, as version control may have found them.
fn with_carriage_returns(bytes: &[u8]) -> Vec<u8> {
    let mut restored = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    let mut last = 0;
    for &byte in bytes {
        if byte == b'\n' && last != b'\r' {
            restored.push(b'\r');
        }
        restored.push(byte);
        last = byte;
    }
    restored
}

fn digests((path, bytes): (&str, &[u8])) -> Result<FileDigests, AnalysisError> {
    let unreadable = |source| AnalysisError::Unreadable { file: path.to_owned(), source };
    digest::read(bytes, Wanted::ALL).map_err(unreadable)
}
