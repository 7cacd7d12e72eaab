//! Copying patient, study and display attributes from a film into its results, equal after
//! decoding (PS3.3 C.7.1.1, C.7.2.1, C.11).
//!
//! A value that is invalid for its VR is left out (or written empty where the attribute must be
//! there) and remembered as a [`LeftOut`]. Nothing is repaired.

use super::LeftOut;
use super::dataset::Dataset;
use super::validity::is_valid;
use crate::evidence::SourceImage;
use crate::uid::Uid;
use dicom_core::dictionary::DataDictionary;
use dicom_core::header::{HasLength, Header};
use dicom_core::value::{DataSetSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;
use std::collections::BTreeSet;

/// Whether an attribute without a valid value is written empty or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Type 2: present, perhaps empty.
    Empty,
    /// Type 3: only with a value.
    Optional,
}

use Need::{Empty, Optional};

/// Patient and study attributes with one value each. Species and breed stay behind: half of their
/// group, as archives hold it, would break the module's conditions.
const PATIENT_AND_STUDY: [(Tag, VR, Need); 18] = [
    (tags::PATIENT_NAME, VR::PN, Empty),
    (tags::PATIENT_ID, VR::LO, Empty),
    (tags::ISSUER_OF_PATIENT_ID, VR::LO, Optional),
    (tags::TYPE_OF_PATIENT_ID, VR::CS, Optional),
    (tags::PATIENT_BIRTH_DATE, VR::DA, Empty),
    (tags::PATIENT_BIRTH_TIME, VR::TM, Optional),
    (tags::PATIENT_SEX, VR::CS, Empty),
    (tags::PATIENT_AGE, VR::AS, Optional),
    (tags::PATIENT_SIZE, VR::DS, Optional),
    (tags::PATIENT_WEIGHT, VR::DS, Optional),
    (tags::PATIENT_COMMENTS, VR::LT, Optional),
    (tags::STUDY_DATE, VR::DA, Empty),
    (tags::STUDY_TIME, VR::TM, Empty),
    (tags::ACCESSION_NUMBER, VR::SH, Empty),
    (tags::STUDY_ID, VR::SH, Empty),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN, Empty),
    (tags::STUDY_DESCRIPTION, VR::LO, Optional),
    (tags::ADMISSION_ID, VR::LO, Optional),
];

/// Patient and study sequences with what each of their items must have.
const SEQUENCES: [(Tag, &[Tag]); 4] = [
    (tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE, &[]),
    (tags::OTHER_PATIENT_I_DS_SEQUENCE, &[tags::PATIENT_ID, tags::TYPE_OF_PATIENT_ID]),
    (tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE, &[]),
    (tags::ISSUER_OF_ADMISSION_ID_SEQUENCE, &[]),
];

/// Reads one film's header and remembers what it could not use.
pub(super) struct Copier<'a> {
    source: &'a InMemDicomObject,
    film: Uid,
    left_out: BTreeSet<LeftOut>,
}

impl<'a> Copier<'a> {
    pub(super) fn new(image: &'a SourceImage) -> Self {
        Self { source: &image.dataset, film: image.header.sop_instance.clone(), left_out: BTreeSet::new() }
    }

    pub(super) fn left_out(self) -> BTreeSet<LeftOut> {
        self.left_out
    }

    fn leave_out(&mut self, tag: Tag) {
        self.left_out.insert(LeftOut { source: self.film.clone(), attribute: attribute_name(tag) });
    }

    /// The valid values of a text attribute; none where it is absent, empty or invalid.
    pub(super) fn values(&mut self, tag: Tag, vr: VR, most: usize) -> Option<Vec<String>> {
        match read_values(self.source, tag, vr, most) {
            Ok(values) => values,
            Err(Invalid) => {
                self.leave_out(tag);
                None
            }
        }
    }

    /// The valid value of a text attribute with one value.
    pub(super) fn value(&mut self, tag: Tag, vr: VR) -> Option<String> {
        self.values(tag, vr, 1).and_then(|v| v.into_iter().next())
    }

    /// Copies a text attribute with one value.
    pub(super) fn copy(&mut self, to: &mut Dataset, tag: Tag, vr: VR, need: Need) {
        match (self.value(tag, vr), need) {
            (Some(value), _) => {
                to.element(DataElement::new(tag, vr, PrimitiveValue::from(value)));
            }
            (None, Empty) => {
                to.empty(tag, vr);
            }
            (None, Optional) => {}
        }
    }

    /// Copies a sequence whole, or not at all if anything in it is invalid.
    pub(super) fn sequence(&mut self, tag: Tag, required: &[Tag]) -> Option<InMemElement> {
        let items = self.source.get(tag)?.items()?;
        let clean: Result<Vec<_>, Invalid> = items.iter().map(clean_item).collect();
        let whole = |item: &InMemDicomObject| {
            item.iter().next().is_some()
                && required.iter().all(|tag| matches!(read_values(item, *tag, vr_of(*tag), 1), Ok(Some(_))))
        };
        match clean {
            Ok(items) if items.is_empty() => None,
            Ok(items) if items.iter().all(whole) => Some(DataElement::new(tag, VR::SQ, DataSetSequence::from(items))),
            _ => {
                self.leave_out(tag);
                None
            }
        }
    }

