//! The packs of a catalog that are for a machine.

use std::cmp::Reverse;

use super::choice::{Machine, MatchedBy, ReleaseFit, release_fit};
use super::{MachineModel, Pack, PackCatalog, PackKind, PackTarget, TargetOs};

/// The packs of `catalog` for `machine` and `os`, the best first: packs with all drivers before graphics packs, then
/// by how the model and the release fit, then the newest. Packs for Windows PE and store apps are never among them.
/// A machine of another vendor gets none.
#[must_use]
pub fn packs_for<'a>(catalog: &'a PackCatalog, machine: &MachineModel, os: &TargetOs) -> Vec<Offer<'a>> {
    let machine = Machine::new(machine);
    if machine.manufacturer() != catalog.vendor.manufacturer() {
        return Vec::new();
    }
    let mut offers: Vec<Offer<'a>> = catalog
        .packs
        .iter()
        .filter(|pack| matches!(pack.kind, PackKind::Drivers | PackKind::Graphics(_)))
        .filter_map(|pack| {
            let fits = pack.targets.iter().filter_map(|target| Some((fit(target, &machine, os)?, target)));
            let (fit, target) = fits.max_by_key(|(fit, _)| *fit)?;
            Some(Offer { pack, target, fit })
        })
        .collect();
    offers.sort_by_key(|offer| {
        let is_drivers = offer.pack.kind == PackKind::Drivers;
        Reverse((is_drivers, offer.fit, offer.pack.released))
    });
    offers
}

fn fit(target: &PackTarget, machine: &Machine, os: &TargetOs) -> Option<Fit> {
    let named = &target.os;
    if named.architecture != os.architecture || !named.name.eq_ignore_ascii_case(os.name.trim()) {
        return None;
    }
    let matched_by = machine.matched_by(&target.model.system_ids, &[&target.model.name])?;
    Some(Fit { matched_by, release: release_fit(&named.release, named.or_later, os)? })
}

/// A pack for a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer<'a> {
    /// The pack.
    pub pack: &'a Pack,
    /// The model and system by which it fits best.
    pub target: &'a PackTarget,
    /// How it fits.
    pub fit: Fit,
}

/// How a pack fits; the greater the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fit {
    /// The model.
    pub matched_by: MatchedBy,
    /// The release.
    pub release: ReleaseFit,
}
