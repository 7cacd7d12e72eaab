//! Any study: films of any shape, patients in any script, findings with any regions.

use centinela_domain::code::Vocabulary;
use centinela_domain::evidence::{ImageOutcome, Picture, SourceImage, StudyImage};
use centinela_domain::finding::ImageFindings;
use centinela_domain::gate::SkipReason;
use centinela_domain::header;
use centinela_domain::prediction::{LabelScore, ModelRef, Prediction, Region};
use centinela_domain::profile::ResultKind;
use centinela_domain::result::{Captures, Context, Language, Negatives, Node, SrClass};
use centinela_domain::uid::Uid;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// No more regions than this on all films together.
const MOST_REGIONS: usize = 40;

/// Texts as they arrive: any script, component groups, and what is no valid value at all.
const NAMES: [&str; 9] = [
    "",
    "Muñoz Ibáñez^José Ángel",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Hong^Gildong=洪^吉洞=홍^길동",
    "Wang^XiaoDong=王^小东=",
    "قباني^لنزار",
    "Διονυσιος",
    "a^b^c^d^e^f=x=y=z",
    "N\u{301}o^e\u{308}",
];

/// What one film is given to be.
#[derive(Debug, Clone)]
pub struct Film {
    size: (u16, u16),
    inverse: bool,
    dx: bool,
    spacing: Option<&'static str>,
    window: bool,
    skipped: bool,
    labels: Vec<(String, f32, f32, Vec<Region>)>,
}

/// What a case is about.
#[derive(Debug, Clone)]
pub struct Given {
    films: Vec<Film>,
    name: String,
    id: String,
    spanish: bool,
    omit: bool,
    revision: i64,
    with_sc: bool,
    with_large_masks: bool,
    older: SrClass,
}

/// What is built of it.
pub struct Study {
    pub context: Context,
    pub images: Vec<StudyImage>,
    pub kinds: Vec<ResultKind>,
    /// The class that its report is written in again, for a destination that does not take the first.
    pub older: SrClass,
}

/// A side of a film: usual ones, the smallest, the largest, odd ones.
fn side() -> impl Strategy<Value = u16> {
    prop_oneof![Just(64_u16), Just(65_535), 65..400_u16, 1_000..4_000_u16, 8_000..65_000_u16]
}

/// A share of a side; often one of its ends, so that contours touch the borders.
fn share() -> impl Strategy<Value = f32> {
    prop_oneof![2 => Just(0.0_f32), 2 => Just(1.0), 8 => 0.0_f32..1.0]
}

/// A closed contour with an area, in pixels to the hundredth as the node rounds them.
fn region((width, height): (u16, u16)) -> impl Strategy<Value = Region> {
    vec((share(), share()), 3..60).prop_filter_map("a contour without an area", move |shares| {
        let place = |share: f32, side: u16| (share * f32::from(side) * 100.0).round() / 100.0;
        let mut contour: Vec<[f32; 2]> = shares
            .iter()
            .map(|(x, y)| [place(*x, width).min(width.into()), place(*y, height).min(height.into())])
            .collect();
        contour.dedup();
        contour.push(contour[0]);
        let spread = |axis: usize| {
            let values = contour.iter().map(|p| p[axis]);
            values.clone().fold(f32::MIN, f32::max) - values.fold(f32::MAX, f32::min)
        };
        (contour.len() >= 4 && spread(0) >= 1.0 && spread(1) >= 1.0).then_some(Region { contour })
    })
}

