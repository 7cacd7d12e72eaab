//! The single checks of the gate, each on one group of attributes.
//!
//! PS3.3 C.8.7.1 (CR), C.8.11 (DX), C.7.1.4 (patient species), C.7.6.1.1.1 (patient orientation);
//! codes from PS3.16 CID 4009, 4010, 4031 and 7454, SNOMED CT with their SNOMED RT twins.

use super::reason::{PixelProblem, SkipReason, ViewFound};
use super::terms::{self, TERMS, fold};
use super::{Assume, GatePolicy, MAX_PIXELS, MAX_SIDE, MIN_SIDE, OWN_MANUFACTURER, OWN_MODEL, Unknown};
use crate::instance::InstanceHeader;
use crate::language::Language;
use crate::phi::Phi;

/// What the header tells about the body part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chest {
    Yes,
    No { found: String },
    Unknown,
}

impl Chest {
    pub(super) const fn known(&self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No { .. } => Some(false),
            Self::Unknown => None,
        }
    }
}

/// What the header tells about the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Frontal,
    Not(ViewFound),
    Unknown,
}

/// Chest, lung, thoracic cavity, mediastinum; T-D3000 and T-28000 are the SNOMED RT chest and lung.
const CHEST_CODES: [&str; 8] =
    ["816094009", "51185008", "39607008", "43799004", "72410000", "T-D3000", "T-28000", "T-D3200"];

/// Codes of Anatomic Region that say nothing: the entire body.
const VAGUE_REGION_CODES: [&str; 2] = ["38266002", "T-D0010"];

const FRONTAL_CODES: [&str; 6] = ["399348003", "272479007", "399033003", "R-10206", "R-40888", "R-10202"];
// R-10214 is an older SNOMED RT code for postero-anterior that CID 4010 no longer lists.
const FRONTAL_RETIRED: &str = "R-10214";
const LATERAL_CODES: [&str; 12] = [
    "399067008",
    "399173006",
    "399198007",
    "399260004",
    "399352003",
    "30730003",
    "R-102CD",
    "R-10236",
    "R-10232",
    "R-10224",
    "R-10228",
    "G-A145",
];
const OBLIQUE_CODES: [&str; 36] = [
    "399182000",
    "399236003",
    "399184004",
    "399135007",
    "399356000",
    "399006002",
    "399038007",
    "399312000",
    "399059000",
    "399160007",
    "399132005",
    "260427002",
    "260426006",
    "399004004",
    "399225005",
    "399288005",
    "399325008",
    "399099002",
    "399368009",
    "R-102C1",
    "R-10234",
    "R-10238",
    "R-10220",
    "R-40985",
    "R-10212",
    "R-10210",
    "R-10208",
    "R-10216",
    "R-10204",
    "R-10252",
    "R-40783",
    "R-10246",
    "R-10250",
    "R-10248",
    "R-10254",
    "R-10230",
];

/// Secondary Capture Image Storage; the multi-frame ones stand below it.
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Homo sapiens: SNOMED CT, SNOMED RT, and the RT code that the standard's text long carried.
const HUMAN_CODES: [&str; 3] = ["337915000", "L-85003", "L-85B00"];

/// Runs the checks in order.
///
/// # Errors
/// The first reason not to analyse.
pub(super) fn first_refusal(
    header: &InstanceHeader,
    policy: &GatePolicy,
    chest: &Chest,
) -> Result<Vec<Unknown>, SkipReason> {
    if is_own(header) {
        return Err(SkipReason::OwnResult);
    }
    if is_other_ai(header) {
        return Err(SkipReason::OtherAi);
    }
    if is_not_an_image(header) {
        return Err(SkipReason::NotAnImage);
    }
    modality(header)?;
    if header.presentation_intent.as_deref().map(fold).as_deref() == Some("for processing")
        || header.sop_class.as_str() == "1.2.840.10008.5.1.4.1.1.1.1.1"
    {
        return Err(SkipReason::ForProcessing);
    }

    let mut unknown = Vec::new();
    let mut not_known = |what: Unknown| match policy.assume {
        Assume::Analyze => {
            unknown.push(what);
            Ok(())
        }
        Assume::Skip => Err(SkipReason::Unknown { what }),
    };
    match chest {
        Chest::Yes => {}
        Chest::No { found } => return Err(SkipReason::BodyPart { found: found.clone() }),
        Chest::Unknown => not_known(Unknown::BodyPart)?,
    }
    if !is_person(header) {
        return Err(SkipReason::Species);
    }
    match header.age_years {
        Some(years) if years < policy.age_min || years > policy.age_max => {
            return Err(SkipReason::Age { years, min: policy.age_min, max: policy.age_max });
        }
        Some(_) => {}
        None => not_known(Unknown::Age)?,
    }
    match view(header) {
        View::Frontal => {}
        View::Not(found) => return Err(SkipReason::View { found }),
        View::Unknown => not_known(Unknown::View)?,
    }
    match pixels(header) {
        None => Ok(unknown),
        Some(problem) => Err(SkipReason::Pixels { problem }),
    }
}

