//! The fixtures: every small film that the tests use, what it is for and what is true of it.

use crate::film::marker_box;
use crate::header::write_dicom;
use crate::results::{other_heat_map, own_report};
use crate::spec::{
    Charset, Fault, Kind, Marker, Pathology, Patient, Photometric, Side, Spec, Study, Syntax, View, Voi,
};
use Photometric::{Monochrome1, Monochrome2};

/// One file of `tests/dicom-fixtures/`.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// File name without `.dcm`.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Why it is there.
    pub why: &'static str,
    /// What a node must do with it.
    pub expect: &'static str,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Film(Box<Spec>),
    OwnReport(Box<Spec>),
    OtherHeatMap(Box<Spec>),
}

/// A known region, in the form that `check_results.py --truth` reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Finding code value: 112001 (DCM, Opacity), the label "Lung Opacity".
    pub code: &'static str,
    /// x0, y0, x1, y1 in pixels of the film; 0,0 is the top-left corner.
    pub bounds: [f32; 4],
    /// The film's SOP Instance UID.
    pub sop_instance_uid: String,
}

impl Fixture {
    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match &self.content {
            Content::Film(spec) => write_dicom(spec),
            Content::OwnReport(source) => own_report(source),
            Content::OtherHeatMap(source) => other_heat_map(source),
        }
    }

    /// The film's specification, where the file is a film.
    #[must_use]
    pub fn spec(&self) -> Option<&Spec> {
        match &self.content {
            Content::Film(spec) => Some(spec),
            _ => None,
        }
    }

    /// The same film so many times as wide and as high, a film of its own; `None` for what is no film.
    #[must_use]
    pub fn enlarged(&self, times: u16) -> Option<Self> {
        let Content::Film(spec) = &self.content else { return None };
        let mut spec = spec.clone();
        spec.rows *= times;
        spec.columns *= times;
        // Films of one study stay together.
        let longer = |key: &str| format!("{key}-times-{times}");
        (spec.key, spec.study.key) = (longer(&spec.key), longer(&spec.study.key));
        Some(Self { content: Content::Film(spec), ..self.clone() })
    }

    /// The marker's region; empty where there is none.
    #[must_use]
    pub fn truth(&self) -> Vec<Truth> {
        let known = self.spec().and_then(|spec| Some((spec, marker_box(spec)?)));
        let truth = |(spec, bounds): (&Spec, _)| Truth {
            code: "112001",
            bounds,
            sop_instance_uid: spec.sop_instance_uid().to_string(),
        };
        known.map(truth).into_iter().collect()
    }
}

/// Marker places: off every axis of symmetry, so that a mirrored or transposed box misses.
const UPPER_LEFT_LUNG: Marker = Marker { centre: (0.715, 0.36), size: (0.17, 0.13) };
const LOWER_LEFT_LUNG: Marker = Marker { centre: (0.685, 0.545), size: (0.15, 0.14) };
const LOWER_RIGHT_LUNG: Marker = Marker { centre: (0.275, 0.515), size: (0.16, 0.12) };
const PORTRAIT: (u16, u16) = (240, 200);
const LANDSCAPE: (u16, u16) = (200, 240);
const TINY: (u16, u16) = (144, 120);

/// All fixtures, by name.
#[must_use]
pub fn fixtures() -> Vec<Fixture> {
    let mut all = marked();
    all.extend(ordinary());
    all.extend(skipped());
    all.extend(broken());
    all.sort_by_key(|f| f.name);
    all
}

