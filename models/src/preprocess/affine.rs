//! The way from network input coordinates back to the film's pixel grid.

/// Uniform scale and shift: `original = network * scale + shift`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Original pixels for each network pixel.
    pub scale: f64,
    /// Shift of columns in original pixels: minus the padding on the left.
    pub dx: f64,
    /// Shift of rows in original pixels: minus the padding above.
    pub dy: f64,
}

impl Affine {
    /// Maps a point `[x, y]`; 0, 0 is the outer corner of the first pixel on both sides.
    #[must_use]
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [x * self.scale + self.dx, y * self.scale + self.dy]
    }
}
