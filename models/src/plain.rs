//! Pictures that are no DICOM files: grey PNG and JPEG, as public collections of films have them.
//! Only for `centinela evaluate`; what the node receives is DICOM.
//!
//! There is no window in such a file: grey is the value divided by the largest that its depth can hold.

use crate::image::{CxrImage, ImageError, Stored, Voi};
use centinela_domain::gate::{MAX_PIXELS, PixelProblem};
use jpeg_decoder::PixelFormat;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// What the PNG decoder may hold, in bytes.
const MOST_MEMORY: usize = 256 << 20;
const JPEG: &[u8] = b"\xff\xd8\xff";

/// Samples of a decoded picture: so many side by side for each pixel, the grey ones first.
struct Samples {
    values: Vec<u16>,
    each: usize,
    /// How many of them are colours; the rest is opacity.
    colors: usize,
    width: u32,
    height: u32,
    bits: u16,
}

type Decoder = fn(&[u8]) -> Result<Samples, ImageError>;

/// The picture, if the bytes begin as a PNG or JPEG file does.
///
/// # Errors
/// [`ImageError`], also where the picture has colours.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Result<CxrImage, ImageError>> {
    let (codec, run): (_, Decoder) = if bytes.starts_with(PNG) {
        ("PNG", png)
    } else if bytes.starts_with(JPEG) {
        ("JPEG", jpeg)
    } else {
        return None;
    };
    let decoded = catch_unwind(AssertUnwindSafe(|| run(bytes)));
    let gave_up = || Err(wrong(codec, "the decoder gave up on a malformed stream"));
    Some(decoded.unwrap_or_else(|_| gave_up()).and_then(film))
}

fn wrong(codec: &'static str, problem: impl ToString) -> ImageError {
    ImageError::Decode { codec, problem: problem.to_string() }
}

fn film(samples: Samples) -> Result<CxrImage, ImageError> {
    let grey = |pixel: &[u16]| pixel[..samples.colors].iter().all(|&v| v == pixel[0]).then(|| pixel[0]);
    let codes: Option<Vec<u16>> = samples.values.chunks_exact(samples.each).map(grey).collect();
    let Some(codes) = codes else {
        return Err(ImageError::pixels(PixelProblem::Samples, "the picture has colours"));
    };
    let pixels: Vec<f32> = codes.iter().copied().map(f32::from).collect();
    if pixels.windows(2).all(|pair| pair[0] == pair[1]) {
        return Err(ImageError::pixels(PixelProblem::Uniform, "all pixels are the same"));
    }
    Ok(CxrImage {
        pixels,
        stored: Stored { codes, signed: false, monochrome1: false },
        width: samples.width,
        height: samples.height,
        voi: Voi::Range { low: 0.0, high: f64::from(u16::MAX >> (16 - samples.bits)) },
        inverted: false,
        bits_stored: samples.bits,
        notes: Vec::new(),
    })
}

/// Checked before anything of that size is allocated.
fn fits(columns: u32, rows: u32) -> Result<(), ImageError> {
    if u64::from(columns) * u64::from(rows) > MAX_PIXELS {
        return Err(ImageError::TooLarge { columns, rows, limit: MAX_PIXELS });
    }
    Ok(())
}

fn png(bytes: &[u8]) -> Result<Samples, ImageError> {
    let limits = png::Limits { bytes: MOST_MEMORY };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    let (width, height) = decoder.read_header_info().map_err(|e| wrong("PNG", e))?.size();
    fits(width, height)?;
    // Palettes and depths below 8 become bytes.
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(|e| wrong("PNG", e))?;
    let size = reader.output_buffer_size().ok_or_else(|| wrong("PNG", "its size is out of range"))?;
    let mut buffer = vec![0; size];
    let info = reader.next_frame(&mut buffer).map_err(|e| wrong("PNG", e))?;
    let each = info.color_type.samples();
    let wide = info.bit_depth == png::BitDepth::Sixteen;
    let values = match wide {
        true => buffer.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).collect(),
        false => buffer.iter().map(|&b| u16::from(b)).collect(),
    };
    let colors = if each > 2 { 3 } else { 1 };
    Ok(Samples { values, each, colors, width, height, bits: if wide { 16 } else { 8 } })
}

