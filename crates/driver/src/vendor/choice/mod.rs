//! Choosing the driver package for a machine, as the community's deployment scripts do: by manufacturer, by the SKUs
//! in the description, by model, by the system in the name.
//!
//! One thing is narrower here on purpose. The scripts look for the SKU anywhere in the list, so `0AC5` also matches
//! `10AC5`, and an empty SKU matches everything: machines get foreign drivers, and nobody sees why. Here a SKU must be
//! one of the list's entries, in any case; where only a part would have matched, the verdict says so.

mod name;
mod verdict;

use crate::inf::Architecture;

pub use name::{manufacturer, release_number};
pub use verdict::{MatchedBy, Rejection, ReleaseFit, Verdict};

use name::PackageName;

/// Chooses a package for `machine` and `os` among `packages`, and says of each why it was chosen or not.
///
/// A package fits if it is no pilot, retired or BIOS package, is the machine's manufacturer's, names one of the
/// machine's SKUs in its description (else its fallback SKU, else its model in the name), and names the system and the
/// architecture in its name. A release in the name must be the machine's; with [`TargetOs::older_releases`] also an
/// older one. Of several the best match wins ([`MatchedBy`], then [`ReleaseFit`]), then the newest source date, then
/// the lowest id. If none fits, the manufacturer's `Driver Fallback Package` is taken, if there is one.
#[must_use]
pub fn choose<'a>(packages: &'a [PackageCandidate], machine: &MachineModel, os: &TargetOs) -> Choice<'a> {
    let machine = Machine::new(machine);
    let mut verdicts: Vec<Verdict<'a>> = packages.iter().map(|package| machine.judge(package, os)).collect();
    let best = (0..verdicts.len()).filter(|index| verdicts[*index].merit().is_some()).max_by(|a, b| {
        let (a, b) = (&verdicts[*a], &verdicts[*b]);
        (a.merit(), a.package.source_date)
            .cmp(&(b.merit(), b.package.source_date))
            .then_with(|| b.package.id.cmp(&a.package.id))
    });
    if let Some(best) = best {
        let winner = verdicts[best].package.id.clone();
        for (index, verdict) in verdicts.iter_mut().enumerate() {
            if index != best && verdict.rejected.is_none() {
                verdict.rejected = Some(Rejection::Outranked { by: winner.clone() });
            }
        }
    }
    Choice { chosen: best, verdicts }
}

/// A package as the site knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackageCandidate {
    /// PackageID.
    pub id: String,
    /// Name, for example `Drivers - Dell Latitude 5400 - Windows 10 1909 x64`.
    pub name: String,
    /// Description, with `(Models included:08B8;08B9)`.
    pub description: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Version.
    pub version: String,
    /// SourceDate.
    pub source_date: Option<jiff::Timestamp>,
    /// MIFName; tools keep the model there.
    pub mif_name: String,
    /// MIFVersion; tools keep the system and architecture there.
    pub mif_version: String,
    /// MIFFilename; tools keep the model there.
    pub mif_filename: String,
    /// MIFPublisher; not looked at.
    pub mif_publisher: String,
    /// Language; a tool keeps SKUs there.
    pub language: String,
}

/// A machine as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineModel {
    /// `Win32_ComputerSystem.Manufacturer`.
    pub manufacturer: String,
    /// `Win32_ComputerSystem.Model`; for Lenovo `Win32_ComputerSystemProduct.Version`.
    pub model: String,
    /// `MS_SystemInformation.SystemSKU` (Dell, Microsoft), `.BaseBoardProduct` (HP, Panasonic, AZW),
    /// `Win32_BaseBoard.SKU` (Fujitsu, Viglen), the machine type model (Lenovo; its first four characters count).
    pub sku: String,
    /// Dell: the bracketed value of `OEMStringArray`. Else empty.
    pub fallback_sku: String,
}

/// The system that is to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetOs {
    /// For example `Windows 11`.
    pub name: String,
    /// The processor.
    pub architecture: Architecture,
    /// For example `23H2` or `1909`; empty if not known, then any release fits.
    pub release: String,
    /// Whether packages for older releases of the same system may be taken.
    pub older_releases: bool,
}

/// What was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The chosen package's index in `verdicts`.
    chosen: Option<usize>,
    /// One for each package, in the order given.
    pub verdicts: Vec<Verdict<'a>>,
}

impl<'a> Choice<'a> {
    /// The verdict on the chosen package.
    #[must_use]
    pub fn chosen(&self) -> Option<&Verdict<'a>> {
        self.chosen.map(|index| &self.verdicts[index])
    }
}

/// A machine, prepared for comparing.
pub(super) struct Machine {
    manufacturer: String,
    model: String,
    sku: String,
    fallback_sku: String,
}

impl Machine {
    pub(super) fn new(machine: &MachineModel) -> Self {
        let manufacturer = manufacturer(&machine.manufacturer);
        let sku = machine.sku.trim();
        let sku = if manufacturer == "Lenovo" { name::machine_type(sku) } else { sku.to_owned() };
        Self {
            model: name::model(&machine.model, &manufacturer),
            sku,
            fallback_sku: machine.fallback_sku.trim().trim_matches(['[', ']']).trim().to_owned(),
            manufacturer,
        }
    }

