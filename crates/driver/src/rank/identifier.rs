//! The identifier score: by which of its ids a device and a models line meet.

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

/// How the ids of a models line meet those of a device: the best of all pairs.
///
/// Type 0 is hardware id to hardware id, 1 the device's hardware id to a compatible id of the INF, 2 the device's
/// compatible id to the INF's hardware id, 3 compatible id to compatible id. The position is the one in the device's
/// list; for type 3 the one in the INF's list counts 0x100 times as much.
#[must_use]
pub fn match_ids(hardware_id: &str, compatible_ids: &[String], ids: &DeviceIds) -> Option<IdentifierMatch> {
    let hardware = ids.hardware_ids.as_slice();
    let compatible = ids.compatible_ids.as_slice();
    let meet = |kind: usize, own: &[String], id: &str, weight: usize| {
        let position = own.iter().position(|own| !id.is_empty() && own.eq_ignore_ascii_case(id))?;
        let score = kind << 12 | (position + weight).min(POSITION_MAX);
        u16::try_from(score).ok().map(|score| IdentifierMatch { score, id: id.to_owned() })
    };
    let listed = compatible_ids.iter().map(String::as_str);
    meet(0, hardware, hardware_id, 0)
        .or_else(|| listed.clone().filter_map(|id| meet(1, hardware, id, 0)).min_by_key(|found| found.score))
        .or_else(|| meet(2, compatible, hardware_id, 0))
        .or_else(|| {
            let weighed = listed.zip((0..).step_by(0x100));
            weighed.filter_map(|(id, weight)| meet(3, compatible, id, weight)).min_by_key(|found| found.score)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::tests::ids;

    #[test]
    fn scores_by_kind_and_position() {
        let device = ids(&["A\\1", "A\\2"], &["C\\1", "C\\2", "C\\3"]);
        let check = |hardware: &str, compatible: &[&str], expect: Option<(u16, &str)>| {
            let compatible: Vec<String> = compatible.iter().map(|&id| id.to_owned()).collect();
            let found = match_ids(hardware, &compatible, &device);
            assert_eq!(found.as_ref().map(|found| (found.score, found.id.as_str())), expect);
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
        let device = DeviceIds { hardware_ids: Vec::new(), compatible_ids: many.clone() };
        assert_eq!(match_ids("P\\4999", &[], &device).unwrap().score, 0x2FFF);
        assert_eq!(match_ids("", &many[4999..], &device).unwrap().score, 0x3FFF);
        let mut late = vec!["X".to_owned(); 40];
        late.push("P\\0".to_owned());
        assert_eq!(match_ids("", &late, &device).unwrap().score, 0x3FFF);
    }
}
