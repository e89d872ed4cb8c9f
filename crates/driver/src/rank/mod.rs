//! Which driver wins for a device.
//!
//! Windows gives each way in which an INF matches a device a number, lower being better: `0xSSGGTHHH`, that is the
//! score of the signature, the feature score of the install section, and the score of the identifier. Equal ranks are
//! decided by date, then version. Extension INFs do not compete with a base driver; they come beside it.

mod best;
mod identifier;

use std::cmp::Reverse;
use std::fmt;

pub use best::{Best, Candidate, Choice, Ranking, device_of_component};
pub use identifier::IdentifierMatch;

use crate::{Device, DriverDate, DriverVersion, SignatureState};

/// A device's ids in the order in which the device gives them, the most specific first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceIds {
    /// The hardware ids.
    pub hardware_ids: Vec<String>,
    /// The compatible ids.
    pub compatible_ids: Vec<String>,
}

/// How well a driver fits a device: `0xSSGGTHHH`; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(pub u32);

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

/// The signature scores. All trusted signers are equal, as they are by default since Windows 7. A signature whose chain
/// ends at no configured root stands between what is trusted and what is unsigned: the machine may trust it.
const SCORE_TRUSTED: u8 = 0x00;
const SCORE_NOT_TRUSTED: u8 = 0x0F;
const SCORE_UNSIGNED_NT: u8 = 0x80;
const SCORE_UNSIGNED: u8 = 0xC0;

/// The signature score (SS) of a driver; `nt_section` says whether the install section is decorated for NT.
#[must_use]
pub fn signature_score(state: SignatureState, nt_section: bool) -> u8 {
    match state {
        SignatureState::Trusted => SCORE_TRUSTED,
        SignatureState::SignerNotTrusted => SCORE_NOT_TRUSTED,
        _ if nt_section => SCORE_UNSIGNED_NT,
        _ => SCORE_UNSIGNED,
    }
}

/// The rank of a models line that a device meets with this identifier score.
fn rank(line: &Device, signature: SignatureState, score: u16) -> Rank {
    let signature = signature_score(signature, line.nt_section);
    Rank(u32::from(signature) << 24 | u32::from(line.feature_score) << 16 | u32::from(score))
}

