//! Which stored bytes to fetch for the chunks that a receiver lacks, and in which ranges. Pure: what is
//! held and what is offered go in, ranges come out. Distribution points and libraries plan alike.

use std::collections::{BTreeMap, HashMap};

use crate::format::PackEntry;
use crate::ids::{ChunkId, PackId};

/// Unwanted bytes that are fetched along to save a request.
pub const GAP_BYTES_MAX: u64 = 16 * 1024;
/// The longest range, unless a single entry is longer: what one connection holds in memory.
pub const RANGE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The longest chain of patches whose bases arrive in the same plan. Each link is one more round trip.
pub const ROUNDS_MAX: usize = 8;
/// Whole copies of one chunk that are compared; a route names one, or two while packs are rewritten.
const WHOLE_OFFERS_MAX: usize = 4;
/// Patches towards one chunk that are compared.
const PATCH_OFFERS_MAX: usize = 16;

/// What to fetch, in rounds: the ranges of a round need nothing of the same or a later round.
#[derive(Debug, Default)]
pub struct Plan {
    /// Rounds, to be fed in order; within a round in any order and at the same time.
    pub rounds: Vec<Vec<FetchRange>>,
}

impl Plan {
    /// Whether there is nothing to fetch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    /// Requests that the plan needs.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.rounds.iter().map(Vec::len).sum()
    }

    /// Bytes that the plan fetches.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.rounds.iter().flatten().map(|range| range.len).sum()
    }
}

/// One contiguous part of one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRange {
    /// The pack.
    pub pack: PackId,
    /// The first byte.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// The entries that are wanted of it, by offset.
    pub(crate) entries: Vec<PackEntry>,
}

impl FetchRange {
    /// The chunks that the range brings.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.entries.iter().map(|entry| entry.chunk)
    }

    /// What is whole of the range when only so many of its first bytes came.
    #[must_use]
    pub fn up_to(&self, len: u64) -> Self {
        let end = self.offset.saturating_add(len.min(self.len));
        let is_whole = |entry: &&PackEntry| entry.offset + u64::from(entry.stored_bytes) <= end;
        let entries = self.entries.iter().filter(is_whole).cloned().collect();
        Self { pack: self.pack, offset: self.offset, len: end - self.offset, entries }
    }

    /// The stored bytes of an entry of this range within the bytes that came; `None` if they are cut short.
    pub(crate) fn stored<'b>(&self, entry: &PackEntry, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let start = usize::try_from(entry.offset - self.offset).expect("a range fits in memory");
        bytes.get(start..)?.get(..entry.stored_bytes as usize)
    }
}

/// What became of one fetched range.
#[derive(Debug, Default)]
pub struct Fed {
    /// Chunks that were proven and placed.
    pub placed: usize,
    /// Entries that were refused; the next plan asks for them again, patches as whole chunks.
    pub refused: Vec<Refusal>,
}

/// Bytes that were not what their name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The pack, hex.
    pub object: String,
    /// What was wrong.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn of(pack: &PackId, reason: &str) -> Self {
        Self { object: pack.to_string(), reason: reason.to_owned() }
    }
}

/// How far a version is on its way in, in bytes of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are in place and proven.
    pub bytes_done: u64,
    /// Bytes of all files of the version.
    pub bytes_total: u64,
}

/// A way to a chunk.
#[derive(Debug, Clone)]
struct Offer {
    pack: PackId,
    entry: PackEntry,
}

/// The chunks that are wanted, each with the offers that may be used for it, as many as are compared.
#[derive(Debug, Default)]
pub(crate) struct Offers(BTreeMap<ChunkId, Vec<Offer>>);

impl Offers {
    /// Nothing is offered yet.
    pub(crate) fn of(wanted: impl Iterator<Item = ChunkId>) -> Self {
        Self(wanted.map(|id| (id, Vec::new())).collect())
    }

    /// Whether the chunk is wanted.
    pub(crate) fn want(&self, id: &ChunkId) -> bool {
        self.0.contains_key(id)
    }

    /// Takes an offer for a wanted chunk. A route that offers one chunk again and again costs no memory.
    pub(crate) fn add(&mut self, pack: PackId, entry: PackEntry) {
        let Some(ways) = self.0.get_mut(&entry.chunk) else { return };
        let is_full = entry.encoding.is_full();
        let like = ways.iter().filter(|offer| offer.entry.encoding.is_full() == is_full).count();
        if like < if is_full { WHOLE_OFFERS_MAX } else { PATCH_OFFERS_MAX } {
            ways.push(Offer { pack, entry });
        }
    }

    /// Every chunk that some offer needs.
    pub(crate) fn bases(&self) -> impl Iterator<Item = &ChunkId> {
        self.0.values().flatten().flat_map(|offer| offer.entry.encoding.bases())
    }
}

