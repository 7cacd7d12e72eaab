//! The data set in memory, built from the tokens of the walk, texts in Unicode.

use crate::scan::Token;
use crate::text::{Charset, CharsetDoubt, TextKind};
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::value::{C, DataSetSequence, PrimitiveValue};
use dicom_core::{DataElement, Length, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::mem::{InMemDicomObject, InMemElement};

/// What has to be known of the top level before its values can be read, in whatever order they
/// come: the character set and whether pixel values are signed.
#[derive(Debug, Default)]
pub(super) struct Declared {
    charset: Charset,
    signed: bool,
    depth: usize,
}

impl Declared {
    pub(super) fn look(&mut self, token: &Token<'_>) {
        match *token {
            Token::Sequence(_) => self.depth += 1,
            Token::SequenceEnd => self.depth -= 1,
            Token::Value { tag, bytes, big_endian, .. } if self.depth == 0 => match tag {
                tags::SPECIFIC_CHARACTER_SET => self.charset = charset(bytes),
                tags::PIXEL_REPRESENTATION => {
                    self.signed = words(bytes, big_endian, u16::from_le_bytes).first() == Some(&1);
                }
                _ => {}
            },
            _ => {}
        }
    }
}

fn charset(bytes: &[u8]) -> Charset {
    Charset::parse(&String::from_utf8_lossy(bytes))
}

/// Builds the object; sequences in work stand on a stack.
pub(super) struct Builder {
    levels: Vec<Level>,
    open: Vec<(Tag, Vec<InMemDicomObject>)>,
    signed: bool,
    /// Sequences entered inside one that is left out.
    skipped: usize,
    doubt: Option<CharsetDoubt>,
}

struct Level {
    charset: Charset,
    elements: Vec<InMemElement>,
}

impl Builder {
    pub(super) fn new(declared: &Declared) -> Self {
        Self {
            levels: vec![Level { charset: declared.charset.clone(), elements: Vec::new() }],
            open: Vec::new(),
            signed: declared.signed,
            skipped: 0,
            doubt: None,
        }
    }

    pub(super) fn take(&mut self, token: Token<'_>) {
        match token {
            Token::Sequence(tag) if self.skipped > 0 || left_out(tag) => self.skipped += 1,
            Token::SequenceEnd if self.skipped > 0 => self.skipped -= 1,
            _ if self.skipped > 0 => {}
            Token::Sequence(tag) => self.open.push((tag, Vec::new())),
            Token::Item => {
                let charset = self.levels.last().map(|l| l.charset.clone()).unwrap_or_default();
                self.levels.push(Level { charset, elements: Vec::new() });
            }
            Token::ItemEnd => {
                if let (Some(level), Some((_, items))) = (self.levels.pop(), self.open.last_mut()) {
                    items.push(InMemDicomObject::from_element_iter(level.elements));
                }
            }
            Token::SequenceEnd => {
                if let (Some((tag, items)), Some(level)) = (self.open.pop(), self.levels.last_mut()) {
                    let sequence = DataSetSequence::new(items, Length::UNDEFINED);
                    level.elements.push(DataElement::new(tag, VR::SQ, sequence));
                }
            }
            Token::Value { tag, .. } if left_out(tag) => {}
            Token::Value { tag: tags::SPECIFIC_CHARACTER_SET, bytes, .. } => {
                // An item's own declaration; the top level's is known already. It is not kept:
                // everything is Unicode now.
                if let Some(level) = self.levels.last_mut() {
                    level.charset = charset(bytes);
                }
            }
            Token::Value { tag, vr, bytes, big_endian } => {
                let vr = known_vr(tag, vr, self.signed);
                let Some(level) = self.levels.last_mut() else { return };
                let value = match text_kind(vr) {
                    Some(kind) => {
                        let decoded = level.charset.decode(bytes, kind);
                        self.doubt = self.doubt.max(decoded.doubt);
                        text(&decoded.text, kind)
                    }
                    None => binary(vr, bytes, big_endian),
                };
                // A value that is no multiple of its VR's size stays what it is: bytes.
                let vr = if matches!(value, PrimitiveValue::U8(_)) && vr != VR::OB { VR::UN } else { vr };
                level.elements.push(DataElement::new(tag, vr, value));
            }
        }
    }

    pub(super) fn finish(mut self) -> (InMemDicomObject, Option<CharsetDoubt>) {
        let mut elements = self.levels.pop().map(|l| l.elements).unwrap_or_default();
        elements.push(DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, PrimitiveValue::from("ISO_IR 192")));
        (InMemDicomObject::from_element_iter(elements), self.doubt)
    }
}

