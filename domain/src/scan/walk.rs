//! The walk: element headers, sequences, items, delimiters and fragments (PS3.5 sections 7.1, 7.5
//! and annex A.4).

use super::{Encoding, MAX_DEPTH, MAX_ELEMENTS, PixelElement, Place, ScanError};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;
use dicom_dictionary_std::tags::PIXEL_DATA;

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// What the walk meets, in file order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Token<'a> {
    /// An element with a plain value.
    Value { tag: Tag, vr: VR, bytes: &'a [u8], big_endian: bool },
    /// A sequence begins: its items follow.
    Sequence(Tag),
    /// An item begins: its elements follow.
    Item,
    /// The item ends.
    ItemEnd,
    /// The sequence ends.
    SequenceEnd,
}

/// What is left to say at the end.
pub(crate) struct Walked {
    /// The image's Pixel Data, if it is whole.
    pub(crate) pixels: Option<PixelElement>,
    /// Where the image's Pixel Data begins, whole or not.
    pub(crate) pixels_at: Option<usize>,
    pub(crate) elements: usize,
    /// Where the last whole element of the top level ends.
    pub(crate) complete: usize,
    /// The first error met, at which the walk ended.
    pub(crate) error: Option<ScanError>,
}

/// Walks the whole data set. Pixel data, of the image or of an icon, is checked but not shown.
/// With an error, the tokens already shown are worthless.
pub(crate) fn walk(data: &[u8], encoding: Encoding, sink: &mut dyn FnMut(Token<'_>)) -> Walked {
    let mut walker = Walker { data, sink, pixels: None, pixels_at: None, elements: 0, complete: 0 };
    let all = Span { from: 0, bound: data.len(), delimited: false };
    let error = walker.elements(all, encoding, 0).err();
    let Walker { pixels, pixels_at, elements, complete, .. } = walker;
    Walked { pixels, pixels_at, elements, complete, error }
}

/// Where a group's elements end, without walking into any of them: for file meta information.
///
/// # Errors
/// [`ScanError`] if an element reaches beyond the data.
pub(super) fn group_end(data: &[u8], from: usize, group: u16) -> Result<usize, ScanError> {
    let mut walker = Walker { data, sink: &mut |_| {}, pixels: None, pixels_at: None, elements: 0, complete: 0 };
    let mut at = from;
    while data.get(at..at + 2) == Some(group.to_le_bytes().as_slice()) {
        let header = walker.header(at, data.len(), Encoding::ExplicitLittle)?;
        let length = header.length.ok_or_else(|| header.malformed("undefined length in this group"))?;
        at = walker.end_of(&header, length, data.len())?;
    }
    Ok(at)
}

struct Walker<'a, 's> {
    data: &'a [u8],
    sink: &'s mut dyn FnMut(Token<'_>),
    pixels: Option<PixelElement>,
    pixels_at: Option<usize>,
    elements: usize,
    complete: usize,
}

/// A stretch of elements: up to `bound`, or up to a delimiter that must come before `bound`.
#[derive(Clone, Copy)]
struct Span {
    from: usize,
    bound: usize,
    delimited: bool,
}

/// A header, its value begins at `value`.
#[derive(Clone, Copy)]
struct Header {
    tag: Tag,
    vr: VR,
    /// `None`: undefined.
    length: Option<usize>,
    offset: usize,
    value: usize,
}

impl Header {
    const fn place(&self) -> Place {
        Place { tag: Some(self.tag), offset: self.offset }
    }

    fn malformed(&self, what: &'static str) -> ScanError {
        ScanError::Malformed { what, place: self.place() }
    }
}

