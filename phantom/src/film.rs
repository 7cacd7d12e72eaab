//! From a specification to stored pixel values: attenuation, scatter, processing, noise, digits.

use crate::chest::Body;
use crate::noise::Pcg;
use crate::pathology;
use crate::plane::Plane;
use crate::shape::{chord, ramp};
use crate::spec::{Pathology, Spec, View, Voi};
use crate::{bones, lateral, pelvis, vessels};

/// A finished film.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// Stored values, row by row, as the file holds them (inverted, shifted, masked).
    pub pixels: Vec<u16>,
    /// Box of the marker: x0, y0, x1, y1 in pixels; 0,0 is the corner of the first pixel.
    pub marker: Option<[f32; 4]>,
    /// Boxes of the diseases that have a place, same coordinates.
    pub lesions: Vec<(Pathology, [f32; 4])>,
}

/// The drawing grid: cells over a film of known size in millimetres.
pub struct Grid {
    /// Columns and rows.
    pub cells: (usize, usize),
    size: (f32, f32),
}

impl Grid {
    /// Millimetres from the film's middle to the centre of column `i`.
    pub fn x(&self, i: usize) -> f32 {
        ((i as f32 + 0.5) / self.cells.0 as f32 - 0.5) * self.size.0
    }

    /// Millimetres from the film's middle to the centre of row `j`.
    pub fn y(&self, j: usize) -> f32 {
        ((j as f32 + 0.5) / self.cells.1 as f32 - 0.5) * self.size.1
    }

    /// Columns whose cells may lie between two x positions.
    pub fn columns(&self, from: f32, to: f32) -> std::ops::Range<usize> {
        span(from, to, self.size.0, self.cells.0)
    }

    /// Rows whose cells may lie between two y positions.
    pub fn rows(&self, from: f32, to: f32) -> std::ops::Range<usize> {
        span(from, to, self.size.1, self.cells.1)
    }
}

fn span(from: f32, to: f32, size: f32, cells: usize) -> std::ops::Range<usize> {
    let cell = |v: f32| ((v / size + 0.5) * cells as f32).clamp(0.0, cells as f32);
    cell(from).floor() as usize..cell(to).ceil() as usize
}

/// Long side of the film, mm (a 35 x 43 cm detector).
const LONG_SIDE: f32 = 430.0;
/// Brightest display value of anything but the marker; percentile windows stretch it to 0.80.
const CEILING: f32 = 0.78;
/// Cells on the long side of the drawing grid, at most; larger films are enlarged from it.
const MAX_CELLS: usize = 1100;
/// Attenuation of soft tissue, per mm.
pub const TISSUE: f32 = 0.0158;
/// Attenuation that bone adds, per mm.
pub const BONE: f32 = 0.032;
/// Share of tissue that inflated lung lacks.
pub const LUNG: f32 = 0.76;

/// Pixel spacing of a film, mm.
pub fn spacing(spec: &Spec) -> f32 {
    LONG_SIDE / f32::from(spec.rows.max(spec.columns))
}

/// Makes the film. Rows and columns must be at least 16.
pub fn film(spec: &Spec) -> Film {
    let (w, h) = (usize::from(spec.columns), usize::from(spec.rows));
    let mut rng = Pcg::new(&spec.key);
    let cardiomegaly = spec.pathology.contains(&Pathology::Cardiomegaly);
    let body = Body::new(spec, cardiomegaly);
    let long = w.max(h);
    let times = (MAX_CELLS / 2 / long).max(1);
    let shrink = long.div_ceil(MAX_CELLS);
    let cells = (w * times / shrink, h * times / shrink);
    let mm = spacing(spec);
    let grid = Grid { cells, size: (w as f32 * mm, h as f32 * mm) };
    let attenuation = match spec.view {
        View::Pa | View::Ap => frontal(spec, &grid, &body, &mut rng),
        View::Lateral => lateral::attenuation(&grid, &body, &mut rng),
        View::Hip => pelvis::attenuation(&grid, &body),
    };
    let mut shade = displayed(&attenuation, cells);
    letter(&mut shade, &grid);
    if times > 1 {
        shade = shade.reduced(times);
    }
    let marker = marker_box(spec);
    let pixels = digits(spec, &shade, &mut rng);
    let lesions = spec.pathology.iter().filter_map(|d| {
        let [x0, y0, x1, y1] = pathology::place(*d, &body)?;
        let ((x0, y0), (x1, y1)) = (body.outside(x0, y0), body.outside(x1, y1));
        let px = |v: f32, n: usize| (v / mm + n as f32 / 2.0).clamp(0.0, n as f32);
        Some((*d, [px(x0, w), px(y0, h), px(x1, w), px(y1, h)]))
    });
    Film { pixels, marker, lesions: lesions.collect() }
}

