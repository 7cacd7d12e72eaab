//! A region as a bitmap of one bit for each pixel of the film.
//!
//! The rule: a pixel belongs to the region if its centre lies inside the contour, counted by the edges
//! to its left (even-odd). A centre on the contour belongs to the region at its right, so neighbours
//! share no pixel. Computed in double, so equal contours give equal bits.

/// Bytes of so many bits.
pub(super) const fn bytes(bits: usize) -> usize {
    bits.div_ceil(8)
}

/// Sets the bits of a region, row by row from bit `start` on, lowest bit first (PS3.5 section 8.1.1).
pub(super) fn draw(contour: &[[f32; 2]], (columns, rows): (usize, usize), bitmap: &mut [u8], start: usize) {
    let points: Vec<[f64; 2]> = contour.iter().map(|p| p.map(f64::from)).collect();
    let ys = || points.iter().map(|p| p[1]);
    let (top, bottom) = (ys().fold(f64::MAX, f64::min), ys().fold(f64::MIN, f64::max));
    let first = (top - 0.5).ceil().max(0.0) as usize;
    let last = ((bottom - 0.5).ceil().max(0.0) as usize).min(rows);
    let mut crossings = Vec::new();
    for row in first..last {
        let y = row as f64 + 0.5;
        crossings.clear();
        // The way back to the first point is an edge too, of no length where the contour is closed.
        for (&[ax, ay], &[bx, by]) in points.iter().zip(points.iter().cycle().skip(1)) {
            if (ay > y) != (by > y) {
                crossings.push(ax + (y - ay) / (by - ay) * (bx - ax));
            }
        }
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let column = |x: f64| ((x - 0.5).ceil().max(0.0) as usize).min(columns);
            let line = start + row * columns;
            fill(bitmap, line + column(pair[0]), line + column(pair[1]));
        }
    }
}

/// Sets the bits from `from` up to `to`, which is not set.
fn fill(bitmap: &mut [u8], from: usize, to: usize) {
    if from >= to {
        return;
    }
    let (first, last) = (from / 8, (to - 1) / 8);
    let (head, tail) = (0xff_u8 << (from % 8), 0xff_u8 >> (7 - (to - 1) % 8));
    if first == last {
        bitmap[first] |= head & tail;
        return;
    }
    bitmap[first] |= head;
    bitmap[first + 1..last].fill(0xff);
    bitmap[last] |= tail;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(contour: &[[f32; 2]], columns: usize, rows: usize, start: usize) -> Vec<String> {
        let mut bitmap = vec![0; bytes(start + columns * rows)];
        draw(contour, (columns, rows), &mut bitmap, start);
        let bit = |n: usize| if bitmap[n / 8] >> (n % 8) & 1 == 1 { '#' } else { '.' };
        assert!((0..start).all(|n| bit(n) == '.'), "bits before the first");
        (0..rows).map(|y| (0..columns).map(|x| bit(start + y * columns + x)).collect()).collect()
    }

    #[test]
    fn a_pixel_belongs_where_its_centre_is_inside() {
        let square = [[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0], [1.0, 1.0]];
        let want = [".....", ".###.", ".###.", "....."];
        for start in [0, 1, 7, 20] {
            assert_eq!(drawn(&square, 5, 4, start), want, "from bit {start}");
        }
        // Half a pixel to the right: centres on the left edge are in, those on the right edge out.
        let moved = square.map(|[x, y]| [x + 0.5, y + 0.5]);
        assert_eq!(drawn(&moved, 5, 4, 0), [".....", ".###.", ".###.", "....."]);
        // A contour that is not closed is closed.
        assert_eq!(drawn(&square[..4], 5, 4, 0), want);
    }

    #[test]
    fn what_lies_outside_is_cut_and_what_holds_no_centre_is_empty() {
        let whole = [[-3.0, -2.0], [9.0, -2.0], [9.0, 9.0], [-3.0, 9.0], [-3.0, -2.0]];
        assert_eq!(drawn(&whole, 4, 2, 3), ["####", "####"]);
        let thin = [[0.6, 0.0], [0.9, 0.0], [0.9, 2.0], [0.6, 2.0], [0.6, 0.0]];
        assert_eq!(drawn(&thin, 4, 2, 0), ["....", "...."]);
        assert_eq!(drawn(&[], 4, 2, 0), ["....", "...."]);
    }

    #[test]
    fn a_line_that_crosses_itself_leaves_its_middle_out() {
        let eight = [[0.0, 0.0], [9.0, 0.0], [9.0, 3.0], [3.0, 3.0], [3.0, 0.0], [6.0, 0.0], [6.0, 3.0], [0.0, 3.0]];
        assert_eq!(drawn(&eight, 9, 3, 0), ["###...###"; 3]);
    }

    #[test]
    fn long_runs_are_filled_to_the_bit() {
        for (from, to) in [(0, 8), (3, 5), (7, 9), (1, 31), (8, 24), (5, 5)] {
            let mut bitmap = [0; 4];
            fill(&mut bitmap, from, to);
            let set: Vec<usize> = (0..32).filter(|n| bitmap[n / 8] >> (n % 8) & 1 == 1).collect();
            assert_eq!(set, (from..to).collect::<Vec<_>>());
        }
    }
}
