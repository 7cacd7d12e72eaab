//! The same report in an older class: Comprehensive SR (PS3.3 A.35.3) or Enhanced SR (A.35.2)
//! made of a Comprehensive 3D SR (A.35.13), for archives that refuse the newest class.
//!
//! The content of our reports is legal in all three classes, so only the identity changes: class,
//! instance and series, and, where the destination holds another predecessor, the reference to it.

use super::dataset::Dataset;
use super::sr::study_references;
use super::{Predecessor, ResultObject};
use crate::profile::ResultKind;
use crate::uid::Uid;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use std::collections::BTreeMap;
use std::fmt;

/// The report classes that we write, the one that says most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SrClass {
    /// Comprehensive 3D SR Storage: what [`super::build`] writes.
    Comprehensive3d,
    /// Comprehensive SR Storage.
    Comprehensive,
    /// Enhanced SR Storage.
    Enhanced,
}

impl SrClass {
    /// In order of preference.
    pub const ALL: [Self; 3] = [Self::Comprehensive3d, Self::Comprehensive, Self::Enhanced];

    /// The SOP Class UID.
    #[must_use]
    pub const fn uid(self) -> &'static str {
        match self {
            Self::Comprehensive3d => "1.2.840.10008.5.1.4.1.1.88.34",
            Self::Comprehensive => "1.2.840.10008.5.1.4.1.1.88.33",
            Self::Enhanced => "1.2.840.10008.5.1.4.1.1.88.22",
        }
    }

    /// The class of a SOP Class UID.
    #[must_use]
    pub fn of(uid: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.uid() == uid)
    }

    /// The UID as a value.
    pub(super) fn to_uid(self) -> Uid {
        // The texts above are valid UIDs, so parsing cannot fail; derive is a fallback only.
        Uid::parse(self.uid()).unwrap_or_else(|_| Uid::derive(&[self.uid()]))
    }

    /// Whether the class allows a value type (PS3.3 tables A.35.2-2, A.35.3-2).
    fn allows(self, value_type: &str) -> bool {
        match value_type {
            "SCOORD3D" | "TABLE" => self == Self::Comprehensive3d,
            _ => true,
        }
    }
}

impl fmt::Display for SrClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Comprehensive3d => "Comprehensive 3D SR",
            Self::Comprehensive => "Comprehensive SR",
            Self::Enhanced => "Enhanced SR",
        })
    }
}

/// A report cannot be written in an older class.
#[derive(Debug, thiserror::Error)]
pub enum DowngradeError {
    /// The file cannot be read or written again.
    #[error("the report cannot be rewritten: {0}")]
    Unreadable(String),
    /// Only a Comprehensive 3D SR has older forms.
    #[error("only a Comprehensive 3D SR can be rewritten, this is an object of class {0}")]
    NotComprehensive3d(String),
    /// The wanted class is the one that it has.
    #[error("the report is a {0} already: send it as it is")]
    SameClass(SrClass),
    /// A content item that the class has no place for.
    #[error("{class} has no place for {what}")]
    Content {
        /// The wanted class.
        class: SrClass,
        /// The value type, or what else is in the way.
        what: String,
    },
}