/// Pixel data and its companions, padding, and the attributes of thousands of frames.
fn left_out(tag: Tag) -> bool {
    tag.group() == 0x7FE0 || tag == tags::DATA_SET_TRAILING_PADDING || tag == tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE
}

/// Gateways write attributes as UN whose VR everybody knows; implicit VR leaves US or SS open.
fn known_vr(tag: Tag, vr: VR, signed: bool) -> VR {
    if !matches!(vr, VR::UN | VR::US) {
        return vr;
    }
    match StandardDataDictionary.by_tag(tag).map(|entry| entry.vr()) {
        Some(VirtualVr::Xs) if signed => VR::SS,
        Some(VirtualVr::Exact(known)) if vr == VR::UN && text_kind(known).is_some() => known,
        _ => vr,
    }
}

/// How any textual VR is delimited. The character set applies to more VRs here than the standard
/// says: a body part of `TÓRAX` exists, and for ASCII it makes no difference.
fn text_kind(vr: VR) -> Option<TextKind> {
    use VR::*;
    match vr {
        AE | AS | CS | DA | DS | DT | IS | TM | UI => Some(TextKind::Multiple),
        UR => Some(TextKind::Single),
        _ => TextKind::of(vr),
    }
}

/// A text without the padding behind each value.
fn text(decoded: &str, kind: TextKind) -> PrimitiveValue {
    let trim = |value: &str| value.trim_end_matches([' ', '\0']).to_owned();
    if trim(decoded).is_empty() {
        PrimitiveValue::Empty
    } else if kind == TextKind::Single {
        PrimitiveValue::Str(trim(decoded))
    } else {
        PrimitiveValue::Strs(decoded.split('\\').map(trim).collect())
    }
}

fn binary(vr: VR, bytes: &[u8], big: bool) -> PrimitiveValue {
    let size = match vr {
        VR::US | VR::SS | VR::OW => 2,
        VR::AT | VR::UL | VR::SL | VR::FL | VR::OL | VR::OF => 4,
        VR::FD | VR::OD | VR::UV | VR::SV | VR::OV => 8,
        _ => 1,
    };
    if bytes.is_empty() {
        return PrimitiveValue::Empty;
    }
    if !bytes.len().is_multiple_of(size) {
        return PrimitiveValue::U8(bytes.into());
    }
    match vr {
        VR::US | VR::OW => PrimitiveValue::U16(words(bytes, big, u16::from_le_bytes)),
        VR::SS => PrimitiveValue::I16(words(bytes, big, i16::from_le_bytes)),
        VR::UL | VR::OL => PrimitiveValue::U32(words(bytes, big, u32::from_le_bytes)),
        VR::SL => PrimitiveValue::I32(words(bytes, big, i32::from_le_bytes)),
        VR::FL | VR::OF => PrimitiveValue::F32(words(bytes, big, f32::from_le_bytes)),
        VR::FD | VR::OD => PrimitiveValue::F64(words(bytes, big, f64::from_le_bytes)),
        VR::UV | VR::OV => PrimitiveValue::U64(words(bytes, big, u64::from_le_bytes)),
        VR::SV => PrimitiveValue::I64(words(bytes, big, i64::from_le_bytes)),
        VR::AT => {
            let halves: C<u16> = words(bytes, big, u16::from_le_bytes);
            PrimitiveValue::Tags(halves.chunks_exact(2).map(|t| Tag(t[0], t[1])).collect())
        }
        _ => PrimitiveValue::U8(bytes.into()),
    }
}

fn words<const N: usize, T>(bytes: &[u8], big: bool, read: impl Fn([u8; N]) -> T) -> C<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks
        .iter()
        .map(|chunk| {
            let mut chunk = *chunk;
            if big {
                chunk.reverse();
            }
            read(chunk)
        })
        .collect()
}
