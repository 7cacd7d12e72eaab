//! A grid of values with blur and resampling.

/// Row-major values of a film region.
#[derive(Debug, Clone)]
pub struct Plane {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values, row by row.
    pub values: Vec<f32>,
}

impl Plane {
    /// A plane of zeros.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, values: vec![0.0; width * height] }
    }

    /// Two passes of a box of half width `radius` cells in both directions; edges repeat.
    pub fn blurred(&self, radius: usize) -> Self {
        let mut out = self.clone();
        for _ in 0..2 {
            out = out.box_rows(radius).transposed().box_rows(radius).transposed();
        }
        out
    }

    fn box_rows(&self, radius: usize) -> Self {
        let mut out = Self::new(self.width, self.height);
        let (last, norm) = (self.width - 1, 1.0 / (2 * radius + 1) as f32);
        for (row, into) in self.values.chunks_exact(self.width).zip(out.values.chunks_exact_mut(self.width)) {
            let mut sum = row[0] * radius as f32;
            sum += (0..=radius).map(|i| row[i.min(last)]).sum::<f32>();
            for (x, cell) in into.iter_mut().enumerate() {
                *cell = sum * norm;
                sum += row[(x + radius + 1).min(last)] - row[x.saturating_sub(radius)];
            }
        }
        out
    }

    fn transposed(&self) -> Self {
        let mut out = Self::new(self.height, self.width);
        for (y, row) in self.values.chunks_exact(self.width).enumerate() {
            for (x, value) in row.iter().enumerate() {
                out.values[x * self.height + y] = *value;
            }
        }
        out
    }

    /// Averages blocks of `k` x `k` cells.
    pub fn reduced(&self, k: usize) -> Self {
        let mut out = Self::new(self.width / k, self.height / k);
        let norm = 1.0 / (k * k) as f32;
        for y in 0..out.height {
            for x in 0..out.width {
                let mut sum = 0.0;
                for row in self.values.chunks_exact(self.width).skip(y * k).take(k) {
                    sum += row[x * k..x * k + k].iter().sum::<f32>();
                }
                out.values[y * out.width + x] = sum * norm;
            }
        }
        out
    }

    /// One row of this plane enlarged to `width` x `height` (bilinear, half-pixel centres).
    pub fn enlarged_row(&self, y: usize, width: usize, height: usize, into: &mut Vec<f32>) {
        let (y0, y1, ty) = source(y, height, self.height);
        let (top, bottom) = (&self.values[y0 * self.width..], &self.values[y1 * self.width..]);
        into.clear();
        for x in 0..width {
            let (x0, x1, tx) = source(x, width, self.width);
            let a = top[x0] + (top[x1] - top[x0]) * tx;
            let b = bottom[x0] + (bottom[x1] - bottom[x0]) * tx;
            into.push(a + (b - a) * ty);
        }
    }
}

/// The two source cells of target cell `i` and the weight of the second.
fn source(i: usize, target: usize, cells: usize) -> (usize, usize, f32) {
    let at = ((i as f32 + 0.5) * cells as f32 / target as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
    let low = at.floor();
    let first = low as usize;
    (first, (first + 1).min(cells - 1), at - low)
}
