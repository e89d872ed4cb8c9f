//! Samples, changed at random from a fixed seed: what the fuzz targets of parsers run as plain tests with.
//!
//! Only tests use it. The numbers are the same on every machine, so that a failure is everybody's.

/// xorshift64*: enough to choose places.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers that a seed names; 0 names those of 1, which a shift register needs.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(if seed == 0 { 1 } else { seed })
    }

    /// A number in `0..end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or(usize::MAX) % end.max(1)
    }
}

/// Characters or bytes that samples are made of, and what a single one may turn into.
pub trait Unit: Copy + PartialEq {
    /// Another one, made of any number below 256.
    fn any(number: u8) -> Self;
}

impl Unit for u8 {
    fn any(number: u8) -> Self {
        number
    }
}

impl Unit for char {
    fn any(number: u8) -> Self {
        char::from(number)
    }
}

/// Makes changed samples.
#[derive(Debug, Clone)]
pub struct Mutations<T> {
    random: Random,
    /// What the grammar knows.
    pieces: Vec<Vec<T>>,
    /// The longest part that one change moves or takes out.
    part_max: usize,
}

impl Mutations<char> {
    /// Changes of texts, in which pieces of the grammar turn up.
    pub fn of_texts(seed: u64, pieces: &[&str]) -> Self {
        let pieces = pieces.iter().map(|piece| piece.chars().collect()).collect();
        Self { random: Random::new(seed), pieces, part_max: 24 }
    }

    /// One of the samples with up to `changes_max` changes, and at least one.
    ///
    /// # Panics
    /// Without samples.
    pub fn text(&mut self, samples: &[impl AsRef<str>], changes_max: usize) -> String {
        let [one, other] = [self.random.below(samples.len()), self.random.below(samples.len())]
            .map(|at| samples[at].as_ref().chars().collect::<Vec<_>>());
        self.changed(one, &other, changes_max).into_iter().collect()
    }

    /// One of the samples, in which a value, a name or a tag of XML stands in the place of another one: most stay
    /// well-formed, so that what is behind the parser is met too.
    ///
    /// # Panics
    /// Without samples.
    pub fn exchanged(&mut self, samples: &[impl AsRef<str>]) -> String {
        let text = samples[self.random.below(samples.len())].as_ref();
        let parts: Vec<&str> = text.split(['<', '>', '"']).filter(|part| !part.trim().is_empty()).collect();
        if parts.is_empty() {
            return text.to_owned();
        }
        let (from, to) = (parts[self.random.below(parts.len())], parts[self.random.below(parts.len())]);
        text.replace(from, to)
    }
}

impl Mutations<u8> {
    /// Changes of bytes, in which pieces of the grammar turn up.
    pub fn of_bytes(seed: u64, pieces: &[impl AsRef<[u8]>]) -> Self {
        let pieces = pieces.iter().map(|piece| piece.as_ref().to_vec()).collect();
        Self { random: Random::new(seed), pieces, part_max: 48 }
    }

    /// One of the samples with up to `changes_max` changes, and at least one.
    ///
    /// # Panics
    /// Without samples.
    pub fn bytes(&mut self, samples: &[impl AsRef<[u8]>], changes_max: usize) -> Vec<u8> {
        let [one, other] = [self.random.below(samples.len()), self.random.below(samples.len())];
        self.changed(samples[one].as_ref().to_vec(), samples[other].as_ref(), changes_max)
    }
}

impl<T: Unit> Mutations<T> {
    fn changed(&mut self, mut units: Vec<T>, other: &[T], changes_max: usize) -> Vec<T> {
        for _ in 0..=self.random.below(changes_max) {
            self.change(&mut units, other);
        }
        units
    }

    fn change(&mut self, units: &mut Vec<T>, other: &[T]) {
        let random = &mut self.random;
        let at = random.below(units.len() + 1);
        let end = (at + random.below(self.part_max)).min(units.len());
        match random.below(8) {
            0 => drop(units.drain(at..end)),
            1 => {
                let part = units[at..end].to_vec();
                let to = random.below(units.len() + 1);
                drop(units.splice(to..to, part));
            }
            2..=4 if !self.pieces.is_empty() => {
                let piece = &self.pieces[random.below(self.pieces.len())];
                drop(units.splice(at..at, piece.iter().copied()));
            }
            5 => {
                let from = random.below(other.len());
                drop(units.splice(at..end, other.iter().skip(from).take(2 * self.part_max).copied()));
            }
            6 if random.below(4) == 0 => units.truncate(end),
            _ if at < units.len() => units[at] = T::any(u8::try_from(random.below(256)).unwrap_or(0)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_its_numbers() {
        let mut random = Random::new(0x4861_756c_6965_7225);
        let first: Vec<_> = (0..4).map(|_| random.below(1000)).collect();
        let mut again = Random::new(0x4861_756c_6965_7225);
        assert_eq!((0..4).map(|_| again.below(1000)).collect::<Vec<_>>(), first);
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| random.below(3) < 3));
        let mut zero = Random::new(0);
        assert!((0..64).any(|_| zero.below(2) == 1), "a register of zeros would stand still");
    }

    #[test]
    fn nearly_every_sample_is_changed_and_keeps_most_of_itself() {
        let samples = ["<a b=\"one\">two</a>", "some words, and more of them"];
        let mut texts = Mutations::of_texts(7, &["]]>", "&amp;"]);
        let mut bytes = Mutations::of_bytes(7, &[b"\r\n".as_slice()]);
        let (mut changed, mut pieces) = (0, 0);
        for _ in 0..1000 {
            let text = texts.text(&samples, 3);
            changed += u32::from(!samples.contains(&text.as_str()));
            pieces += u32::from(text.contains("]]>") || text.contains("&amp;"));
            assert!(bytes.bytes(&samples, 3).len() < 500);
        }
        assert!(changed > 900 && pieces > 300, "{changed} changed, {pieces} with pieces");
        assert_eq!(Mutations::of_texts(7, &[]).text(&[""], 1).len(), 0);
    }

    #[test]
    fn exchanged_parts_leave_tags_whole() {
        let mut texts = Mutations::of_texts(9, &[]);
        let all: Vec<_> = (0..50).map(|_| texts.exchanged(&["<a b=\"one\">two</a>"])).collect();
        assert!(all.iter().all(|text| text.matches('<').count() == 2), "{all:?}");
        assert!(all.iter().any(|text| text.contains("one\">one<")), "{all:?}");
        assert_eq!(texts.exchanged(&[" "]), " ");
    }
}