/// Ours by maker and model, its own or those of a contributor (what others derived from it), or by
/// the Series Description that only we write: archives replace the maker when they convert.
fn is_own(header: &InstanceHeader) -> bool {
    let ours = |maker: &str, model: &str| {
        maker.trim().eq_ignore_ascii_case(OWN_MANUFACTURER) && model.trim().eq_ignore_ascii_case(OWN_MODEL)
    };
    let named = |name: &Option<String>| name.clone().unwrap_or_default();
    let described = |text: &Phi<String>| {
        let mut texts = Language::ALL.iter().flat_map(|language| language.texts().series.values());
        texts.any(|series| series == text.reveal().trim())
    };
    ours(&named(&header.manufacturer), &named(&header.model_name))
        || header.contributors.iter().any(|(maker, model)| ours(maker, model))
        || header.descriptions.iter().any(described)
}

/// By the maker. An object that is no original is also judged by who contributed to it, by what its
/// descriptions call it, and by its Image Type.
fn is_other_ai(header: &InstanceHeader) -> bool {
    let maker = |name: &str| terms::any(&fold(name), &TERMS.other_ai.makers);
    if [&header.manufacturer, &header.model_name].into_iter().flatten().any(|name| maker(name)) {
        return true;
    }
    let captured = header.sop_class.as_str() == SECONDARY_CAPTURE
        || header.sop_class.as_str().strip_prefix(SECONDARY_CAPTURE).is_some_and(|rest| rest.starts_with('.'));
    let derived = header.image_type.first().is_some_and(|v| fold(v) == "derived");
    let typed = || header.image_type.iter().any(|v| terms::any(&fold(v), &TERMS.other_ai.image_types));
    let contributed = || header.contributors.iter().any(|(name, model)| maker(name) || maker(model));
    let described = || header.descriptions.iter().any(|text| maker(text.reveal()));
    (derived && typed()) || ((derived || captured) && (contributed() || described()))
}

/// Presentation states, structured reports, segmentations and raw data, parametric maps, encapsulated
/// documents, waveforms: by SOP class or by modality.
fn is_not_an_image(header: &InstanceHeader) -> bool {
    const ROOT: &str = "1.2.840.10008.5.1.4.1.1.";
    const BRANCHES: [&str; 6] = ["11.", "88.", "66", "30", "104.", "9."];
    const MODALITIES: [&str; 17] = [
        "SR", "PR", "KO", "SEG", "DOC", "REG", "FID", "RWV", "AU", "ECG", "HD", "RTPLAN", "RTSTRUCT", "RTRECORD",
        "PLAN", "SMR", "ANN",
    ];
    let class = header.sop_class.as_str().strip_prefix(ROOT);
    let empty = !header.has_pixels && header.rows.is_none() && header.columns.is_none();
    empty
        || class.is_some_and(|rest| BRANCHES.iter().any(|b| rest.starts_with(b)))
        || header.modality.as_deref().is_some_and(|m| MODALITIES.contains(&m.trim()))
}

/// CR or DX, in whatever image class: archives hold films inside Secondary Capture classes. A CR
/// or DX class without a modality counts as what it is.
fn modality(header: &InstanceHeader) -> Result<(), SkipReason> {
    const CR_AND_DX: [&str; 3] =
        ["1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"];
    match header.modality.as_deref().map(str::trim) {
        Some("CR" | "DX") => Ok(()),
        None if CR_AND_DX.contains(&header.sop_class.as_str()) => Ok(()),
        Some(other) => Err(SkipReason::Modality { found: coded(other) }),
        None => Err(SkipReason::Modality { found: "not given".into() }),
    }
}

/// A coded string as it may be shown: what no coded string can hold was typed by somebody.
fn coded(value: &str) -> String {
    let shown = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, ' ' | '_');
    if !value.is_empty() && value.len() <= 16 && value.chars().all(shown) { value.to_owned() } else { "other".into() }
}

/// Body part by the tag, else by Anatomic Region, else by the descriptions, most specific first.
pub(super) fn chest(header: &InstanceHeader) -> Chest {
    if let Some(part) = &header.body_part {
        let folded = fold(part);
        if !folded.is_empty() && !TERMS.body_part.placeholder.contains(&folded) {
            return match by_words(&folded) {
                Some(Chest::No { .. }) => Chest::No { found: coded(&part.trim().to_ascii_uppercase()) },
                Some(yes) => yes,
                // A film said to be of something we do not know is not known to be a chest.
                None => Chest::No { found: coded(&part.trim().to_ascii_uppercase()) },
            };
        }
    }
    let mut region =
        header.region_codes.iter().map(|c| value_of(c)).filter(|c| !VAGUE_REGION_CODES.contains(c)).peekable();
    if region.peek().is_some() {
        return if region.all(|c| CHEST_CODES.contains(&c)) {
            Chest::Yes
        } else {
            Chest::No { found: "another anatomic region".into() }
        };
    }
    header.descriptions.iter().find_map(|text| by_words(&fold(text.reveal()))).unwrap_or(Chest::Unknown)
}

