//! The Structured Report: Comprehensive 3D SR (PS3.3 A.35.13) around the content of
//! [`super::sr_tree`].

use super::copy::Copier;
use super::dataset::{Dataset, encode};
use super::downgrade::predecessor_item;
use super::modules::{self, Form, Identity, Stamp};
use super::sr_content::Item;
use super::{BuildError, Context, LeftOut, Negatives, ResultObject, sr_tree};
use crate::code::Code;
use crate::evidence::{ImageOutcome, StudyImage};
use crate::profile::ResultKind;
use crate::uid::Uid;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::collections::{BTreeMap, BTreeSet};

/// Builds the study's report, or the not-analysed report where no film was analysed.
pub(super) fn build(
    context: &Context,
    images: &[&StudyImage],
    left_out: &mut BTreeSet<LeftOut>,
) -> Result<ResultObject, BuildError> {
    let analyzed = |image: &&&StudyImage| image.findings().next().is_some();
    let first_analyzed = images.iter().find(analyzed);
    let not_analyzed = first_analyzed.is_none();
    let lead = first_analyzed.or(images.first()).ok_or(BuildError::NoImage)?;
    let form = if not_analyzed { Form::NotAnalyzed } else { Form::Plain };
    let mut identity = Identity::derive(context, images, ResultKind::Sr, None, form);
    if context.negatives == Negatives::Omit && !not_analyzed {
        // Other content is another instance; the identity of a report with all groups is older.
        identity.instance = Uid::derive(&["negatives omitted", identity.instance.as_str()]);
        identity.series = Uid::derive(&["negatives omitted", identity.series.as_str()]);
    }
    let content = if not_analyzed {
        let tracking = Uid::derive(&["tracking", identity.instance.as_str()]);
        sr_tree::not_analyzed_report(context, images, tracking)
    } else {
        sr_tree::findings_report(context, images)
    };

    let mut copier = Copier::new(&lead.source);
    let stamp = Stamp::new(context, &mut copier);
    let mut ds = modules::start(context, &identity, &mut copier, &stamp);
    ds.empty(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, VR::SQ);
    completion(&mut ds, context, images);
    ds.text(tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY").text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED");
    ds.uid(tags::DEVICE_UID, &context.node.device);
    let procedure = Code::sct("399208008", "Plain X-ray of chest");
    ds.code(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, &procedure);
    let requests = requests(context, &mut copier);
    if !requests.is_empty() {
        ds.items(tags::REFERENCED_REQUEST_SEQUENCE, requests);
    }
    left_out.extend(copier.left_out());
    if let Some(predecessor) = &context.predecessor {
        ds.items(tags::PREDECESSOR_DOCUMENTS_SEQUENCE, vec![predecessor_item(&context.study, predecessor)]);
    }
    let equipment = equipment(images, left_out);
    if !equipment.is_empty() {
        ds.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, equipment);
    }
    ds.items(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, evidence(&content, images));
    ds.coding_schemes(images.iter().flat_map(|image| image.findings()).flat_map(|finding| &finding.code.schemes));
    content.write(&mut ds);

    let bytes = encode(context, ResultKind::Sr, &identity.class, &identity.instance, ds)?;
    Ok(ResultObject {
        kind: ResultKind::Sr,
        sop_class: identity.class,
        sop_instance: identity.instance,
        series: identity.series,
        source: None,
        not_analyzed,
        bytes,
    })
}

/// PARTIAL where a film that should have been read could not be; a film that the gate refused is
/// no part of what the report owes.
fn completion(ds: &mut Dataset, context: &Context, images: &[&StudyImage]) {
    let failed = |image: &&&StudyImage| matches!(&image.outcome, ImageOutcome::Skipped(reason) if reason.is_failure());
    match images.iter().filter(failed).count() {
        0 => {
            ds.text(tags::COMPLETION_FLAG, VR::CS, "COMPLETE");
        }
        n => {
            ds.text(tags::COMPLETION_FLAG, VR::CS, "PARTIAL");
            ds.text(tags::COMPLETION_FLAG_DESCRIPTION, VR::LO, &context.language.partial(n, images.len()));
        }
    }
}