fn frontal(spec: &Spec, grid: &Grid, body: &Body, rng: &mut Pcg) -> Plane {
    let (w, h) = grid.cells;
    let mut tree = Plane::new(w, h);
    vessels::draw(&mut tree, grid, body, rng);
    let mut bone = Plane::new(w, h);
    bones::draw(&mut bone, grid, body);
    let mut out = Plane::new(w, h);
    for y in 0..h {
        for x in 0..w {
            let i = y * w + x;
            let (bx, by) = body.inside(grid.x(x), grid.y(y));
            let tissue = body.tissue(bx, by);
            let mut air = body.air(bx, by);
            let mut extra = 0.0;
            if air > 0.0 {
                let change = pathology::change(&spec.pathology, body, bx, by);
                let room = ramp(air / 45.0);
                air = (air * change.air - tree.values[i] * change.vessels * room).max(0.0);
                extra = change.tissue * room;
            }
            let left = tissue - LUNG * air - body.airways(bx, by).min(tissue * 0.5) + extra;
            out.values[i] = TISSUE * left.max(0.0) + BONE * bone.values[i];
        }
    }
    out
}

/// Scatter flattens, the reader's processing sharpens, the tone curve ends below 0.78.
fn displayed(attenuation: &Plane, cells: (usize, usize)) -> Plane {
    let long = cells.0.max(cells.1);
    let wide = attenuation.blurred((long / 14).max(1));
    let near = attenuation.blurred((long / 110).max(1));
    let mut out = attenuation.clone();
    for (i, value) in out.values.iter_mut().enumerate() {
        let a = *value;
        let scattered = 0.86 * a + 0.14 * wide.values[i];
        let sharp = (scattered + 0.42 * (a - near.values[i]) - 0.10 * (wide.values[i] - a)).max(0.0);
        let cubed = sharp * sharp * sharp;
        *value = 0.045 + 0.725 * cubed / (cubed + 6.6);
    }
    out
}

/// The lead letter L beside the patient's left shoulder.
fn letter(shade: &mut Plane, grid: &Grid) {
    let (left, top) = (grid.size.0 * 0.5 - 24.0, -grid.size.1 * 0.5 + 22.0);
    for y in grid.rows(top, top + 18.0) {
        for x in grid.columns(left, left + 11.0) {
            let (u, v) = (grid.x(x) - left, grid.y(y) - top);
            if u < 3.0 || v > 15.0 {
                let cell = &mut shade.values[y * shade.width + x];
                *cell = cell.max(0.76);
            }
        }
    }
}

/// The marker's box at half height, pixels: x0, y0, x1, y1.
pub fn marker_box(spec: &Spec) -> Option<[f32; 4]> {
    let marker = spec.marker?;
    let (w, h) = (f32::from(spec.columns), f32::from(spec.rows));
    let (cx, cy) = (marker.centre.0 * w, marker.centre.1 * h);
    let (a, b) = (marker.size.0 * w / 2.0, marker.size.1 * h / 2.0);
    Some([cx - a, cy - b, cx + a, cy + b])
}

