//! The gate, row by row: one change to a perfect film, one answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod food;
mod view;

use centinela_domain::gate::{
    Assume, Decision, GatePolicy, OWN_MANUFACTURER, OWN_MODEL, PixelProblem, SkipReason, Unknown, Verdict, gate,
};
use centinela_domain::instance::InstanceHeader;
use centinela_domain::phi::Phi;
use centinela_domain::result::Language;
use centinela_domain::uid::Uid;
use proptest::prelude::*;

const ADULTS: GatePolicy = GatePolicy { assume: Assume::Analyze, age_min: 18, age_max: 120 };
const STRICT: GatePolicy = GatePolicy { assume: Assume::Skip, ..ADULTS };

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

/// A chest film that says everything.
fn film() -> InstanceHeader {
    InstanceHeader {
        sop_class: uid("1.2.840.10008.5.1.4.1.1.1.1"),
        sop_instance: uid("1.2.3.4"),
        study: uid("1.2.3"),
        series: uid("1.2.3.1"),
        modality: Some("DX".into()),
        presentation_intent: Some("FOR PRESENTATION".into()),
        image_type: vec!["ORIGINAL".into(), "PRIMARY".into()],
        body_part: Some("CHEST".into()),
        view_position: Some("PA".into()),
        view_codes: Vec::new(),
        region_codes: Vec::new(),
        patient_orientation: Vec::new(),
        descriptions: Vec::new(),
        species: None,
        age_years: Some(50),
        manufacturer: Some("FUJIFILM Corporation".into()),
        model_name: Some("CR-IR".into()),
        contributors: Vec::new(),
        rows: Some(2048),
        columns: Some(2048),
        frames: None,
        samples: Some(1),
        bits_allocated: Some(16),
        photometric: Some("MONOCHROME2".into()),
        has_pixels: true,
        series_number: Some(1),
        requested: None,
        identity_digest: String::new(),
        charset_doubt: None,
    }
}

fn with(change: impl FnOnce(&mut InstanceHeader)) -> InstanceHeader {
    let mut header = film();
    change(&mut header);
    header
}

fn described(texts: &[&str]) -> Vec<Phi<String>> {
    texts.iter().map(|t| Phi::new((*t).to_owned())).collect()
}

/// The reason, or `None` if it is analysed with everything known.
fn reason(header: &InstanceHeader) -> Option<SkipReason> {
    match gate(header, &ADULTS).decision {
        Decision::Skip(reason) => Some(reason),
        Decision::Analyze { unknown } => {
            assert!(unknown.is_empty(), "{unknown:?}");
            None
        }
    }
}

fn body(found: &str) -> Option<SkipReason> {
    Some(SkipReason::BodyPart { found: found.into() })
}

#[test]
fn a_film_that_says_everything_is_analysed() {
    let verdict = gate(&film(), &STRICT);
    assert_eq!(verdict, Verdict { decision: Decision::Analyze { unknown: vec![] }, chest: Some(true) });
}

#[test]
fn modalities_and_intents() {
    let sc = "1.2.840.10008.5.1.4.1.1.7";
    let cr = "1.2.840.10008.5.1.4.1.1.1";
    let not = |found: &str| Some(SkipReason::Modality { found: found.into() });
    for (class, modality, expected) in [
        (cr, Some("CR"), None),
        (cr, None, None),
        (sc, Some("DX"), None),
        (sc, Some("CR"), None),
        ("1.2.840.10008.5.1.4.1.1.7.2", Some("DX"), None),
        (sc, Some("OT"), not("OT")),
        (sc, Some("SC"), not("SC")),
        (sc, None, not("not given")),
        (cr, Some("MG"), not("MG")),
        ("1.2.840.10008.5.1.4.1.1.2", Some("CT"), not("CT")),
        (cr, Some("Muñoz^Ana"), not("other")),
    ] {
        let header = with(|h| {
            h.sop_class = uid(class);
            h.modality = modality.map(String::from);
        });
        assert_eq!(reason(&header), expected, "{class} {modality:?}");
    }
    let raw = with(|h| h.presentation_intent = Some("FOR PROCESSING".into()));
    assert_eq!(reason(&raw), Some(SkipReason::ForProcessing));
    assert_eq!(gate(&raw, &ADULTS).chest, Some(true));
    let raw_class = with(|h| {
        h.presentation_intent = None;
        h.sop_class = uid("1.2.840.10008.5.1.4.1.1.1.1.1");
    });
    assert_eq!(reason(&raw_class), Some(SkipReason::ForProcessing));
    assert_eq!(reason(&with(|h| h.presentation_intent = None)), None);
}

