//! Doors for the fuzz targets of `fuzz/`: each pixel decoder behind its checks. Only with the
//! feature `fuzzing`; nothing else may use it.

use super::codec;
use super::layout::{Photometric, PixelLayout};
use super::source::{Pixels, Source};
use dicom_object::mem::InMemDicomObject;
use std::borrow::Cow;

/// Bytes before the frame: rows and columns (two bytes each, big endian), bits.
const HEAD: usize = 5;
/// Larger films only make a decoder slower: its limits are the same.
const LARGEST: u32 = 1 << 20;

/// One frame in an encapsulated transfer syntax: rows and columns as u16 big endian, one byte with
/// Bits Stored - 1 (low four bits) and the sign (bit 7), then the frame.
///
/// # Panics
/// If a decoder gives another number of samples than the film has pixels.
pub fn frame(transfer_syntax: &str, input: &[u8]) {
    let Some((head, frame)) = input.split_at_checked(HEAD) else { return };
    let (rows, columns) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
    if rows == 0 || columns == 0 || u32::from(rows) * u32::from(columns) > LARGEST {
        return;
    }
    let bits_stored = u16::from(head[4] & 0x0f) + 1;
    let layout = PixelLayout {
        rows,
        columns,
        bits_allocated: if bits_stored > 8 { 16 } else { 8 },
        bits_stored,
        high_bit: bits_stored - 1,
        signed: head[4] & 0x80 != 0,
        photometric: Photometric::Monochrome2,
        presentation_inverse: None,
    };
    let source = Source {
        transfer_syntax: transfer_syntax.to_owned(),
        dataset: InMemDicomObject::new_empty(),
        bytes: Cow::Borrowed(frame),
        pixels: Pixels::Encapsulated(std::iter::once(0..frame.len()).collect()),
    };
    if let Ok(codes) = codec::decode(&source, &layout) {
        assert_eq!(codes.samples.len(), layout.pixels());
    }
}
