//! The indexed attributes: from the decoded data set to [`InstanceHeader`].

use super::HeaderError;
use crate::instance::InstanceHeader;
use crate::phi::Phi;
use crate::priority::Urgency;
use crate::text::CharsetDoubt;
use crate::uid::Uid;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemDicomObject;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// An age beyond this is a wrong date or a placeholder.
const OLDEST: u16 = 130;

/// Reads the attributes that the node indexes.
///
/// # Errors
/// [`HeaderError`] if one of the four identifiers is missing or malformed.
pub(super) fn index(
    dataset: &InMemDicomObject,
    has_pixels: bool,
    charset_doubt: Option<CharsetDoubt>,
) -> Result<InstanceHeader, HeaderError> {
    let text = |tag| text(dataset, tag);
    let number = |tag| dataset.get(tag).and_then(|e| e.to_int::<u32>().ok());
    let small = |tag| number(tag).and_then(|n| u16::try_from(n).ok());
    let uid = |tag, attribute| match text(tag) {
        None => Err(HeaderError::Missing { attribute }),
        Some(value) => Uid::parse(&value).map_err(|problem| HeaderError::Invalid { attribute, problem }),
    };
    let study = uid(tags::STUDY_INSTANCE_UID, "StudyInstanceUID (0020,000D)")?;
    let described = [
        tags::SERIES_DESCRIPTION,
        tags::PROTOCOL_NAME,
        tags::ACQUISITION_DEVICE_PROCESSING_DESCRIPTION,
        tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION,
        tags::STUDY_DESCRIPTION,
    ];
    Ok(InstanceHeader {
        sop_class: uid(tags::SOP_CLASS_UID, "SOPClassUID (0008,0016)")?,
        sop_instance: uid(tags::SOP_INSTANCE_UID, "SOPInstanceUID (0008,0018)")?,
        series: uid(tags::SERIES_INSTANCE_UID, "SeriesInstanceUID (0020,000E)")?,
        modality: text(tags::MODALITY),
        presentation_intent: text(tags::PRESENTATION_INTENT_TYPE),
        image_type: texts(dataset, tags::IMAGE_TYPE),
        body_part: text(tags::BODY_PART_EXAMINED),
        view_position: text(tags::VIEW_POSITION),
        view_codes: codes(dataset, tags::VIEW_CODE_SEQUENCE),
        region_codes: codes(dataset, tags::ANATOMIC_REGION_SEQUENCE),
        patient_orientation: texts(dataset, tags::PATIENT_ORIENTATION),
        descriptions: described.into_iter().filter_map(text).map(Phi::new).collect(),
        species: codes(dataset, tags::PATIENT_SPECIES_CODE_SEQUENCE)
            .into_iter()
            .next()
            .or_else(|| text(tags::PATIENT_SPECIES_DESCRIPTION)),
        age_years: age(dataset),
        manufacturer: text(tags::MANUFACTURER),
        model_name: text(tags::MANUFACTURER_MODEL_NAME),
        contributors: contributors(dataset),
        rows: number(tags::ROWS),
        columns: number(tags::COLUMNS),
        frames: number(tags::NUMBER_OF_FRAMES),
        samples: small(tags::SAMPLES_PER_PIXEL),
        bits_allocated: small(tags::BITS_ALLOCATED),
        photometric: text(tags::PHOTOMETRIC_INTERPRETATION),
        has_pixels,
        series_number: text(tags::SERIES_NUMBER).and_then(|n| n.parse().ok()),
        requested: requested(dataset),
        identity_digest: identity(dataset, &study),
        charset_doubt,
        study,
    })
}

/// The most urgent of what the requests of the film say.
fn requested(dataset: &InMemDicomObject) -> Option<Urgency> {
    let items = dataset.get(tags::REQUEST_ATTRIBUTES_SEQUENCE).and_then(|e| e.items()).unwrap_or_default();
    let said = items.iter().chain([dataset]).filter_map(|item| text(item, tags::REQUESTED_PROCEDURE_PRIORITY));
    said.filter_map(|word| Urgency::of_request(&word)).max()
}