/// Referenced Request Sequence: the order that the film answered, as far as it tells.
pub(super) fn requests(context: &Context, copier: &mut Copier<'_>) -> Vec<Dataset> {
    let accession = copier.value(tags::ACCESSION_NUMBER, VR::SH);
    let issuer = copier.sequence(tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE, &[]);
    let items = copier.items(tags::REQUEST_ATTRIBUTES_SEQUENCE);
    let one = |item: Option<&dicom_object::InMemDicomObject>| {
        let read = |tag, vr| {
            let values = item.and_then(|item| super::copy::read_values(item, tag, vr, 1).ok().flatten());
            values.and_then(|v| v.into_iter().next())
        };
        let own_accession = read(tags::ACCESSION_NUMBER, VR::SH);
        let mut request = Dataset::new();
        request.uid(tags::STUDY_INSTANCE_UID, &context.study).empty(tags::REFERENCED_STUDY_SEQUENCE, VR::SQ);
        let text = |request: &mut Dataset, tag, vr, value: Option<String>| {
            request.text(tag, vr, value.as_deref().unwrap_or_default());
        };
        // The film's issuer belongs to the film's own number only.
        let same_number = own_accession.is_none() || own_accession == accession;
        if let Some(issuer) = issuer.as_ref().filter(|_| same_number) {
            request.element(issuer.clone());
        }
        text(&mut request, tags::ACCESSION_NUMBER, VR::SH, own_accession.or_else(|| accession.clone()));
        let procedure = read(tags::REQUESTED_PROCEDURE_ID, VR::SH);
        text(&mut request, tags::REQUESTED_PROCEDURE_ID, VR::SH, procedure);
        let description = read(tags::REQUESTED_PROCEDURE_DESCRIPTION, VR::LO);
        text(&mut request, tags::REQUESTED_PROCEDURE_DESCRIPTION, VR::LO, description);
        request.empty(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, VR::SQ);
        for tag in
            [tags::PLACER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST, tags::FILLER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST]
        {
            request.empty(tag, VR::LO);
        }
        request
    };
    if items.is_empty() {
        return accession.iter().map(|_| one(None)).collect();
    }
    items.iter().map(|item| one(Some(item))).collect()
}

/// The modalities that took the films, each once.
fn equipment(images: &[&StudyImage], left_out: &mut BTreeSet<LeftOut>) -> Vec<Dataset> {
    let mut seen = Vec::new();
    let mut items = Vec::new();
    for image in images {
        let mut copier = Copier::new(&image.source);
        if let Some(item) = modules::acquisition_equipment(&mut copier) {
            let plain = item.clone().into_inner();
            if !seen.contains(&plain) {
                seen.push(plain);
                items.push(item);
            }
        }
        left_out.extend(copier.left_out());
    }
    items
}

/// Exactly the images that the content refers to, by study and series.
fn evidence(content: &Item, images: &[&StudyImage]) -> Vec<Dataset> {
    let mut used = Vec::new();
    content.images(&mut used);
    let mut studies: BTreeMap<&Uid, BTreeMap<&Uid, Vec<Dataset>>> = BTreeMap::new();
    let mut listed = BTreeSet::new();
    for image in images {
        let header = &image.source.header;
        if used.contains(&&header.sop_instance) && listed.insert(&header.sop_instance) {
            let reference = Dataset::reference(&header.sop_class, &header.sop_instance);
            studies.entry(&header.study).or_default().entry(&header.series).or_default().push(reference);
        }
    }
    studies.into_iter().map(|(study, series)| study_references(study, series)).collect()
}

/// One item of the Hierarchical SOP Instance Reference macro (PS3.3 C.17.2.1).
pub(super) fn study_references(study: &Uid, series: BTreeMap<&Uid, Vec<Dataset>>) -> Dataset {
    let series = series.into_iter().map(|(uid, references)| {
        let mut item = Dataset::new();
        item.uid(tags::SERIES_INSTANCE_UID, uid).items(tags::REFERENCED_SOP_SEQUENCE, references);
        item
    });
    let mut item = Dataset::new();
    item.uid(tags::STUDY_INSTANCE_UID, study).items(tags::REFERENCED_SERIES_SEQUENCE, series.collect());
    item
}