/// Weight of the marker at a pixel centre: one half exactly on its rounded outline.
fn marker_weight([x0, y0, x1, y1]: [f32; 4], x: f32, y: f32) -> f32 {
    let u = (x - (x0 + x1) / 2.0) / ((x1 - x0) / 2.0);
    let v = (y - (y0 + y1) / 2.0) / ((y1 - y0) / 2.0);
    let (u2, v2) = (u * u, v * v);
    let r = (u2 * u2 + v2 * v2).sqrt().sqrt();
    ramp(0.5 + (1.0 - r) / 0.16)
}

fn digits(spec: &Spec, shade: &Plane, rng: &mut Pcg) -> Vec<u16> {
    let (w, h) = (usize::from(spec.columns), usize::from(spec.rows));
    let (low, high) = spec.range();
    let span = (high - low) as f32;
    let marker = marker_box(spec);
    let mut pixels = Vec::with_capacity(w * h);
    let mut row = Vec::with_capacity(w);
    for y in 0..h {
        shade.enlarged_row(y, w, h, &mut row);
        for (x, value) in row.iter().enumerate() {
            let mut v = *value;
            // Fewer photons behind more tissue: more noise where the film is bright.
            let mut grain = 0.0045 + 0.0125 * v * chord(v);
            if let Some(place) = marker {
                let weight = marker_weight(place, x as f32 + 0.5, y as f32 + 0.5);
                v += (0.975 - v) * weight;
                grain += (0.006 - grain) * weight;
            }
            let top = if v > 0.8 { 1.0 } else { CEILING };
            let v = (v + grain * rng.bell()).clamp(0.0, top);
            let stored = low + (v * span + 0.5).floor() as u32;
            let stored = if spec.inverted() { low + high - stored } else { stored };
            pixels.push(finish(spec, stored, x, y));
        }
    }
    pixels
}

/// The 16 bits that the file holds for a value of the display range.
fn finish(spec: &Spec, value: u32, x: usize, y: usize) -> u16 {
    let stored = match spec.voi {
        Voi::Signed { .. } => (value as i32 - (1 << (spec.bits - 1))) as u32,
        Voi::DirtyHighBits { .. } => {
            let overlay = u32::from(x / 8 % 2 == y / 8 % 2);
            value | (overlay << spec.bits)
        }
        _ => value,
    };
    (stored & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collection, fixtures};

    #[test]
    fn the_marker_alone_is_bright_and_fills_its_box() {
        for fixture in fixtures() {
            let Some(spec) = fixture.spec().filter(|s| s.marker.is_some() && s.voi == Voi::Full) else {
                continue;
            };
            let film = film(spec);
            let [x0, y0, x1, y1] = film.marker.unwrap_or_default();
            let top = f32::from(u16::MAX >> (16 - spec.bits));
            let (mut bright, mut outside) = (0.0, 0);
            for (i, stored) in film.pixels.iter().enumerate() {
                let value = f32::from(*stored) / top;
                let value = if spec.inverted() { 1.0 - value } else { value };
                let columns = usize::from(spec.columns);
                let (x, y) = ((i % columns) as f32 + 0.5, (i / columns) as f32 + 0.5);
                let inside = x > x0 - 2.0 && x < x1 + 2.0 && y > y0 - 2.0 && y < y1 + 2.0;
                bright += f32::from(value > 0.87);
                outside += u32::from(!inside && value > 0.80);
            }
            assert_eq!(outside, 0, "{}", fixture.name);
            let share = bright / ((x1 - x0) * (y1 - y0));
            assert!((0.75..1.05).contains(&share), "{}: {share}", fixture.name);
        }
    }

    #[test]
    fn a_film_depends_on_its_specification_alone() {
        let specs: Vec<Spec> = collection(3, 300).collect();
        assert_eq!(film(&specs[0]), film(&specs[0].clone()));
        assert_ne!(specs[0].study_uid(), specs[2].study_uid());
        assert_ne!(specs[0].patient.id, specs[2].patient.id);
        let (a, b) = (film(&specs[0]).pixels, film(&specs[2]).pixels);
        assert_ne!(a, b);
    }
}
