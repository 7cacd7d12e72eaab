//! RLE Lossless (PS3.5 Annex G): byte planes, most significant first, each packed on its own.

use super::{ImageError, PixelLayout};

const HEADER: usize = 64;

fn wrong(problem: &str) -> ImageError {
    ImageError::Decode { codec: "RLE", problem: problem.to_owned() }
}

/// Decodes one frame. The output has exactly `layout.pixels()` samples.
///
/// # Errors
/// [`ImageError::Decode`] when a segment is missing, points outside or ends early.
pub fn decode(frame: &[u8], layout: &PixelLayout) -> Result<Vec<u16>, ImageError> {
    let header: Vec<u32> = frame
        .get(..HEADER)
        .ok_or_else(|| wrong("no room for the header"))?
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let planes = layout.sample_bytes();
    if header[0] as usize != planes {
        return Err(wrong("the number of segments is not the number of bytes per sample"));
    }
    let mut samples = vec![0_u16; layout.pixels()];
    for plane in 0..planes {
        let start = header[1 + plane] as usize;
        let end = if plane + 1 < planes { header[2 + plane] as usize } else { frame.len() };
        let segment = frame.get(start..end).ok_or_else(|| wrong("a segment lies outside the frame"))?;
        unpack(segment, &mut samples)?;
    }
    Ok(samples)
}

/// Undoes PackBits; every byte moves in below the more significant ones already there.
fn unpack(mut packed: &[u8], samples: &mut [u16]) -> Result<(), ImageError> {
    let mut rest = samples.iter_mut();
    let mut missing = rest.len();
    let put = |sample: &mut u16, byte: u8| *sample = (*sample << 8) | u16::from(byte);
    while missing > 0 {
        let (&control, tail) = packed.split_first().ok_or_else(|| wrong("a segment ends early"))?;
        packed = tail;
        let run = match control {
            0..=127 => {
                let length = usize::from(control) + 1;
                let literal = packed.get(..length.min(missing)).ok_or_else(|| wrong("a segment ends early"))?;
                literal.iter().zip(rest.by_ref()).for_each(|(&byte, sample)| put(sample, byte));
                packed = packed.get(length..).unwrap_or_default();
                length
            }
            128 => 0,
            129..=255 => {
                let length = 257 - usize::from(control);
                let (&byte, tail) = packed.split_first().ok_or_else(|| wrong("a segment ends early"))?;
                packed = tail;
                rest.by_ref().take(length).for_each(|sample| put(sample, byte));
                length
            }
        };
        missing = missing.saturating_sub(run);
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::layout::Photometric;
    use super::*;

    fn layout(columns: u16, bits: u16) -> PixelLayout {
        PixelLayout {
            rows: 1,
            columns,
            bits_allocated: bits,
            bits_stored: bits,
            high_bit: bits - 1,
            signed: false,
            photometric: Photometric::Monochrome2,
            presentation_inverse: None,
        }
    }

    fn frame(segments: &[&[u8]]) -> Vec<u8> {
        let mut header = vec![segments.len() as u32];
        let mut at = HEADER as u32;
        for segment in segments {
            header.push(at);
            at += segment.len() as u32;
        }
        header.resize(16, 0);
        let mut bytes: Vec<u8> = header.iter().flat_map(|v| v.to_le_bytes()).collect();
        segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
        bytes
    }

    #[test]
    fn planes_join_most_significant_first() {
        // High bytes: four times 1; low bytes: 10 20 (literal), no operation, 30 twice (run).
        let bytes = frame(&[&[253, 1], &[1, 10, 20, 128, 255, 30]]);
        assert_eq!(decode(&bytes, &layout(4, 16)).unwrap(), [266, 276, 286, 286]);
    }

    #[test]
    fn short_and_crooked_segments_are_errors() {
        assert!(decode(&[0; 10], &layout(4, 8)).is_err());
        assert!(decode(&frame(&[&[1, 10]]), &layout(4, 8)).is_err(), "literal cut");
        assert!(decode(&frame(&[&[255, 10]]), &layout(4, 8)).is_err(), "two of four samples");
        assert!(decode(&frame(&[&[253, 10]]), &layout(4, 16)).is_err(), "one plane of two");
        let mut outside = frame(&[&[253, 1], &[253, 2]]);
        outside[8..12].copy_from_slice(&9999_u32.to_le_bytes());
        assert!(decode(&outside, &layout(4, 16)).is_err());
    }
}