fn film() -> impl Strategy<Value = Film> {
    let labels: Vec<String> = Vocabulary::embedded().rows().map(|row| row.label.clone()).collect();
    let header = (
        (side(), side()),
        prop::bool::ANY,
        prop::bool::ANY,
        select(vec![None, Some("0.15\\0.15"), Some("0.2\\0.1"), Some("nonsense")]),
        prop::bool::ANY,
        prop::bool::weighted(0.15),
        subsequence(labels, 0..=18).prop_shuffle(),
    );
    header.prop_flat_map(|(size, inverse, dx, spacing, window, skipped, labels)| {
        let fractions = prop_oneof![Just(0.0_f32), Just(1.0), Just(0.5), 0.0_f32..=1.0];
        let one = (fractions.clone(), fractions, vec(region(size), 0..4));
        vec(one, labels.len()).prop_map(move |values| Film {
            size,
            inverse,
            dx,
            spacing,
            window,
            skipped,
            labels: labels.iter().cloned().zip(values).map(|(label, (p, t, regions))| (label, p, t, regions)).collect(),
        })
    })
}

/// Any case.
pub fn any() -> impl Strategy<Value = Given> {
    let texts = (prop_oneof![select(NAMES.to_vec()).prop_map(str::to_owned), "\\PC{0,70}"], "\\PC{0,20}");
    let words = (prop::bool::ANY, prop::bool::ANY, 1..4_i64);
    // Pictures and large masks cost more than all else of a case together.
    let costly = (prop::bool::weighted(0.03), prop::bool::weighted(0.03));
    let older = select(vec![SrClass::Comprehensive, SrClass::Enhanced]);
    (vec(film(), 1..4), texts, words, costly, older).prop_map(
        |(films, (name, id), (spanish, omit, revision), (with_sc, with_large_masks), older)| Given {
            films,
            name,
            id,
            spanish,
            omit,
            revision,
            with_sc,
            with_large_masks,
            older,
        },
    )
}

impl Given {
    /// The study.
    pub fn study(&self) -> Study {
        let model = model();
        let mut room = MOST_REGIONS;
        let images = self.films.iter().enumerate().map(|(n, film)| self.image(n, film, &model, &mut room)).collect();
        let mut kinds = vec![ResultKind::Sr, ResultKind::Gsps, ResultKind::Kos];
        // Masks of films of 65,000 pixels a side are no matter of this test.
        let largest = if self.with_large_masks { 4_000 } else { 400 };
        if self.films.iter().all(|film| film.size.0 < largest && film.size.1 < largest) {
            kinds.push(ResultKind::Seg);
        }
        if self.with_sc {
            kinds.push(ResultKind::Sc);
        }
        let context = Context {
            node: Node {
                manufacturer: "Centinela".into(),
                model_name: "Centinela".into(),
                version: "0".into(),
                serial_number: "1".into(),
                device: Uid::derive(&["device"]),
                ae_title: "CENTINELA".into(),
            },
            model,
            threshold_set: "default".into(),
            language: Language::parse(if self.spanish { "es" } else { "en" }).unwrap_or_default(),
            negatives: if self.omit { Negatives::Omit } else { Negatives::Groups },
            captures: Captures::default(),
            study: Uid::derive(&["study"]),
            revision: self.revision,
            closed_at: 1_795_485_600_000,
            predecessor: None,
        };
        Study { context, images, kinds, older: self.older }
    }

    fn image(&self, n: usize, film: &Film, model: &ModelRef, room: &mut usize) -> StudyImage {
        let source = self.header(n, film);
        if film.skipped {
            return StudyImage { source, outcome: ImageOutcome::Skipped(SkipReason::Processing) };
        }
        let scores = film.labels.iter().map(|(label, probability, threshold, regions)| {
            let regions: Vec<Region> = regions.iter().take(*room).cloned().collect();
            *room -= regions.len();
            LabelScore { label: label.clone(), probability: *probability, threshold: *threshold, regions }
        });
        let prediction = Prediction { model: model.clone(), scores: scores.collect(), map: None };
        let findings = ImageFindings::from_prediction(&source.header.sop_instance, &prediction, Vocabulary::embedded());
        let findings = findings.unwrap_or_else(|error| panic!("{error}"));
        let picture = picture(film.size);
        StudyImage { source, outcome: ImageOutcome::Analyzed { findings, picture } }
    }