#[test]
fn body_part_by_the_tag() {
    for part in ["CHEST", "THORAX", "LUNG", "Chest", "CHEST_PA", "CHEST 2VIEWS", "TORAX", "TÓRAX", "PULMON", "胸部"]
    {
        assert_eq!(reason(&with(|h| h.body_part = Some(part.into()))), None, "{part}");
    }
    for part in [
        "RIB",
        "RIBS",
        "SHOULDER",
        "TSPINE",
        "SPINE",
        "HIP",
        "EXTREMITY",
        "ABDOMEN",
        "SKULL",
        "HAND",
        "KNEE",
        "FOOT",
        "PELVIS",
        "CLAVICLE",
        "STERNUM",
        "BREAST",
        "NECK",
        "ARM",
        "ELBOW",
        "CHESTABDPELVIS",
        "TRX",
    ] {
        let header = with(|h| {
            h.body_part = Some(part.into());
            // The tag decides, whatever else is written.
            h.descriptions = described(&["CHEST PA"]);
            h.region_codes = vec!["SCT:51185008".into()];
        });
        assert_eq!(reason(&header), body(part), "{part}");
        assert_eq!(gate(&header, &ADULTS).chest, Some(false), "{part}");
    }
    // What somebody typed is not repeated.
    assert_eq!(reason(&with(|h| h.body_part = Some("Knie von Frau Muñoz".into()))), body("other"));
    assert_eq!(reason(&with(|h| h.body_part = Some("CHEST AND ABDOMEN".into()))), body("other"));
}

#[test]
fn body_part_by_region_code() {
    for (code, expected) in [
        ("SCT:816094009", None),
        ("SCT:51185008", None),
        ("SRT:T-D3000", None),
        ("SNM3:T-28000", None),
        ("SCT:24136001", body("another anatomic region")),
        ("SCT:416550000", body("another anatomic region")),
    ] {
        for placeholder in [None, Some("UNKNOWN"), Some("OTHER")] {
            let header = with(|h| {
                h.body_part = placeholder.map(String::from);
                h.region_codes = vec![code.into()];
            });
            assert_eq!(reason(&header), expected, "{code}");
        }
    }
}

#[test]
fn body_part_by_descriptions_in_many_languages() {
    for text in [
        "Chest PA",
        "XR CHEST 1 VIEW",
        "CXR portable",
        "Rx tórax PA",
        "RADIOGRAFIA DE TORAX",
        "Radiografia do tórax",
        "Thorax de face",
        "Radiographie pulmonaire",
        "Thoraxaufnahme p.a.",
        "Röntgen Lunge",
        "RX torace",
        "X-thorax",
        "Longfoto",
        "Lungröntgen",
        "RTG klatki piersiowej",
        "Göğüs PA",
        "PA akciğer grafisi",
        "胸部X線",
        "胸部正面",
        "胸片",
        "胸部正位",
        "흉부 PA",
        "Рентген грудной клетки",
    ] {
        let header = with(|h| {
            h.body_part = None;
            h.descriptions = described(&[text]);
        });
        assert_eq!(reason(&header), None, "{text}");
        assert_eq!(gate(&header, &ADULTS).chest, Some(true), "{text}");
    }
    for (text, found) in [
        ("Knee left AP", "KNEE"),
        ("Rx rodilla derecha", "KNEE"),
        ("HIP JOINT", "HIP"),
        ("Cadera AP", "HIP"),
        ("Abdomen stehend", "ABDOMEN"),
        ("ASP debout", "ABDOMEN"),
        ("BWS ap", "SPINE"),
        ("Thoracic spine AP", "SPINE"),
        ("Parrilla costal", "RIB"),
        ("Hemithorax links", "RIB"),
        ("Schulter links", "SHOULDER"),
        ("Handgelenk", "HAND"),
        ("腹部", "ABDOMEN"),
        ("무릎", "KNEE"),
    ] {
        let header = with(|h| {
            h.body_part = Some(String::new());
            h.descriptions = described(&[text]);
        });
        assert_eq!(reason(&header), body(found), "{text}");
    }
}