fn jpeg(bytes: &[u8]) -> Result<Samples, ImageError> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(|e| wrong("JPEG", e))?;
    let info = decoder.info().ok_or_else(|| wrong("JPEG", "no frame header"))?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    fits(width, height)?;
    let each = match info.pixel_format {
        PixelFormat::L8 => 1,
        PixelFormat::RGB24 => 3,
        _ => return Err(wrong("JPEG", "neither grey nor colours of 8 bits")),
    };
    let values = decoder.decode().map_err(|e| wrong("JPEG", e))?.iter().map(|&b| u16::from(b)).collect();
    Ok(Samples { values, each, colors: each, width, height, bits: 8 })
}

/// Writes a PNG file: three bytes for each pixel, row by row.
///
/// # Errors
/// If the pixels are not `width * height`, or a side is zero.
pub fn write_png(width: u32, height: u32, rgb: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(rgb)?;
        writer.finish()
    });
    written.map_err(|e| wrong("PNG", e))?;
    Ok(file)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn made(color: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, 2, 2);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        file
    }

    #[test]
    fn grey_of_every_depth_and_grey_in_colours_is_read() {
        use png::{BitDepth::*, ColorType::*};
        for (color, depth, data, want) in [
            (Grayscale, Eight, &[0, 51, 102, 255][..], [0.0, 0.2, 0.4, 1.0]),
            (Grayscale, Sixteen, &[0, 0, 0x33, 0x33, 0x66, 0x66, 255, 255], [0.0, 0.2, 0.4, 1.0]),
            (Grayscale, One, &[0b0100_0000, 0b1000_0000], [0.0, 1.0, 1.0, 0.0]),
            (GrayscaleAlpha, Eight, &[0, 9, 51, 8, 102, 7, 255, 6], [0.0, 0.2, 0.4, 1.0]),
            (Rgba, Eight, &[0, 0, 0, 1, 51, 51, 51, 2, 102, 102, 102, 3, 255, 255, 255, 4], [0.0, 0.2, 0.4, 1.0]),
        ] {
            let image = decode(&made(color, depth, data)).unwrap().unwrap();
            assert_eq!((image.width, image.height, image.inverted), (2, 2, false), "{color:?} {depth:?}");
            assert!(image.gray().iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6), "{color:?} {depth:?}");
        }
    }

    #[test]
    fn colours_damage_and_claims_are_refused_with_a_reason() {
        use png::{BitDepth::Eight, ColorType::*};
        let red = decode(&made(Rgb, Eight, &[0, 0, 0, 9, 9, 9, 9, 0, 9, 0, 0, 0])).unwrap().unwrap_err();
        assert_eq!(red, ImageError::pixels(PixelProblem::Samples, "the picture has colours"));
        let good = made(Grayscale, Eight, &[1, 2, 3, 4]);
        for cut in PNG.len()..good.len() - 12 {
            assert!(matches!(decode(&good[..cut]), Some(Err(ImageError::Decode { codec: "PNG", .. }))), "cut at {cut}");
        }
        // A claim of 2^30 x 2 pixels, with its checksum.
        let huge = {
            let mut file = good[..8].to_vec();
            let mut header = b"IHDR".to_vec();
            header.extend([0x40, 0, 0, 0, 0, 0, 0, 2, 8, 0, 0, 0, 0]);
            file.extend(13_u32.to_be_bytes());
            file.extend(&header);
            file.extend(crc(&header).to_be_bytes());
            file.extend(&good[33..]);
            file
        };
        assert!(matches!(decode(&huge), Some(Err(ImageError::TooLarge { .. }))), "{:?}", decode(&huge));
        assert!(decode(b"DICM").is_none());
        assert!(matches!(decode(b"\xff\xd8\xff\xe0 no jpeg"), Some(Err(ImageError::Decode { codec: "JPEG", .. }))));
    }

    /// ISO 3309, bit by bit.
    fn crc(bytes: &[u8]) -> u32 {
        let bit = |c: u32, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 };
        !bytes.iter().fold(u32::MAX, |c, &b| (0..8).fold(c ^ u32::from(b), bit))
    }

    #[test]
    fn what_is_written_is_read() {
        let rgb = [10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40, 50, 50, 50, 60, 60, 60];
        let image = decode(&write_png(3, 2, &rgb).unwrap()).unwrap().unwrap();
        assert_eq!((image.width, image.height), (3, 2));
        assert_eq!(image.pixels, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert!(write_png(3, 3, &rgb).is_err() && write_png(0, 3, &[]).is_err());
    }
}
