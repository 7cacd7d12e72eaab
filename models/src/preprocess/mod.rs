//! From film to network input, and to the picture that people see.
//!
//! The chain is named by the model's manifest, because scores mean something only on the input that the model was
//! trained on. `window` stands here: grey by VOI and inversion (see [`crate::image`]), padded to a square with black,
//! content centred, resized with the triangle filter, normalised. The padding is never made: it is
//! arithmetic in the resampling weights.

mod affine;
mod imagenet;
mod resize;
mod skimage;
mod torchxrayvision;

pub use affine::Affine;
pub use resize::{Frame, resize};

use crate::image::{CxrImage, ImageError};
use crate::manifest::{Chain, Input};
use centinela_domain::evidence::Picture;

/// What the network sees, and the way back to the film.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// `in_channels * size * size` values, channel by channel, row by row.
    pub values: Vec<f32>,
    /// From network input coordinates (0 to size) to original pixel coordinates.
    pub to_original: Affine,
}

/// Prepares a film for a model's input.
///
/// # Errors
/// [`ImageError`]: the film has values that the chain has no place for.
pub fn prepare(image: &CxrImage, input: &Input) -> Result<Prepared, ImageError> {
    match input.chain {
        Chain::Window => Ok(window(image, input)),
        Chain::Torchxrayvision => torchxrayvision::prepare(image, input),
        Chain::Imagenet => Ok(imagenet::prepare(image, input)),
    }
}

fn window(image: &CxrImage, input: &Input) -> Prepared {
    let (width, height) = (image.width as usize, image.height as usize);
    let side = width.max(height);
    let frame = Frame { left: (side - width) / 2, top: (side - height) / 2, width: side, height: side };
    let size = input.size as usize;
    let small = resize(&image.gray(), width, height, &frame, size, size);
    let scale = side as f64 / f64::from(input.size);
    let to_original = Affine::uniform(scale, -(frame.left as f64), -(frame.top as f64));
    Prepared { values: normalised(&small, input), to_original }
}

/// One plane for each channel, with its mean and deviation.
fn normalised(gray: &[f32], input: &Input) -> Vec<f32> {
    let channels = input.mean.iter().zip(&input.std);
    channels.flat_map(|(&mean, &std)| gray.iter().map(move |&v| (v - mean) / std)).collect()
}

/// The film as a viewer shows it: same VOI, bone white, long side at most `max_side` pixels. Small
/// films are not enlarged.
#[must_use]
pub fn picture(image: &CxrImage, max_side: u32) -> Picture {
    let long = image.width.max(image.height);
    let side = max_side.clamp(1, long);
    let fit = |n: u32| ((f64::from(n) * f64::from(side) / f64::from(long)).round() as u32).max(1);
    let (width, height) = (fit(image.width), fit(image.height));
    let frame = Frame { left: 0, top: 0, width: image.width as usize, height: image.height as usize };
    let gray = image.gray();
    let small = resize(&gray, frame.width, frame.height, &frame, width as usize, height as usize);
    Picture { width, height, gray: small.iter().map(|v| (v * 255.0).round() as u8).collect() }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::image::{Stored, Voi};

    /// A film of these 8-bit or longer codes, unsigned, shown from black to white.
    pub(super) fn made(width: u32, bits_stored: u16, inverted: bool, codes: Vec<u16>) -> CxrImage {
        CxrImage {
            pixels: codes.iter().map(|&code| f32::from(code)).collect(),
            height: codes.len() as u32 / width,
            stored: Stored { codes, signed: false, monochrome1: inverted },
            width,
            voi: Voi::Range { low: 0.0, high: f64::from((1_u32 << bits_stored) - 1) },
            inverted,
            bits_stored,
            notes: Vec::new(),
        }
    }

    fn image(width: u32, height: u32, inverted: bool) -> CxrImage {
        let codes = (0..height).flat_map(|y| (0..width).map(move |x| ((x * 7 + y * 3) % 256) as u16)).collect();
        made(width, 8, inverted, codes)
    }

    fn input(size: u32, mean: &[f32], std: &[f32]) -> Input {
        Input { size, chain: Chain::Window, mean: mean.to_vec(), std: std.to_vec() }
    }

    #[test]
    fn odd_padding_goes_below_and_right() {
        // 3 x 8: side 8, 5 columns of padding, 2 left and 3 right.
        let prepared = prepare(&image(3, 8, true), &input(8, &[0.0], &[1.0])).unwrap();
        let first: Vec<bool> = prepared.values[..8].iter().map(|&v| v > 0.0).collect();
        assert_eq!(first, [false, false, true, true, true, false, false, false]);
        assert_eq!(prepared.to_original.apply([2.0, 0.0]), [0.0, 0.0]);
        assert_eq!(prepared.to_original.apply([5.0, 8.0]), [3.0, 8.0]);
    }

    #[test]
    fn each_channel_has_its_own_mean_and_deviation() {
        let prepared = prepare(&image(8, 8, false), &input(4, &[0.0, 0.5], &[1.0, 0.25])).unwrap();
        assert_eq!(prepared.values.len(), 2 * 16);
        let (a, b) = prepared.values.split_at(16);
        assert!(a.iter().zip(b).all(|(a, b)| ((a - 0.5) / 0.25 - b).abs() < 1e-6));
    }

    #[test]
    fn pictures_keep_the_shape_and_turn_monochrome1() {
        let (plain, turned) = (picture(&image(300, 200, false), 150), picture(&image(300, 200, true), 150));
        assert_eq!((plain.width, plain.height, plain.gray.len()), (150, 100, 15_000));
        assert!(plain.gray.iter().zip(&turned.gray).all(|(a, b)| (255 - i32::from(*a) - i32::from(*b)).abs() <= 1));
        let small = picture(&image(30, 20, false), 1280);
        assert_eq!((small.width, small.height), (30, 20));
    }
}