fn marked() -> Vec<Fixture> {
    let f = |name, what, why, spec| fixture(name, what, why, "finding at the truth box", spec);
    let window = Voi::Window { low: 300, high: 3500 };
    vec![
        f(
            "dx_portrait_mono2_14",
            "DX, 240x200, MONOCHROME2, 14 bits, window over the full range",
            "the plain case",
            Spec { bits: 14, ..dx("dx_portrait_mono2_14", PORTRAIT) },
        ),
        f(
            "dx_landscape_mono1_12",
            "DX, 200x240, MONOCHROME1, 12 bits, window 300..3500, LUT shape INVERSE",
            "landscape, inverted: mirrored or transposed boxes miss",
            Spec {
                photometric: Monochrome1,
                voi: window,
                marker: Some(LOWER_LEFT_LUNG),
                ..dx("dx_landscape_mono1_12", LANDSCAPE)
            },
        ),
        f(
            "cr_portrait_mono1_10_latin1",
            "CR, 240x200, MONOCHROME1, 10 bits, ISO_IR 100, no body part, Spanish description",
            "Latin-1 name; chest known from the description only",
            Spec {
                photometric: Monochrome1,
                bits: 10,
                charset: Charset::Latin1,
                body_part: String::new(),
                patient: person(1, "19540312", "M", "071Y"),
                marker: Some(LOWER_RIGHT_LUNG),
                study: study("cr_portrait_mono1_10_latin1", "Radiografía de tórax PA"),
                ..cr("cr_portrait_mono1_10_latin1", PORTRAIT)
            },
        ),
        f(
            "cr_landscape_mono2_12_implicit",
            "CR, 200x240, MONOCHROME2, 12 bits, no window, Implicit VR LE",
            "implicit syntax; display range from percentiles",
            Spec { voi: Voi::None, syntax: Syntax::ImplicitLe, ..cr("cr_landscape_mono2_12_implicit", LANDSCAPE) },
        ),
        f(
            "cr_portrait_mono2_16_utf8",
            "CR, 240x200, MONOCHROME2, 16 bits, no window, ISO_IR 192",
            "16 bits stored; UTF-8 name",
            Spec {
                bits: 16,
                voi: Voi::None,
                charset: Charset::Utf8,
                patient: person(3, "19790921", "F", "046Y"),
                marker: Some(LOWER_LEFT_LUNG),
                ..cr("cr_portrait_mono2_16_utf8", PORTRAIT)
            },
        ),
        f(
            "cr_portrait_japanese",
            "CR, 240x200, MONOCHROME2, 12 bits, \\ISO 2022 IR 87",
            "three component groups with escape sequences; Japanese series description",
            Spec {
                charset: Charset::Japanese,
                patient: person(2, "19600505", "M", "065Y"),
                voi: window,
                series_description: "胸部正面".into(),
                marker: Some(LOWER_RIGHT_LUNG),
                ..cr("cr_portrait_japanese", PORTRAIT)
            },
        ),
        f(
            "cr_empty_optional",
            "CR, 240x200, every optional and type 2 attribute empty",
            "nothing is known of body part, view and age: `assume` decides",
            Spec {
                bare: true,
                body_part: String::new(),
                patient: Patient { id: "PH-0104".into(), ..person(5, "", "", "") },
                study: Study {
                    key: "cr_empty_optional".into(),
                    date: String::new(),
                    time: String::new(),
                    accession: String::new(),
                    description: String::new(),
                },
                ..cr("cr_empty_optional", PORTRAIT)
            },
        ),
        f(
            "cr_age_81",
            "CR, 240x200, PatientAge `81` (no unit: invalid for its VR)",
            "the invalid value is left out of results and becomes an event",
            Spec {
                patient: person(7, "19440118", "F", "81"),
                marker: Some(LOWER_LEFT_LUNG),
                ..cr("cr_age_81", PORTRAIT)
            },
        ),
        f(
            "dx_voi_lut",
            "DX, 240x200, 12 bits, VOI LUT Sequence instead of a window",
            "table lookup, first value mapped not zero",
            Spec { voi: Voi::Table { low: 200, high: 3000 }, ..dx("dx_voi_lut", PORTRAIT) },
        ),
        f(
            "cr_signed_rescale",
            "CR, 200x240, 12 bits signed, Rescale Intercept 2048",
            "sign extension; window in output units",
            Spec {
                voi: Voi::Signed { low: 100, high: 3900 },
                marker: Some(LOWER_LEFT_LUNG),
                ..cr("cr_signed_rescale", LANDSCAPE)
            },
        ),
        f(
            "cr_high_bits",
            "CR, 240x200, 12 bits with overlay bits set above Bits Stored",
            "values must be masked to Bits Stored",
            Spec { voi: Voi::DirtyHighBits { low: 0, high: 4095 }, ..cr("cr_high_bits", PORTRAIT) },
        ),
        f(
            "sc_dx_film",
            "a DX film in Secondary Capture, ORIGINAL\\PRIMARY, 10 bits",
            "real archives hold such films; they count as films",
            Spec { kind: Kind::ScDx, bits: 10, ..dx("sc_dx_film", PORTRAIT) },
        ),
        f(
            "pa_lateral_1_pa",
            "DX, study of two images, PA",
            "the PA of a PA + lateral study",
            Spec { study: study("pa_lateral", "Chest 2 views"), ..dx("pa_lateral_1_pa", PORTRAIT) },
        ),
        f(
            "pa_ap_1_pa",
            "CR, study of two frontal images, PA",
            "two films, two regions, one report",
            Spec { study: study("pa_ap", "Chest PA and AP"), ..cr("pa_ap_1_pa", PORTRAIT) },
        ),
        f(
            "pa_ap_2_ap",
            "CR, study of two frontal images, AP, landscape, MONOCHROME1",
            "differs from its PA in size, sense and place of the opacity",
            Spec {
                study: study("pa_ap", "Chest PA and AP"),
                view: View::Ap,
                photometric: Monochrome1,
                numbers: (2, 1),
                marker: Some(LOWER_RIGHT_LUNG),
                ..cr("pa_ap_2_ap", LANDSCAPE)
            },
        ),
    ]
}

