//! Outlines of masks: marching squares, clipping to a rectangle, simplification.

use crate::regions::Grid;
use std::collections::BTreeMap;

/// A grid edge between two neighbouring samples, doubled coordinates of its middle. Unique.
type Edge = (i64, i64);

/// The outer boundary of the marked cells as a polygon in network input coordinates, not closed.
///
/// Corners of the marching squares are the pixel centres; a point lies where the value, taken as
/// linear between two centres, crosses the level. Marked cells at the border of the grid are
/// closed along the border.
pub(crate) fn outline(grid: &Grid, inside: &[bool], level: f32) -> Vec<[f64; 2]> {
    let side = grid.side as i64;
    let cell = |x: i64, y: i64| ((0..side).contains(&x) && (0..side).contains(&y)).then(|| (y * side + x) as usize);
    let marked = |x: i64, y: i64| cell(x, y).is_some_and(|n| inside[n]);
    // Where the level is crossed between a marked sample and its unmarked neighbour, 0 to 1.
    let crossing = |from: (i64, i64), to: (i64, i64)| -> f64 {
        let Some(a) = cell(from.0, from.1).map(|n| f64::from(grid.values[n])) else { return 0.5 };
        match cell(to.0, to.1).map(|n| f64::from(grid.values[n])) {
            // Neighbours of a part that are above the level belong to it, so b is not above.
            Some(b) if a > b => ((a - f64::from(level)) / (a - b)).clamp(0.0, 1.0),
            Some(_) => 1.0,
            // Beyond the grid: exactly at its border.
            None => 0.5,
        }
    };
    let mut next: BTreeMap<Edge, (Edge, [f64; 2])> = BTreeMap::new();
    for y in -1..side {
        for x in -1..side {
            // Corners clockwise from the top left; the walk keeps marked corners on its right.
            let corners = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)];
            let on = corners.map(|(x, y)| marked(x, y));
            for a in 0..4 {
                // Leave the square where a marked corner follows an unmarked one; the part's
                // corner decides saddles, so diagonal neighbours stay apart.
                let b = (a + 1) % 4;
                if on[a] || !on[b] {
                    continue;
                }
                let mut out = b;
                while on[(out + 1) % 4] {
                    out = (out + 1) % 4;
                }
                let enter = edge(corners[a], corners[b]);
                let leave = edge(corners[out], corners[(out + 1) % 4]);
                let t = crossing(corners[b], corners[a]);
                let along = |from: i64, to: i64| (from as f64 + 0.5) + t * (to - from) as f64;
                let point = [along(corners[b].0, corners[a].0), along(corners[b].1, corners[a].1)];
                next.insert(enter, (leave, point));
            }
        }
    }
    let mut best = Vec::new();
    while let Some((&start, _)) = next.first_key_value() {
        let mut points = Vec::new();
        let mut at = start;
        while let Some((to, point)) = next.remove(&at) {
            points.push(point);
            at = to;
        }
        // The outer boundary encloses the holes.
        if area(&points).abs() > area(&best).abs() {
            best = points;
        }
    }
    best
}

fn edge(a: (i64, i64), b: (i64, i64)) -> Edge {
    (a.0 + b.0, a.1 + b.1)
}

/// Signed area of a polygon.
pub(crate) fn area(points: &[[f64; 2]]) -> f64 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum::<f64>() / 2.0
}

/// Clips a polygon to the rectangle from 0, 0 to `size` (Sutherland and Hodgman).
pub(crate) fn clip(points: &[[f64; 2]], size: [f64; 2]) -> Vec<[f64; 2]> {
    let mut polygon = points.to_vec();
    for (axis, limit, sign) in [(0, 0.0, 1.0), (0, size[0], -1.0), (1, 0.0, 1.0), (1, size[1], -1.0)] {
        let depth = |p: &[f64; 2]| (p[axis] - limit) * sign;
        let mut kept = Vec::with_capacity(polygon.len());
        for (n, to) in polygon.iter().enumerate() {
            let from = &polygon[(n + polygon.len() - 1) % polygon.len()];
            let (a, b) = (depth(from), depth(to));
            if (a < 0.0) != (b < 0.0) {
                let t = a / (a - b);
                let mut cut = [from[0] + (to[0] - from[0]) * t, from[1] + (to[1] - from[1]) * t];
                cut[axis] = limit;
                kept.push(cut);
            }
            if b >= 0.0 {
                kept.push(*to);
            }
        }
        polygon = kept;
    }
    polygon
}

