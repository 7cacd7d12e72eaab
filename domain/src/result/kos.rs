//! Key Object Selection: the films with a present finding, "Of Interest" (PS3.3 A.35.4, PS3.16 TID 2010).
//!
//! One for each revision of a study, and none where nothing is present: a selection of nothing says nothing.

use super::copy::Copier;
use super::dataset::{Dataset, encode};
use super::modules::{self, Form, Identity, Stamp};
use super::sr_content::{Item, Relation, Value};
use super::{BuildError, Context, LeftOut, ResultObject, sr, sr_tree};
use crate::code::Code;
use crate::evidence::{ImageOutcome, SourceImage, StudyImage};
use crate::finding::ImageFindings;
use crate::profile::ResultKind;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::collections::{BTreeMap, BTreeSet};

/// A film with a present finding, and its place in the study, from 1.
struct KeyFilm<'a> {
    number: usize,
    source: &'a SourceImage,
    findings: &'a ImageFindings,
}

/// Builds the selection; `None` where no finding is present.
pub(super) fn build(
    context: &Context,
    images: &[&StudyImage],
    left_out: &mut BTreeSet<LeftOut>,
) -> Result<Option<ResultObject>, BuildError> {
    let films: Vec<KeyFilm<'_>> = images.iter().enumerate().filter_map(|(n, image)| key_film(n + 1, image)).collect();
    // Patient and study as in the report: from the first film that was judged, key or not.
    let lead = images.iter().find(|image| image.findings().next().is_some()).filter(|_| !films.is_empty());
    let Some(lead) = lead else { return Ok(None) };
    let identity = Identity::derive(context, images, ResultKind::Kos, None, Form::Plain);
    let mut copier = Copier::new(&lead.source);
    let stamp = Stamp::new(context, &mut copier);
    let mut ds = modules::start(context, &identity, &mut copier, &stamp);
    ds.empty(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, VR::SQ);
    let requests = sr::requests(context, &mut copier);
    if !requests.is_empty() {
        ds.items(tags::REFERENCED_REQUEST_SEQUENCE, requests);
    }
    left_out.extend(copier.left_out());
    ds.items(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, vec![evidence(context, &films)]);
    content(&mut ds, context, &films, images.len());

    let bytes = encode(context, ResultKind::Kos, &identity.class, &identity.instance, ds)?;
    Ok(Some(ResultObject {
        kind: ResultKind::Kos,
        sop_class: identity.class,
        sop_instance: identity.instance,
        series: identity.series,
        source: None,
        not_analyzed: false,
        bytes,
    }))
}

fn key_film<'a>(number: usize, image: &'a StudyImage) -> Option<KeyFilm<'a>> {
    let ImageOutcome::Analyzed { findings, .. } = &image.outcome else { return None };
    let film = KeyFilm { number, source: &image.source, findings };
    findings.findings.iter().any(|finding| finding.present).then_some(film)
}

/// The films, each in its series.
fn evidence(context: &Context, films: &[KeyFilm<'_>]) -> Dataset {
    let mut series: BTreeMap<_, Vec<Dataset>> = BTreeMap::new();
    for film in films {
        let header = &film.source.header;
        series.entry(&header.series).or_default().push(Dataset::reference(&header.sop_class, &header.sop_instance));
    }
    sr::study_references(&context.study, series)
}

/// Title, language, observer, description and the films. The template gives the films no concept name,
/// so they are no [`Item`].
fn content(ds: &mut Dataset, context: &Context, films: &[KeyFilm<'_>], of: usize) {
    let mut template = Dataset::new();
    template.text(tags::MAPPING_RESOURCE, VR::CS, "DCMR").text(tags::TEMPLATE_IDENTIFIER, VR::CS, "2010");
    ds.text(tags::VALUE_TYPE, VR::CS, "CONTAINER")
        .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &Code::dcm("113000", "Of Interest"))
        .text(tags::CONTINUITY_OF_CONTENT, VR::CS, "SEPARATE")
        .items(tags::CONTENT_TEMPLATE_SEQUENCE, vec![template]);
    let description = Value::Text(description(context, films, of));
    let mut items = sr_tree::observer(context);
    items.push(Item::new(Relation::Contains, Code::dcm("113012", "Key Object Description"), description));
    let mut written: Vec<Dataset> = items.iter().map(written).collect();
    written.extend(films.iter().map(|film| {
        let header = &film.source.header;
        let mut image = Dataset::new();
        image
            .text(tags::RELATIONSHIP_TYPE, VR::CS, Relation::Contains.as_str())
            .text(tags::VALUE_TYPE, VR::CS, "IMAGE")
            .items(tags::REFERENCED_SOP_SEQUENCE, vec![Dataset::reference(&header.sop_class, &header.sop_instance)]);
        image
    }));
    ds.items(tags::CONTENT_SEQUENCE, written);
}

fn written(item: &Item) -> Dataset {
    let mut ds = Dataset::new();
    item.write(&mut ds);
    ds
}

/// The present findings, film by film where the study has several, then the notice.
fn description(context: &Context, films: &[KeyFilm<'_>], of: usize) -> String {
    let language = context.language;
    let present = |film: &KeyFilm<'_>| {
        let names = film.findings.findings.iter().filter(|finding| finding.present);
        names.map(|finding| language.finding_percent(finding)).collect::<Vec<_>>().join(", ")
    };
    let films = films.iter().map(|film| match of {
        1 => present(film),
        _ => language.key_findings_of_film(film.number, &present(film)),
    });
    format!("{}. {}.", language.key_findings(&films.collect::<Vec<_>>().join("; ")), language.notice())
}
