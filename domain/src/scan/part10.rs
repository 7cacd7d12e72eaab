//! Part 10 files: preamble, prefix and file meta information (PS3.10 section 7.1).

use super::walk::{Token, group_end, walk};
use super::{Encoding, Place, ScanError};
use dicom_core::Tag;

/// Largest file meta information; private information (0002,0102) included.
const MAX_META: usize = 1 << 20;

/// A file cut into its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part10<'a> {
    /// Transfer Syntax UID (0002,0010).
    pub transfer_syntax: String,
    /// Media Storage SOP Class UID (0002,0002).
    pub sop_class: Option<String>,
    /// Media Storage SOP Instance UID (0002,0003).
    pub sop_instance: Option<String>,
    /// The data set, as encoded.
    pub dataset: &'a [u8],
    /// Where the data set begins in the file.
    pub dataset_offset: usize,
}

/// Finds file meta information and data set. The group length is not believed: the meta
/// information ends where group 0002 does.
///
/// # Errors
/// [`ScanError`]; offsets count from the start of the file.
pub fn part10(bytes: &[u8]) -> Result<Part10<'_>, ScanError> {
    const START: usize = 132;
    if bytes.get(128..START) != Some(b"DICM".as_slice()) {
        return Err(ScanError::NotDicom);
    }
    let end = group_end(bytes, START, 2)?;
    if end - START > MAX_META {
        let place = Place { tag: None, offset: START };
        return Err(ScanError::Malformed { what: "file meta information larger than 1 MiB", place });
    }
    let mut syntax = None;
    let mut sop_class = None;
    let mut sop_instance = None;
    let mut keep = |token: Token<'_>| {
        if let Token::Value { tag, bytes, .. } = token {
            let text = || Some(String::from_utf8_lossy(bytes).trim_end_matches(['\0', ' ']).to_owned());
            match tag {
                Tag(2, 0x0002) => sop_class = text(),
                Tag(2, 0x0003) => sop_instance = text(),
                Tag(2, 0x0010) => syntax = text(),
                _ => {}
            }
        }
    };
    if let Some(error) = walk(&bytes[START..end], Encoding::ExplicitLittle, &mut keep).error {
        return Err(from_file_start(error, START));
    }
    Ok(Part10 {
        transfer_syntax: syntax.filter(|s| !s.is_empty()).ok_or(ScanError::NoTransferSyntax)?,
        sop_class,
        sop_instance,
        dataset: &bytes[end..],
        dataset_offset: end,
    })
}

/// Moves the places of an error that was found in the meta information alone.
fn from_file_start(error: ScanError, by: usize) -> ScanError {
    let moved = |p: Place| Place { tag: p.tag, offset: p.offset + by };
    match error {
        ScanError::Truncated(p) => ScanError::Truncated(moved(p)),
        ScanError::TooDeep(p) => ScanError::TooDeep(moved(p)),
        ScanError::TooMany(p) => ScanError::TooMany(moved(p)),
        ScanError::Malformed { what, place } => ScanError::Malformed { what, place: moved(place) },
        other => other,
    }
}
