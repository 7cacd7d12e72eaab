//! scikit-image's `resize(mode="constant", order=1)` of a square, as it is by default: when it shrinks, a Gaussian
//! of deviation (factor - 1) / 2 cut at 4 deviations first; then straight lines between samples; zeros outside the square
//! in both; then clipped to the range of the input, widened to 0 where the output crosses it.
//!
//! Both steps are linear, so they are one weight table for each output row and column. Only the rows and columns that an
//! output needs are touched: a film of 3000 x 2500 costs about as much as reading it.

/// A square image that is read once, row by row.
pub(super) struct Square<I> {
    pub side: usize,
    pub rows: I,
}

/// The inputs of one output sample: `weights` for samples from `first` on. They need not sum to 1 at the borders.
#[derive(Debug, PartialEq)]
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

/// One half of a normalised Gaussian and its middle, from the middle outwards.
fn gaussian(deviation: f64) -> Vec<f64> {
    if deviation <= 1e-15 {
        return vec![1.0];
    }
    // Truncated at four deviations, as SciPy rounds them.
    let radius = (4.0 * deviation + 0.5) as i32;
    let weight = |k: i32| (-0.5 / (deviation * deviation) * f64::from(k * k)).exp();
    let total: f64 = (-radius..=radius).map(weight).sum();
    (0..=radius).map(|k| weight(k) / total).collect()
}

fn taps(side: usize, out: usize) -> Vec<Taps> {
    let factor = side as f64 / out as f64;
    let blur = gaussian(((factor - 1.0) / 2.0).max(0.0));
    let reach = blur.len() as i64 - 1;
    (0..out)
        .map(|n| {
            let center = (n as f64 + 0.5) * factor - 0.5;
            let low = center.floor();
            let high_share = center - low;
            let low = low as i64;
            // The samples between which the line runs; blurred, or zero outside the square.
            let between = [(low, 1.0 - high_share), (low + 1, high_share)];
            let inside = |at: i64| (0..side as i64).contains(&at);
            let first = (low - reach).max(0);
            let last = (low + 1 + reach).min(side as i64 - 1);
            let weight = |at: i64| {
                let ends = between.iter().filter(|(end, share)| inside(*end) && *share > 0.0);
                ends.map(|(end, share)| share * blur.get((at - end).unsigned_abs() as usize).unwrap_or(&0.0)).sum()
            };
            Taps { first: first as usize, weights: (first..=last).map(weight).collect() }
        })
        .collect()
}

/// Resizes to `out` by `out`.
pub(super) fn resize<R, I>(square: Square<R>, out: usize) -> Vec<f32>
where
    R: Iterator<Item = I>,
    I: Iterator<Item = f32>,
{
    let side = square.side;
    let taps = taps(side, out);
    // Rows first: each input row is added to the few output rows that it reaches.
    let mut narrow = vec![0.0_f64; out * side];
    let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
    let mut row = Vec::with_capacity(side);
    let mut from = 0;
    for (y, values) in square.rows.enumerate() {
        row.clear();
        row.extend(values);
        (least, most) = row.iter().fold((least, most), |(a, b), &v| (a.min(v), b.max(v)));
        from = (from..out).find(|&n| taps[n].first + taps[n].weights.len() > y).unwrap_or(out);
        for (n, tap) in taps.iter().enumerate().skip(from).take_while(|(_, tap)| tap.first <= y) {
            let Some(&weight) = tap.weights.get(y - tap.first) else { continue };
            let sums = &mut narrow[n * side..(n + 1) * side];
            sums.iter_mut().zip(&row).for_each(|(sum, &v)| *sum += weight * f64::from(v));
        }
    }
    let mut result = Vec::with_capacity(out * out);
    for row in narrow.chunks_exact(side) {
        for tap in &taps {
            let inputs = &row[tap.first..tap.first + tap.weights.len()];
            result.push(inputs.iter().zip(&tap.weights).map(|(v, w)| v * w).sum::<f64>() as f32);
        }
    }
    clip(&mut result, least, most);
    result
}

fn clip(values: &mut [f32], mut least: f32, mut most: f32) {
    let (low, high) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    if low <= 0.0 && 0.0 <= high {
        (least, most) = (least.min(0.0), most.max(0.0));
    }
    values.iter_mut().for_each(|v| *v = v.clamp(least, most));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(side: usize, out: usize, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let value = &value;
        resize(Square { side, rows: (0..side).map(|y| (0..side).map(move |x| value(x, y))) }, out)
    }

    #[test]
    fn the_same_size_is_a_copy() {
        let at = |x: usize, y: usize| (x * 31 + y * 7) as f32 - 90.0;
        let got = resized(9, 9, at);
        assert!((0..81).all(|n| got[n] == at(n % 9, n / 9)));
    }

    #[test]
    fn edges_are_pulled_to_zero_inwards_nothing_changes() {
        // One pixel of another value, or clipping would undo it.
        let got = resized(100, 20, |x, y| if x + y == 198 { 0.0 } else { 500.0 });
        assert!((got[10 * 20 + 10] - 500.0).abs() < 1e-3);
        assert!(got[0] < 450.0 && got[10] < got[10 * 20 + 10]);
    }

    #[test]
    fn the_range_of_the_input_bounds_the_output() {
        let mut values = [-7.0, 3.0, 9.0];
        clip(&mut values, 2.0, 5.0);
        assert_eq!(values, [0.0, 3.0, 5.0]);
        let mut values = [1.0, 3.0, 9.0];
        clip(&mut values, 2.0, 5.0);
        assert_eq!(values, [2.0, 3.0, 5.0]);
    }

    #[test]
    fn a_large_film_stays_cheap() {
        // 2,500 columns and 224 outputs: each input row reaches few output rows.
        let taps = taps(2500, 224);
        let touched: usize = taps.iter().map(|tap| tap.weights.len()).sum();
        assert!(touched <= 224 * 42, "{touched}");
    }
}
