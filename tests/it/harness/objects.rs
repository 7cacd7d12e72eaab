//! What a received result object says: just enough to tell kinds, revisions and references apart.

use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject};

/// A result object as the PACS has it.
#[derive(Debug)]
pub struct Object {
    pub modality: String,
    pub study: String,
    pub sop: String,
    pub predecessors: Vec<String>,
    pub data: FileDicomObject<InMemDicomObject>,
}

impl Object {
    /// Reads Part 10 bytes.
    pub fn read(bytes: &[u8]) -> Self {
        let data: FileDicomObject<InMemDicomObject> = dicom_object::from_reader(bytes).unwrap();
        let text = |tag| data.element(tag).unwrap().to_str().unwrap().trim_end_matches(['\0', ' ']).to_owned();
        let (modality, study, sop) =
            (text(tags::MODALITY), text(tags::STUDY_INSTANCE_UID), text(tags::SOP_INSTANCE_UID));
        let predecessors = predecessors(&data);
        Self { modality, study, sop, predecessors, data }
    }

    /// Every text value of the object, nested ones too.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        collect(&self.data, &mut texts);
        texts
    }
}

fn predecessors(object: &InMemDicomObject) -> Vec<String> {
    let items = |object: &InMemDicomObject, tag| {
        object.get(tag).and_then(|e| e.items()).map(<[InMemDicomObject]>::to_vec).unwrap_or_default()
    };
    items(object, tags::PREDECESSOR_DOCUMENTS_SEQUENCE)
        .iter()
        .flat_map(|study| items(study, tags::REFERENCED_SERIES_SEQUENCE))
        .flat_map(|series| items(&series, tags::REFERENCED_SOP_SEQUENCE))
        .map(|sop| {
            let uid = sop.element(tags::REFERENCED_SOP_INSTANCE_UID).unwrap().to_str().unwrap();
            uid.trim_end_matches('\0').to_owned()
        })
        .collect()
}

fn collect(object: &InMemDicomObject, texts: &mut Vec<String>) {
    for element in object {
        if let Some(items) = element.items() {
            items.iter().for_each(|item| collect(item, texts));
        } else if let Ok(text) = element.to_str() {
            texts.push(text.into_owned());
        }
    }
}