/// Rewrites a report of ours in an older class.
///
/// Class, instance and series UID change, in the file meta information too, and with `predecessor`
/// the reference to the replaced report; without it that reference stays as it is. The new UIDs
/// follow from the old ones, the class and that predecessor, so a repetition gives the same bytes.
///
/// # Errors
/// [`DowngradeError`] if it is no Comprehensive 3D SR, or has content that the class does not allow.
pub fn downgrade(
    part10: &[u8],
    class: SrClass,
    predecessor: Option<&Predecessor>,
) -> Result<ResultObject, DowngradeError> {
    let unreadable = |e: &dyn fmt::Display| DowngradeError::Unreadable(e.to_string());
    let mut file = dicom_object::from_reader(part10).map_err(|e| unreadable(&e))?;
    let old = |tag: Tag| {
        let text = file.element(tag).map_err(|e| unreadable(&e))?.to_str().map_err(|e| unreadable(&e))?;
        Uid::parse(&text).map_err(|e| unreadable(&e))
    };
    let (old_class, old_instance, old_series) =
        (old(tags::SOP_CLASS_UID)?, old(tags::SOP_INSTANCE_UID)?, old(tags::SERIES_INSTANCE_UID)?);
    let study = old(tags::STUDY_INSTANCE_UID)?;
    if SrClass::of(old_class.as_str()) != Some(SrClass::Comprehensive3d) {
        return Err(DowngradeError::NotComprehensive3d(old_class.to_string()));
    }
    if class == SrClass::Comprehensive3d {
        return Err(DowngradeError::SameClass(class));
    }
    check(&file, class)?;
    let not_analyzed = reports_no_analysis(&file);

    // An instance with another predecessor is another instance.
    let replaced = predecessor.map_or("", |p| p.sop_instance.as_str());
    let instance = Uid::derive(&["downgrade", "instance", old_instance.as_str(), class.uid(), replaced]);
    let series = Uid::derive(&["downgrade", "series", old_series.as_str(), class.uid(), replaced]);
    for (tag, uid) in [
        (tags::SOP_CLASS_UID, class.uid()),
        (tags::SOP_INSTANCE_UID, instance.as_str()),
        (tags::SERIES_INSTANCE_UID, series.as_str()),
    ] {
        file.put(DataElement::new(tag, VR::UI, PrimitiveValue::from(uid)));
    }
    if let Some(predecessor) = predecessor {
        let mut reference = Dataset::new();
        reference.items(tags::PREDECESSOR_DOCUMENTS_SEQUENCE, vec![predecessor_item(&study, predecessor)]);
        for element in reference.into_inner() {
            file.put(element);
        }
    }
    file.update_meta(|meta| {
        meta.media_storage_sop_class_uid = class.uid().to_owned();
        meta.media_storage_sop_instance_uid = instance.to_string();
    });
    let mut bytes = Vec::with_capacity(part10.len() + 64);
    file.write_all(&mut bytes).map_err(|e| unreadable(&e))?;
    Ok(ResultObject {
        kind: ResultKind::Sr,
        sop_class: class.to_uid(),
        sop_instance: instance,
        series,
        source: None,
        not_analyzed,
        bytes,
    })
}

/// The item of Predecessor Documents Sequence for one report of the same study.
pub(super) fn predecessor_item(study: &Uid, predecessor: &Predecessor) -> Dataset {
    let reference = Dataset::reference(&predecessor.sop_class, &predecessor.sop_instance);
    study_references(study, BTreeMap::from([(&predecessor.series, vec![reference])]))
}

fn text(ds: &InMemDicomObject, tag: Tag) -> Option<String> {
    ds.get(tag)?.to_str().ok().map(|text| text.trim_end_matches(['\0', ' ']).to_owned())
}

fn children(ds: &InMemDicomObject) -> &[InMemDicomObject] {
    ds.get(tags::CONTENT_SEQUENCE).and_then(|e| e.items()).unwrap_or_default()
}

/// Whether the class has a place for every content item below.
fn check(ds: &InMemDicomObject, class: SrClass) -> Result<(), DowngradeError> {
    for item in children(ds) {
        if let Some(what) = text(item, tags::VALUE_TYPE).filter(|value_type| !class.allows(value_type)) {
            return Err(DowngradeError::Content { class, what });
        }
        if class == SrClass::Enhanced && item.get(tags::REFERENCED_CONTENT_ITEM_IDENTIFIER).is_some() {
            return Err(DowngradeError::Content { class, what: "a relationship by reference".to_owned() });
        }
        check(item, class)?;
    }
    Ok(())
}

/// Whether a group's Finding is "Failed" or "Not Attempted".
fn reports_no_analysis(ds: &InMemDicomObject) -> bool {
    let first = |ds: &InMemDicomObject, tag: Tag, value: &[&str]| {
        let code = ds.get(tag).and_then(|e| e.items()).and_then(|items| items.first());
        let is = |tag, wanted: &[&str]| {
            code.and_then(|c| text(c, tag)).is_some_and(|found| wanted.contains(&found.as_str()))
        };
        is(tags::CODE_VALUE, value) && is(tags::CODING_SCHEME_DESIGNATOR, &["DCM"])
    };
    children(ds).iter().any(|item| {
        let finding = first(item, tags::CONCEPT_NAME_CODE_SEQUENCE, &["121071"]);
        (finding && first(item, tags::CONCEPT_CODE_SEQUENCE, &["111224", "111225"])) || reports_no_analysis(item)
    })
}
