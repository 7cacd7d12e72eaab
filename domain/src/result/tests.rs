//! Result objects judged by what a receiver reads back from their bytes. This file makes the
//! studies; the folder holds one file for each concern.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod captures;
mod common_modules;
mod downgrade;
mod gsps;
mod kos;
mod rejection;
mod sc;
mod seg;
mod sr;

use super::*;
use crate::code::Vocabulary;
use crate::evidence::{Picture, SourceImage};
use crate::finding::ImageFindings;
use crate::gate::SkipReason;
use crate::header;
use crate::prediction::{LabelScore, Prediction, Region};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const PORTRAIT: (u16, u16) = (300, 400);
const LANDSCAPE: (u16, u16) = (500, 200);

fn element(tag: Tag, vr: VR, value: &str) -> InMemElement {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

/// A film with an invented patient; `change` edits its header before it is written and read back.
fn film(name: &str, (columns, rows): (u16, u16), change: impl FnOnce(&mut InMemDicomObject)) -> SourceImage {
    let mut ds = InMemDicomObject::new_empty();
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100"),
        (tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.1.1"),
        (tags::STUDY_INSTANCE_UID, VR::UI, "1.2.826.0.1.1"),
        (tags::PATIENT_NAME, VR::PN, "Muñoz Ibáñez^José Ángel"),
        (tags::PATIENT_ID, VR::LO, "CXR-0001"),
        (tags::PATIENT_BIRTH_DATE, VR::DA, "19590214"),
        (tags::PATIENT_SEX, VR::CS, "F"),
        (tags::PATIENT_AGE, VR::AS, "067Y"),
        (tags::STUDY_DATE, VR::DA, "20261124"),
        (tags::STUDY_TIME, VR::TM, "013000"),
        (tags::ACCESSION_NUMBER, VR::SH, "ACC1"),
        (tags::STUDY_DESCRIPTION, VR::LO, "Tórax PA"),
        (tags::MODALITY, VR::CS, "DX"),
        (tags::MANUFACTURER, VR::LO, "ACME"),
        (tags::SERIES_NUMBER, VR::IS, "1"),
        (tags::BODY_PART_EXAMINED, VR::CS, "CHEST"),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2"),
    ] {
        ds.put(element(tag, vr, value));
    }
    ds.put(element(tags::SOP_INSTANCE_UID, VR::UI, Uid::derive(&["film", name]).as_str()));
    ds.put(element(tags::SERIES_INSTANCE_UID, VR::UI, Uid::derive(&["film series", name]).as_str()));
    ds.put(DataElement::new(
        tags::WINDOW_CENTER,
        VR::DS,
        PrimitiveValue::Strs(["2000", "7"].map(String::from).as_slice().into()),
    ));
    ds.put(DataElement::new(
        tags::WINDOW_WIDTH,
        VR::DS,
        PrimitiveValue::Strs(["3600.50", "9"].map(String::from).as_slice().into()),
    ));
    for (tag, value) in [(tags::ROWS, rows), (tags::COLUMNS, columns), (tags::SAMPLES_PER_PIXEL, 1)] {
        ds.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    change(&mut ds);
    let mut bytes = Vec::new();
    let syntax = dicom_object::FileMetaTableBuilder::new()
        .media_storage_sop_class_uid("1.2.3")
        .media_storage_sop_instance_uid("1.2.3")
        .transfer_syntax(EXPLICIT)
        .build()
        .unwrap();
    ds.with_exact_meta(syntax).write_dataset(&mut bytes).unwrap();
    let (image, error) = header::read_dataset(&bytes, EXPLICIT).unwrap();
    assert!(error.is_none());
    image
}

fn plain_film(name: &str, size: (u16, u16)) -> SourceImage {
    film(name, size, |_| {})
}

fn square(x: f32, y: f32, side: f32) -> Region {
    Region { contour: vec![[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]] }
}

fn score(label: &str, probability: f32, regions: Vec<Region>) -> LabelScore {
    LabelScore { label: label.into(), probability, threshold: 0.5, regions }
}

/// Two present labels, one of them with two regions, and one absent label.
fn positive() -> Vec<LabelScore> {
    vec![
        score("Pneumothorax", 0.9134, vec![square(30.0, 20.5, 60.0), square(150.0, 100.0, 40.0)]),
        score("Cardiomegaly", 0.655, vec![]),
        score("Pneumonia", 0.08, vec![]),
    ]
}

fn negative() -> Vec<LabelScore> {
    vec![score("Pneumothorax", 0.11, vec![]), score("Pneumonia", 0.4999, vec![])]
}

fn model() -> ModelRef {
    ModelRef {
        name: "test".into(),
        version: "1.0".into(),
        title: "Test model".into(),
        manufacturer: "Maker".into(),
        weights_sha256: "ab".repeat(32),
        input_size: 64,
    }
}

fn analyzed(source: SourceImage, scores: Vec<LabelScore>) -> StudyImage {
    let prediction = Prediction { model: model(), scores, map: None };
    let findings =
        ImageFindings::from_prediction(&source.header.sop_instance, &prediction, Vocabulary::embedded()).unwrap();
    let (width, height) = (source.header.columns.unwrap() / 2, source.header.rows.unwrap() / 2);
    let picture = Picture { width, height, gray: vec![100; (width * height) as usize] };
    StudyImage { source, outcome: ImageOutcome::Analyzed { findings, picture } }
}

fn skipped(source: SourceImage, reason: SkipReason) -> StudyImage {
    StudyImage { source, outcome: ImageOutcome::Skipped(reason) }
}

fn context() -> Context {
    Context {
        node: Node {
            manufacturer: "Centinela project".into(),
            model_name: "Centinela CXR node".into(),
            version: "0.1.0".into(),
            serial_number: "node-1".into(),
            device: Uid::derive(&["device"]),
            ae_title: "CENTINELA".into(),
        },
        model: model(),
        threshold_set: "default".into(),
        language: Language::English,
        negatives: Negatives::Groups,
        captures: Captures::default(),
        study: Uid::parse("1.2.826.0.1.1").unwrap(),
        revision: 1,
        closed_at: 1_795_485_600_000,
        predecessor: None,
    }
}

const ALL: [ResultKind; 5] = ResultKind::ALL;

fn read(object: &ResultObject) -> InMemDicomObject {
    dicom_object::from_reader(&object.bytes[..]).unwrap().into_inner()
}

/// Builds one kind and reads it back.
fn built(context: &Context, images: &[StudyImage], kind: ResultKind) -> Vec<InMemDicomObject> {
    build(context, images, &[kind]).unwrap().objects.iter().filter(|o| o.kind == kind).map(read).collect()
}

fn text(ds: &InMemDicomObject, tag: Tag) -> String {
    ds.element(tag).map(|e| e.to_str().unwrap().trim_end_matches('\0').to_owned()).unwrap_or_default()
}

fn items(ds: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    ds.get(tag).and_then(|e| e.items()).unwrap_or_default()
}

fn floats(ds: &InMemDicomObject, tag: Tag) -> Vec<f32> {
    ds.element(tag).unwrap().to_multi_float32().unwrap()
}

/// Every item of every sequence below, and the data set itself.
fn everywhere<'a>(ds: &'a InMemDicomObject, visit: &mut impl FnMut(&'a InMemDicomObject)) {
    visit(ds);
    for element in ds.iter() {
        for item in element.items().unwrap_or_default() {
            everywhere(item, visit);
        }
    }
}