/// Orders drivers for one device, the best first: rank, then the newer date, then the higher version. A missing date
/// counts as older than any, a missing version as lower than any.
#[must_use]
pub fn precedence(
    rank: Rank,
    date: Option<DriverDate>,
    version: Option<DriverVersion>,
) -> impl Ord + Copy + fmt::Debug {
    (rank, Reverse(date), Reverse(version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DriverKind, ModelsFacts};

    pub(super) fn ids(hardware: &[&str], compatible: &[&str]) -> DeviceIds {
        let owned = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect();
        DeviceIds { hardware_ids: owned(hardware), compatible_ids: owned(compatible) }
    }

    pub(super) fn line(hardware: &str, compatible: &[&str]) -> Device {
        Device {
            description: hardware.to_owned(),
            install_section: "Install".to_owned(),
            hardware_id: hardware.to_owned(),
            compatible_ids: compatible.iter().map(|&id| id.to_owned()).collect(),
            feature_score: 0xFF,
            exclude_ids: Default::default(),
            nt_section: true,
            date: None,
            version: None,
        }
    }

    /// What one line is worth to a device.
    fn ranked(line: Device, signature: SignatureState, ids: &DeviceIds) -> Option<(Rank, IdentifierMatch)> {
        let models = [ModelsFacts {
            manufacturer: String::new(),
            line: 0,
            decoration: crate::inf::Decoration::parse("NTamd64"),
            devices: vec![line],
        }];
        let candidates = [Candidate {
            kind: &DriverKind::Base,
            signature,
            date: None,
            version: None,
            models: &models,
            component_ids: &[],
        }];
        let os = crate::platform::by_id("Windows/All_x64_Windows_11_and_higher_Clients").unwrap().os;
        Ranking::new(&candidates, &os).best(ids).base.map(|choice| (choice.rank, choice.by))
    }

    #[test]
    fn scores_by_kind_and_position() {
        let device = ids(&["A\\1", "A\\2"], &["C\\1", "C\\2", "C\\3"]);
        let check = |hardware: &str, compatible: &[&str], expect: Option<(u16, &str)>| {
            let found = ranked(line(hardware, compatible), SignatureState::Trusted, &device);
            let found = found.as_ref().map(|(_, by)| (by.score, by.id.as_str()));
            assert_eq!(found, expect);
        };
        check("a\\1", &[], Some((0x0000, "a\\1")));
        check("A\\2", &["A\\1"], Some((0x0001, "A\\2")));
        check("X", &["A\\2"], Some((0x1001, "A\\2")));
        check("X", &["A\\2", "A\\1"], Some((0x1000, "A\\1")));
        check("C\\3", &["A\\2"], Some((0x1001, "A\\2")));
        check("C\\3", &["C\\1"], Some((0x2002, "C\\3")));
        check("X", &["C\\3"], Some((0x3002, "C\\3")));
        check("X", &["Y", "C\\2"], Some((0x3101, "C\\2")));
        check("", &["C\\1"], Some((0x3000, "C\\1")));
        check("", &["", "Y"], None);
        check("X", &["Y"], None);
    }

    #[test]
    fn positions_stay_in_their_bits() {
        let many: Vec<String> = (0..5000).map(|n| format!("P\\{n}")).collect();
        let device = DeviceIds { hardware_ids: Vec::new(), compatible_ids: many };
        let check = |hardware: &str, compatible: &[&str], expect: u16| {
            let found = ranked(line(hardware, compatible), SignatureState::Trusted, &device);
            assert_eq!(found.unwrap().1.score, expect);
        };
        check("P\\4999", &[], 0x2FFF);
        check("", &["P\\4999"], 0x3FFF);
        let mut late = vec!["X"; 40];
        late.push("P\\0");
        check("", &late, 0x3FFF);
    }

    #[test]
    fn ranks_are_composed() {
        use SignatureState::{
            Broken, CatalogMissing, CatalogUnreadable, InfNotCovered, NoCatalog, NoSigner, PayloadNotCovered,
            SignerNotTrusted, Trusted,
        };
        let ids = ids(&["PCI\\A&REV_1", "PCI\\A"], &["PCI\\CC_0200"]);
        let check = |line: &Device, state, expect: Option<u32>| {
            let found = ranked(line.clone(), state, &ids).map(|(rank, _)| rank.0);
            assert_eq!(found, expect, "{line:?} {state:?}");
        };
        let exact = line("pci\\a&rev_1", &[]);
        check(&exact, Trusted, Some(0x00FF_0000));
        check(&exact, SignerNotTrusted, Some(0x0FFF_0000));
        for state in
            [InfNotCovered, PayloadNotCovered, Broken, NoSigner, CatalogMissing, CatalogUnreadable, NoCatalog]
        {
            check(&exact, state, Some(0x80FF_0000));
            check(&Device { nt_section: false, ..exact.clone() }, state, Some(0xC0FF_0000));
        }
        check(&Device { feature_score: 0x0A, ..exact }, Trusted, Some(0x000A_0000));
        // The second hardware id of the device against a compatible id of the INF.
        check(&line("PCI\\OTHER", &["PCI\\A"]), Trusted, Some(0x00FF_1001));
        check(&line("PCI\\OTHER", &[]), Trusted, None);
        // An excluded id counts for the device, whichever id it matches by.
        let excludes = |id: &str| Device { exclude_ids: [id.to_owned()].into(), ..line("PCI\\A", &[]) };
        check(&excludes("PCI\\a&rev_1"), Trusted, None);
        check(&excludes("PCI\\CC_0200"), Trusted, None);
        check(&excludes("PCI\\B"), Trusted, Some(0x00FF_0001));
    }

    #[test]
    fn dates_decide_before_versions() {
        let date = |year| Some(DriverDate { year, month: 5, day: 1 });
        let version = |major| Some(DriverVersion([major, 0, 0, 0]));
        let ordered = [
            precedence(Rank(1), None, None),
            precedence(Rank(2), date(2024), version(1)),
            precedence(Rank(2), date(2023), version(9)),
            precedence(Rank(2), date(2023), version(8)),
            precedence(Rank(2), date(2023), None),
            precedence(Rank(2), None, version(9)),
            precedence(Rank(3), date(2025), version(9)),
        ];
        assert!(ordered.is_sorted());
        assert!(ordered.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
