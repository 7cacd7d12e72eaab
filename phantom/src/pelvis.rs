//! A pelvis with both hips, antero-posterior: what a chest model must never read.

use crate::chest::Body;
use crate::film::{BONE, Grid, TISSUE};
use crate::noise::lattice;
use crate::plane::Plane;
use crate::shape::{bell, chord, dome, ellipse, ramp, tube};

/// Attenuation of the pelvic view over the whole grid.
pub fn attenuation(grid: &Grid, body: &Body) -> Plane {
    let mut out = Plane::new(grid.cells.0, grid.cells.1);
    for y in 0..out.height {
        for x in 0..out.width {
            let (bx, by) = body.inside(grid.x(x), grid.y(y));
            let tissue = tissue(bx, by) + 9.0 * lattice(bx / 34.0, by / 34.0, body.seed);
            let gas = 26.0 * bell(ellipse(bx, by, (52.0, -104.0), (0.8, 0.6), 40.0, 20.0))
                + 18.0 * bell(ellipse(bx, by, (-8.0, 20.0), (0.2, 0.98), 24.0, 15.0));
            let soft = (tissue - gas).max(0.0);
            out.values[y * out.width + x] = TISSUE * soft + BONE * bones(bx.abs(), bx, by);
        }
    }
    out
}

fn tissue(x: f32, y: f32) -> f32 {
    let edge = 150.0 + 26.0 * ramp((y + 90.0) / 120.0);
    let trunk = 185.0 * dome((x / edge) * (x / edge)) * (1.0 - 0.25 * ramp((y - 40.0) / 80.0));
    let leg = 150.0 * dome(((x.abs() - 92.0) / 86.0) * ((x.abs() - 92.0) / 86.0));
    let split = ramp((y - 100.0) / 60.0);
    trunk * (1.0 - split) + leg * split
}

fn bones(a: f32, x: f32, y: f32) -> f32 {
    let wing_q = ellipse(a, y, (84.0, -62.0), (0.42, 0.907), 78.0, 47.0);
    let wing = 4.5 * ramp((1.0 - wing_q) / 0.08) * ramp((a - 42.0) / 8.0);
    let crest =
        7.0 * bell((wing_q - 0.9) * (wing_q - 0.9) * 60.0) * ramp((a - 46.0) / 10.0) * (1.0 - ramp((y - 6.0) / 24.0));
    let sacrum_half = 46.0 - 30.0 * ramp((y + 80.0) / 100.0);
    let sacrum = 7.0 * chord((sacrum_half - a) / 10.0) * ramp((y + 86.0) / 8.0) * (1.0 - ramp((y - 16.0) / 12.0));
    let holes = 2.5 * bell(ellipse(a, (y + 240.0) % 24.0 - 12.0, (17.0, 0.0), (1.0, 0.0), 6.0, 5.0));
    let level = (y + 220.0) / 33.0;
    let mid = ((level - level.floor()) - 0.5) * 2.0;
    let lumbar =
        12.0 * chord((24.0 - a) / 7.0) * (0.5 + 0.5 * ramp((1.0 - mid.abs()) / 0.2)) * (1.0 - ramp((y + 84.0) / 8.0));
    let ring_q = ellipse(a, y, (42.0, 92.0), (0.55, 0.835), 36.0, 25.0).sqrt();
    let ring = 9.0 * tube((ring_q - 1.0) / 0.34);
    let acetabulum = 8.0
        * tube((ellipse(a, y, (98.0, 48.0), (1.0, 0.0), 31.0, 31.0).sqrt() - 1.0) / 0.2)
        * ramp((112.0 - a + 0.6 * (48.0 - y)) / 30.0);
    let head = 15.0 * dome(ellipse(a, y, (100.0, 50.0), (1.0, 0.0), 25.0, 25.0));
    let neck = 9.0 * dome(ellipse(a, y, (124.0, 68.0), (0.78, 0.626), 34.0, 17.0));
    let trochanter = 10.0 * dome(ellipse(a, y, (146.0, 76.0), (0.35, 0.937), 28.0, 15.0));
    let q = (a - 140.0 + 0.06 * (y - 90.0)) / 15.0;
    let shaft = 17.0 * tube(q) * ramp((y - 84.0) / 20.0);
    let pubis = 5.0 * bell(ellipse(x, y, (0.0, 82.0), (0.0, 1.0), 24.0, 16.0))
        - 4.0 * bell(ellipse(x, y, (0.0, 82.0), (0.0, 1.0), 26.0, 3.0));
    let columns = wing.max(crest).max(acetabulum).max(ring);
    (columns + (sacrum - holes).max(0.0) + lumbar + head.max(neck).max(trochanter).max(shaft) + pubis).max(0.0)
}