fn ordinary() -> Vec<Fixture> {
    let seen = "analysed; no marker, so no finding of the test model";
    let f = |name, what, why, spec| fixture(name, what, why, seen, Spec { marker: None, ..spec });
    vec![
        f("dx_normal", "DX, 240x200, no disease", "a negative report", dx("dx_normal", PORTRAIT)),
        f(
            "dx_opacity",
            "DX, 240x200, consolidation in the right lower lung",
            "a soft finding for the demonstrator",
            Spec { pathology: vec![Pathology::Opacity(Side::Right)], ..dx("dx_opacity", PORTRAIT) },
        ),
        f(
            "dx_effusion",
            "DX, 240x200, left pleural effusion",
            "as above",
            Spec { pathology: vec![Pathology::Effusion(Side::Left)], ..dx("dx_effusion", PORTRAIT) },
        ),
        f(
            "cr_pneumothorax",
            "CR, 240x200, right apical pneumothorax",
            "as above",
            Spec { pathology: vec![Pathology::Pneumothorax(Side::Right)], ..cr("cr_pneumothorax", PORTRAIT) },
        ),
    ]
}

fn skipped() -> Vec<Fixture> {
    let f = |name, what, why, spec| fixture(name, what, why, "skipped", Spec { marker: None, ..spec });
    let horse = Patient { species: Some(("388445009".into(), "Horse".into())), ..person(16, "20000501", "F", "025Y") };
    let source = |name| Box::new(dx(name, TINY));
    vec![
        f(
            "pa_lateral_2_lateral",
            "DX, the lateral of the PA + lateral study",
            "never scored; listed in the PA's report",
            Spec {
                study: study("pa_lateral", "Chest 2 views"),
                view: View::Lateral,
                numbers: (2, 1),
                ..dx("pa_lateral_2_lateral", PORTRAIT)
            },
        ),
        f(
            "lateral_only",
            "CR, a study of one lateral film",
            "reason: lateral",
            Spec { view: View::Lateral, study: study("lateral_only", "Chest lateral"), ..cr("lateral_only", TINY) },
        ),
        f(
            "hip",
            "DX, pelvis AP, body part HIP",
            "reason: not a chest",
            Spec { view: View::Hip, body_part: "HIP".into(), study: study("hip", "Pelvis AP"), ..dx("hip", TINY) },
        ),
        f(
            "child_5y",
            "DX, chest PA, five years old",
            "reason: age",
            Spec { patient: person(8, "20200310", "M", "005Y"), ..dx("child_5y", TINY) },
        ),
        f(
            "animal",
            "DX, chest, a horse of 25 years",
            "reason: species, not age",
            Spec { patient: horse, ..dx("animal", TINY) },
        ),
        f(
            "dx_for_processing",
            "DX For Processing, 14 bits raw, no window",
            "reason: for processing",
            Spec {
                kind: Kind::DxProcessing,
                bits: 14,
                voi: Voi::None,
                photometric: Monochrome1,
                ..dx("dx_for_processing", TINY)
            },
        ),
        Fixture {
            name: "own_result_sr",
            what: "SR with the node's own manufacturer and model",
            why: "loop guard",
            expect: "skipped",
            content: Content::OwnReport(source("own_result_sr")),
        },
        Fixture {
            name: "other_ai_sc",
            what: "another AI's heat map: DX in Secondary Capture, chest PA, DERIVED",
            why: "another AI's result is not a film",
            expect: "skipped",
            content: Content::OtherHeatMap(source("other_ai_sc")),
        },
    ]
}

