//! One small test object that nobody can take for a patient's: a report with one sentence, or a grey square.
//! The same all day, so that several tests leave one object (PS3.3 A.35.2, A.8).

use anyhow::{Context as _, Result};
use centinela_domain::UnixMs;
use centinela_domain::ability::{Ability, EXPLICIT};
use centinela_domain::calendar::civil;
use centinela_domain::implementation::{IMPLEMENTATION_VERSION, implementation_class_uid};
use centinela_domain::profile::ResultKind;
use centinela_domain::uid::Uid;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

use crate::config::Config;

/// Patient's Name of the test object.
pub const PATIENT_NAME: &str = "TEST^CENTINELA";
/// Patient ID of the test object.
pub const PATIENT_ID: &str = "CENTINELA-TEST";

const SC: &str = "1.2.840.10008.5.1.4.1.1.7";
const NOTE: &str = "Connection test. No patient, no film, no finding: please delete.";

/// A test object.
#[derive(Debug)]
pub struct TestObject {
    /// What it is, in words.
    pub what: &'static str,
    /// Its SOP class.
    pub class: &'static str,
    /// Its SOP instance.
    pub instance: Uid,
    /// The file.
    pub part10: Vec<u8>,
}

/// A report in the class that results would have, else a picture; none where the peer takes neither.
///
/// # Errors
/// If it cannot be encoded.
pub fn make(config: &Config, ability: &Ability, now: UnixMs) -> Result<Option<TestObject>> {
    let (class, what) = match ability.sr_class() {
        Some(class) => (class.uid(), "a report with one sentence"),
        None if ability.takes_kind(ResultKind::Sc) => (SC, "a grey square"),
        None => return Ok(None),
    };
    let (year, month, day) = civil(now.div_euclid(86_400_000));
    let date = format!("{year:04}{month:02}{day:02}");
    let uid = |what: &str| Uid::derive(&["doctor", what, config.peers.node.ae_title.as_str(), class, &date]);
    let instance = uid("instance");
    let mut ds = InMemDicomObject::new_empty();
    for (tag, vr, value) in [
        (tags::SOP_CLASS_UID, VR::UI, class),
        (tags::SOP_INSTANCE_UID, VR::UI, instance.as_str()),
        (tags::STUDY_INSTANCE_UID, VR::UI, uid("study").as_str()),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid("series").as_str()),
        (tags::STUDY_DATE, VR::DA, &date),
        (tags::STUDY_TIME, VR::TM, "000000"),
        (tags::ACCESSION_NUMBER, VR::SH, ""),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN, ""),
        (tags::MANUFACTURER, VR::LO, centinela_domain::gate::OWN_MANUFACTURER),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO, centinela_domain::gate::OWN_MODEL),
        (tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION")),
        (tags::DEVICE_SERIAL_NUMBER, VR::LO, "connection-test"),
        (tags::STUDY_DESCRIPTION, VR::LO, "CONNECTION TEST, NO PATIENT"),
        (tags::SERIES_DESCRIPTION, VR::LO, "Connection test, please delete"),
        (tags::PATIENT_NAME, VR::PN, PATIENT_NAME),
        (tags::PATIENT_ID, VR::LO, PATIENT_ID),
        (tags::PATIENT_BIRTH_DATE, VR::DA, ""),
        (tags::PATIENT_SEX, VR::CS, "O"),
        (tags::STUDY_ID, VR::SH, "TEST"),
        (tags::SERIES_NUMBER, VR::IS, "1"),
        (tags::INSTANCE_NUMBER, VR::IS, "1"),
    ] {
        text(&mut ds, tag, vr, value);
    }
    if class == SC {
        picture(&mut ds)
    } else {
        report(&mut ds, &date)
    }
    let meta = FileMetaTableBuilder::new()
        .media_storage_sop_class_uid(class)
        .media_storage_sop_instance_uid(instance.as_str())
        .transfer_syntax(EXPLICIT)
        .implementation_class_uid(implementation_class_uid().as_str())
        .implementation_version_name(IMPLEMENTATION_VERSION);
    let mut part10 = Vec::new();
    ds.with_meta(meta).context("make the test object")?.write_all(&mut part10).context("write the test object")?;
    Ok(Some(TestObject { what, class, instance, part10 }))
}

fn text(ds: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    ds.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
}

fn number(ds: &mut InMemDicomObject, tag: Tag, value: u16) {
    ds.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

fn items(ds: &mut InMemDicomObject, tag: Tag, items: Vec<InMemDicomObject>) {
    ds.put(DataElement::new(tag, VR::SQ, DataSetSequence::from(items)));
}

fn code(value: &str, scheme: &str, meaning: &str) -> Vec<InMemDicomObject> {
    let mut item = InMemDicomObject::new_empty();
    text(&mut item, tags::CODE_VALUE, VR::SH, value);
    text(&mut item, tags::CODING_SCHEME_DESIGNATOR, VR::SH, scheme);
    text(&mut item, tags::CODE_MEANING, VR::LO, meaning);
    vec![item]
}

/// A document with one text item (PS3.3 C.17.2, C.17.3).
fn report(ds: &mut InMemDicomObject, date: &str) {
    for (tag, vr, value) in [
        (tags::MODALITY, VR::CS, "SR"),
        (tags::CONTENT_DATE, VR::DA, date),
        (tags::CONTENT_TIME, VR::TM, "000000"),
        (tags::COMPLETION_FLAG, VR::CS, "COMPLETE"),
        (tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY"),
        (tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED"),
        (tags::VALUE_TYPE, VR::CS, "CONTAINER"),
        (tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE"),
    ] {
        text(ds, tag, vr, value);
    }
    items(ds, tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, Vec::new());
    items(ds, tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, Vec::new());
    items(ds, tags::CONCEPT_NAME_CODE_SEQUENCE, code("121144", "DCM", "Document Title"));
    let mut note = InMemDicomObject::new_empty();
    text(&mut note, tags::RELATIONSHIP_TYPE, VR::CS, "CONTAINS");
    text(&mut note, tags::VALUE_TYPE, VR::CS, "TEXT");
    items(&mut note, tags::CONCEPT_NAME_CODE_SEQUENCE, code("121106", "DCM", "Comment"));
    text(&mut note, tags::TEXT_VALUE, VR::UT, NOTE);
    items(ds, tags::CONTENT_SEQUENCE, vec![note]);
}

/// A grey square (PS3.3 C.8.6).
fn picture(ds: &mut InMemDicomObject) {
    const SIDE: u16 = 64;
    text(ds, tags::MODALITY, VR::CS, "OT");
    text(ds, tags::CONVERSION_TYPE, VR::CS, "WSD");
    text(ds, tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
    text(ds, tags::PATIENT_ORIENTATION, VR::CS, "");
    text(ds, tags::IMAGE_COMMENTS, VR::LT, NOTE);
    text(ds, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, SIDE),
        (tags::COLUMNS, SIDE),
        (tags::BITS_ALLOCATED, 8),
        (tags::BITS_STORED, 8),
        (tags::HIGH_BIT, 7),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        number(ds, tag, value);
    }
    let pixels = vec![128_u8; usize::from(SIDE) * usize::from(SIDE)];
    ds.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(pixels)));
}
