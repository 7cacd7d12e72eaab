//! Lateral chest film (the patient faces the film's left): spine, breast bone, heart, both domes.

use crate::chest::Body;
use crate::film::{BONE, Grid, LUNG, TISSUE};
use crate::noise::{Pcg, lattice};
use crate::plane::Plane;
use crate::shape::{bell, blend, chord, dome, ellipse, ramp, tube};

/// Attenuation of the lateral view over the whole grid.
pub fn attenuation(grid: &Grid, body: &Body, rng: &mut Pcg) -> Plane {
    let mut out = Plane::new(grid.cells.0, grid.cells.1);
    let lean = rng.between(-4.0, 4.0);
    for y in 0..out.height {
        for x in 0..out.width {
            let (bx, by) = body.inside(grid.x(x), grid.y(y));
            let bx = bx + lean;
            let tissue = tissue(bx, by) + 4.0 * lattice(bx / 50.0, by / 50.0, body.seed);
            let air = air(bx, by, body).min(tissue * 0.96);
            let soft = (tissue - LUNG * air).max(0.0);
            out.values[y * out.width + x] = TISSUE * soft + BONE * bones(bx, by);
        }
    }
    out
}

/// The line of the vertebral bodies: a gentle backward bow.
fn spine_line(y: f32) -> f32 {
    let t = (y - 10.0) / 160.0;
    74.0 - 26.0 * t * t
}

fn front_line(y: f32) -> f32 {
    -84.0 - 26.0 * ramp((y + 140.0) / 170.0)
}

fn tissue(x: f32, y: f32) -> f32 {
    let front = front_line(y) - 16.0 + 46.0 * ramp((-100.0 - y) / 110.0);
    let back = spine_line(y) + 56.0;
    let middle = (front + back) / 2.0;
    let half = (back - front) / 2.0;
    let q = (x - middle) / half;
    let width = 250.0 - 120.0 * ramp((-105.0 - y) / 60.0) + 40.0 * ramp((y - 60.0) / 90.0);
    // Raised arms cross the top of the film.
    let arms = 120.0 * bell(ellipse(x, y, (-40.0, -196.0), (0.9, -0.43), 190.0, 74.0));
    width * chord(1.0 - q.abs()).min(dome(q * q) * 1.1) * f32::from(q.abs() < 1.0) + arms
}

fn air(x: f32, y: f32, body: &Body) -> f32 {
    let wall = blend(x - front_line(y) + 4.0, spine_line(y) + 42.0 - x);
    let apex = (y + 140.0 - 0.0085 * (x - 12.0) * (x - 12.0)) * 0.8;
    let inside = blend(wall, apex);
    let pipe_x = 12.0 + 0.10 * (y + 130.0);
    let off = (x - pipe_x) / 9.0;
    let pipe = 38.0 * dome(off * off) * (1.0 - ramp((y + 40.0) / 14.0));
    if inside <= 0.0 {
        return pipe;
    }
    let dome_at = |top: f32, centre: f32| {
        let u = (x - centre) / 100.0;
        top + if u > 0.0 { 46.0 * u * u + 6.0 * u * u * u * u } else { 24.0 * u * u }
    };
    let half = |line: f32| 1.0 - ramp((y - line + 2.5) / 5.0);
    let open = 0.5 * (half(dome_at(body.domes.0, -8.0)) + half(dome_at(body.domes.1, -2.0)));
    let cy = body.domes.1 - 36.0;
    let h = body.heart;
    let heart = 0.66 * dome(ellipse(x, y, (-50.0, cy + 8.0), (0.62, 0.785), 62.0 * h, 46.0 * h));
    let arch = 0.24 * dome(ellipse(x, y, (18.0, -60.0), (0.75, 0.66), 38.0, 22.0));
    let aorta = 0.26 * dome(ellipse(x, y, (50.0, 10.0), (0.08, 0.997), 110.0, 13.0));
    let hila = 0.42 * bell(ellipse(x, y, (6.0, -16.0), (0.3, 0.95), 40.0, 28.0));
    let column = 0.40 * chord((x - spine_line(y) + 17.0) / 20.0);
    let filled = 1.0 - (1.0 - heart) * (1.0 - arch) * (1.0 - aorta) * (1.0 - hila) * (1.0 - column);
    let grain = 1.0
        + 0.05 * lattice(x / 8.0, y / 8.0, body.seed ^ 1)
        + 0.05 * lattice(x / 3.4, y / 3.4, body.seed ^ 2)
        + 0.05 * lattice((x + 0.6 * y) / 14.0, (y - 0.6 * x) / 40.0, body.seed ^ 4);
    let upper = 0.62 + 0.38 * ramp((y + 120.0) / 90.0);
    (182.0 * chord(inside / 46.0) * open * upper * (1.0 - filled) * grain).max(pipe)
}

fn bones(x: f32, y: f32) -> f32 {
    let level = (y + 220.0) / (22.0 + 0.016 * (y + 200.0));
    let mid = ((level - level.floor()) - 0.5) * 2.0;
    let off = (x - spine_line(y)).abs();
    let waist = 15.5 - 1.5 * (1.0 - mid * mid);
    let vertebra = chord((waist - off) / 5.0) * (0.5 + 0.5 * ramp((1.0 - mid.abs()) / 0.2));
    let rear = (x - spine_line(y) - 30.0) / 9.0;
    let arch = bell(rear * rear) * (0.6 + 0.4 * mid.abs());
    let sternum_x = front_line(y) - 3.0;
    let s = (x - sternum_x) / 5.5;
    let sternum = tube(s) * ramp((y + 112.0) / 8.0) * (1.0 - ramp((y - 62.0) / 10.0));
    9.0 * vertebra + 5.0 * arch + 7.0 * sternum + ribs(x, y)
}

/// Ribs of both sides: oblique arcs from the spine down and forward.
fn ribs(x: f32, y: f32) -> f32 {
    let reach = spine_line(y) + 34.0 - x;
    if reach < 0.0 {
        return 0.0;
    }
    let mut sum = 0.0;
    for side in 0..2 {
        for i in 0..9u8 {
            let start = -138.0 + 25.0 * f32::from(i) + 6.0 * f32::from(side == 0);
            let run = reach / 190.0;
            let line = start - 8.0 + 118.0 * run - 22.0 * run * run;
            let end = ramp((0.92 - run - 0.02 * f32::from(i)) / 0.3);
            sum += 1.5 * tube((y - line) / 6.0) * end * ramp(reach / 10.0);
        }
    }
    sum
}