    pub(super) fn manufacturer(&self) -> &str {
        &self.manufacturer
    }

    /// How a list of ids and a model name fit.
    pub(super) fn matched_by(&self, ids: &[impl AsRef<str>], models: &[&str]) -> Option<MatchedBy> {
        let listed =
            |sku: &str| !sku.is_empty() && ids.iter().any(|id| id.as_ref().eq_ignore_ascii_case(sku));
        if listed(&self.sku) {
            return Some(MatchedBy::Sku);
        }
        if listed(&self.fallback_sku) {
            return Some(MatchedBy::FallbackSku);
        }
        let same = |model: &&str| name::model(model, &self.manufacturer) == self.model;
        (!self.model.is_empty() && models.iter().any(same)).then_some(MatchedBy::Model)
    }

    fn judge<'a>(&self, package: &'a PackageCandidate, os: &TargetOs) -> Verdict<'a> {
        match self.fit(package, os) {
            Ok((matched_by, release)) => {
                Verdict { package, matched_by: Some(matched_by), release: Some(release), rejected: None }
            }
            Err(rejection) => Verdict { package, matched_by: None, release: None, rejected: Some(rejection) },
        }
    }

    fn fit(&self, package: &PackageCandidate, os: &TargetOs) -> Result<(MatchedBy, ReleaseFit), Rejection> {
        let name = PackageName::parse(&package.name);
        if let Some(stage) = name.stage {
            return Err(Rejection::Stage(stage));
        }
        if name.is_bios {
            return Err(Rejection::Bios);
        }
        let theirs = manufacturer(&package.manufacturer);
        if theirs != self.manufacturer || theirs.is_empty() {
            return Err(Rejection::Manufacturer { package: theirs, machine: self.manufacturer.clone() });
        }
        if name.is_fallback {
            let release = fallback_system(&name, os)?;
            return Ok((MatchedBy::FallbackPackage, release));
        }
        if package.description.trim().is_empty() {
            return Err(Rejection::NoDescription);
        }
        let matched_by = self.model_of(package, &name)?;
        Ok((matched_by, system(&name, &package.mif_version, os)?))
    }

    fn model_of(
        &self,
        package: &PackageCandidate,
        package_name: &PackageName<'_>,
    ) -> Result<MatchedBy, Rejection> {
        let listed = name::listed_skus(&package.description);
        let tokens = |text: &'static [char], of| -> Vec<&str> { name::tokens(of, text).collect() };
        let mut skus = tokens(&[';', ','], listed);
        skus.extend(tokens(&[';', ',', ' '], &package.language));
        let models = [package_name.model, package.mif_name.as_str(), package.mif_filename.as_str()];
        self.matched_by(&skus, &models).ok_or_else(|| {
            let lower = self.sku.to_lowercase();
            let part = skus.iter().find(|sku| !lower.is_empty() && sku.to_lowercase().contains(&lower));
            match part {
                Some(sku) => Rejection::SkuOnlyPart { sku: self.sku.clone(), listed: (*sku).to_owned() },
                None => Rejection::Model { sku: self.sku.clone(), model: self.model.clone() },
            }
        })
    }
}

fn system(name: &PackageName<'_>, mif_version: &str, os: &TargetOs) -> Result<ReleaseFit, Rejection> {
    let named = if name.os.is_empty() { name::System::find(mif_version) } else { name.system() };
    if !named.os.eq_ignore_ascii_case(os.name.trim()) {
        return Err(Rejection::OperatingSystem { package: named.os, wanted: os.name.clone() });
    }
    match named.architecture {
        Some(architecture) if architecture == os.architecture => {}
        other => return Err(Rejection::Architecture { package: other, wanted: os.architecture }),
    }
    release_fit(&named.release, false, os)
        .ok_or_else(|| Rejection::Release { package: named.release, wanted: os.release.clone() })
}

/// A fallback package's name may leave the system out; what it names must fit.
fn fallback_system(name: &PackageName<'_>, os: &TargetOs) -> Result<ReleaseFit, Rejection> {
    let named = name.system();
    if !named.os.is_empty() && !named.os.eq_ignore_ascii_case(os.name.trim()) {
        return Err(Rejection::OperatingSystem { package: named.os, wanted: os.name.clone() });
    }
    if named.architecture.is_some_and(|architecture| architecture != os.architecture) {
        return Err(Rejection::Architecture { package: named.architecture, wanted: os.architecture });
    }
    Ok(ReleaseFit::Any)
}

/// How a release fits the wanted one; `or_later` if it means later ones too.
pub(super) fn release_fit(release: &str, or_later: bool, os: &TargetOs) -> Option<ReleaseFit> {
    let wanted = os.release.trim();
    if release.is_empty() || wanted.is_empty() {
        return Some(ReleaseFit::Any);
    }
    if release.eq_ignore_ascii_case(wanted) {
        return Some(ReleaseFit::Exact);
    }
    let (release, wanted) = (release_number(release)?, release_number(wanted)?);
    (release < wanted && (or_later || os.older_releases)).then_some(if or_later {
        ReleaseFit::OrLater(release)
    } else {
        ReleaseFit::Older(release)
    })
}

#[cfg(test)]
mod tests;
