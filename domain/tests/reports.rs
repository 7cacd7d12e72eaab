//! The rules of reports, for any study received in any transfer syntax and character set: patients
//! as the sender meant them, exact evidence, unique tracking, one group at least, older classes with
//! the same regions. `tests/results` holds what all objects share.
//!
//! `PROPTEST_CASES` sets how many studies are drawn; the default takes a few seconds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod encode;
mod names;

use centinela_domain::code::Vocabulary;
use centinela_domain::evidence::{ImageOutcome, Picture, SourceImage, StudyImage};
use centinela_domain::finding::ImageFindings;
use centinela_domain::gate::{SkipReason, ViewFound};
use centinela_domain::header;
use centinela_domain::prediction::{LabelScore, ModelRef, Prediction, Region};
use centinela_domain::profile::ResultKind;
use centinela_domain::result::{
    self, Captures, Context, Language, Negatives, Node, Predecessor, ResultObject, SrClass,
};
use centinela_domain::uid::Uid;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use encode::{Data, Form};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::collections::{BTreeMap, BTreeSet};

/// Regions of one study, in all.
const MOST_REGIONS: usize = 40;

/// What a film shows and what became of it, before its UIDs are known.
#[derive(Debug, Clone)]
struct Film {
    columns: u16,
    rows: u16,
    name: usize,
    form: Form,
    inverted: bool,
    zone: &'static str,
    outcome: Outcome,
}

/// Label, probability, threshold, contours in thousandths of columns and rows.
type Score = (String, f32, f32, Vec<Vec<[u16; 2]>>);

#[derive(Debug, Clone)]
enum Outcome {
    Scores(Vec<Score>),
    Skip(SkipReason),
}

#[derive(Debug, Clone)]
struct Study {
    films: Vec<Film>,
    language: Language,
    negatives: Negatives,
    predecessor: bool,
    /// Captures take most of the time: one study in sixteen has them.
    captures: bool,
}

/// Sides from the least that is analysed to the largest, the ends often.
fn side() -> impl Strategy<Value = u16> {
    prop_oneof![Just(64_u16), Just(20_000), 64_u16..400, 64_u16..=20_000]
}

/// A closed contour; its points often lie on the film's borders and corners.
fn contour() -> impl Strategy<Value = Vec<[u16; 2]>> {
    let place = || prop_oneof![Just(0_u16), Just(1000), 0_u16..=1000];
    prop::collection::vec([place(), place()], 3..60)
}

fn scores() -> impl Strategy<Value = Vec<Score>> {
    let labels: Vec<String> = Vocabulary::embedded().rows().map(|row| row.label.clone()).collect();
    let unit = || prop_oneof![Just(0.0_f32), Just(1.0), 0.0_f32..=1.0];
    subsequence(labels, 0..=18).prop_flat_map(move |labels| {
        let one = (unit(), unit(), prop_oneof![4 => Just(0..1), 1 => Just(0..8), 1 => Just(8..MOST_REGIONS + 1)])
            .prop_flat_map(|(p, t, n)| (Just(p), Just(t), prop::collection::vec(contour(), n)));
        (Just(labels.clone()), prop::collection::vec(one, labels.len()))
            .prop_map(|(labels, rest)| labels.into_iter().zip(rest).map(|(l, (p, t, r))| (l, p, t, r)).collect())
    })
}

fn film() -> impl Strategy<Value = Film> {
    let reasons = select(vec![
        SkipReason::View { found: ViewFound::Lateral },
        SkipReason::Decode,
        SkipReason::Age { years: 1, min: 18, max: 120 },
        SkipReason::OtherAi,
        SkipReason::TransferSyntax { uid: "1.2.840.10008.1.2.4.100".into() },
    ]);
    let outcome = prop_oneof![3 => scores().prop_map(Outcome::Scores), 1 => reasons.prop_map(Outcome::Skip)];
    let forms = select(Form::ALL.to_vec());
    let zones = select(vec!["", "+0000", "+1400", "-0330", "nonsense"]);
    (side(), side(), 0..names::NAMES.len(), forms, any::<bool>(), zones, outcome).prop_map(
        |(columns, rows, name, form, inverted, zone, outcome)| Film {
            columns,
            rows,
            name,
            form,
            inverted,
            zone,
            outcome,
        },
    )
}

