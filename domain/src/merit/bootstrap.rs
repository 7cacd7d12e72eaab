//! The percentile bootstrap of the AUROC, resampled inside each class so that no draw is without one.
//!
//! The draws are those of `numpy.random.default_rng(SEED).choice`: a model's card that was made in
//! Python can be checked to the last digit. The generator is PCG64 (O'Neill, HMC-CS-2014-0905) in its
//! XSL-RR variant, seeded by numpy's `SeedSequence`; bounded numbers are Lemire's (ACM TOMACS 2019;29).

use super::{Interval, classes};

/// Draws for an interval.
pub const DRAWS: usize = 2000;
/// Seed of the generator.
pub const SEED: u32 = 1;

/// The 95 % interval of the AUROC; none where one class is missing.
///
/// # Panics
/// If there is not one score for each film.
#[must_use]
pub fn bootstrap(positive: &[bool], score: &[f64]) -> Option<Interval> {
    let (ones, zeros) = classes(positive, score)?;
    let mut levels: Vec<f64> = score.to_vec();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    // Which of the distinct scores a film has: all that a draw needs to know of it.
    let level = |values: &[f64]| -> Vec<usize> { values.iter().map(|&v| levels.partition_point(|&l| l < v)).collect() };
    let (ones, zeros) = (level(&ones), level(&zeros));
    let mut random = Random::new(SEED);
    let mut counts = [vec![0_u32; levels.len()], vec![0_u32; levels.len()]];
    let mut areas: Vec<f64> = (0..DRAWS)
        .map(|_| {
            for (class, count) in [&ones, &zeros].into_iter().zip(&mut counts) {
                count.fill(0);
                (0..class.len()).for_each(|_| count[class[random.below(class.len())]] += 1);
            }
            let (mut below, mut sum) = (0.0, 0.0);
            for (&one, &zero) in counts[0].iter().zip(&counts[1]) {
                sum += f64::from(one) * (below + f64::from(zero) / 2.0);
                below += f64::from(zero);
            }
            sum / (ones.len() as f64 * zeros.len() as f64)
        })
        .collect();
    areas.sort_by(f64::total_cmp);
    Some(Interval { low: quantile(&areas, 0.025), high: quantile(&areas, 0.975) })
}

/// Linear between the two nearest of the sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * part
}

/// numpy's `Generator(PCG64(seed))`, as far as it is needed here.
#[derive(Debug, Clone)]
pub struct Random {
    state: u128,
    increment: u128,
    /// The upper half of the last 64 bits, if it was not used.
    half: Option<u32>,
}

impl Random {
    const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

    /// A generator in its first state.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        let [a, b, c, d] = seed_sequence(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let mut random = Self { state: 0, increment: wide(c, d) << 1 | 1, half: None };
        random.step();
        random.state = random.state.wrapping_add(wide(a, b));
        random.step();
        random
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(self.increment);
    }

    /// The next 64 bits.
    #[must_use]
    pub fn next_u64(&mut self) -> u64 {
        self.step();
        ((self.state >> 64) as u64 ^ self.state as u64).rotate_right((self.state >> 122) as u32)
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(half) = self.half.take() {
            return half;
        }
        let both = self.next_u64();
        self.half = Some((both >> 32) as u32);
        both as u32
    }

    /// A number below `count`, all alike; `count` is 1 to 2^32 - 1.
    ///
    /// # Panics
    /// If `count` is out of that range.
    #[must_use]
    pub fn below(&mut self, count: usize) -> usize {
        let Ok(count @ 1..) = u32::try_from(count) else { panic!("a number below {count} cannot be drawn") };
        if count == 1 {
            return 0;
        }
        let mut product = u64::from(self.next_u32()) * u64::from(count);
        if (product as u32) < count {
            let least = (u32::MAX - (count - 1)) % count;
            while (product as u32) < least {
                product = u64::from(self.next_u32()) * u64::from(count);
            }
        }
        (product >> 32) as usize
    }
}

/// `SeedSequence(seed).generate_state(4, uint64)` for a seed of one word.
fn seed_sequence(seed: u32) -> [u64; 4] {
    const SHIFT: u32 = 16;
    let mut constant = 0x43b0_d7e5_u32;
    let mut hashed = |value: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let value = value.wrapping_mul(constant);
        value ^ value >> SHIFT
    };
    let mix = |x: u32, y: u32| {
        let value = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
        value ^ value >> SHIFT
    };
    let mut pool = [seed, 0, 0, 0].map(&mut hashed);
    for from in 0..4 {
        for to in (0..4).filter(|&to| to != from) {
            pool[to] = mix(pool[to], hashed(pool[from]));
        }
    }
    let mut constant = 0x8b51_f9dd_u32;
    let words: [u32; 8] = std::array::from_fn(|n| {
        let value = pool[n % 4] ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let value = value.wrapping_mul(constant);
        value ^ value >> SHIFT
    });
    std::array::from_fn(|n| u64::from(words[2 * n]) | u64::from(words[2 * n + 1]) << 32)
}