/// Chooses the cheapest offers. `Err` names a chunk that no usable offer leads to.
pub(crate) fn plan(offers: &Offers, held: &dyn Fn(&ChunkId) -> bool) -> Result<Plan, ChunkId> {
    let mut choices = Choices::new(offers, held)?;
    choices.improve();
    Ok(Plan { rounds: coalesce(choices.rounds()) })
}

struct Wanted<'a> {
    offer: &'a Offer,
    /// Wanted chunks that the chosen patch stands on.
    bases: Vec<usize>,
    /// The longest chain of chosen patches that stands on this chunk.
    height: usize,
}

struct Choices<'a> {
    offers: &'a Offers,
    held: &'a dyn Fn(&ChunkId) -> bool,
    number: HashMap<ChunkId, usize>,
    wanted: Vec<Wanted<'a>>,
}

impl<'a> Choices<'a> {
    /// Starts with the cheapest offer that stands on held chunks only.
    fn new(offers: &'a Offers, held: &'a dyn Fn(&ChunkId) -> bool) -> Result<Self, ChunkId> {
        let number = offers.0.keys().enumerate().map(|(n, id)| (*id, n)).collect();
        let mut wanted = Vec::with_capacity(offers.0.len());
        for (id, ways) in &offers.0 {
            let usable = ways.iter().filter(|offer| offer.entry.encoding.bases().iter().all(held));
            let offer = usable.min_by_key(|offer| offer.entry.stored_bytes).ok_or(*id)?;
            wanted.push(Wanted { offer, bases: Vec::new(), height: 0 });
        }
        Ok(Self { offers, held, number, wanted })
    }

    /// Takes patches whose bases come in the same plan, the largest saving first.
    fn improve(&mut self) {
        let mut savings = Vec::new();
        for (n, ways) in self.offers.0.values().enumerate() {
            let now = self.wanted[n].offer.entry.stored_bytes;
            for offer in ways.iter().filter(|offer| offer.entry.stored_bytes < now) {
                if let Some(bases) = self.bases_in_plan(offer) {
                    savings.push((now - offer.entry.stored_bytes, n, offer, bases));
                }
            }
        }
        savings.sort_by_key(|(saving, n, ..)| (std::cmp::Reverse(*saving), *n));
        for (_, n, offer, bases) in savings {
            let first = self.wanted[n].bases.is_empty();
            if first && self.fits(n, &bases) {
                self.raise(&bases, self.wanted[n].height + 1);
                self.wanted[n].offer = offer;
                self.wanted[n].bases = bases;
            }
        }
    }

    /// The wanted chunks that an offer stands on, if it needs any and everything else is held.
    fn bases_in_plan(&self, offer: &Offer) -> Option<Vec<usize>> {
        let lacking = offer.entry.encoding.bases().iter().filter(|id| !(self.held)(id));
        let numbers: Option<Vec<usize>> = lacking.map(|id| self.number.get(id).copied()).collect();
        numbers.filter(|numbers| !numbers.is_empty())
    }

    /// Whether `n` may stand on `bases`: no circle, and the chain stays short.
    fn fits(&self, n: usize, bases: &[usize]) -> bool {
        bases.iter().all(|&base| match self.depth(base, n, ROUNDS_MAX) {
            Some(depth) => depth + 1 + self.wanted[n].height < ROUNDS_MAX,
            None => false,
        })
    }

    /// How many rounds come before `n`; `None` if it stands on `not_on` or the chain is too long.
    fn depth(&self, n: usize, not_on: usize, limit: usize) -> Option<usize> {
        if n == not_on || limit == 0 {
            return None;
        }
        let mut depth = 0;
        for &base in &self.wanted[n].bases {
            depth = depth.max(self.depth(base, not_on, limit - 1)? + 1);
        }
        Some(depth)
    }

    fn raise(&mut self, bases: &[usize], height: usize) {
        for &base in bases {
            if self.wanted[base].height < height {
                self.wanted[base].height = height;
                let next = self.wanted[base].bases.clone();
                self.raise(&next, height + 1);
            }
        }
    }

    fn rounds(&self) -> BTreeMap<(usize, PackId), Vec<&'a PackEntry>> {
        let mut rounds: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (n, wanted) in self.wanted.iter().enumerate() {
            let round = self.depth(n, usize::MAX, ROUNDS_MAX + 1).expect("fits() keeps chains short");
            rounds.entry((round, wanted.offer.pack)).or_default().push(&wanted.offer.entry);
        }
        rounds
    }
}

