//! Where the model looked: closed contours on the film from a class activation map.
//!
//! The map is upsampled to the network input (bilinear, half-pixel centres), cut at a fraction of
//! its maximum, and each of the larger connected parts becomes one outline on the original pixel
//! grid, clipped to the film.

use crate::contour::{area, clip, outline, simplify};
use crate::preprocess::Affine;
use centinela_domain::prediction::Region;

/// Most regions of one label.
const MAX_REGIONS: usize = 3;
/// Smallest part, as a share of the largest one's area.
const MIN_SHARE: f64 = 0.2;
/// Most points of a contour, the closing one among them.
const MAX_POINTS: usize = 200;
/// Deviation allowed when points are left out, in network input pixels.
const DEVIATION: f64 = 0.25;

/// A class activation map, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// `columns * rows` values.
    pub values: Vec<f32>,
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// A square grid of samples at pixel centres of the network input.
pub(crate) struct Grid {
    pub values: Vec<f32>,
    pub side: usize,
}

impl Map {
    /// Bilinear upsampling as PyTorch's `interpolate(align_corners=False)`: the edge is continued.
    fn upsample(&self, side: usize) -> Grid {
        let axis = |cells: usize| -> Vec<(usize, usize, f32)> {
            let place = |n: usize| {
                let at = ((n as f64 + 0.5) * cells as f64 / side as f64 - 0.5).max(0.0);
                let low = (at as usize).min(cells - 1);
                (low, (low + 1).min(cells - 1), (at - low as f64) as f32)
            };
            (0..side).map(place).collect()
        };
        let (across, down) = (axis(self.columns), axis(self.rows));
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let mut values = Vec::with_capacity(side * side);
        for &(top, bottom, ty) in &down {
            let (top, bottom) = (&self.values[top * self.columns..], &self.values[bottom * self.columns..]);
            for &(left, right, tx) in &across {
                values.push(mix(mix(top[left], top[right], tx), mix(bottom[left], bottom[right], tx), ty));
            }
        }
        Grid { values, side }
    }
}

/// The regions of one map, largest first: at most three, none smaller than a fifth of the largest.
///
/// `level` is a fraction of the map's maximum, `input` the side of the network input, `width` and
/// `height` the film's size.
#[must_use]
pub fn regions(map: &Map, level: f32, input: u32, to_original: &Affine, width: u32, height: u32) -> Vec<Region> {
    let most = map.values.iter().fold(0.0_f32, |a, &b| a.max(b));
    if most <= 0.0 {
        return Vec::new();
    }
    let grid = map.upsample(input as usize);
    let level = level * most;
    let parts = parts(&grid, level);
    let largest = parts.first().map_or(0, Vec::len);
    let large = parts.iter().filter(|part| part.len() as f64 >= MIN_SHARE * largest as f64).take(MAX_REGIONS);
    large.filter_map(|part| region(&grid, part, level, to_original, [f64::from(width), f64::from(height)])).collect()
}

/// Connected parts (by edges) above the level, as cell numbers, largest first.
fn parts(grid: &Grid, level: f32) -> Vec<Vec<usize>> {
    let side = grid.side;
    let mut open: Vec<bool> = grid.values.iter().map(|&v| v > level).collect();
    let mut found = Vec::new();
    for start in 0..open.len() {
        if !std::mem::take(&mut open[start]) {
            continue;
        }
        let mut part = vec![start];
        let mut next = 0;
        while let Some(&cell) = part.get(next) {
            next += 1;
            let (x, y) = (cell % side, cell / side);
            let neighbours = [
                (x > 0).then(|| cell - 1),
                (x + 1 < side).then(|| cell + 1),
                (y > 0).then(|| cell - side),
                (y + 1 < side).then(|| cell + side),
            ];
            for neighbour in neighbours.into_iter().flatten() {
                if std::mem::take(&mut open[neighbour]) {
                    part.push(neighbour);
                }
            }
        }
        found.push(part);
    }
    // Stable: of two equal parts the upper one comes first.
    found.sort_by_key(|part| std::cmp::Reverse(part.len()));
    found
}

