//! Pseudo-random numbers, the same on every machine.

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of one case: the `nth` of a kind, in a run with that seed.
    #[must_use]
    pub fn of_case(seed: u64, kind: u64, nth: u64) -> Self {
        let mut random = Self(seed);
        for part in [kind, nth] {
            random.0 = random.next() ^ part;
        }
        random
    }

    /// Any number.
    #[allow(
        clippy::should_implement_trait,
        reason = "it never ends: an iterator's `Option` would be noise"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to before `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// A number below two to a power that is itself random, up to `bits`: small ones are as likely as
    /// large ones.
    pub fn log_uniform(&mut self, bits: u32) -> u64 {
        let width = self.below(u64::from(bits) + 1) as u32;
        self.next() & (u64::MAX.checked_shr(64 - width).unwrap_or(0))
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// One of `from`, which is not empty.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Yes, once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        // From the reference implementation with seed 1234567.
        let mut random = Random(1_234_567);
        let numbers = [(); 3].map(|()| random.next());
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn each_case_has_numbers_of_its_own() {
        let first = |seed, kind, nth| Random::of_case(seed, kind, nth).next();
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        assert_ne!(first(1, 2, 3), first(1, 2, 4));
        assert_ne!(first(1, 2, 3), first(1, 3, 2));
        assert_ne!(first(1, 2, 3), first(2, 2, 3));
        let mut random = Random::of_case(0, 0, 0);
        assert!((0..1000).all(|_| random.log_uniform(10) < 1024));
        assert_eq!(random.below(0), 0);
    }
}