    /// Items of a sequence, for reading.
    pub(super) fn items(&self, tag: Tag) -> &'a [InMemDicomObject] {
        self.source.get(tag).and_then(|e| e.items()).unwrap_or_default()
    }

    /// Integer values of an attribute, whatever integer VR it has.
    pub(super) fn integers(&self, tag: Tag) -> Option<Vec<i32>> {
        self.source.get(tag)?.to_multi_int::<i32>().ok().filter(|v| !v.is_empty())
    }

    /// A binary element as it is.
    pub(super) fn raw(&self, tag: Tag) -> Option<&'a InMemElement> {
        self.source.get(tag).filter(|e| !e.is_empty())
    }

    /// The Patient and General Study modules, without the Study Instance UID.
    pub(super) fn patient_and_study(&mut self, to: &mut Dataset) {
        for (tag, vr, need) in PATIENT_AND_STUDY {
            self.copy(to, tag, vr, need);
        }
        if let Some(names) = self.values(tags::OTHER_PATIENT_NAMES, VR::PN, usize::MAX) {
            to.element(DataElement::new(tags::OTHER_PATIENT_NAMES, VR::PN, PrimitiveValue::Strs(names.into())));
        }
        for (tag, required) in SEQUENCES {
            if let Some(element) = self.sequence(tag, required) {
                to.element(element);
            }
        }
        // YES without a method would break the module's own condition.
        let method = self.values(tags::DEIDENTIFICATION_METHOD, VR::LO, usize::MAX);
        let removed = self.value(tags::PATIENT_IDENTITY_REMOVED, VR::CS);
        if let (Some(removed), Some(method)) = (removed, method) {
            to.text(tags::PATIENT_IDENTITY_REMOVED, VR::CS, &removed);
            to.element(DataElement::new(tags::DEIDENTIFICATION_METHOD, VR::LO, PrimitiveValue::Strs(method.into())));
        }
    }
}

/// Keywords of the patient and study attributes that results of the one film would carry otherwise than those
/// of the other.
#[must_use]
pub fn attributes_that_differ(one: &SourceImage, other: &SourceImage) -> Vec<String> {
    let of = |image| {
        let mut copied = Dataset::new();
        Copier::new(image).patient_and_study(&mut copied);
        copied.into_inner()
    };
    let (one, other) = (of(one), of(other));
    let tags: BTreeSet<Tag> = one.iter().chain(other.iter()).map(Header::tag).collect();
    // Written empty and not written say the same.
    let value = |ds: &InMemDicomObject, tag| ds.get(tag).filter(|e| !e.is_empty()).cloned();
    tags.into_iter().filter(|tag| value(&one, *tag) != value(&other, *tag)).map(keyword).collect()
}

fn keyword(tag: Tag) -> String {
    StandardDataDictionary.by_tag(tag).map_or_else(|| tag.to_string(), |entry| entry.alias.to_owned())
}

/// A value that is not valid for its VR.
#[derive(Debug)]
pub(super) struct Invalid;

/// The values of a text attribute of any data set: `None` where it is absent or empty.
pub(super) fn read_values(
    from: &InMemDicomObject,
    tag: Tag,
    vr: VR,
    most: usize,
) -> Result<Option<Vec<String>>, Invalid> {
    let Some(element) = from.get(tag) else { return Ok(None) };
    if element.is_empty() {
        return Ok(None);
    }
    if element.vr() != vr {
        return Err(Invalid);
    }
    let Value::Primitive(primitive) = element.value() else { return Err(Invalid) };
    let pad = |text: &str| text.trim_end_matches([' ', '\0']).to_owned();
    let values: Vec<String> = primitive.to_multi_str().iter().map(|text| pad(text)).collect();
    if values.iter().all(String::is_empty) {
        return Ok(None);
    }
    if values.len() > most || !values.iter().all(|value| is_valid(vr, value)) {
        return Err(Invalid);
    }
    Ok(Some(values))
}

/// One item with its public text attributes and sequences; other elements are dropped.
fn clean_item(item: &InMemDicomObject) -> Result<InMemDicomObject, Invalid> {
    let mut clean = InMemDicomObject::new_empty();
    for element in item.iter() {
        let tag = element.tag();
        // Private elements need their creator, and results have one character set.
        if tag.0 % 2 == 1 || tag == tags::SPECIFIC_CHARACTER_SET {
            continue;
        }
        if let Some(items) = element.items() {
            let items = items.iter().map(clean_item).collect::<Result<Vec<_>, _>>()?;
            clean.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
        } else if let Some(values) = read_values(item, tag, element.vr(), usize::MAX)? {
            clean.put(DataElement::new(tag, element.vr(), PrimitiveValue::Strs(values.into())));
        } else {
            clean.put(DataElement::new(tag, element.vr(), PrimitiveValue::Empty));
        }
    }
    Ok(clean)
}

fn vr_of(tag: Tag) -> VR {
    StandardDataDictionary.by_tag(tag).map_or(VR::UN, |entry| entry.vr.relaxed())
}

fn attribute_name(tag: Tag) -> String {
    let keyword = StandardDataDictionary.by_tag(tag).map_or("", |entry| entry.alias);
    format!("({:04X},{:04X}) {keyword}", tag.0, tag.1)
}