fn study() -> impl Strategy<Value = Study> {
    let languages = select(Language::ALL.to_vec());
    let negatives = select(vec![Negatives::Groups, Negatives::Omit]);
    (prop::collection::vec(film(), 1..4), languages, negatives, any::<bool>(), prop::bool::weighted(0.0625)).prop_map(
        |(mut films, language, negatives, predecessor, captures)| {
            let mut left = MOST_REGIONS;
            for film in &mut films {
                if let Outcome::Scores(scores) = &mut film.outcome {
                    for (_, _, _, regions) in scores {
                        regions.truncate(left);
                        left -= regions.len();
                    }
                }
            }
            Study { films, language, negatives, predecessor, captures }
        },
    )
}

/// The film as it was received, read by the same path as in the node.
fn received(film: &Film, n: usize) -> SourceImage {
    let (charset, name, _) = names::NAMES[film.name];
    let uid = |what: &str| format!("1.2.826.0.1.{what}.{n}");
    let mut data = Data::new(film.form)
        .text(8, 0x05, "CS", charset)
        .text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.1.1")
        .text(8, 0x18, "UI", &uid("7"))
        .text(8, 0x20, "DA", "20261124")
        .text(8, 0x50, "SH", "ACC1")
        .text(8, 0x60, "CS", "DX")
        .text(8, 0x70, "LO", "ACME");
    if !film.zone.is_empty() {
        data = data.text(8, 0x201, "SH", film.zone);
    }
    let item = Data::new(film.form).text(0x10, 0x20, "LO", "OLD").text(0x10, 0x22, "CS", "TEXT");
    let data = data
        .put(0x10, 0x10, "PN", name)
        .text(0x10, 0x20, "LO", "ID-1")
        .text(0x10, 0x21, "LO", "ISSUER")
        .sequence(0x10, 0x1002, &[item], true)
        .text(0x20, 0x0D, "UI", "1.2.826.0.1.1")
        .text(0x20, 0x0E, "UI", &uid("8"))
        .text(0x20, 0x11, "IS", "9001")
        .us(0x28, 0x02, 1)
        .text(0x28, 0x04, "CS", if film.inverted { "MONOCHROME1" } else { "MONOCHROME2" })
        .us(0x28, 0x10, film.rows)
        .us(0x28, 0x11, film.columns);
    let (image, error) = header::read_dataset(&data.bytes, film.form.transfer_syntax()).unwrap();
    assert!(error.is_none());
    image
}

fn region(points: &[[u16; 2]], film: &Film) -> Region {
    let at = |part: u16, side: u16| (f32::from(part) / 1000.0 * f32::from(side) * 10.0).round() / 10.0;
    let mut contour: Vec<[f32; 2]> = points.iter().map(|p| [at(p[0], film.columns), at(p[1], film.rows)]).collect();
    contour.push(contour[0]);
    Region { contour }
}

fn images(study: &Study) -> Vec<StudyImage> {
    let image = |(n, film): (usize, &Film)| {
        let source = received(film, n);
        let outcome = match &film.outcome {
            Outcome::Skip(reason) => ImageOutcome::Skipped(reason.clone()),
            Outcome::Scores(scores) => {
                let scores = scores.iter().map(|(label, probability, threshold, regions)| LabelScore {
                    label: label.clone(),
                    probability: *probability,
                    threshold: *threshold,
                    regions: regions.iter().map(|points| region(points, film)).collect(),
                });
                let prediction = Prediction { model: model(), scores: scores.collect(), map: None };
                let sop = &source.header.sop_instance;
                let findings = ImageFindings::from_prediction(sop, &prediction, Vocabulary::embedded()).unwrap();
                let scale = 1280.0 / f32::from(film.columns.max(film.rows));
                let small = |side: u16| (f32::from(side) * scale).max(1.0) as u32;
                let (width, height) = (small(film.columns), small(film.rows));
                let picture = Picture { width, height, gray: vec![90; (width * height) as usize] };
                ImageOutcome::Analyzed { findings, picture }
            }
        };
        StudyImage { source, outcome }
    };
    study.films.iter().enumerate().map(image).collect()
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

fn context(study: &Study) -> Context {
    let uid = |text: &str| Uid::derive(&[text]);
    let predecessor = Predecessor { series: uid("s"), sop_class: uid("c"), sop_instance: uid("i") };
    Context {
        node: Node {
            manufacturer: "Centinela project".into(),
            model_name: "Centinela CXR node".into(),
            version: "0.1.0".into(),
            serial_number: "node-1".into(),
            device: uid("device"),
            ae_title: "CENTINELA".into(),
        },
        model: model(),
        threshold_set: "default".into(),
        language: study.language,
        negatives: study.negatives,
        captures: Captures::default(),
        study: Uid::parse("1.2.826.0.1.1").unwrap(),
        revision: if study.predecessor { 2 } else { 1 },
        closed_at: 1_795_485_600_000,
        predecessor: study.predecessor.then_some(predecessor),
    }
}

fn text(ds: &InMemDicomObject, tag: Tag) -> String {
    ds.get(tag).map_or_else(String::new, |e| e.to_str().unwrap().trim_end_matches(['\0', ' ']).to_owned())
}

fn items(ds: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    ds.get(tag).and_then(|e| e.items()).unwrap_or_default()
}

fn floats(ds: &InMemDicomObject) -> Vec<f32> {
    ds.element(tags::GRAPHIC_DATA).unwrap().to_multi_float32().unwrap()
}

fn everywhere<'a>(ds: &'a InMemDicomObject, visit: &mut impl FnMut(&'a InMemDicomObject)) {
    visit(ds);
    for element in ds.iter() {
        for item in element.items().unwrap_or_default() {
            everywhere(item, visit);
        }
    }
}

/// The child with a concept name.
fn child<'a>(item: &'a InMemDicomObject, concept: &str) -> Option<&'a InMemDicomObject> {
    items(item, tags::CONTENT_SEQUENCE).iter().find(|c| name(c) == concept)
}

