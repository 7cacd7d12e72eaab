//! Where the pixels lie in a file: the bounded walk of the domain crate, then one frame's bytes
//! (PS3.5 section A.4 for encapsulated fragments).

use super::{ImageError, PixelLayout};
use centinela_domain::gate::PixelProblem;
use centinela_domain::header::{self, HeaderError};
use centinela_domain::scan::{Encoding, PixelElement, Scanned, part10, scan_within};
use dicom_object::mem::InMemDicomObject;
use std::borrow::Cow;
use std::ops::Range;

/// A file with its parts found and its structure checked.
pub(super) struct Source<'a> {
    /// Transfer Syntax UID.
    pub transfer_syntax: String,
    /// Every attribute up to Pixel Data.
    pub dataset: InMemDicomObject,
    /// The data set's bytes, inflated where needed.
    pub bytes: Cow<'a, [u8]>,
    /// Which of them are pixels.
    pub pixels: Pixels,
}

/// Pixel Data inside [`Source::bytes`].
pub(super) enum Pixels {
    /// Samples one after the other.
    Native {
        /// The value.
        value: Range<usize>,
        /// Words are big endian.
        big_endian: bool,
        /// The value is a series of 16-bit words (OW), also where samples have 8 bits.
        words: bool,
    },
    /// Fragments, without the offset table.
    Encapsulated(Vec<Range<usize>>),
}

/// Finds the pixels.
///
/// # Errors
/// [`ImageError::File`], or [`ImageError::Pixels`] where there are none.
pub(super) fn locate(bytes: &[u8]) -> Result<Source<'_>, ImageError> {
    let file = part10(bytes)?;
    let start = &bytes[..bytes.len().min(header::START)];
    let whole = start.len() == bytes.len();
    let (image, _) = header::read_start(start, whole).map_err(unreadable)?;
    let dataset = image.dataset;
    // What the header says is enough to know how much a deflated data set may hold.
    let claimed = PixelLayout::read(&dataset).map_or(0, |layout| layout.pixels() * layout.sample_bytes());
    let most = (claimed + header::START) as u64;
    let Scanned { bytes: data, encoding, pixels, .. } = scan_within(file.dataset, &file.transfer_syntax, most)?;
    let Some(element) = pixels else {
        return Err(ImageError::pixels(PixelProblem::Missing, "there is no Pixel Data"));
    };
    let pixels = if element.encapsulated {
        Pixels::Encapsulated(fragments(&data, element)?)
    } else {
        let big_endian = encoding == Encoding::ExplicitBig;
        // Implicit VR means OW (PS3.5 A.1); it is little endian, so only its length matters there.
        let words = data.get(element.offset + 4..element.offset + 6) == Some(b"OW".as_slice());
        Pixels::Native { value: element.value..element.value + element.length, big_endian, words }
    };
    Ok(Source { transfer_syntax: file.transfer_syntax, dataset, bytes: data, pixels })
}

fn unreadable(error: HeaderError) -> ImageError {
    match error {
        HeaderError::Scan(error) => error.into(),
        other => ImageError::Header(other.to_string()),
    }
}

/// The fragments behind the Basic Offset Table. The walk has checked every length.
fn fragments(data: &[u8], element: PixelElement) -> Result<Vec<Range<usize>>, ImageError> {
    const ITEM: [u8; 4] = [0xfe, 0xff, 0x00, 0xe0];
    let broken = || ImageError::Header("the fragments of Pixel Data are not items".to_owned());
    let end = element.value + element.length;
    let mut found = Vec::new();
    let mut at = element.value;
    while data.get(at..at + 4) == Some(ITEM.as_slice()) && at < end {
        let length = data.get(at + 4..at + 8).ok_or_else(broken)?;
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let value = at + 8..(at + 8).checked_add(length).filter(|&to| to <= end).ok_or_else(broken)?;
        at = value.end;
        found.push(value);
    }
    if found.is_empty() {
        return Err(broken());
    }
    found.remove(0);
    Ok(found)
}
