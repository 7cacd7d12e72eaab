//! Writing data sets: typed setters and the Part 10 encoding (PS3.5 section 7, PS3.10 section 7).
//!
//! Always Explicit VR Little Endian and Unicode; element order is by tag, so equal values give
//! equal bytes.

use super::modules::Identity;
use super::{BuildError, Context};
use crate::code::{Code, CodingScheme};
use crate::implementation::{IMPLEMENTATION_VERSION, implementation_class_uid};
use crate::profile::ResultKind;
use crate::uid::Uid;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR, value::DataSetSequence};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use std::collections::BTreeSet;

/// Explicit VR Little Endian.
pub(super) const EXPLICIT_LITTLE_ENDIAN: &str = "1.2.840.10008.1.2.1";

/// A data set under construction.
#[derive(Debug, Clone)]
pub(super) struct Dataset(InMemDicomObject);

impl Dataset {
    pub(super) fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    pub(super) fn into_inner(self) -> InMemDicomObject {
        self.0
    }

    fn put(&mut self, tag: Tag, vr: VR, value: PrimitiveValue) -> &mut Self {
        self.0.put(DataElement::new(tag, vr, value));
        self
    }

    /// A text of our own, made to fit its VR (sources' texts are copied by [`super::copy`]).
    pub(super) fn text(&mut self, tag: Tag, vr: VR, text: &str) -> &mut Self {
        let text = fit(vr, text);
        self.put(tag, vr, PrimitiveValue::from(text))
    }

    /// Several values of one text attribute.
    pub(super) fn texts(&mut self, tag: Tag, vr: VR, values: &[&str]) -> &mut Self {
        let values = values.iter().map(|v| fit(vr, v)).collect();
        self.put(tag, vr, PrimitiveValue::Strs(values))
    }

    pub(super) fn empty(&mut self, tag: Tag, vr: VR) -> &mut Self {
        if vr == VR::SQ {
            return self.items(tag, Vec::new());
        }
        self.put(tag, vr, PrimitiveValue::Empty)
    }

    pub(super) fn uid(&mut self, tag: Tag, uid: &Uid) -> &mut Self {
        self.put(tag, VR::UI, PrimitiveValue::from(uid.as_str()))
    }

    pub(super) fn number(&mut self, tag: Tag, number: impl std::fmt::Display) -> &mut Self {
        self.put(tag, VR::IS, PrimitiveValue::from(number.to_string()))
    }

    pub(super) fn us(&mut self, tag: Tag, values: &[u16]) -> &mut Self {
        self.put(tag, VR::US, PrimitiveValue::U16(values.into()))
    }

    pub(super) fn ul(&mut self, tag: Tag, values: &[u32]) -> &mut Self {
        self.put(tag, VR::UL, PrimitiveValue::U32(values.into()))
    }

    /// A tag as a value.
    pub(super) fn tag(&mut self, tag: Tag, value: Tag) -> &mut Self {
        self.put(tag, VR::AT, PrimitiveValue::Tags([value].as_slice().into()))
    }

    pub(super) fn sl(&mut self, tag: Tag, values: &[i32]) -> &mut Self {
        self.put(tag, VR::SL, PrimitiveValue::I32(values.into()))
    }

    pub(super) fn fl(&mut self, tag: Tag, values: &[f32]) -> &mut Self {
        self.put(tag, VR::FL, PrimitiveValue::F32(values.into()))
    }

    pub(super) fn items(&mut self, tag: Tag, items: Vec<Self>) -> &mut Self {
        let items: Vec<_> = items.into_iter().map(Self::into_inner).collect();
        self.0.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
        self
    }

    pub(super) fn code(&mut self, tag: Tag, code: &Code) -> &mut Self {
        self.items(tag, vec![code_item(code)])
    }

    /// Coding Scheme Identification Sequence: the schemes that receivers cannot know, each once.
    pub(super) fn coding_schemes<'a>(&mut self, schemes: impl Iterator<Item = &'a CodingScheme>) -> &mut Self {
        let schemes: BTreeSet<_> = schemes.collect();
        let items: Vec<Self> = schemes
            .into_iter()
            .map(|scheme| {
                let mut item = Self::new();
                item.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, &scheme.designator).text(
                    tags::CODING_SCHEME_NAME,
                    VR::ST,
                    &scheme.name,
                );
                if let Some(uid) = &scheme.uid {
                    item.uid(tags::CODING_SCHEME_UID, uid);
                }
                if let Some(organization) = &scheme.organization {
                    item.text(tags::CODING_SCHEME_RESPONSIBLE_ORGANIZATION, VR::ST, organization);
                }
                item
            })
            .collect();
        if items.is_empty() { self } else { self.items(tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE, items) }
    }

    /// Referenced SOP Class and Instance UID.
    pub(super) fn reference(class: &Uid, instance: &Uid) -> Self {
        let mut item = Self::new();
        item.uid(tags::REFERENCED_SOP_CLASS_UID, class).uid(tags::REFERENCED_SOP_INSTANCE_UID, instance);
        item
    }

    /// Puts a finished element, for example one copied from a source.
    pub(super) fn element(&mut self, element: dicom_object::mem::InMemElement) -> &mut Self {
        self.0.put(element);
        self
    }

    pub(super) fn absorb(&mut self, other: InMemDicomObject) -> &mut Self {
        for element in other {
            self.0.put(element);
        }
        self
    }
}

