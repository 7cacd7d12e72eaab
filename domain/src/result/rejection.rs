//! Rejection notes: a Key Object Selection that takes results back (IHE RAD Imaging Object Change Management;
//! PS3.3 A.35.4, PS3.16 TID 2010 with a title of CID 7010).
//!
//! The objects themselves are never altered: an archive that knows the titles hides what the note names,
//! any other archive keeps a note that says so.

use super::copy::Copier;
use super::dataset::{Dataset, encode};
use super::modules::{self, Form, Identity, Stamp};
use super::sr::study_references;
use super::sr_content::{Item, Relation, Value};
use super::{BuildError, Context, Predecessor, ResultObject, sr_tree};
use crate::code::Code;
use crate::evidence::{ImageOutcome, SourceImage, StudyImage};
use crate::gate::SkipReason;
use crate::instance::InstanceHeader;
use crate::profile::ResultKind;
use crate::uid::Uid;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why results are taken back, as archives read it: the title of the note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rejection {
    /// The results are wrong or of no use.
    Quality,
    /// Somebody could be harmed by them.
    Safety,
    /// They belong to another patient or request.
    Worklist,
}

impl Rejection {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Quality, Self::Safety, Self::Worklist];

    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quality => "quality",
            Self::Safety => "safety",
            Self::Worklist => "worklist",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rejection| rejection.as_str() == word)
    }

    fn title(self) -> Code {
        match self {
            Self::Quality => Code::dcm("113001", "Rejected for Quality Reasons"),
            Self::Safety => Code::dcm("113037", "Rejected for Patient Safety Reasons"),
            Self::Worklist => Code::dcm("113038", "Incorrect Modality Worklist Entry"),
        }
    }
}

/// Builds the note. `lead` is one of the objects that are taken back, whose patient and study it copies; `films`
/// are those of the study. Its UID follows from the study, the revision and the objects.
///
/// # Errors
/// [`BuildError`] if it cannot be encoded.
pub fn reject(
    context: &Context,
    rejection: Rejection,
    reason: &str,
    lead: &SourceImage,
    films: &[InstanceHeader],
    objects: &[Predecessor],
) -> Result<ResultObject, BuildError> {
    // Only their series numbers count: the note gets one of its own.
    let bare = |header: &InstanceHeader| StudyImage {
        source: SourceImage { header: header.clone(), dataset: InMemDicomObject::new_empty() },
        outcome: ImageOutcome::Skipped(SkipReason::OwnResult),
    };
    let others: Vec<StudyImage> = films.iter().chain([&lead.header]).map(bare).collect();
    let mut uids: Vec<&str> = objects.iter().map(|object| object.sop_instance.as_str()).collect();
    uids.sort_unstable();
    let set = Uid::derive(&[&["rejected"], uids.as_slice()].concat());
    let others: Vec<&StudyImage> = others.iter().collect();
    let identity = Identity::derive(context, &others, ResultKind::Kos, Some((&set, 1)), Form::Rejection);

    let mut copier = Copier::new(lead);
    let stamp = Stamp::new(context, &mut copier);
    let mut ds = modules::start(context, &identity, &mut copier, &stamp);
    ds.empty(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, VR::SQ);
    if let Some(requests) = copier.raw(tags::REFERENCED_REQUEST_SEQUENCE) {
        ds.element(requests.clone());
    }
    let mut series: BTreeMap<&Uid, Vec<Dataset>> = BTreeMap::new();
    for object in objects {
        series.entry(&object.series).or_default().push(Dataset::reference(&object.sop_class, &object.sop_instance));
    }
    ds.items(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![study_references(&context.study, series)]);
    content(&mut ds, context, rejection, reason, objects);
    let bytes = encode(context, ResultKind::Kos, &identity.class, &identity.instance, ds)?;
    Ok(ResultObject {
        kind: ResultKind::Kos,
        sop_class: identity.class,
        sop_instance: identity.instance,
        series: identity.series,
        source: None,
        not_analyzed: false,
        bytes,
    })
}

/// Title, language, observer, reason and the objects, which the template gives no concept name.
fn content(ds: &mut Dataset, context: &Context, rejection: Rejection, reason: &str, objects: &[Predecessor]) {
    let mut template = Dataset::new();
    template.text(tags::MAPPING_RESOURCE, VR::CS, "DCMR").text(tags::TEMPLATE_IDENTIFIER, VR::CS, "2010");
    ds.text(tags::VALUE_TYPE, VR::CS, "CONTAINER")
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &rejection.title())
        .text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE")
        .items(tags::CONTENT_TEMPLATE_SEQUENCE, vec![template]);
    let description = format!("{} {}.", context.language.withdrawn(reason), context.language.notice());
    let mut items = sr_tree::observer(context);
    items.push(Item::new(Relation::Contains, Code::dcm("113012", "Key Object Description"), Value::Text(description)));
    let mut written = Vec::with_capacity(items.len() + objects.len());
    for item in &items {
        let mut ds = Dataset::new();
        item.write(&mut ds);
        written.push(ds);
    }
    for object in objects {
        let mut reference = Dataset::new();
        reference
            .text(tags::RELATIONSHIP_TYPE, VR::CS, Relation::Contains.as_str())
            .text(tags::VALUE_TYPE, VR::CS, if is_image(&object.sop_class) { "IMAGE" } else { "COMPOSITE" })
            .items(tags::REFERENCED_SOP_SEQUENCE, vec![Dataset::reference(&object.sop_class, &object.sop_instance)]);
        written.push(reference);
    }
    ds.items(tags::CONTENT_SEQUENCE, written);
}

/// Secondary Capture and Segmentation are images; reports, presentation states and key objects are not.
fn is_image(class: &Uid) -> bool {
    ["1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.66.4"].contains(&class.as_str())
}
