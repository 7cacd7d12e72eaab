//! Bones of a frontal chest film: ribs, clavicles, shoulder blades, spine. Adds millimetres of bone.

use crate::chest::Body;
use crate::film::Grid;
use crate::plane::Plane;
use crate::shape::{bell, chord, dome, ellipse, ramp, tube};

/// Draws all bones of the chest into `bone`.
pub fn draw(bone: &mut Plane, grid: &Grid, body: &Body) {
    for index in 0..10 {
        rib(bone, grid, body, index, -1.0);
        rib(bone, grid, body, index, 1.0);
    }
    for y in 0..bone.height {
        for x in 0..bone.width {
            let (bx, by) = body.inside(grid.x(x), grid.y(y));
            let add = spine(bx, by) + clavicle(bx, by) + shoulder(bx, by);
            bone.values[y * bone.width + x] += add;
        }
    }
}

/// One rib is a tilted ring: seen from the front an ellipse whose upper half is its back part.
fn rib(bone: &mut Plane, grid: &Grid, body: &Body, index: usize, side: f32) {
    let i = index as f32;
    let start = -142.0 + 24.5 * i - 0.35 * i * i;
    let drop = [24.0, 33.0, 38.0, 42.0, 45.0, 47.0, 48.0, 48.0, 46.0, 42.0][index];
    let reach = if index == 0 { 70.0 } else { (body.cage(start + drop) + 3.0) - 18.0 / (i + 0.6) };
    let half = if index == 0 { 6.5 } else { 5.6 };
    let centre = start + drop;
    let (x0, y0) = body.outside(0.0, start - half - 8.0);
    let (x1, y1) = body.outside(side * (reach + half + 4.0), start + 2.0 * drop + half + 8.0);
    for y in grid.rows(y0, y1) {
        for x in grid.columns(x0.min(x1), x0.max(x1)) {
            let (bx, by) = body.inside(grid.x(x), grid.y(y));
            let a = bx * side;
            // Ribs leave the spine downward a little before they turn; the ring sags outward.
            let (u, v) = (a / reach, (by - centre - 5.0 * ramp(a / reach)) / drop);
            let r = (u * u + v * v).sqrt();
            if r < 0.5 {
                continue;
            }
            let slope = ((u / reach) * (u / reach) + (v / drop) * (v / drop)).sqrt() / r;
            let distance = (r - 1.0) / slope;
            // The front part is flatter and wider and ends in cartilage that X-rays hardly see.
            let front = ramp((v + 0.25) / 0.5);
            let gristle = ramp((u - 0.40 + 0.02 * i) / 0.24) * ramp((10.5 - i) / 4.0);
            let width = half * (1.0 + 0.15 * front);
            let strength = 1.0 + front * (0.62 * gristle - 1.0);
            let q = distance / width;
            if q.abs() >= 1.0 || a < 12.0 {
                continue;
            }
            // Where the ring turns, the ray runs along the bone.
            let along = 1.0 + 0.55 * ramp((u - 0.84) / 0.16) * (1.0 - 0.4 * front);
            let from_spine = ramp((a - 12.0) / 10.0);
            // The lower rim of a rib is a thin ledge.
            let ledge = 1.0 + q * (0.22 - 0.31 * front);
            bone.values[y * bone.width + x] += 4.6 * tube(q) * strength * along * from_spine * ledge;
        }
    }
}

/// Vertebral bodies with discs, pedicles and spinous processes.
fn spine(x: f32, y: f32) -> f32 {
    let pitch = 22.0 + 0.018 * (y + 200.0);
    let level = (y + 220.0) / pitch;
    let t = level - level.floor();
    let mid = (t - 0.5) * 2.0;
    let waist = 17.0 - 1.8 * (1.0 - mid * mid) + 3.0 * ramp((y + 40.0) / 200.0);
    let body = chord((waist - x.abs()) / 9.0) * (0.62 + 0.38 * ramp((1.0 - mid.abs()) / 0.22));
    let plate = 2.2 * bell((mid.abs() - 0.82) * (mid.abs() - 0.82) * 90.0) * ramp((waist - x.abs()) / 3.0);
    let pedicle = bell(ellipse(x.abs(), (t - 0.36) * pitch, (11.0, 0.0), (0.2, 0.98), 5.5, 3.6));
    let process = bell(ellipse(x, (t - 0.72) * pitch, (0.0, 0.0), (0.0, 1.0), 8.0, 3.4));
    let transverse = 0.5 * dome(ellipse(x.abs(), (t - 0.3) * pitch, (22.0, 0.0), (0.97, -0.24), 13.0, 4.2));
    14.0 * body + plate + 5.0 * pedicle + 6.0 * process + 4.0 * transverse
}

/// Collar bones: an S from the breast bone to the shoulder.
fn clavicle(x: f32, y: f32) -> f32 {
    let a = x.abs();
    if !(14.0..=168.0).contains(&a) {
        return 0.0;
    }
    let t = (a - 16.0) / 150.0;
    let line = -112.0 - 34.0 * t - 52.0 * t * (1.0 - t) * (0.62 - t);
    let half = 5.2 + 3.6 * bell(t * t * 22.0) + 1.6 * ramp((t - 0.7) / 0.3);
    let q = (y - line) / half;
    6.4 * tube(q) * ramp((a - 14.0) / 6.0) * ramp((168.0 - a) / 6.0)
}

/// Shoulder blade (a thin plate with a thick outer rim) and the head of the humerus.
fn shoulder(x: f32, y: f32) -> f32 {
    let a = x.abs();
    let inner = 104.0 + 0.16 * (y + 130.0);
    let outer = 168.0 - 0.42 * (y + 120.0);
    let plate = ramp((a - inner) / 5.0) * ramp((outer - a) / 4.0) * ramp((y + 136.0) / 10.0);
    let rim = (a - outer + 4.0) / 4.5;
    let ridge = (y + 122.0 + 0.28 * (a - 105.0)) / 6.0;
    let spine = bell(ridge * ridge) * ramp((a - 108.0) / 14.0) * ramp((180.0 - a) / 10.0);
    let low = 1.0 - ramp((y - 14.0) / 14.0);
    let head = dome(ellipse(a, y, (186.0, -126.0), (1.0, 0.0), 25.0, 25.0));
    let shaft_x = 196.0 + 0.12 * (y + 120.0);
    let shaft = tube((a - shaft_x) / 13.0) * ramp((y + 128.0) / 20.0);
    (1.3 * plate + 4.2 * bell(rim * rim) * ramp((y + 110.0) / 30.0)) * low + 3.0 * spine + 15.0 * head + 8.0 * shaft
}