/// Leaves out points that are within `deviation` of the line without them (Douglas and Peucker),
/// on a closed polygon.
pub(crate) fn simplify(points: &[[f64; 2]], deviation: f64) -> Vec<[f64; 2]> {
    let Some(&first) = points.first() else { return Vec::new() };
    let far = farthest(points, |p| (p[0] - first[0]).hypot(p[1] - first[1]));
    let mut keep = vec![false; points.len()];
    keep[0] = true;
    keep[far.0] = true;
    let mut ring = points.to_vec();
    ring.push(first);
    let mut spans = vec![(0, far.0), (far.0, points.len())];
    while let Some((from, to)) = spans.pop() {
        if to - from < 2 {
            continue;
        }
        let (a, b) = (ring[from], ring[to]);
        let (at, distance) = farthest(&ring[from + 1..to], |p| to_segment(*p, a, b));
        if distance > deviation {
            let middle = from + 1 + at;
            keep[middle] = true;
            spans.extend([(from, middle), (middle, to)]);
        }
    }
    points.iter().zip(keep).filter(|(_, keep)| *keep).map(|(p, _)| *p).collect()
}

fn farthest(points: &[[f64; 2]], distance: impl Fn(&[f64; 2]) -> f64) -> (usize, f64) {
    points.iter().map(distance).enumerate().fold((0, -1.0), |best, (n, d)| if d > best.1 { (n, d) } else { best })
}

/// Distance of a point from a segment.
fn to_segment(p: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx * dx + dy * dy;
    let t = if length > 0.0 { (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (p[0] - a[0] - t * dx).hypot(p[1] - a[1] - t * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grid with a value of 2 in the given rectangle (columns, rows), 0 elsewhere, level 1: the
    /// level lies half way between centres, that is on the pixel border.
    fn rectangle(side: usize, x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> (Grid, Vec<bool>) {
        let inside: Vec<bool> = (0..side * side).map(|n| x.contains(&(n % side)) && y.contains(&(n / side))).collect();
        let values = inside.iter().map(|&i| if i { 2.0 } else { 0.0 }).collect();
        (Grid { values, side }, inside)
    }

    fn box_of(points: &[[f64; 2]]) -> [f64; 4] {
        points.iter().fold([f64::MAX, f64::MAX, f64::MIN, f64::MIN], |b, p| {
            [b[0].min(p[0]), b[1].min(p[1]), b[2].max(p[0]), b[3].max(p[1])]
        })
    }

    #[test]
    fn a_rectangle_is_outlined_on_its_pixel_borders() {
        let (grid, inside) = rectangle(9, 2..6, 3..5);
        let points = outline(&grid, &inside, 1.0);
        assert_eq!(box_of(&points), [2.0, 3.0, 6.0, 5.0]);
        // The four corners are cut: 8 - 4 * 1/8.
        assert!((area(&points).abs() - 7.5).abs() < 1e-9, "{}", area(&points));
    }

    #[test]
    fn the_border_of_the_grid_closes_a_part() {
        let (grid, inside) = rectangle(4, 0..4, 0..4);
        let points = outline(&grid, &inside, 1.0);
        assert_eq!(box_of(&points), [0.0, 0.0, 4.0, 4.0]);
    }

    #[test]
    fn a_hole_is_not_the_outline_and_diagonals_stay_apart() {
        let (mut grid, mut inside) = rectangle(9, 1..8, 1..8);
        inside[4 * 9 + 4] = false;
        grid.values[4 * 9 + 4] = 0.0;
        assert!((area(&outline(&grid, &inside, 1.0)).abs() - 48.5).abs() < 1e-9);
        let (mut grid, mut inside) = rectangle(6, 1..3, 1..3);
        inside[3 * 6 + 3] = true;
        grid.values[3 * 6 + 3] = 2.0;
        assert_eq!(box_of(&outline(&grid, &inside, 1.0)), [1.0, 1.0, 3.0, 3.0]);
    }

    #[test]
    fn clipping_cuts_at_the_true_crossing() {
        let triangle = [[-2.0, 0.0], [2.0, 0.0], [2.0, 4.0]];
        let cut = clip(&triangle, [10.0, 3.0]);
        assert_eq!(box_of(&cut), [0.0, 0.0, 2.0, 3.0]);
        assert!(cut.contains(&[0.0, 2.0]) && cut.contains(&[1.0, 3.0]), "{cut:?}");
        assert!(clip(&[[-3.0, 0.0], [-1.0, 0.0], [-2.0, 1.0]], [5.0, 5.0]).is_empty());
    }

    #[test]
    fn simplification_keeps_corners_and_drops_what_lies_on_lines() {
        let square: Vec<[f64; 2]> = (0..40)
            .map(|n| match (n / 10, f64::from(n % 10)) {
                (0, t) => [t, 0.0],
                (1, t) => [10.0, t],
                (2, t) => [10.0 - t, 10.0],
                (_, t) => [0.0, 10.0 - t],
            })
            .collect();
        assert_eq!(simplify(&square, 0.1), [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]]);
    }
}
