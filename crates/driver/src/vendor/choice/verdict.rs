//! What was found about each package, in words for people.

use std::fmt;

use super::PackageCandidate;
use crate::inf::Architecture;

/// Why a package was chosen or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The package.
    pub package: &'a PackageCandidate,
    /// By what it fits the machine, if it does.
    pub matched_by: Option<MatchedBy>,
    /// How its release fits, if it does.
    pub release: Option<ReleaseFit>,
    /// Why it was not chosen; `None` for the chosen one.
    pub rejected: Option<Rejection>,
}

impl Verdict<'_> {
    pub(super) fn merit(&self) -> Option<(MatchedBy, ReleaseFit)> {
        Some((self.matched_by?, self.release?))
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((matched_by, release)) = self.merit() {
            write!(f, "fits by {matched_by}, {release}")?;
        }
        match &self.rejected {
            Some(rejection) if self.merit().is_some() => write!(f, "; {rejection}"),
            Some(rejection) => rejection.fmt(f),
            None => Ok(()),
        }
    }
}

/// By what a package fits a machine; the later the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchedBy {
    /// It is the manufacturer's fallback package.
    FallbackPackage,
    /// The model in its name.
    Model,
    /// The machine's second SKU.
    FallbackSku,
    /// The machine's SKU.
    Sku,
}

impl fmt::Display for MatchedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FallbackPackage => "being the fallback package",
            Self::Model => "its model",
            Self::FallbackSku => "the fallback SKU",
            Self::Sku => "its SKU",
        })
    }
}

/// How a release fits; the later the better, newer releases before older ones. The number is
/// [`super::release_number`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReleaseFit {
    /// It is for an older release.
    Older(u16),
    /// It is for all releases.
    Any,
    /// It is for an older release and all later ones.
    OrLater(u16),
    /// It is for exactly this release.
    Exact,
}

impl fmt::Display for ReleaseFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Older(_) => "for an older release",
            Self::Any => "for any release",
            Self::OrLater(_) => "for this release among later ones",
            Self::Exact => "for this release",
        })
    }
}

/// Why a package was not chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Its name says `Pilot` or `Retired`.
    Stage(&'static str),
    /// It is a BIOS package.
    Bios,
    /// It is another manufacturer's. Both in their normalized form.
    Manufacturer {
        /// The package's.
        package: String,
        /// The machine's.
        machine: String,
    },
    /// Its description is empty.
    NoDescription,
    /// The SKU is only a part of a listed one.
    SkuOnlyPart {
        /// The machine's.
        sku: String,
        /// The package's.
        listed: String,
    },
    /// Neither a SKU nor the model fits.
    Model {
        /// The machine's.
        sku: String,
        /// The machine's, normalized.
        model: String,
    },
    /// It is for another system.
    OperatingSystem {
        /// The package's; empty if its name has none.
        package: String,
        /// The machine's.
        wanted: String,
    },
    /// It is for another processor.
    Architecture {
        /// The package's; `None` if its name has none.
        package: Option<Architecture>,
        /// The machine's.
        wanted: Architecture,
    },
    /// It is for another release.
    Release {
        /// The package's.
        package: String,
        /// The machine's.
        wanted: String,
    },
    /// It fits, and another one fits better or is newer.
    Outranked {
        /// The chosen one's id.
        by: String,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stage(stage) => write!(f, "its name says {stage}"),
            Self::Bios => f.write_str("it is a BIOS package"),
            Self::Manufacturer { package, .. } if package.is_empty() => f.write_str("it has no manufacturer"),
            Self::Manufacturer { package, machine } => {
                write!(f, "it is for {package} and the machine is from {machine}")
            }
            Self::NoDescription => f.write_str("its description is empty"),
            Self::SkuOnlyPart { sku, listed } => {
                write!(f, "the SKU `{sku}` is only a part of the listed `{listed}`")
            }
            Self::Model { sku, model } => write!(f, "neither the SKU `{sku}` nor the model `{model}` is its"),
            Self::OperatingSystem { package, wanted } if package.is_empty() => {
                write!(f, "its name does not say {wanted}")
            }
            Self::OperatingSystem { package, wanted } => {
                write!(f, "it is for {package} and not for {wanted}")
            }
            Self::Architecture { package: None, wanted } => {
                write!(f, "its name does not say {}", architecture(*wanted))
            }
            Self::Architecture { package: Some(package), wanted } => {
                write!(f, "it is for {} and not for {}", architecture(*package), architecture(*wanted))
            }
            Self::Release { package, wanted } => {
                write!(f, "it is for release {package} and not for {wanted}")
            }
            Self::Outranked { by } => write!(f, "{by} fits better or is newer"),
        }
    }
}

/// As package names spell it.
fn architecture(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86 => "x86",
        Architecture::Amd64 => "x64",
        Architecture::Arm64 => "arm64",
        Architecture::Arm => "arm",
        Architecture::Ia64 => "ia64",
    }
}