#[test]
fn the_most_specific_description_decides_and_ambiguous_ones_do_not() {
    let chest_of = |texts: &[&str]| {
        let header = with(|h| {
            h.body_part = None;
            h.descriptions = described(texts);
        });
        gate(&header, &ADULTS).chest
    };
    assert_eq!(chest_of(&["Hand", "Chest"]), Some(false));
    assert_eq!(chest_of(&["Chest", "Polytrauma hand"]), Some(true));
    assert_eq!(chest_of(&["Chest and abdomen", "Thorax"]), Some(true));
    assert_eq!(chest_of(&["Chest and abdomen"]), None);
    assert_eq!(chest_of(&["No Finding"]), None);
    assert_eq!(chest_of(&["Chester county"]), None);
    assert_eq!(chest_of(&[]), None);
}

#[test]
fn species() {
    for species in ["SCT:337915000", "SRT:L-85003", "SRT:L-85B00", "Homo sapiens", "HUMAN", "human being"] {
        assert_eq!(reason(&with(|h| h.species = Some(species.into()))), None, "{species}");
    }
    for species in ["SCT:448771007", "Canis lupus familiaris", "Dog", "99X:1"] {
        assert_eq!(reason(&with(|h| h.species = Some(species.into()))), Some(SkipReason::Species), "{species}");
    }
}

#[test]
fn ages_at_both_ends() {
    let age = |years| reason(&with(|h| h.age_years = Some(years)));
    assert_eq!(age(18), None);
    assert_eq!(age(120), None);
    for years in [0, 5, 17, 121] {
        assert_eq!(age(years), Some(SkipReason::Age { years, min: 18, max: 120 }));
    }
    // A dog's chest film without species: the age is what tells.
    let dog = with(|h| {
        h.body_part = Some("THORAX".into());
        h.view_position = None;
        h.age_years = Some(5);
    });
    let told = reason(&dog).unwrap();
    assert_eq!(told.text(&Language::English), "the age is 5 years and the model is made for 18 to 120 years");
}

#[test]
fn pixel_sanity() {
    use PixelProblem::{Bits, Frames, Missing, NoSize, Photometric, Samples, TooLarge, TooSmall};
    type Change = fn(&mut InstanceHeader);
    let cases: [(Change, PixelProblem); 14] = [
        (|h| h.rows = Some(0), NoSize),
        (|h| h.rows = None, NoSize),
        (|h| h.columns = Some(0), NoSize),
        (|h| (h.rows, h.columns) = (Some(60_000), Some(60_000)), TooLarge),
        (|h| h.rows = Some(20_001), TooLarge),
        (|h| (h.rows, h.columns) = (Some(10_001), Some(10_000)), TooLarge),
        (|h| h.rows = Some(63), TooSmall),
        (|h| h.samples = Some(3), Samples),
        (|h| h.frames = Some(2), Frames),
        (|h| h.photometric = Some("RGB".into()), Photometric),
        (|h| h.photometric = None, Photometric),
        (|h| h.bits_allocated = Some(32), Bits),
        (|h| h.bits_allocated = None, Bits),
        (|h| h.has_pixels = false, Missing),
    ];
    for (change, problem) in cases {
        assert_eq!(reason(&with(change)), Some(SkipReason::Pixels { problem }));
    }
    for change in [
        (|h| (h.rows, h.columns) = (Some(10_000), Some(10_000))) as Change,
        |h| (h.rows, h.columns) = (Some(64), Some(64)),
        |h| h.frames = Some(1),
        |h| h.samples = None,
        |h| h.photometric = Some("MONOCHROME1".into()),
        |h| h.bits_allocated = Some(8),
    ] {
        assert_eq!(reason(&with(change)), None);
    }
}