fn name(item: &InMemDicomObject) -> String {
    items(item, tags::CONCEPT_NAME_CODE_SEQUENCE).first().map_or_else(String::new, |c| text(c, tags::CODE_VALUE))
}

/// Reads an object and writes it again: the same bytes.
fn read(object: &ResultObject) -> Result<InMemDicomObject, TestCaseError> {
    let file = dicom_object::from_reader(&object.bytes[..]).unwrap();
    let mut again = Vec::new();
    file.write_all(&mut again).unwrap();
    prop_assert!(again == object.bytes, "{} is written differently a second time", object.kind);
    prop_assert_eq!(text(&file, tags::SOP_CLASS_UID), object.sop_class.as_str());
    prop_assert_eq!(text(&file, tags::SOP_INSTANCE_UID), object.sop_instance.as_str());
    prop_assert_eq!(text(&file, tags::SERIES_INSTANCE_UID), object.series.as_str());
    Ok(file.into_inner())
}

/// Tracking UID of each region, with its film and its points.
type Regions = BTreeMap<String, (String, Vec<f32>)>;

/// Judges a report; gives its regions.
fn report(ds: &InMemDicomObject, study: &Study, not_analyzed: bool) -> Result<Regions, TestCaseError> {
    let mut groups = Vec::new();
    everywhere(ds, &mut |item| {
        if name(item) == "125007" {
            groups.push(item);
        }
    });
    prop_assert!(!groups.is_empty(), "a report without a group");
    let (mut regions, mut uids, mut identifiers) = (Regions::new(), BTreeSet::new(), BTreeSet::new());
    for group in groups {
        let tracking = text(child(group, "112040").unwrap(), tags::UID);
        prop_assert!(uids.insert(tracking.clone()), "a tracking UID twice");
        let identifier = text(child(group, "112039").unwrap(), tags::TEXT_VALUE);
        prop_assert!(identifiers.insert(identifier.clone()), "{} twice", identifier);
        prop_assert!(child(group, "111001").is_some() && child(group, "121071").is_some());
        prop_assert_eq!(child(group, "111012").is_none(), not_analyzed);
        prop_assert_eq!(child(group, "705057003").is_none(), not_analyzed);
        let Some(scoord) = child(group, "111030") else { continue };
        let source = &items(child(scoord, "260753009").unwrap(), tags::REFERENCED_SOP_SEQUENCE)[0];
        regions.insert(tracking, (text(source, tags::REFERENCED_SOP_INSTANCE_UID), floats(scoord)));
    }
    for (film, points) in regions.values() {
        let n: usize = film.rsplit('.').next().unwrap().parse().unwrap();
        let (columns, rows) = (f32::from(study.films[n].columns), f32::from(study.films[n].rows));
        let inside = |p: &[f32]| (0.0..=columns).contains(&p[0]) && (0.0..=rows).contains(&p[1]);
        prop_assert!(points.len() >= 8 && points.chunks(2).all(inside), "{points:?} outside {columns} x {rows}");
        prop_assert_eq!(&points[..2], &points[points.len() - 2..]);
    }
    // The evidence is exactly what the content refers to.
    let references = |ds: &InMemDicomObject| {
        let mut all = BTreeSet::new();
        everywhere(ds, &mut |item| {
            all.insert(text(item, tags::REFERENCED_SOP_INSTANCE_UID));
        });
        all.remove("");
        all
    };
    let gather = |tag| items(ds, tag).iter().flat_map(references).collect::<BTreeSet<_>>();
    let content = gather(tags::CONTENT_SEQUENCE);
    prop_assert_eq!(&content, &gather(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE));
    prop_assert_eq!(content.len(), study.films.len(), "every film is in the report");
    prop_assert_eq!(items(ds, tags::PREDECESSOR_DOCUMENTS_SEQUENCE).len(), usize::from(study.predecessor));
    Ok(regions)
}