/// One item of a code sequence, with its equivalents in other schemes.
fn code_item(code: &Code) -> Dataset {
    let mut item = Dataset::new();
    item.text(tags::CODE_VALUE, VR::SH, &code.value).text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, &code.scheme).text(
        tags::CODE_MEANING,
        VR::LO,
        &code.meaning,
    );
    if !code.equivalents.is_empty() {
        item.items(tags::EQUIVALENT_CODE_SEQUENCE, code.equivalents.iter().map(code_item).collect());
    }
    item
}

/// Makes a text of ours fit its VR: no separators or control characters, cut at the limit.
fn fit(vr: VR, text: &str) -> String {
    let (limit, single) = match vr {
        VR::SH | VR::CS | VR::AE => (16, true),
        VR::LO | VR::PN => (64, true),
        VR::ST => (1024, false),
        VR::LT => (10_240, false),
        _ => return text.to_owned(),
    };
    let clean = |c: char| match c {
        '\\' if single => '/',
        c if c.is_control() && (single || c != '\n' && c != '\r') => ' ',
        c => c,
    };
    text.chars().map(clean).take(limit).collect::<String>().trim_end().to_owned()
}

/// The finished file.
pub(super) fn encode(
    context: &Context,
    kind: ResultKind,
    class: &Uid,
    instance: &Uid,
    dataset: Dataset,
) -> Result<Vec<u8>, BuildError> {
    encode_as(EXPLICIT_LITTLE_ENDIAN, context, kind, (class, instance), dataset)
}

/// The same, named as of another transfer syntax. All of them write data sets alike; pixels are none of it.
fn encode_as(
    syntax: &str,
    context: &Context,
    kind: ResultKind,
    (class, instance): (&Uid, &Uid),
    dataset: Dataset,
) -> Result<Vec<u8>, BuildError> {
    let fail = |reason: String| BuildError::Encode { kind, reason };
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(class.as_str())
        .media_storage_sop_instance_uid(instance.as_str())
        .transfer_syntax(syntax)
        .implementation_class_uid(implementation_class_uid().as_str())
        .implementation_version_name(IMPLEMENTATION_VERSION)
        .source_application_entity_title(fit(VR::AE, &context.node.ae_title))
        .build()
        .map_err(|e| fail(e.to_string()))?;
    let mut bytes = Vec::new();
    dataset.into_inner().with_exact_meta(meta).write_all(&mut bytes).map_err(|e| fail(e.to_string()))?;
    Ok(bytes)
}

/// The finished file of an image, whose pixels are drawn where they end up: they are the last element, and
/// large. `draw` finds `length` zero bytes, an even number.
pub(super) fn encode_with_pixels(
    context: &Context,
    identity: &Identity,
    dataset: Dataset,
    length: usize,
    draw: impl FnOnce(&mut [u8]),
) -> Result<Vec<u8>, BuildError> {
    let mut bytes = encode(context, identity.kind, &identity.class, &identity.instance, dataset)?;
    let value = u32::try_from(length).map_err(|e| BuildError::Encode { kind: identity.kind, reason: e.to_string() })?;
    bytes.reserve_exact(12 + length);
    bytes.extend(b"\xe0\x7f\x10\x00OB\x00\x00");
    bytes.extend(value.to_le_bytes());
    let start = bytes.len();
    bytes.resize(start + length, 0);
    draw(&mut bytes[start..]);
    Ok(bytes)
}

/// The finished file of an image with one compressed frame (PS3.5 section A.4): no offset table, one fragment.
pub(super) fn encode_with_frame(
    syntax: &str,
    context: &Context,
    identity: &Identity,
    dataset: Dataset,
    frame: &[u8],
) -> Result<Vec<u8>, BuildError> {
    let mut bytes = encode_as(syntax, context, identity.kind, (&identity.class, &identity.instance), dataset)?;
    let length =
        u32::try_from(frame.len()).map_err(|e| BuildError::Encode { kind: identity.kind, reason: e.to_string() })?;
    bytes.reserve_exact(frame.len() + 36);
    bytes.extend(b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff");
    bytes.extend(b"\xfe\xff\x00\xe0\x00\x00\x00\x00");
    bytes.extend(b"\xfe\xff\x00\xe0");
    bytes.extend(length.to_le_bytes());
    bytes.extend(frame);
    bytes.extend(b"\xfe\xff\xdd\xe0\x00\x00\x00\x00");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_texts_are_made_to_fit() {
        assert_eq!(fit(VR::LO, &"ñ".repeat(70)).chars().count(), 64);
        assert_eq!(fit(VR::LO, "a\\b\nc"), "a/b c");
        assert_eq!(fit(VR::ST, "a\\b\nc\u{7}"), "a\\b\nc");
        assert_eq!(fit(VR::UT, "x\\y"), "x\\y");
    }
}
