//! Chain `imagenet`: a film as torchvision's usual transforms give it to networks that began on ImageNet, CheXNet among
//! them: `Resize(size * 8 / 7)`, `CenterCrop(size)`, three equal channels, `Normalize`. For 224 the first is 256.
//!
//! Grey is what a viewer shows, 0 to 1, not rounded to 8 bits. The resize is Pillow's triangle filter.

use super::resize::resize_part;
use super::{Affine, Frame, Prepared, normalised};
use crate::image::CxrImage;
use crate::manifest::Input;

/// Half of the difference, rounded to the even neighbour as Python's `round` does.
fn half(difference: usize) -> usize {
    difference / 2 + usize::from(difference % 4 == 3)
}

pub(super) fn prepare(image: &CxrImage, input: &Input) -> Prepared {
    let (width, height, size) = (image.width as usize, image.height as usize, input.size as usize);
    let (short, long) = (width.min(height), width.max(height));
    let short_to = size * 8 / 7;
    // In double and cut, as torchvision does it.
    let long_to = ((short_to * long) as f64 / short as f64) as usize;
    let out = if width <= height { [short_to, long_to] } else { [long_to, short_to] };
    let [left, top] = out.map(|side| half(side - size));
    let frame = Frame { left: 0, top: 0, width, height };
    let part = [left..left + size, top..top + size];
    let small = resize_part(&image.gray(), [width, height], &frame, out, part);
    let (scale, scale_y) = (width as f64 / out[0] as f64, height as f64 / out[1] as f64);
    let to_original = Affine { scale, scale_y, dx: left as f64 * scale, dy: top as f64 * scale_y };
    Prepared { values: normalised(&small, input), to_original }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::tests::made;
    use super::*;
    use crate::manifest::Chain;

    const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    const STD: [f32; 3] = [0.229, 0.224, 0.225];

    fn input(size: u32) -> Input {
        Input { size, chain: Chain::Imagenet, mean: MEAN.to_vec(), std: STD.to_vec() }
    }

    #[derive(serde::Deserialize)]
    struct Golden {
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        width: u32,
        height: u32,
        size: u32,
        values: Vec<f32>,
    }

    #[test]
    fn equals_torchvision() {
        let golden: Golden = serde_json::from_str(include_str!("../../tests/data/imagenet.json")).unwrap();
        assert!(golden.cases.len() >= 6);
        for case in golden.cases {
            let at = |x: u32, y: u32| ((37 * x + 91 * y + ((x * y) % 251) * 13) % 4096) as u16;
            let codes = (0..case.height).flat_map(|y| (0..case.width).map(move |x| at(x, y))).collect();
            let got = prepare(&made(case.width, 12, false, codes), &input(case.size)).values;
            assert_eq!(got.len(), case.values.len());
            let worst = got.iter().zip(&case.values).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(worst <= 1e-5, "{}x{}: {worst}", case.width, case.height);
        }
    }

    #[test]
    fn the_way_back_finds_a_bright_spot_beside_the_centre() {
        for (width, height, spot) in [(301, 200, [80, 41]), (200, 333, [151, 90])] {
            let codes = (0..width * height).map(|n| u16::from([n % width, n / width] == spot) * 4095).collect();
            let got = prepare(&made(width, 12, false, codes), &input(64));
            let plane = &got.values[..64 * 64];
            let brightest = (0..plane.len()).max_by(|&a, &b| plane[a].total_cmp(&plane[b])).unwrap();
            let found = got.to_original.apply([(brightest % 64) as f64 + 0.5, (brightest / 64) as f64 + 0.5]);
            let near = |n: usize| (found[n] - (f64::from(spot[n]) + 0.5)).abs() <= got.to_original.scale;
            assert!(near(0) && near(1), "{width}x{height}: {found:?}");
        }
    }

    #[test]
    fn a_film_of_one_row_costs_no_more_than_any() {
        let codes = (0..60_000_u32).map(|n| (n % 4096) as u16).collect();
        assert_eq!(prepare(&made(60_000, 12, false, codes), &input(32)).values.len(), 3 * 32 * 32);
    }

    #[test]
    fn halves_are_rounded_to_the_even_side() {
        assert_eq!([0, 1, 2, 3, 4, 5, 7, 32].map(half), [0, 0, 1, 2, 2, 2, 4, 16]);
    }
}