fn region(grid: &Grid, part: &[usize], level: f32, to_original: &Affine, film: [f64; 2]) -> Option<Region> {
    let mut inside = vec![false; grid.values.len()];
    part.iter().for_each(|&cell| inside[cell] = true);
    let points: Vec<[f64; 2]> = outline(grid, &inside, level).into_iter().map(|p| to_original.apply(p)).collect();
    let clipped = clip(&points, film);
    let mut deviation = DEVIATION * to_original.scale;
    let mut simple = simplify(&clipped, deviation);
    while simple.len() >= MAX_POINTS {
        deviation *= 1.5;
        simple = simplify(&clipped, deviation);
    }
    let rounded = |v: f64| ((v * 10.0).round() / 10.0) as f32;
    let mut contour: Vec<[f32; 2]> = simple.iter().map(|&[x, y]| [rounded(x), rounded(y)]).collect();
    contour.dedup();
    while contour.len() > 1 && contour.first() == contour.last() {
        contour.pop();
    }
    // Nothing left on the film: it lay in the padding.
    if contour.len() < 3 || area(&simple).abs() < 1.0 {
        return None;
    }
    contour.push(contour[0]);
    Some(Region { contour })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A 7 x 7 map with the given cells at 1, the rest at -1.
    fn map(cells: &[(usize, usize)]) -> Map {
        let mut values = vec![-1.0; 49];
        cells.iter().for_each(|&(x, y)| values[y * 7 + x] = 1.0);
        Map { values, columns: 7, rows: 7 }
    }

    /// As the chain `window` makes it for a film of this size.
    fn padded(width: u32, height: u32) -> Affine {
        let side = width.max(height);
        let half = |n: u32| -f64::from((side - n) / 2);
        Affine::uniform(f64::from(side) / 224.0, half(width), half(height))
    }

    fn box_of(region: &Region) -> [f32; 4] {
        region.contour.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, p| {
            [b[0].min(p[0]), b[1].min(p[1]), b[2].max(p[0]), b[3].max(p[1])]
        })
    }

    #[test]
    fn upsampling_is_half_pixel_aligned() {
        let grid = Map { values: vec![0.0, 1.0, 2.0, 3.0], columns: 2, rows: 2 }.upsample(4);
        // torch.nn.functional.interpolate(..., size=4, mode="bilinear", align_corners=False)
        let want = [0.0, 0.25, 0.75, 1.0, 0.5, 0.75, 1.25, 1.5, 1.5, 1.75, 2.25, 2.5, 2.0, 2.25, 2.75, 3.0];
        assert_eq!(grid.values, want);
    }

    #[test]
    fn one_cell_lands_where_it_is_on_portrait_and_landscape_films() {
        // Cell (4, 1) covers 128..160 x 32..64 of the input. Between a centre at 1 and its
        // neighbours at -1 the level 0.5 is crossed 8 pixels from the centre: half width 8.
        for (width, height, want) in [
            // Side 2240, scale 10, 320 columns of padding left.
            (1600, 2240, [1360.0 - 320.0, 400.0, 1520.0 - 320.0, 560.0]),
            // Side 2240, scale 10, 470 rows above.
            (2240, 1300, [1360.0, 0.0, 1520.0, 560.0 - 470.0]),
            (448, 448, [272.0, 80.0, 304.0, 112.0]),
        ] {
            let found = regions(&map(&[(4, 1)]), 0.5, 224, &padded(width, height), width, height);
            let [region] = found.as_slice() else { panic!("{} regions", found.len()) };
            let got = box_of(region);
            // Samples lie half a pixel beside the centre of the cell, so the crossing is a little nearer.
            let slack = 0.5 * width.max(height) as f32 / 224.0;
            assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() <= slack), "{width}x{height}: {got:?} {want:?}");
            assert_eq!(region.contour.first(), region.contour.last());
            assert!((4..=200).contains(&region.contour.len()));
        }
    }

    #[test]
    fn padding_gives_no_region_and_nothing_positive_gives_none() {
        // A tall film: the left cells are padding.
        assert!(regions(&map(&[(0, 3)]), 0.5, 224, &padded(600, 2240), 600, 2240).is_empty());
        assert!(regions(&map(&[]), 0.5, 224, &padded(500, 500), 500, 500).is_empty());
    }

    #[test]
    fn three_largest_parts_and_none_below_a_fifth() {
        let square = padded(224, 224);
        let many = regions(&map(&[(0, 0), (6, 0), (0, 6), (6, 6)]), 0.5, 224, &square, 224, 224);
        assert_eq!(many.len(), 3);
        let mut uneven = map(&[(1, 1), (2, 1), (1, 2), (2, 2)]);
        // Just above the level: a speck.
        uneven.values[5 * 7 + 5] = 0.55;
        let found = regions(&uneven, 0.5, 224, &square, 224, 224);
        assert_eq!(found.len(), 1);
        let sizes: Vec<f32> = regions(&map(&[(0, 0), (4, 4), (5, 4), (6, 4)]), 0.5, 224, &square, 224, 224)
            .iter()
            .map(|r| box_of(r)[0])
            .collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.first().unwrap() > sizes.last().unwrap(), "largest first");
    }

    /// As a chain makes it that cuts the middle square out of a film.
    fn cropped(width: u32, height: u32) -> Affine {
        let side = width.min(height);
        let half = |n: u32| f64::from((n - side) / 2);
        Affine::uniform(f64::from(side) / 224.0, half(width), half(height))
    }

    /// As a chain makes it that stretches the whole film to the input.
    fn stretched(width: u32, height: u32) -> Affine {
        Affine { scale: f64::from(width) / 224.0, scale_y: f64::from(height) / 224.0, dx: 0.0, dy: 0.0 }
    }

    /// A smooth map without any symmetry.
    fn hilly(seed: u64) -> Map {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % 1000) as f32 / 1000.0
        };
        let hills: Vec<[f32; 4]> = (0..4).map(|_| [next() * 6.0, next() * 6.0, 0.4 + next(), 0.6 + next()]).collect();
        let height = |x: f32, y: f32| {
            let hill = |h: &[f32; 4]| h[2] * (-((x - h[0]).powi(2) + (y - h[1]).powi(2)) / (2.0 * h[3] * h[3])).exp();
            hills.iter().map(hill).sum::<f32>() - 0.3
        };
        let values = (0..49).map(|n| height((n % 7) as f32, (n / 7) as f32)).collect();
        Map { values, columns: 7, rows: 7 }
    }

    /// By the number of edges to the right of the point.
    fn is_inside(contour: &[[f32; 2]], [x, y]: [f64; 2]) -> bool {
        let crossed = contour.windows(2).filter(|pair| {
            let [[ax, ay], [bx, by]] = [pair[0], pair[1]].map(|p| p.map(f64::from));
            (ay > y) != (by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax)
        });
        crossed.count() % 2 == 1
    }

    #[test]
    fn a_contour_holds_what_is_above_the_level_on_any_film() {
        let shapes = [
            (1600, 2240, padded as fn(u32, u32) -> Affine),
            (2240, 1300, padded),
            (2000, 2500, cropped),
            (3001, 2101, cropped),
            (1200, 2800, stretched),
        ];
        for (seed, (width, height, chain)) in (0..12).flat_map(|seed| shapes.map(|shape| (seed, shape))) {
            let (map, to_original) = (hilly(seed), chain(width, height));
            let grid = map.upsample(224);
            let level = 0.5 * map.values.iter().fold(0.0_f32, |a, &b| a.max(b));
            let parts = parts(&grid, level);
            let mut above = vec![false; 224 * 224];
            let large = parts.iter().take(3).filter(|part| part.len() * 5 >= parts[0].len());
            large.flatten().for_each(|&cell| above[cell] = true);
            let found = regions(&map, 0.5, 224, &to_original, width, height);
            let on_film =
                |[x, y]: [f64; 2]| (0.0..f64::from(width)).contains(&x) && (0.0..f64::from(height)).contains(&y);
            let (mut wrong, mut looked) = (0, 0);
            for (cell, &above) in above.iter().enumerate() {
                let point = to_original.apply([(cell % 224) as f64 + 0.5, (cell / 224) as f64 + 0.5]);
                if on_film(point) {
                    looked += 1;
                    wrong += usize::from(found.iter().any(|r| is_inside(&r.contour, point)) != above);
                }
            }
            // Leaving points out moves the line by a quarter of a pixel at most.
            assert!(looked > 20_000 && wrong * 700 <= looked, "seed {seed}, {width}x{height}: {wrong} of {looked}");
            assert!(
                found.iter().all(|r| (4..=200).contains(&r.contour.len()) && r.contour.first() == r.contour.last())
            );
        }
    }

    #[test]
    fn a_mirrored_map_gives_mirrored_contours_and_no_other() {
        for seed in 0..20 {
            let map = hilly(seed);
            let mut values = map.values.clone();
            values.chunks_exact_mut(7).for_each(<[f32]>::reverse);
            let mirrored = Map { values, ..map };
            for (width, height, chain) in [(1600, 2240, padded as fn(u32, u32) -> Affine), (2800, 2000, cropped)] {
                let boxes = |map: &Map| -> Vec<[f32; 4]> {
                    regions(map, 0.5, 224, &chain(width, height), width, height).iter().map(box_of).collect()
                };
                let (plain, turned) = (boxes(&map), boxes(&mirrored));
                assert_eq!(plain.len(), turned.len());
                // Parts of equal size may change places, so each finds its own.
                for [left, top, right, bottom] in &plain {
                    let want = [width as f32 - right, *top, width as f32 - left, *bottom];
                    let near = |got: &[f32; 4]| got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 6.0);
                    assert!(turned.iter().any(near), "seed {seed}, {width}x{height}: {want:?} in {turned:?}");
                }
            }
        }
    }

    #[test]
    fn rounded_to_a_tenth_and_inside_the_film() {
        let found = regions(&map(&[(3, 0), (3, 1), (3, 2), (2, 2)]), 0.3, 224, &padded(1841, 1955), 1841, 1955);
        for [x, y] in found.iter().flat_map(|r| &r.contour) {
            assert!((x * 10.0 - (x * 10.0).round()).abs() < 0.01 && (y * 10.0 - (y * 10.0).round()).abs() < 0.01);
            assert!((0.0..=1841.0).contains(x) && (0.0..=1955.0).contains(y));
        }
        assert!(!found.is_empty());
    }
}
