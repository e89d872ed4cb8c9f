//! The generator's own random numbers: the same on every machine and in every release, so a seed names a tree.

/// SplitMix64. Only basic arithmetic is used, also for the distributions, so that no platform's mathematics library
/// changes a tree.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator that gives the same numbers for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Rng {
        Rng { state: seed }
    }

    /// An independent generator for the part called `label`; does not advance this one, so that parts can be made
    /// in any order.
    #[must_use]
    pub fn fork(&self, label: &str) -> Rng {
        let mut hash = self.state ^ 0xCBF2_9CE4_8422_2325;
        for byte in label.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        let mut rng = Rng::new(hash);
        rng.next_u64();
        rng
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.next_u64()) * limit as u128) >> 64) as usize
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of the items, each as likely as the others.
    ///
    /// # Panics
    /// When `items` is empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A log-normal number: half of them are below `median`; `sigma` is the spread of the logarithm.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        // Twelve uniform numbers add up to a normal one, closely enough.
        let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        median * exp(normal * sigma)
    }

    /// Fills with incompressible bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }

    /// So many incompressible bytes.
    #[must_use]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.fill(&mut bytes);
        bytes
    }
}

/// e^x as (1 + x/1024)^1024: multiplications only.
fn exp(x: f64) -> f64 {
    let mut power = 1.0 + x / 1024.0;
    for _ in 0..10 {
        power *= power;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_numbers() {
        // The published first outputs of SplitMix64 for seed 1234567.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn forks_differ_by_label_and_not_by_order() {
        let mut rng = Rng::new(7);
        let before = rng.fork("a").next_u64();
        assert_ne!(before, rng.fork("b").next_u64());
        let mut fork = rng.fork("a");
        rng.next_u64();
        assert_eq!(fork.next_u64(), before);
    }

    #[test]
    fn log_normal_has_its_median() {
        let mut rng = Rng::new(9);
        let below = (0..2000).filter(|_| rng.log_normal(180.0, 1.0) < 180.0).count();
        assert!((900..1100).contains(&below), "{below} of 2000 below the median");
    }

    #[test]
    fn limits_hold() {
        let mut rng = Rng::new(3);
        for limit in [1, 2, 3, 1000] {
            assert!((0..500).all(|_| rng.below(limit) < limit));
        }
        assert_eq!(rng.below(0), 0);
        assert!((0..500).all(|_| (5..=7).contains(&rng.between(5, 7))));
    }
}