#[test]
fn unknown_is_its_own_answer() {
    let silent = with(|h| {
        h.body_part = None;
        h.view_position = None;
        h.age_years = None;
    });
    let verdict = gate(&silent, &ADULTS);
    assert_eq!(verdict.decision, Decision::Analyze { unknown: vec![Unknown::BodyPart, Unknown::Age, Unknown::View] });
    assert_eq!(verdict.chest, None);
    for (what, change) in [
        (Unknown::BodyPart, (|h| h.body_part = None) as fn(&mut InstanceHeader)),
        (Unknown::Age, |h| h.age_years = None),
        (Unknown::View, |h| h.view_position = None),
    ] {
        let header = with(change);
        assert_eq!(gate(&header, &ADULTS).decision, Decision::Analyze { unknown: vec![what] });
        assert_eq!(gate(&header, &STRICT).decision, Decision::Skip(SkipReason::Unknown { what }));
    }
}

#[test]
fn the_reason_that_tells_most_comes_first() {
    // Everything is wrong; one after the other is mended.
    let mut header = with(|h| {
        h.manufacturer = Some(OWN_MANUFACTURER.into());
        h.model_name = Some(OWN_MODEL.into());
        h.image_type = vec!["DERIVED".into(), "SECONDARY".into(), "CAD".into()];
        h.sop_class = uid("1.2.840.10008.5.1.4.1.1.88.22");
        h.modality = Some("CT".into());
        h.presentation_intent = Some("FOR PROCESSING".into());
        h.body_part = Some("HIP".into());
        h.species = Some("Dog".into());
        h.age_years = Some(5);
        h.view_position = Some("LL".into());
        h.rows = Some(0);
    });
    type Mend = fn(&mut InstanceHeader);
    let steps: [(&str, Mend); 10] = [
        ("own_result", |h| h.manufacturer = None),
        ("other_ai", |h| h.image_type.clear()),
        ("not_an_image", |h| h.sop_class = uid("1.2.840.10008.5.1.4.1.1.1")),
        ("modality", |h| h.modality = Some("CR".into())),
        ("for_processing", |h| h.presentation_intent = None),
        ("body_part", |h| h.body_part = Some("CHEST".into())),
        ("species", |h| h.species = None),
        ("age", |h| h.age_years = Some(40)),
        ("view", |h| h.view_position = Some("PA".into())),
        ("pixels", |h| h.rows = Some(2000)),
    ];
    for (code, mend) in steps {
        assert_eq!(reason(&header).unwrap().code(), code);
        mend(&mut header);
    }
    assert_eq!(reason(&header), None);
}

proptest! {
    #[test]
    fn nothing_typed_reaches_a_reason(
        part in ".{0,20}", position in ".{0,12}", modality in "(CR|DX|.{0,6})", text in ".{0,30}", species in prop::option::of(".{0,12}"),
    ) {
        let header = with(|h| {
            h.modality = Some(modality);
            h.body_part = Some(part);
            h.view_position = Some(position);
            h.descriptions = described(&[&text]);
            h.species = species;
        });
        if let Decision::Skip(reason) = gate(&header, &ADULTS).decision {
            let text = reason.text(&Language::English);
            prop_assert!(text.is_ascii() && text.len() < 120, "{}", text);
        }
    }
}
