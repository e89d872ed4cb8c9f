//! The identifier score: by which of its ids a device and a models line meet.

use std::collections::HashMap;

use super::DeviceIds;

/// Where a device and a models line meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierMatch {
    /// `THHH`: the kind of the match, then the positions.
    pub score: u16,
    /// The id, as the INF spells it.
    pub id: String,
}

/// Positions have twelve bits; later ones are equal.
const POSITION_MAX: usize = 0xFFF;

/// Ids are compared without case.
pub(super) fn key(id: &str) -> String {
    id.to_lowercase()
}

/// Where a device has an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// Among its hardware ids, at this position.
    Hardware(usize),
    /// Among its compatible ids.
    Compatible(usize),
}

impl Own {
    /// The score of a meeting with a line's id at `place`: 0 is its hardware id, then come its compatible ids.
    ///
    /// Type 0 is hardware id to hardware id, 1 the device's hardware id to a compatible id of the INF, 2 the device's
    /// compatible id to the INF's hardware id, 3 compatible id to compatible id. The position is the one in the
    /// device's list; for type 3 the one in the INF's list counts 0x100 times as much.
    pub(super) fn score(self, place: usize) -> u16 {
        let (kind, position) = match (self, place) {
            (Self::Hardware(position), 0) => (0, position),
            (Self::Hardware(position), _) => (1, position),
            (Self::Compatible(position), 0) => (2, position),
            (Self::Compatible(position), place) => (3, position + (place - 1) * 0x100),
        };
        u16::try_from(kind << 12 | position.min(POSITION_MAX)).expect("both have their bits")
    }
}

/// A device's ids, each at the best place at which it has it.
#[derive(Debug)]
pub(super) struct OwnIds(HashMap<String, Own>);

impl OwnIds {
    pub(super) fn new(ids: &DeviceIds) -> Self {
        let hardware = ids.hardware_ids.iter().zip((0..).map(Own::Hardware));
        let compatible = ids.compatible_ids.iter().zip((0..).map(Own::Compatible));
        let mut own = HashMap::new();
        for (id, at) in hardware.chain(compatible).filter(|(id, _)| !id.is_empty()) {
            own.entry(key(id)).or_insert(at);
        }
        Self(own)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Own)> {
        self.0.iter().map(|(id, own)| (id.as_str(), *own))
    }

    /// Whether the device has this id, as a hardware or as a compatible id.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.0.contains_key(&key(id))
    }
}
