//! Chain `torchxrayvision`: a film as that toolkit's `read_xray_dcm`, `XRayCenterCrop` and `XRayResizer` give it.
//!
//! Stored values, without rescale slope and window; MONOCHROME1 turned by 2^Bits Stored - 1; that full scale to -1024 to
//! 1024 in single precision; the centre square; scikit-image's resize. Where the toolkit raises an error, so do we.

use super::skimage::{Square, resize};
use super::{Affine, Prepared};
use crate::image::{CxrImage, ImageError};
use crate::manifest::Input;
use centinela_domain::gate::PixelProblem;

pub(super) fn prepare(image: &CxrImage, input: &Input) -> Result<Prepared, ImageError> {
    let (width, height) = (image.width as usize, image.height as usize);
    let side = width.min(height);
    let (left, top) = (width / 2 - side / 2, height / 2 - side / 2);
    let full = (1_i32 << image.bits_stored) - 1;
    let stored = &image.stored;
    // One row of the table for each code, so that the loop over pixels is a lookup.
    let values: Vec<i32> = (0..=full)
        .map(|code| {
            let negative = stored.signed && code > full / 2;
            let value = if negative { code - full - 1 } else { code };
            if stored.monochrome1 { full - value } else { value }
        })
        .collect();
    // Possible only where negative values were turned.
    if values.iter().any(|&v| v > full) && stored.codes.iter().any(|&code| values[usize::from(code)] > full) {
        let detail = "turned MONOCHROME1 values exceed 2^Bits Stored - 1, which the chain torchxrayvision refuses";
        return Err(ImageError::pixels(PixelProblem::Bits, detail));
    }
    let scaled: Vec<f32> = values.iter().map(|&v| (2.0 * (v as f32 / full as f32) - 1.0) * 1024.0).collect();
    let rows = (top..top + side).map(|y| &stored.codes[y * width + left..y * width + left + side]);
    let square = Square { side, rows: rows.map(|row| row.iter().map(|&code| scaled[usize::from(code)])) };
    let values = resize(square, input.size as usize);
    let scale = side as f64 / f64::from(input.size);
    Ok(Prepared { values, to_original: Affine::uniform(scale, left as f64, top as f64) })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::tests::made;
    use super::*;
    use crate::manifest::Chain;

    fn input(size: u32) -> Input {
        Input { size, chain: Chain::Torchxrayvision, mean: Vec::new(), std: Vec::new() }
    }

    #[derive(serde::Deserialize)]
    struct Golden {
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        width: u32,
        height: u32,
        bits: u16,
        size: u32,
        monochrome1: bool,
        values: Vec<f32>,
    }

    /// The pattern of the golden files, in `bits` bits.
    fn pattern(width: u32, height: u32, bits: u16) -> Vec<u16> {
        let at = move |x: u32, y: u32| ((37 * x + 91 * y + ((x * y) % 251) * 13) % (1 << bits)) as u16;
        (0..height).flat_map(|y| (0..width).map(move |x| at(x, y))).collect()
    }

    #[test]
    fn equals_torchxrayvision_and_skimage() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/data/torchxrayvision.json")).unwrap();
        assert!(golden.cases.len() >= 8);
        for case in golden.cases {
            let film = made(case.width, case.bits, case.monochrome1, pattern(case.width, case.height, case.bits));
            let got = prepare(&film, &input(case.size)).unwrap().values;
            assert_eq!(got.len(), case.values.len());
            let worst = got.iter().zip(&case.values).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(worst <= 1e-3, "{}x{} {} bits: {worst}", case.width, case.height, case.bits);
        }
    }

    /// Numbers of a reference film in full size: 260 x 300, 12 bits.
    #[test]
    fn the_reference_film_comes_out() {
        let film = made(260, 12, false, pattern(260, 300, 12));
        assert_eq!(film.stored.codes.iter().map(|&v| u64::from(v)).sum::<u64>(), 159_983_515);
        let got = prepare(&film, &input(224)).unwrap();
        let wanted = [
            ([0, 0], -98.1427),
            ([0, 1], 74.8719),
            ([1, 0], -44.7109),
            ([10, 20], 420.4224),
            ([112, 112], -706.9642),
            ([223, 223], -537.7858),
        ];
        for ([y, x], want) in wanted {
            let value = got.values[y * 224 + x];
            assert!((value - want).abs() <= 1e-3, "[{y}, {x}]: {value}");
        }
        let mean = got.values.iter().map(|&v| f64::from(v)).sum::<f64>() / 50_176.0;
        assert!((mean - 2.369_111).abs() < 1e-4, "{mean}");
        assert_eq!(got.to_original, Affine::uniform(260.0 / 224.0, 0.0, 20.0));
    }

    #[test]
    fn the_way_back_finds_a_bright_spot_beside_the_centre() {
        for (width, height, spot) in [(301, 200, [80, 31]), (200, 333, [171, 90])] {
            // On middle grey, which is zero: the border is pulled to zero, so on black it would be brightest.
            let codes = (0..width * height).map(|n| if [n % width, n / width] == spot { 4095 } else { 2048 }).collect();
            let got = prepare(&made(width, 12, false, codes), &input(64)).unwrap();
            let brightest = (0..64 * 64).max_by(|&a, &b| got.values[a].total_cmp(&got.values[b])).unwrap();
            let found = got.to_original.apply([(brightest % 64) as f64 + 0.5, (brightest / 64) as f64 + 0.5]);
            let near = |n: usize| (found[n] - (f64::from(spot[n]) + 0.5)).abs() <= got.to_original.scale;
            assert!(near(0) && near(1), "{width}x{height}: {found:?}");
        }
    }

    #[test]
    fn signed_values_stay_negative_and_overflow_is_a_reason() {
        // 12 bits, 0x800 = -2048.
        let mut film = made(2, 12, false, vec![0x800, 0x7ff, 0, 1]);
        film.stored.signed = true;
        let got = prepare(&film, &input(2)).unwrap().values;
        let scaled = |v: f32| (2.0 * (v / 4095.0) - 1.0) * 1024.0;
        assert_eq!(got, [-2048.0, 2047.0, 0.0, 1.0].map(scaled));
        film.stored.monochrome1 = true;
        let error = prepare(&film, &input(2)).unwrap_err();
        assert_eq!(error.reason().code(), ImageError::pixels(PixelProblem::Bits, "").reason().code());
        // Sixteen bits fill the table to its end.
        let got = prepare(&made(2, 16, true, vec![0, 65_535, 65_535, 0]), &input(2)).unwrap().values;
        assert_eq!(got, [1024.0, -1024.0, -1024.0, 1024.0]);
    }
}
