//! RLE Lossless (PS3.5 annex G) of colour pictures, and back: for Secondary Captures that a site wants small.

use super::dataset::EXPLICIT_LITTLE_ENDIAN;
use dicom_core::{DataElement, PrimitiveValue, VR, value::Value};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::borrow::Cow;

/// RLE Lossless.
pub const RLE_LOSSLESS: &str = "1.2.840.10008.1.2.5";

/// Samples of a pixel: red, green, blue, each a segment of its own.
const SAMPLES: usize = 3;
const HEADER: usize = 64;

/// One frame of RGB pixels, row by row.
pub(super) fn encode(rgb: &[u8], width: usize) -> Vec<u8> {
    let mut frame = vec![0; HEADER];
    frame[..4].copy_from_slice(&(SAMPLES as u32).to_le_bytes());
    let mut line = vec![0; width];
    for sample in 0..SAMPLES {
        let offset = u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes();
        frame[4 + 4 * sample..][..4].copy_from_slice(&offset);
        // A run never goes on in the next row.
        for pixels in rgb.chunks_exact(width * SAMPLES) {
            line.iter_mut().zip(pixels[sample..].iter().step_by(SAMPLES)).for_each(|(to, from)| *to = *from);
            pack(&line, &mut frame);
        }
        if frame.len() % 2 == 1 {
            frame.push(0);
        }
    }
    frame
}

/// PackBits: runs of three and more as such, everything else as it is.
fn pack(line: &[u8], into: &mut Vec<u8>) {
    let mut at = 0;
    let mut plain = 0;
    let literal = |bytes: &[u8], into: &mut Vec<u8>| {
        for part in bytes.chunks(128) {
            into.push(part.len() as u8 - 1);
            into.extend(part);
        }
    };
    while let Some(&value) = line.get(at) {
        let run = line[at..].iter().take(128).take_while(|v| **v == value).count();
        if run >= 3 {
            literal(&line[plain..at], into);
            into.extend([(257 - run) as u8, value]);
            plain = at + run;
        }
        at += run;
    }
    literal(&line[plain..], into);
}

/// The pixels of a frame; `None` where it is no frame of three segments of that size.
fn decode(frame: &[u8], pixels: usize) -> Option<Vec<u8>> {
    let number = |at: usize| Some(u32::from_le_bytes(frame.get(at..at + 4)?.try_into().ok()?) as usize);
    if number(0)? != SAMPLES {
        return None;
    }
    let mut rgb = vec![0; pixels * SAMPLES];
    for sample in 0..SAMPLES {
        let end = if sample + 1 < SAMPLES { number(8 + 4 * sample)? } else { frame.len() };
        let mut bytes = frame.get(number(4 + 4 * sample)?..end)?.iter().copied();
        let mut places = rgb[sample..].iter_mut().step_by(SAMPLES);
        let mut left = pixels;
        while left > 0 {
            let control = bytes.next()?;
            let count = if control < 128 { usize::from(control) + 1 } else { 257 - usize::from(control) };
            if control == 128 {
                continue;
            }
            left = left.checked_sub(count)?;
            let repeated = if control > 128 { Some(bytes.next()?) } else { None };
            for _ in 0..count {
                *places.next()? = repeated.or_else(|| bytes.next())?;
            }
        }
    }
    Some(rgb)
}

/// A stored capture cannot be written without compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored capture cannot be decompressed: {0}")]
pub struct DecompressError(String);

/// A result in Explicit VR Little Endian, for receivers that take no RLE: byte for byte as it is built without
/// compression. What is not compressed comes back as it is.
///
/// # Errors
/// [`DecompressError`] if it is no object of ours.
pub fn uncompressed(part10: &[u8]) -> Result<Cow<'_, [u8]>, DecompressError> {
    let wrong = |reason: &str| DecompressError(reason.to_owned());
    let mut file = dicom_object::from_reader(part10).map_err(|e| DecompressError(e.to_string()))?;
    if file.meta().transfer_syntax().trim_end_matches('\0') != RLE_LOSSLESS {
        return Ok(Cow::Borrowed(part10));
    }
    let side = |file: &InMemDicomObject, tag| file.element(tag).ok().and_then(|e| e.to_int::<usize>().ok());
    let pixels = side(&file, tags::ROWS).zip(side(&file, tags::COLUMNS)).map(|(rows, columns)| rows * columns);
    let pixels = pixels.filter(|n| *n <= 1 << 24).ok_or_else(|| wrong("it has no size"))?;
    let element = file.element(tags::PIXEL_DATA).map_err(|_| wrong("it has no pixels"))?;
    let Value::PixelSequence(sequence) = element.value() else { return Err(wrong("its pixels are no fragments")) };
    let [frame] = sequence.fragments() else { return Err(wrong("it has more than one fragment")) };
    let mut rgb = decode(frame, pixels).ok_or_else(|| wrong("its fragment is damaged"))?;
    if rgb.len() % 2 == 1 {
        rgb.push(0);
    }
    file.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::U8(rgb.into())));
    file.update_meta(|meta| meta.transfer_syntax = EXPLICIT_LITTLE_ENDIAN.to_owned());
    let mut bytes = Vec::new();
    file.write_all(&mut bytes).map_err(|e| DecompressError(e.to_string()))?;
    Ok(Cow::Owned(bytes))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_packed_as_the_standard_says() {
        let packed = |line: &[u8]| {
            let mut bytes = Vec::new();
            pack(line, &mut bytes);
            bytes
        };
        assert_eq!(packed(&[7; 5]), [252, 7]);
        assert_eq!(packed(&[1, 2, 2, 3]), [3, 1, 2, 2, 3]);
        assert_eq!(packed(&[1, 2, 2, 2, 3, 3]), [0, 1, 254, 2, 1, 3, 3]);
        assert_eq!(packed(&[9; 130]), [129, 9, 1, 9, 9]);
        assert_eq!(packed(&[]), [0_u8; 0]);
    }

    #[test]
    fn damage_is_noticed() {
        let good = encode(&[5; 30], 5);
        assert_eq!(decode(&good, 10).unwrap(), [5; 30]);
        assert!(decode(&good[..60], 10).is_none() && decode(&good[..good.len() - 2], 10).is_none());
        assert!(decode(&good, 11).is_none() && decode(&good, 9).is_none());
        let mut other = good;
        other[0] = 1;
        assert!(decode(&other, 10).is_none());
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            width in 1..300_usize,
            runs in prop::collection::vec((any::<[u8; 3]>(), 1..200_usize), 1..12),
        ) {
            let mut rgb: Vec<u8> = runs.iter().flat_map(|(pixel, n)| pixel.repeat(*n)).collect();
            rgb.resize((rgb.len() / 3).next_multiple_of(width) * 3, 1);
            let frame = encode(&rgb, width);
            prop_assert_eq!(frame.len() % 2, 0);
            prop_assert_eq!(decode(&frame, rgb.len() / 3), Some(rgb));
        }
    }
}
