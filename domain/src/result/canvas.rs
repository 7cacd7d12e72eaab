//! A small RGB drawing surface: resampled grey pictures, anti-aliased lines, Latin-1 text.
//!
//! Everything is computed from values alone, so equal input gives equal pixels.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// Red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// Text size and weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Font {
    pub(crate) height: u32,
    pub(crate) bold: bool,
}

impl Font {
    pub(crate) const SMALL: Self = Self { height: 16, bold: false };
    pub(crate) const SMALL_BOLD: Self = Self { height: 16, bold: true };
    pub(crate) const NORMAL: Self = Self { height: 20, bold: false };
    pub(crate) const BOLD: Self = Self { height: 20, bold: true };
    pub(crate) const TITLE: Self = Self { height: 24, bold: true };

    const fn raster(self) -> (FontWeight, RasterHeight) {
        let weight = if self.bold { FontWeight::Bold } else { FontWeight::Regular };
        let size = match self.height {
            ..=16 => RasterHeight::Size16,
            17..=20 => RasterHeight::Size20,
            _ => RasterHeight::Size24,
        };
        (weight, size)
    }

    /// Width of a text in pixels.
    pub(crate) fn width(self, text: &str) -> u32 {
        let (weight, size) = self.raster();
        (get_raster_width(weight, size) * text.chars().count()) as u32
    }
}

/// The surface.
pub(crate) struct Canvas(Pixmap);

impl Canvas {
    /// A surface filled with one colour; `None` for a side of zero.
    pub(crate) fn new(width: u32, height: u32, background: Rgb) -> Option<Self> {
        let mut pixmap = Pixmap::new(width, height)?;
        pixmap.fill(opaque(background));
        Some(Self(pixmap))
    }

    pub(crate) fn width(&self) -> u32 {
        self.0.width()
    }

    pub(crate) fn height(&self) -> u32 {
        self.0.height()
    }

    /// The pixels, three bytes each, row by row.
    pub(crate) fn rgb(&self) -> Vec<u8> {
        let mut rgb = vec![0; self.width() as usize * self.height() as usize * 3];
        self.write_rgb(&mut rgb);
        rgb
    }

    /// The same, to a place of the caller's.
    pub(crate) fn write_rgb(&self, into: &mut [u8]) {
        for (to, from) in into.chunks_exact_mut(3).zip(self.0.data().chunks_exact(4)) {
            to.copy_from_slice(&from[..3]);
        }
    }

    /// Places a grey picture with its corner at `left`, `top`; what lies outside is cut.
    pub(crate) fn gray(&mut self, left: u32, top: u32, width: u32, gray: &[u8]) {
        let (w, h) = (self.width(), self.height());
        let data = self.0.data_mut();
        for (row, line) in gray.chunks_exact(width.max(1) as usize).enumerate() {
            let y = top + row as u32;
            if y >= h {
                break;
            }
            for (column, &value) in line.iter().enumerate().take(w.saturating_sub(left) as usize) {
                let at = ((y * w + left) as usize + column) * 4;
                data[at..at + 3].fill(value);
            }
        }
    }

    /// Fills a rectangle, blending with `alpha` (255 = opaque).
    pub(crate) fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, color: Rgb, alpha: u8) {
        if let Some(rect) = Rect::from_xywh(x, y, width, height) {
            let mut paint = paint(color, alpha);
            paint.anti_alias = false;
            self.0.fill_rect(rect, &paint, Transform::identity(), None);
        }
    }

    /// Fills a triangle.
    pub(crate) fn triangle(&mut self, points: [[f32; 2]; 3], color: Rgb) {
        if let Some(path) = path(&points) {
            self.0.fill_path(&path, &paint(color, 255), FillRule::Winding, Transform::identity(), None);
        }
    }

    /// Strokes a line through the points.
    pub(crate) fn line(&mut self, points: &[[f32; 2]], width: f32, color: Rgb, alpha: u8) {
        if let Some(path) = path(points) {
            let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
            self.0.stroke_path(&path, &paint(color, alpha), &stroke, Transform::identity(), None);
        }
    }

    /// Writes one line of text with its top left corner at `x`, `y`; returns its width.
    pub(crate) fn text(&mut self, x: u32, y: u32, text: &str, font: Font, color: Rgb) -> u32 {
        let (weight, size) = font.raster();
        let mut left = x;
        for c in text.chars() {
            let glyph = get_raster(c, weight, size).or_else(|| get_raster('?', weight, size));
            let Some(glyph) = glyph else { continue };
            for (row, line) in glyph.rows().enumerate() {
                for (column, &coverage) in line.iter().enumerate() {
                    self.blend(left + column as u32, y + row as u32, color, coverage);
                }
            }
            left += glyph.width() as u32;
        }
        left - x
    }

    /// Mixes a colour into a pixel: 255 covers it.
    pub(crate) fn blend(&mut self, x: u32, y: u32, color: Rgb, coverage: u8) {
        if coverage == 0 || x >= self.width() || y >= self.height() {
            return;
        }
        let at = ((y * self.width() + x) as usize) * 4;
        for (below, above) in self.0.data_mut()[at..at + 3].iter_mut().zip(color) {
            let mixed = u32::from(above) * u32::from(coverage) + u32::from(*below) * u32::from(255 - coverage);
            *below = ((mixed + 127) / 255) as u8;
        }
    }
}