/// The contours of a presentation state.
fn drawn(ds: &InMemDicomObject) -> Result<Regions, TestCaseError> {
    let mut regions = Regions::new();
    for layer in items(ds, tags::GRAPHIC_ANNOTATION_SEQUENCE) {
        let image = &items(layer, tags::REFERENCED_IMAGE_SEQUENCE)[0];
        for graphic in items(layer, tags::GRAPHIC_OBJECT_SEQUENCE) {
            let points = floats(graphic);
            let count = graphic.element(tags::NUMBER_OF_GRAPHIC_POINTS).unwrap().to_int::<usize>().unwrap();
            prop_assert_eq!(count * 2, points.len());
            let value = (text(image, tags::REFERENCED_SOP_INSTANCE_UID), points);
            prop_assert!(regions.insert(text(graphic, tags::TRACKING_UID), value).is_none());
        }
    }
    Ok(regions)
}

fn check(study: &Study) -> Result<(), TestCaseError> {
    let (context, images) = (context(study), images(study));
    // Masks of large films are no matter of this test.
    let small = study.films.iter().all(|film| film.columns.max(film.rows) <= 400);
    let wanted = |kind: &ResultKind| match kind {
        ResultKind::Sc => study.captures,
        ResultKind::Seg => small,
        _ => true,
    };
    let kinds: Vec<_> = ResultKind::ALL.into_iter().filter(wanted).collect();
    let built = result::build(&context, &images, &kinds).unwrap();
    let judged = images.iter().any(|image| image.findings().next().is_some());
    let mut in_report = Regions::new();
    let (mut in_states, mut seen) = (Regions::new(), BTreeSet::new());
    for object in &built.objects {
        prop_assert!(seen.insert(object.sop_instance.clone()), "a SOP Instance UID twice");
        let ds = read(object)?;
        let lead = if judged || object.source.is_some() {
            let first = images.iter().position(|image| image.findings().next().is_some()).unwrap_or(0);
            let film = object.source.as_ref();
            film.and_then(|uid| images.iter().position(|i| i.source.header.sop_instance == *uid)).unwrap_or(first)
        } else {
            0
        };
        prop_assert_eq!(text(&ds, tags::PATIENT_NAME), names::NAMES[study.films[lead].name].2, "{}", object.kind);
        prop_assert_eq!(text(&ds, tags::SPECIFIC_CHARACTER_SET), "ISO_IR 192");
        prop_assert_eq!(text(&ds, tags::ISSUER_OF_PATIENT_ID), "ISSUER");
        prop_assert_eq!(items(&ds, tags::OTHER_PATIENT_I_DS_SEQUENCE).len(), 1);
        match object.kind {
            ResultKind::Sr => {
                prop_assert_eq!(object.not_analyzed, !judged);
                in_report = report(&ds, study, object.not_analyzed)?;
                for class in [SrClass::Comprehensive, SrClass::Enhanced] {
                    let older = result::downgrade(&object.bytes, class, None).unwrap();
                    prop_assert_eq!(older.not_analyzed, object.not_analyzed);
                    prop_assert_eq!(&report(&read(&older)?, study, older.not_analyzed)?, &in_report);
                }
            }
            ResultKind::Gsps => in_states.extend(drawn(&ds)?),
            _ => {}
        }
    }
    prop_assert_eq!(built.objects.iter().filter(|o| o.kind == ResultKind::Sr).count(), 1);
    prop_assert_eq!(&in_report, &in_states, "every region of the report has its twin, and no other is drawn");
    let expected: usize = images.iter().flat_map(StudyImage::findings).map(|finding| finding.regions.len()).sum();
    prop_assert_eq!(in_report.len(), expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default() } else { ProptestConfig::with_cases(32) }
    })]

    #[test]
    fn whatever_was_found_is_read_back(study in study()) {
        check(&study)?;
    }
}
