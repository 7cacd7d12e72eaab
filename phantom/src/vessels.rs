//! Lung vessels: trees that leave both hila and thin out towards the lung's edge.

use crate::chest::Body;
use crate::film::Grid;
use crate::noise::Pcg;
use crate::plane::Plane;
use crate::shape::{bell, dome, ellipse, ramp};

/// A branch to be drawn: start, unit direction, radius and order (0 = first).
struct Branch {
    at: (f32, f32),
    dir: (f32, f32),
    radius: f32,
    order: u32,
}

/// Draws the vessel trees of both lungs: millimetres of tissue that replace air.
pub fn draw(vessels: &mut Plane, grid: &Grid, body: &Body, rng: &mut Pcg) {
    for side in [-1.0f32, 1.0] {
        let hilum = if side < 0.0 { (-36.0, -12.0) } else { (40.0, -24.0) };
        knot(vessels, grid, body, hilum, side);
        let fans: [(f32, f32, f32); 13] = [
            (0.35, -0.94, 2.7),
            (0.62, -0.78, 2.5),
            (0.85, -0.52, 2.3),
            (0.97, -0.22, 2.4),
            (1.0, 0.05, 2.2),
            (0.95, 0.30, 2.7),
            (0.83, 0.55, 3.1),
            (0.66, 0.75, 3.6),
            (0.47, 0.88, 3.9),
            (0.25, 0.97, 3.5),
            (0.75, 0.66, 2.6),
            (0.15, -0.99, 2.0),
            (0.90, -0.40, 1.8),
        ];
        let mut open = Vec::new();
        for (dx, dy, radius) in fans {
            let jitter = (rng.between(-5.0, 5.0), rng.between(-9.0, 9.0));
            let dir = unit(dx * side + rng.between(-0.1, 0.1), dy + rng.between(-0.1, 0.1));
            open.push(Branch { at: (hilum.0 + jitter.0, hilum.1 + jitter.1), dir, radius, order: 0 });
        }
        while let Some(branch) = open.pop() {
            grow(vessels, grid, body, &branch, rng, &mut open);
        }
    }
}

/// The hilum itself: arteries and veins that overlap.
fn knot(vessels: &mut Plane, grid: &Grid, body: &Body, hilum: (f32, f32), side: f32) {
    let (x0, y0) = body.outside(hilum.0 - 34.0, hilum.1 - 36.0);
    let (x1, y1) = body.outside(hilum.0 + 34.0, hilum.1 + 52.0);
    for y in grid.rows(y0, y1) {
        for x in grid.columns(x0, x1) {
            let (bx, by) = body.inside(grid.x(x), grid.y(y));
            let trunk = ellipse(bx, by, (hilum.0, hilum.1 + 14.0), (0.28 * side, 0.96), 34.0, 9.0);
            let upper = ellipse(bx, by, (hilum.0, hilum.1 - 10.0), (0.6 * side, -0.8), 19.0, 8.0);
            let haze = ellipse(bx, by, hilum, (0.0, 1.0), 44.0, 30.0);
            vessels.values[y * vessels.width + x] += 15.0 * dome(trunk).max(0.8 * dome(upper)) + 12.0 * bell(haze);
        }
    }
}

/// Draws one branch as short straight pieces and queues its daughters.
fn grow(vessels: &mut Plane, grid: &Grid, body: &Body, branch: &Branch, rng: &mut Pcg, open: &mut Vec<Branch>) {
    let (mut at, mut dir, mut radius) = (branch.at, branch.dir, branch.radius);
    let pieces = 3 + rng.below(3);
    let length = rng.between(4.5, 7.5);
    let curl = rng.between(-0.12, 0.12);
    for _ in 0..pieces {
        let bend = curl + rng.between(-0.09, 0.09);
        dir = unit(dir.0 - dir.1 * bend, dir.1 + dir.0 * bend);
        let next = (at.0 + dir.0 * length, at.1 + dir.1 * length);
        let thinner = radius * 0.955;
        stroke(vessels, grid, body, at, next, (radius, thinner));
        (at, radius) = (next, thinner);
        if body.depth_in_lung(at.0, at.1) < 3.0 || at.1 > body.diaphragm(at.0) + 25.0 {
            return;
        }
    }
    if branch.order >= 6 || radius < 0.24 {
        return;
    }
    let turn = rng.between(0.16, 0.38);
    let share = rng.between(0.68, 0.86);
    for (sign, part) in [(1.0, share), (-1.0, 1.5 - share)] {
        let bend = sign * turn * (1.35 - part);
        open.push(Branch {
            at,
            dir: unit(dir.0 - dir.1 * bend, dir.1 + dir.0 * bend),
            radius: radius * part.min(0.9),
            order: branch.order + 1,
        });
    }
}

/// A tapering tube from `a` to `b`: the ray's path through it, overlapping pieces not added twice.
fn stroke(vessels: &mut Plane, grid: &Grid, body: &Body, a: (f32, f32), b: (f32, f32), radii: (f32, f32)) {
    let soft = radii.0 + 0.35;
    let (x0, y0) = body.outside(a.0.min(b.0) - soft, a.1.min(b.1) - soft);
    let (x1, y1) = body.outside(a.0.max(b.0) + soft, a.1.max(b.1) + soft);
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let norm = 1.0 / (dx * dx + dy * dy);
    for y in grid.rows(y0, y1) {
        for x in grid.columns(x0, x1) {
            let (bx, by) = body.inside(grid.x(x), grid.y(y));
            let t = (((bx - a.0) * dx + (by - a.1) * dy) * norm).clamp(0.0, 1.0);
            let (ex, ey) = (bx - a.0 - t * dx, by - a.1 - t * dy);
            let r = radii.0 + (radii.1 - radii.0) * t;
            let q = (ex * ex + ey * ey) / ((r + 0.35) * (r + 0.35));
            let path = 2.0 * r * dome(q) * ramp((1.0 - q) / 0.5);
            let cell = &mut vessels.values[y * vessels.width + x];
            *cell = cell.max(path * 3.2) + 0.25 * path;
        }
    }
}

fn unit(x: f32, y: f32) -> (f32, f32) {
    let n = 1.0 / (x * x + y * y).sqrt();
    (x * n, y * n)
}