/// Joins neighbours into as few ranges as the limits allow.
fn coalesce(groups: BTreeMap<(usize, PackId), Vec<&PackEntry>>) -> Vec<Vec<FetchRange>> {
    let mut rounds: Vec<Vec<FetchRange>> = Vec::new();
    for ((round, pack), mut entries) in groups {
        entries.sort_by_key(|entry| entry.offset);
        rounds.resize_with(rounds.len().max(round + 1), Vec::new);
        let ranges = &mut rounds[round];
        let first = ranges.len();
        for entry in entries {
            let end = entry.end();
            match ranges[first..].last_mut() {
                Some(last)
                    if entry.offset - last.offset <= last.len + GAP_BYTES_MAX
                        && end - last.offset <= RANGE_BYTES_MAX =>
                {
                    last.len = last.len.max(end - last.offset);
                    last.entries.push(entry.clone());
                }
                _ => ranges.push(FetchRange {
                    pack,
                    offset: entry.offset,
                    len: u64::from(entry.stored_bytes),
                    entries: vec![entry.clone()],
                }),
            }
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Encoding;

    fn id(name: &str) -> ChunkId {
        ChunkId::of(name.as_bytes())
    }

    /// `name offset bytes [base...]`, all in one pack.
    fn offers(lines: &[&str]) -> Offers {
        let words = |line: &&str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut offers = Offers::of(lines.iter().map(|line| id(&words(line)[0])));
        for line in lines {
            let words = words(line);
            let bases: Vec<ChunkId> = words[3..].iter().map(|base| id(base)).collect();
            let entry = PackEntry {
                chunk: id(&words[0]),
                raw_bytes: 1000,
                offset: words[1].parse().unwrap(),
                stored_bytes: words[2].parse().unwrap(),
                stored_check: 0,
                encoding: if bases.is_empty() { Encoding::Zstd } else { Encoding::Patch { bases } },
            };
            offers.add(PackId::from_bytes([1; 32]), entry);
        }
        offers
    }

    /// Rounds as `offset+len` of their ranges.
    fn check(lines: &[&str], held: &[&str], expect: Result<&[&[&str]], &str>) {
        let held: Vec<ChunkId> = held.iter().map(|name| id(name)).collect();
        let plan = plan(&offers(lines), &|id| held.contains(id)).map(|plan| {
            plan.rounds
                .iter()
                .map(|round| round.iter().map(|r| format!("{}+{}", r.offset, r.len)).collect())
                .collect()
        });
        let expect: Result<Vec<Vec<String>>, ChunkId> = expect
            .map(|rounds| rounds.iter().map(|r| r.iter().map(|&t| t.to_owned()).collect()).collect())
            .map_err(id);
        assert_eq!(plan, expect, "{lines:?}");
    }

    #[test]
    fn a_patch_is_taken_only_if_its_base_is_held_and_it_is_smaller() {
        let lines = ["a 0 500", "a 500 40 old"];
        check(&lines, &["old"], Ok(&[&["500+40"]]));
        check(&lines, &[], Ok(&[&["0+500"]]));
        check(&["a 0 500", "a 500 600 old"], &["old"], Ok(&[&["0+500"]]));
        check(&["a 500 600 old"], &[], Err("a"));
        check(&[], &[], Ok(&[]));
    }

    #[test]
    fn a_twin_waits_for_the_base_that_the_same_plan_brings() {
        check(&["a 0 500", "b 500 500", "b 1000 20 a"], &[], Ok(&[&["0+500"], &["1000+20"]]));
        // Both stand on the other: one of them comes whole.
        check(&["a 0 500", "a 500 20 b", "b 520 600", "b 1120 20 a"], &[], Ok(&[&["0+500"], &["1120+20"]]));
        // A cheaper patch on a held chunk stays.
        check(&["a 0 500", "b 500 500", "b 1000 10 old", "b 1010 20 a"], &["old"], Ok(&[&["0+1010"]]));
    }

    #[test]
    fn chains_stay_short() {
        let mut lines = vec!["c0 0 500".to_owned()];
        for n in 1..20 {
            lines.push(format!("c{n} {} 500", n * 100_000));
            lines.push(format!("c{n} {} 10 c{}", n * 100_000 + 50_000, n - 1));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let plan = plan(&offers(&lines), &|_| false).unwrap();
        assert!(plan.rounds.len() <= ROUNDS_MAX, "{} rounds", plan.rounds.len());
        assert!(plan.bytes() < 20 * 500 / 2, "most come as patches: {} bytes", plan.bytes());
    }

    #[test]
    fn neighbours_share_a_range_up_to_the_limits() {
        let near = GAP_BYTES_MAX + 100;
        check(&["a 0 100", &format!("b {near} 100")], &[], Ok(&[&[&format!("0+{}", near + 100)]]));
        let far = near + 1;
        check(&["a 0 100", &format!("b {far} 100")], &[], Ok(&[&["0+100", &format!("{far}+100")]]));
        let max = RANGE_BYTES_MAX;
        check(
            &[&format!("a 0 {max}"), &format!("b {max} 1")],
            &[],
            Ok(&[&[&format!("0+{max}"), &format!("{max}+1")]]),
        );
    }
}