/// All values, trimmed; none where all are empty.
fn texts(dataset: &InMemDicomObject, tag: Tag) -> Vec<String> {
    let values: Vec<String> = dataset
        .get(tag)
        .and_then(|e| e.to_multi_str().ok())
        .map(|values| values.iter().map(|v| v.trim_matches([' ', '\0']).to_owned()).collect())
        .unwrap_or_default();
    if values.iter().all(String::is_empty) { Vec::new() } else { values }
}

/// The first value that is not empty.
fn text(dataset: &InMemDicomObject, tag: Tag) -> Option<String> {
    texts(dataset, tag).into_iter().find(|v| !v.is_empty())
}

/// `scheme:value` of each item of a code sequence (PS3.3 section 8).
fn codes(dataset: &InMemDicomObject, tag: Tag) -> Vec<String> {
    let items = dataset.get(tag).and_then(|e| e.items()).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| {
            let value = [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE]
                .into_iter()
                .find_map(|t| text(item, t))?;
            let scheme = text(item, tags::CODING_SCHEME_DESIGNATOR).unwrap_or_default();
            Some(format!("{scheme}:{value}"))
        })
        .collect()
}

/// Maker and model of whatever else had a hand in the object.
fn contributors(dataset: &InMemDicomObject) -> Vec<(String, String)> {
    let items = dataset.get(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE).and_then(|e| e.items()).unwrap_or_default();
    let name = |item, tag| text(item, tag).unwrap_or_default();
    items.iter().map(|item| (name(item, tags::MANUFACTURER), name(item, tags::MANUFACTURER_MODEL_NAME))).collect()
}

/// Patient's Age, else the years from birth to the study.
fn age(dataset: &InMemDicomObject) -> Option<u16> {
    let stated = text(dataset, tags::PATIENT_AGE).and_then(|age| years(&age));
    stated
        .or_else(|| {
            let date = |tag| text(dataset, tag).and_then(|d| date(&d));
            let born = date(tags::PATIENT_BIRTH_DATE)?;
            let seen = [tags::STUDY_DATE, tags::SERIES_DATE, tags::ACQUISITION_DATE, tags::CONTENT_DATE]
                .into_iter()
                .find_map(date)?;
            let birthday_to_come = (seen.1, seen.2) < (born.1, born.2);
            seen.0.checked_sub(born.0)?.checked_sub(u16::from(birthday_to_come))
        })
        .filter(|years| *years <= OLDEST)
}

/// Whole years of an Age String (PS3.5 section 6.2): three digits and D, W, M or Y.
fn years(age: &str) -> Option<u16> {
    let (digits, unit) = (age.get(..3)?, age.get(3..)?);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u16 = digits.parse().ok()?;
    match unit {
        "Y" => Some(count).filter(|years| *years <= OLDEST),
        "M" => Some(count / 12),
        "W" => Some((u32::from(count) * 7 / 365) as u16),
        "D" => Some(count / 365),
        _ => None,
    }
}

/// Year, month and day of a date; the form with dots is from before 1993.
fn date(text: &str) -> Option<(u16, u8, u8)> {
    let digits: String = match text.len() {
        8 => text.into(),
        10 if text.bytes().enumerate().all(|(i, b)| (b == b'.') == (i == 4 || i == 7)) => text.replace('.', ""),
        _ => return None,
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..].parse().ok()?);
    ((1..=12).contains(&month) && (1..=31).contains(&day) && year >= 1850).then_some((year, month, day))
}

/// Equal for the same patient and study, whatever the character set and padding.
fn identity(dataset: &InMemDicomObject, study: &Uid) -> String {
    let mut hash = Sha256::new();
    let mut add = |value: &str| {
        hash.update((value.len() as u64).to_le_bytes());
        hash.update(value.as_bytes());
    };
    for tag in [tags::PATIENT_ID, tags::ISSUER_OF_PATIENT_ID, tags::PATIENT_NAME, tags::PATIENT_BIRTH_DATE] {
        let value = texts(dataset, tag).join("\\");
        // Empty trailing components of a name may be written or not (PS3.5 section 6.2.1).
        add(value.trim_end_matches(['^', '=', ' ']));
    }
    add(study.as_str());
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
