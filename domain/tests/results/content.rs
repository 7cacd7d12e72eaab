//! What a receiver reads in the objects, independent of the code that wrote them.

use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemDicomObject;
use dicom_object::{FileDicomObject, from_reader};
use std::collections::BTreeMap;

/// A region of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// SOP Instance UID of the film that it is selected from.
    pub image: String,
    /// Its points, column first.
    pub points: Vec<[f32; 2]>,
}

/// The whole file.
pub fn read(part10: &[u8]) -> FileDicomObject<InMemDicomObject> {
    from_reader(part10).unwrap_or_else(|error| panic!("{error}"))
}

fn text(set: &InMemDicomObject, tag: Tag) -> String {
    set.get(tag).and_then(|e| e.to_str().ok()).map(|t| t.trim_end_matches(['\0', ' ']).to_owned()).unwrap_or_default()
}

fn items(set: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    set.get(tag).and_then(|e| e.items()).unwrap_or_default()
}

fn name(item: &InMemDicomObject) -> String {
    items(item, tags::CONCEPT_NAME_CODE_SEQUENCE).first().map(|code| text(code, tags::CODE_VALUE)).unwrap_or_default()
}

fn points(item: &InMemDicomObject) -> Vec<[f32; 2]> {
    let flat = item.get(tags::GRAPHIC_DATA).and_then(|e| e.to_multi_float32().ok()).unwrap_or_default();
    flat.chunks_exact(2).map(|p| [p[0], p[1]]).collect()
}

/// The regions of a report by Tracking Unique Identifier.
pub fn regions(report: &InMemDicomObject) -> BTreeMap<String, Region> {
    let mut found = BTreeMap::new();
    let measurements = items(report, tags::CONTENT_SEQUENCE).iter().filter(|item| name(item) == "126010");
    for group in measurements.flat_map(|container| items(container, tags::CONTENT_SEQUENCE)) {
        let parts = items(group, tags::CONTENT_SEQUENCE);
        let tracking = parts.iter().find(|item| name(item) == "112040").map(|item| text(item, tags::UID));
        for region in parts.iter().filter(|item| text(item, tags::VALUE_TYPE) == "SCOORD") {
            let image = items(region, tags::CONTENT_SEQUENCE)
                .iter()
                .flat_map(|item| items(item, tags::REFERENCED_SOP_SEQUENCE))
                .map(|reference| text(reference, tags::REFERENCED_SOP_INSTANCE_UID))
                .next();
            let twice = found.insert(
                tracking.clone().unwrap_or_default(),
                Region { image: image.unwrap_or_default(), points: points(region) },
            );
            assert!(twice.is_none(), "a Tracking Unique Identifier is used twice");
        }
    }
    found
}

/// The graphics of a presentation state by Tracking UID.
pub fn graphics(state: &InMemDicomObject) -> BTreeMap<String, Vec<[f32; 2]>> {
    let annotations = items(state, tags::GRAPHIC_ANNOTATION_SEQUENCE).iter();
    let graphics = annotations.flat_map(|annotation| items(annotation, tags::GRAPHIC_OBJECT_SEQUENCE));
    graphics.map(|graphic| (text(graphic, tags::TRACKING_UID), points(graphic))).collect()
}