/// `None` where a text names no part, or the chest together with another one.
fn by_words(folded: &str) -> Option<Chest> {
    let chest = terms::any(folded, &TERMS.body_part.chest);
    let other = TERMS.body_part.other.iter().find(|o| terms::any(folded, &o.words));
    match (chest, other) {
        (true, None) => Some(Chest::Yes),
        (false, Some(other)) => Some(Chest::No { found: other.name.clone() }),
        _ => None,
    }
}

/// View by View Position, else by View Code, else by Patient Orientation and the descriptions.
pub(super) fn view(header: &InstanceHeader) -> View {
    if let Some(position) = &header.view_position {
        let view = view_by_words(&fold(position), true);
        if view != View::Unknown {
            return view;
        }
    }
    let codes: Vec<&str> = header.view_codes.iter().map(|c| value_of(c)).collect();
    let has = |list: &[&str]| codes.iter().any(|c| list.contains(c));
    if has(&LATERAL_CODES) {
        return View::Not(ViewFound::Lateral);
    }
    if has(&OBLIQUE_CODES) {
        return View::Not(ViewFound::Oblique);
    }
    if has(&FRONTAL_CODES) || has(&[FRONTAL_RETIRED]) {
        return View::Frontal;
    }
    if !codes.is_empty() {
        return View::Not(ViewFound::Other);
    }
    // Orientation is often a device's default, so a word that says lateral beats a frontal one.
    let orientation = view_by_orientation(&header.patient_orientation);
    let described = header
        .descriptions
        .iter()
        .map(|text| view_by_words(&fold(text.reveal()), false))
        .find(|view| *view != View::Unknown)
        .unwrap_or(View::Unknown);
    match (described, orientation) {
        (View::Not(found), _) | (_, View::Not(found)) => View::Not(found),
        (View::Frontal, _) | (_, View::Frontal) => View::Frontal,
        _ => View::Unknown,
    }
}

/// In the tag itself any word for another view decides; a description that names both
/// (`CHEST PA AND LATERAL`) tells nothing about one film.
fn view_by_words(folded: &str, tag: bool) -> View {
    let lists = &TERMS.view;
    let frontal = terms::any(folded, &lists.frontal);
    let found = if terms::any(folded, &lists.decubitus) {
        Some(ViewFound::Decubitus)
    } else if terms::any(folded, &lists.oblique) {
        Some(ViewFound::Oblique)
    } else if terms::any(folded, &lists.lateral) {
        Some(ViewFound::Lateral)
    } else {
        None
    };
    match found {
        Some(found) if tag || !frontal => View::Not(found),
        None if frontal => View::Frontal,
        _ => View::Unknown,
    }
}

/// Rows that run left to right show a front; rows that run front to back show a side.
fn view_by_orientation(orientation: &[String]) -> View {
    match orientation.first().and_then(|row| row.trim().chars().next()) {
        Some('L' | 'R') => View::Frontal,
        Some('A' | 'P') => View::Not(ViewFound::Lateral),
        _ => View::Unknown,
    }
}

fn is_person(header: &InstanceHeader) -> bool {
    let Some(species) = &header.species else { return true };
    let folded = fold(species);
    HUMAN_CODES.contains(&value_of(species))
        || ["homo sapiens", "homo", "human", "humano", "humain", "mensch", "umano", "人", "person"]
            .iter()
            .any(|word| terms::contains(&folded, word))
}

/// The value of `scheme:value`, whatever the scheme: the values of SCT, SRT, SNM3 and 99SDM do not
/// collide.
fn value_of(code: &str) -> &str {
    code.split_once(':').map_or(code, |(_, value)| value).trim()
}

fn pixels(header: &InstanceHeader) -> Option<PixelProblem> {
    let (Some(rows @ 1..), Some(columns @ 1..)) = (header.rows, header.columns) else {
        return Some(PixelProblem::NoSize);
    };
    let one_grey_sample = header.samples.is_none_or(|s| s == 1);
    let photometric = header.photometric.as_deref().map(str::trim);
    if rows > MAX_SIDE || columns > MAX_SIDE || u64::from(rows) * u64::from(columns) > MAX_PIXELS {
        Some(PixelProblem::TooLarge)
    } else if rows < MIN_SIDE || columns < MIN_SIDE {
        Some(PixelProblem::TooSmall)
    } else if !one_grey_sample {
        Some(PixelProblem::Samples)
    } else if header.frames.is_some_and(|frames| frames > 1) {
        Some(PixelProblem::Frames)
    } else if !matches!(photometric, Some("MONOCHROME1" | "MONOCHROME2")) {
        Some(PixelProblem::Photometric)
    } else if !matches!(header.bits_allocated, Some(8 | 16)) {
        Some(PixelProblem::Bits)
    } else if !header.has_pixels {
        Some(PixelProblem::Missing)
    } else {
        None
    }
}