impl Walker<'_, '_> {
    /// Walks elements; returns the offset behind them and behind their delimiter.
    fn elements(&mut self, span: Span, encoding: Encoding, depth: usize) -> Result<usize, ScanError> {
        let mut at = span.from;
        loop {
            if at == span.bound && !span.delimited {
                return Ok(at);
            }
            if depth == 0 && self.is_padding(at) {
                return Ok(span.bound);
            }
            let header = self.header(at, span.bound, encoding)?;
            match header.tag {
                ITEM_END if span.delimited => return Ok(header.value),
                Tag(0xFFFE, _) => return Err(header.malformed("item or delimiter out of place")),
                Tag(0, _) => return Err(header.malformed("command element in a data set")),
                _ => at = self.element(header, span.bound, encoding, depth)?,
            }
            if depth == 0 {
                self.complete = at;
            }
        }
    }

    /// Some writers fill the last block of a file with zeros.
    fn is_padding(&self, at: usize) -> bool {
        let rest = &self.data[at..];
        // Only a rest that starts like padding is looked at whole, and then the walk ends.
        rest.first_chunk::<8>() == Some(&[0; 8]) && rest.iter().all(|b| *b == 0)
    }

    /// Walks the value of one element; returns the offset behind it.
    fn element(&mut self, header: Header, bound: usize, encoding: Encoding, depth: usize) -> Result<usize, ScanError> {
        let pixel_data = header.tag == PIXEL_DATA;
        if pixel_data && depth == 0 {
            if self.pixels_at.is_some() {
                return Err(header.malformed("a second Pixel Data element"));
            }
            self.pixels_at = Some(header.offset);
        }
        let end = match header.length {
            Some(_) if header.vr == VR::SQ => return self.sequence(header, bound, encoding, depth),
            Some(length) => self.end_of(&header, length, bound)?,
            None if pixel_data => self.fragments(&header, bound)?,
            None if header.vr == VR::SQ => return self.sequence(header, bound, encoding, depth),
            // PS3.5 section 6.2.2: the value is a sequence in Implicit VR Little Endian.
            None if header.vr == VR::UN => {
                return self.sequence(header, bound, Encoding::ImplicitLittle, depth);
            }
            None => return Err(header.malformed("undefined length where the VR does not allow it")),
        };
        if !pixel_data {
            (self.sink)(Token::Value {
                tag: header.tag,
                vr: header.vr,
                bytes: &self.data[header.value..end],
                big_endian: encoding == Encoding::ExplicitBig,
            });
        } else if depth == 0 {
            self.pixels = Some(PixelElement {
                offset: header.offset,
                value: header.value,
                length: end - header.value,
                encapsulated: header.length.is_none(),
            });
        }
        Ok(end)
    }

    fn sequence(&mut self, header: Header, bound: usize, encoding: Encoding, depth: usize) -> Result<usize, ScanError> {
        if depth == MAX_DEPTH {
            return Err(ScanError::TooDeep(header.place()));
        }
        let end = header.length.map(|length| self.end_of(&header, length, bound)).transpose()?;
        let bound = end.unwrap_or(bound);
        (self.sink)(Token::Sequence(header.tag));
        let mut at = header.value;
        while end != Some(at) {
            let item = self.header(at, bound, encoding)?;
            at = match (item.tag, item.length) {
                (SEQUENCE_END, _) if end.is_none() => {
                    at = item.value;
                    break;
                }
                (ITEM, length) => {
                    (self.sink)(Token::Item);
                    let span = Span {
                        from: item.value,
                        bound: length.map_or(Ok(bound), |n| self.end_of(&item, n, bound))?,
                        delimited: length.is_none(),
                    };
                    let after = self.elements(span, encoding, depth + 1)?;
                    (self.sink)(Token::ItemEnd);
                    after
                }
                _ => return Err(item.malformed("something other than an item in a sequence")),
            };
        }
        (self.sink)(Token::SequenceEnd);
        Ok(at)
    }