    fn header(&self, n: usize, film: &Film) -> SourceImage {
        let mut set = InMemDicomObject::new_empty();
        let mut text = |tag: Tag, vr: VR, value: &str| {
            set.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
        };
        let number = n.to_string();
        text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        let class = if film.dx { "1.2.840.10008.5.1.4.1.1.1.1" } else { "1.2.840.10008.5.1.4.1.1.1" };
        text(tags::SOP_CLASS_UID, VR::UI, class);
        text(tags::SOP_INSTANCE_UID, VR::UI, Uid::derive(&["film", &number]).as_str());
        text(tags::STUDY_INSTANCE_UID, VR::UI, Uid::derive(&["study"]).as_str());
        text(tags::SERIES_INSTANCE_UID, VR::UI, Uid::derive(&["series", &number]).as_str());
        text(tags::SERIES_NUMBER, VR::IS, "9001");
        text(tags::PATIENT_NAME, VR::PN, &self.name);
        text(tags::PATIENT_ID, VR::LO, &self.id);
        text(tags::PATIENT_AGE, VR::AS, "81");
        text(tags::STUDY_DATE, VR::DA, "20261124");
        text(tags::MODALITY, VR::CS, if film.dx { "DX" } else { "CR" });
        text(tags::MANUFACTURER, VR::LO, "ACME");
        let photometric = if film.inverse { "MONOCHROME1" } else { "MONOCHROME2" };
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, photometric);
        if let Some(spacing) = film.spacing {
            text(tags::PIXEL_SPACING, VR::DS, spacing);
        }
        if film.window {
            text(tags::WINDOW_CENTER, VR::DS, "2000");
            text(tags::WINDOW_WIDTH, VR::DS, "3600");
        }
        for (tag, value) in [(tags::ROWS, film.size.1), (tags::COLUMNS, film.size.0), (tags::SAMPLES_PER_PIXEL, 1)] {
            set.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(class)
            .media_storage_sop_instance_uid("1.2.3")
            .transfer_syntax(EXPLICIT)
            .build()
            .unwrap_or_else(|error| panic!("{error}"));
        let mut bytes = Vec::new();
        set.with_exact_meta(meta).write_dataset(&mut bytes).unwrap_or_else(|error| panic!("{error}"));
        header::read_dataset(&bytes, EXPLICIT).unwrap_or_else(|error| panic!("{error}")).0
    }
}

/// A picture as the node keeps it: the long side at most 1280 pixels.
fn picture((columns, rows): (u16, u16)) -> Picture {
    let long = u32::from(columns.max(rows));
    let fit = |side: u16| if long <= 1280 { u32::from(side) } else { (u32::from(side) * 1280 / long).max(1) };
    let (width, height) = (fit(columns), fit(rows));
    Picture { width, height, gray: (0..width * height).map(|n| (n % 251) as u8).collect() }
}

fn model() -> ModelRef {
    ModelRef {
        name: "test".into(),
        version: "1.0".into(),
        title: "Test model".into(),
        manufacturer: "Maker".into(),
        weights_sha256: "00".repeat(32),
        input_size: 224,
    }
}

/// Tracking UID and contour of every region that is to be drawn on a film.
pub fn tracked(image: &StudyImage) -> Vec<(String, Vec<[f32; 2]>)> {
    let ImageOutcome::Analyzed { findings, .. } = &image.outcome else { return Vec::new() };
    let regions = findings.findings.iter().flat_map(|finding| &finding.regions);
    regions.map(|tracked| (tracked.tracking.to_string(), tracked.region.contour.clone())).collect()
}

/// How many findings of a film are present.
pub fn present(image: &StudyImage) -> usize {
    match &image.outcome {
        ImageOutcome::Analyzed { findings, .. } => findings.findings.iter().filter(|f| f.present).count(),
        ImageOutcome::Skipped(_) => 0,
    }
}