fn broken() -> Vec<Fixture> {
    let f = |name, what, fault| {
        let spec = Spec { marker: None, fault: Some(fault), ..dx(name, TINY) };
        fixture(name, what, "hostile or damaged input", "a reason, never a crash", spec)
    };
    vec![
        f("bad_zero_rows", "Rows is 0", Fault::ZeroRows),
        f("bad_huge_claim", "Rows and Columns claim 60000 with 34 KB of pixel data", Fault::HugeClaim),
        f("bad_truncated", "the file ends inside the pixel data", Fault::Truncated),
    ]
}

fn fixture(name: &'static str, what: &'static str, why: &'static str, expect: &'static str, spec: Spec) -> Fixture {
    Fixture { name, what, why, expect, content: Content::Film(Box::new(spec)) }
}

fn dx(key: &str, (rows, columns): (u16, u16)) -> Spec {
    Spec {
        key: key.into(),
        kind: Kind::DxPresentation,
        view: View::Pa,
        rows,
        columns,
        bits: 12,
        photometric: Monochrome2,
        voi: Voi::Full,
        syntax: Syntax::ExplicitLe,
        charset: Charset::Ascii,
        pathology: Vec::new(),
        marker: Some(UPPER_LEFT_LUNG),
        patient: person(0, "19680724", "F", "057Y"),
        study: study(key, "Chest PA"),
        series_description: String::new(),
        body_part: "CHEST".into(),
        bare: false,
        rich: false,
        numbers: (1, 1),
        fault: None,
    }
}

fn cr(key: &str, size: (u16, u16)) -> Spec {
    Spec { kind: Kind::Cr, ..dx(key, size) }
}

/// The `index`-th fictional patient.
pub(crate) fn person(index: usize, birth: &str, sex: &str, age: &str) -> Patient {
    Patient {
        name: crate::PATIENT_NAMES[index].into(),
        id: format!("PH-{index:04}"),
        birth: birth.into(),
        sex: sex.into(),
        age: age.into(),
        species: None,
    }
}

fn study(key: &str, description: &str) -> Study {
    let sum: u32 = key.bytes().map(u32::from).sum();
    Study {
        key: key.into(),
        date: "20251103".into(),
        time: format!("{:02}{:02}{:02}", 8 + sum % 9, sum % 60, sum % 53),
        accession: format!("PHA{sum:05}"),
        description: description.into(),
    }
}
