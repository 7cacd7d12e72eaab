//! The way from network input coordinates back to the film's pixel grid.

/// Scale and shift: `original = network * scale + shift`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Original columns for each network column.
    pub scale: f64,
    /// Original rows for each network row; another number only where a chain rounds a side.
    pub scale_y: f64,
    /// Shift of columns in original pixels: minus the padding, or plus the crop, on the left.
    pub dx: f64,
    /// Shift of rows in original pixels: minus the padding, or plus the crop, above.
    pub dy: f64,
}

impl Affine {
    /// The same scale in both directions.
    #[must_use]
    pub fn uniform(scale: f64, dx: f64, dy: f64) -> Self {
        Self { scale, scale_y: scale, dx, dy }
    }

    /// Maps a point `[x, y]`; 0, 0 is the outer corner of the first pixel on both sides.
    #[must_use]
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [x * self.scale + self.dx, y * self.scale_y + self.dy]
    }
}