fn opaque([r, g, b]: Rgb) -> Color {
    Color::from_rgba8(r, g, b, 255)
}

fn paint([r, g, b]: Rgb, alpha: u8) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, alpha);
    paint.anti_alias = true;
    paint
}

fn path(points: &[[f32; 2]]) -> Option<Path> {
    let (first, rest) = points.split_first()?;
    let mut builder = PathBuilder::new();
    builder.move_to(first[0], first[1]);
    for point in rest {
        builder.line_to(point[0], point[1]);
    }
    if points.len() > 2 && first == points.last()? {
        builder.close();
    }
    builder.finish()
}

/// Resamples a grey picture with the triangle filter, wide enough to average when shrinking.
pub(crate) fn resize(gray: &[u8], from: (u32, u32), to: (u32, u32)) -> Vec<u8> {
    if from == to {
        return gray.to_vec();
    }
    let (width, height) = (from.0 as usize, from.1 as usize);
    let across = weights(from.0, to.0);
    let mut narrow = vec![0.0_f32; to.0 as usize * height];
    for (line, out) in gray.chunks_exact(width).zip(narrow.chunks_exact_mut(to.0 as usize)) {
        for ((start, filter), out) in across.iter().zip(out) {
            *out = line[*start..].iter().zip(filter).map(|(v, w)| f32::from(*v) * w).sum();
        }
    }
    let mut result = vec![0_u8; (to.0 * to.1) as usize];
    let mut sums = vec![0.0_f32; to.0 as usize];
    for ((start, filter), out) in weights(from.1, to.1).iter().zip(result.chunks_exact_mut(to.0 as usize)) {
        sums.fill(0.0);
        for (line, w) in narrow.chunks_exact(to.0 as usize).skip(*start).zip(filter) {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += value * w;
            }
        }
        for (out, sum) in out.iter_mut().zip(&sums) {
            *out = (sum + 0.5) as u8;
        }
    }
    result
}

/// For each target pixel: the first source pixel and the weights from there on.
fn weights(from: u32, to: u32) -> Vec<(usize, Vec<f32>)> {
    let scale = f64::from(from) / f64::from(to);
    let support = scale.max(1.0);
    (0..to)
        .map(|n| {
            let center = (f64::from(n) + 0.5) * scale;
            let first = (center - support).floor().max(0.0) as usize;
            let last = ((center + support).ceil() as usize).min(from as usize);
            let raw: Vec<f64> =
                (first..last).map(|i| (1.0 - ((i as f64 + 0.5 - center) / support).abs()).max(0.0)).collect();
            let sum: f64 = raw.iter().sum();
            (first, raw.iter().map(|w| (w / sum) as f32).collect())
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn resize_keeps_levels_and_place() {
        let flat = resize(&[77; 12], (4, 3), (9, 2));
        assert_eq!(flat, vec![77; 18]);
        let half = resize(&[0, 0, 255, 255], (4, 1), (2, 1));
        assert!(half[0] < 40 && half[1] > 215, "{half:?}");
    }

    #[test]
    fn text_covers_latin_1_and_stays_inside() {
        for c in "áÉñÑüç¿¡ºÿ".chars() {
            let mut canvas = Canvas::new(40, 30, [0; 3]).unwrap();
            canvas.text(4, 4, &c.to_string(), Font::BOLD, [255; 3]);
            let mut unknown = Canvas::new(40, 30, [0; 3]).unwrap();
            unknown.text(4, 4, "山", Font::BOLD, [255; 3]);
            assert_ne!(canvas.rgb(), unknown.rgb(), "{c} is drawn as a question mark");
        }
        let mut canvas = Canvas::new(20, 10, [0; 3]).unwrap();
        canvas.text(15, 5, "WW", Font::TITLE, [255; 3]);
        canvas.gray(18, 8, 4, &[9; 16]);
        assert_eq!(canvas.rgb().len(), 600);
    }
}
