//! Resampling with the triangle filter, number for number as Pillow's `Image.resize(BILINEAR)`
//! does on mode "F": half-pixel centres, support widened by the scale, weights and sums in double,
//! horizontal pass first, rounded to single after each pass.

use std::ops::Range;

/// A larger black canvas around the content, in content pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Canvas columns left of the content.
    pub left: usize,
    /// Canvas rows above the content.
    pub top: usize,
    /// Canvas columns.
    pub width: usize,
    /// Canvas rows.
    pub height: usize,
}

/// The inputs of one output sample that lie in the content.
struct Taps {
    first: usize,
    weights: Vec<f64>,
}

/// Weights of each output sample along one axis of `canvas` samples of which `content` samples from
/// `offset` on are not black. Black ones count in the normalisation and are dropped after it.
fn taps(canvas: usize, offset: usize, content: usize, out: usize, wanted: Range<usize>) -> Vec<Taps> {
    let scale = canvas as f64 / out as f64;
    let support = scale.max(1.0);
    wanted
        .map(|n| {
            let center = (n as f64 + 0.5) * scale;
            // Truncation towards zero of a value that is clamped at zero, as the C code does.
            let low = (center - support + 0.5).max(0.0) as usize;
            let high = ((center + support + 0.5) as usize).min(canvas);
            let weight = |x: usize| (1.0 - ((x as f64 - center + 0.5) / support).abs()).max(0.0);
            let total: f64 = (low..high).map(weight).sum();
            let (from, to) = (low.clamp(offset, offset + content), high.clamp(offset, offset + content));
            Taps { first: from - offset, weights: (from..to).map(|x| weight(x) / total).collect() }
        })
        .collect()
}

/// Resizes `content` (`width` by `height`, row by row), placed in `frame`, to `out_width` by
/// `out_height`.
///
/// # Panics
/// If `content` is shorter than `width * height`.
#[must_use]
pub fn resize(
    content: &[f32],
    width: usize,
    height: usize,
    frame: &Frame,
    out_width: usize,
    out_height: usize,
) -> Vec<f32> {
    resize_part(content, [width, height], frame, [out_width, out_height], [0..out_width, 0..out_height])
}

/// The columns and rows `part` of what [`resize`] gives for the size `out`; the rest is not computed. Sizes are
/// columns, then rows.
///
/// # Panics
/// If `content` is shorter than its size says, or `part` is not inside `out`.
pub(super) fn resize_part(
    content: &[f32],
    [width, height]: [usize; 2],
    frame: &Frame,
    out: [usize; 2],
    part: [Range<usize>; 2],
) -> Vec<f32> {
    let [columns, rows] = part;
    let (out_width, out_height) = (columns.len(), rows.len());
    let across = taps(frame.width, frame.left, width, out[0], columns);
    let down = taps(frame.height, frame.top, height, out[1], rows);
    let from = down.iter().map(|tap| tap.first).min().unwrap_or(0);
    let to = down.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(0);
    let mut narrow = vec![0.0_f32; out_width * (to - from)];
    for (row, out) in content[from * width..to * width].chunks_exact(width).zip(narrow.chunks_exact_mut(out_width)) {
        for (tap, value) in across.iter().zip(out) {
            let inputs = &row[tap.first..tap.first + tap.weights.len()];
            *value = inputs.iter().zip(&tap.weights).map(|(&v, w)| f64::from(v) * w).sum::<f64>() as f32;
        }
    }
    let mut result = Vec::with_capacity(out_width * out_height);
    let mut sums = vec![0.0_f64; out_width];
    for tap in &down {
        sums.fill(0.0);
        let rows = narrow[(tap.first - from) * out_width..].chunks_exact(out_width);
        for (row, weight) in rows.zip(&tap.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v) * weight);
        }
        result.extend(sums.iter().map(|&v| v as f32));
    }
    result
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        width: usize,
        height: usize,
        out_width: usize,
        out_height: usize,
        square: bool,
        values: Vec<f32>,
    }

    #[test]
    fn equals_pillow_to_the_last_bit_but_one() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/data/pillow_bilinear.json")).unwrap();
        assert_eq!(golden.cases.len(), 7);
        for case in golden.cases {
            let (w, h) = (case.width, case.height);
            let content: Vec<f32> = (0..h)
                .flat_map(|y| (0..w).map(move |x| ((37 * x + 91 * y + 13 * ((x * y) % 251)) % 4096) as f32 / 4095.0))
                .collect();
            let side = w.max(h);
            let frame = if case.square {
                Frame { left: (side - w) / 2, top: (side - h) / 2, width: side, height: side }
            } else {
                Frame { left: 0, top: 0, width: w, height: h }
            };
            let got = resize(&content, w, h, &frame, case.out_width, case.out_height);
            assert_eq!(got.len(), case.values.len());
            let worst = got.iter().zip(&case.values).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(worst <= 1.2e-7, "{w}x{h}: {worst}");
        }
    }

    #[test]
    fn a_part_is_the_same_as_its_place_in_the_whole() {
        let content: Vec<f32> = (0..40 * 30).map(|n| ((n * 37) % 101) as f32).collect();
        let frame = Frame { left: 0, top: 5, width: 40, height: 40 };
        let whole = resize(&content, 40, 30, &frame, 17, 23);
        let part = resize_part(&content, [40, 30], &frame, [17, 23], [3..10, 6..20]);
        let wanted: Vec<f32> = (6..20).flat_map(|y| whole[y * 17 + 3..y * 17 + 10].to_vec()).collect();
        assert_eq!(part, wanted);
    }

    #[test]
    fn a_constant_stays_constant_at_any_scale() {
        for (w, h, out) in [(5, 9, 3), (3, 2, 11), (100, 100, 7)] {
            let frame = Frame { left: 0, top: 0, width: w, height: h };
            let got = resize(&vec![0.7; w * h], w, h, &frame, out, out);
            assert!(got.iter().all(|v| (v - 0.7).abs() < 1e-6));
        }
    }
}