    /// Checks encapsulated pixel data: items of defined length, then a delimiter.
    fn fragments(&mut self, header: &Header, bound: usize) -> Result<usize, ScanError> {
        let mut at = header.value;
        loop {
            // Item headers are the same in all little-endian encodings.
            let item = self.header(at, bound, Encoding::ExplicitLittle)?;
            match (item.tag, item.length) {
                (SEQUENCE_END, _) => return Ok(item.value),
                (ITEM, Some(length)) => at = self.end_of(&item, length, bound)?,
                (ITEM, None) => return Err(item.malformed("a fragment of undefined length")),
                _ => return Err(item.malformed("something other than a fragment in pixel data")),
            }
        }
    }

    /// Where a value of a given length ends, if it is there at all.
    fn end_of(&self, header: &Header, length: usize, bound: usize) -> Result<usize, ScanError> {
        match header.value.checked_add(length) {
            Some(end) if end <= bound => Ok(end),
            Some(end) if end <= self.data.len() => {
                Err(header.malformed("an element is longer than the item or sequence around it"))
            }
            _ => Err(ScanError::Truncated(header.place())),
        }
    }

    fn header(&mut self, offset: usize, bound: usize, encoding: Encoding) -> Result<Header, ScanError> {
        let big = encoding == Encoding::ExplicitBig;
        let mut reader = Bytes { data: &self.data[..bound], at: offset, big };
        let short = |tag| {
            let place = Place { tag, offset };
            if bound == self.data.len() {
                ScanError::Truncated(place)
            } else {
                ScanError::Malformed { what: "an item ends inside an element header", place }
            }
        };
        let tag = reader.tag().ok_or_else(|| short(None))?;
        let place = Place { tag: Some(tag), offset };
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(ScanError::TooMany(place));
        }
        let (vr, length) = if tag.group() == 0xFFFE {
            (VR::UN, reader.u32())
        } else if encoding == Encoding::ImplicitLittle {
            (vr_of(tag), reader.u32())
        } else {
            let code = reader.take::<2>().ok_or_else(|| short(Some(tag)))?;
            // VRs of the future have two capitals and the long form (PS3.5 section 7.1.2).
            let vr = match VR::from_binary(code) {
                Some(vr) => vr,
                None if code.iter().all(u8::is_ascii_uppercase) => VR::UN,
                None => return Err(ScanError::Malformed { what: "no value representation", place }),
            };
            if has_short_length(vr) {
                (vr, reader.u16().map(u32::from))
            } else {
                (vr, reader.take::<2>().and_then(|_| reader.u32()))
            }
        };
        let length = length.ok_or_else(|| short(Some(tag)))?;
        let length = (length != u32::MAX).then_some(length as usize);
        Ok(Header { tag, vr, length, offset, value: reader.at })
    }
}

/// The VR that Implicit VR leaves to the dictionary.
fn vr_of(tag: Tag) -> VR {
    if let Some(entry) = StandardDataDictionary.by_tag(tag) {
        return match entry.vr() {
            VirtualVr::Exact(vr) => vr,
            other => other.relaxed(),
        };
    }
    // Private creators (PS3.5 section 7.8.1).
    if tag.group() % 2 == 1 && (0x10..=0xFF).contains(&tag.element()) { VR::LO } else { VR::UN }
}

const fn has_short_length(vr: VR) -> bool {
    use VR::*;
    matches!(vr, AE | AS | AT | CS | DA | DS | DT | FD | FL | IS | LO | LT | PN | SH | SL | SS | ST | TM | UI | UL | US)
}

/// A cursor that never reads beyond its bytes.
pub(super) struct Bytes<'a> {
    pub(super) data: &'a [u8],
    pub(super) at: usize,
    pub(super) big: bool,
}

impl Bytes<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.data.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let big = self.big;
        self.take().map(|b| if big { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) })
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let big = self.big;
        self.take().map(|b| if big { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) })
    }

    pub(super) fn tag(&mut self) -> Option<Tag> {
        Some(Tag(self.u16()?, self.u16()?))
    }
}
