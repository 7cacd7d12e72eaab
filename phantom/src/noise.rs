//! Pseudo-random numbers and lattice noise, the same on every machine.

/// A small generator (PCG-XSH-RR, 64 bit state).
#[derive(Debug, Clone)]
pub struct Pcg(u64);

impl Pcg {
    /// A stream that depends on every byte of `key` (FNV-1a).
    pub fn new(key: &str) -> Self {
        let mut h: u64 = 0xcbf2_9ce4_8422_2325;
        for b in key.bytes() {
            h = (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut rng = Self(h);
        rng.next();
        rng
    }

    /// The next 32 bits.
    pub fn next(&mut self) -> u32 {
        let old = self.0;
        self.0 = old.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let xored = (((old >> 18) ^ old) >> 27) as u32;
        xored.rotate_right((old >> 59) as u32)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 8) as f32 / 16_777_216.0
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Roughly normal with mean 0 and deviation 1: the sum of four bytes of one draw.
    pub fn bell(&mut self) -> f32 {
        let b = self.next().to_le_bytes();
        let sum = i32::from(b[0]) + i32::from(b[1]) + i32::from(b[2]) + i32::from(b[3]);
        (sum - 510) as f32 / 147.8
    }

    /// Uniform index below `n` (n > 0).
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next()) * u64::from(n)) >> 32) as u32
    }
}

/// Smooth noise in -1..1 with one grain per unit of (x, y).
pub fn lattice(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (tx, ty) = (crate::shape::ramp(x - fx), crate::shape::ramp(y - fy));
    let (ix, iy) = (fx as i32, fy as i32);
    let at = |dx: i32, dy: i32| corner(ix.wrapping_add(dx), iy.wrapping_add(dy), seed);
    let top = at(0, 0) + (at(1, 0) - at(0, 0)) * tx;
    let bottom = at(0, 1) + (at(1, 1) - at(0, 1)) * tx;
    top + (bottom - top) * ty
}

fn corner(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca6b);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 / 8_388_608.0 - 1.0
}
