//! Modules that all result objects share: series, equipment, SOP Common and the derived UIDs
//! (PS3.3 C.7.3.1, C.7.5.1, C.12.1).

use super::Context;
use super::copy::Copier;
use super::dataset::Dataset;
use super::validity::timezone_minutes;
use crate::calendar::civil;
use crate::code::Code;
use crate::evidence::StudyImage;
use crate::profile::ResultKind;
use crate::uid::Uid;
use dicom_core::VR;
use dicom_dictionary_std::tags;
use std::collections::BTreeSet;

/// Series numbers of a fresh study; each kind keeps its last digit.
const SERIES_NUMBER_BASE: i32 = 9000;

/// Which object of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The usual one.
    Plain,
    /// The report that nothing was analysed.
    NotAnalyzed,
    /// The capture with a heat map.
    HeatMap,
    /// The key object selection that takes results back.
    Rejection,
}

/// The identity of one object: everything that distinguishes it from the study's others.
pub(super) struct Identity {
    pub(super) kind: ResultKind,
    pub(super) class: Uid,
    pub(super) instance: Uid,
    pub(super) series: Uid,
    pub(super) series_number: i32,
    pub(super) instance_number: usize,
    pub(super) form: Form,
}

impl Identity {
    /// Derives the UIDs: the same revision of the same study gives the same ones for ever.
    pub(super) fn derive(
        context: &Context,
        images: &[&StudyImage],
        kind: ResultKind,
        film: Option<(&Uid, usize)>,
        form: Form,
    ) -> Self {
        let (class, digit) = match kind {
            ResultKind::Sr => ("1.2.840.10008.5.1.4.1.1.88.34", 1),
            ResultKind::Gsps => ("1.2.840.10008.5.1.4.1.1.11.1", 2),
            ResultKind::Sc => ("1.2.840.10008.5.1.4.1.1.7", 3),
            ResultKind::Kos => ("1.2.840.10008.5.1.4.1.1.88.59", 4),
            ResultKind::Seg => ("1.2.840.10008.5.1.4.1.1.66.4", 5),
        };
        let revision = context.revision.to_string();
        let model = &context.model;
        let (word, digit) = match form {
            Form::Plain => (kind.as_str(), digit),
            Form::NotAnalyzed => ("not-analyzed", digit),
            Form::HeatMap => ("sc-heat-map", 6),
            Form::Rejection => ("rejection", 7),
        };
        let key = |what: &str, film: &str| {
            Uid::derive(&[
                what,
                context.study.as_str(),
                &revision,
                film,
                &model.name,
                &model.version,
                &model.weights_sha256,
                &context.threshold_set,
                word,
                class,
                context.language.as_str(),
            ])
        };
        Self {
            kind,
            // The texts above are valid UIDs, so parsing cannot fail; derive is a fallback only.
            class: Uid::parse(class).unwrap_or_else(|_| Uid::derive(&[class])),
            instance: key("instance", film.map_or("", |(uid, _)| uid.as_str())),
            series: key("series", ""),
            series_number: free_series_number(images, digit),
            instance_number: film.map_or(1, |(_, number)| number),
            form,
        }
    }
}

/// The first number that no source series has.
fn free_series_number(images: &[&StudyImage], digit: i32) -> i32 {
    let taken: BTreeSet<i32> = images.iter().filter_map(|image| image.source.header.series_number).collect();
    (0..).map(|step| SERIES_NUMBER_BASE + digit + 10 * step).find(|n| !taken.contains(n)).unwrap_or(digit)
}

/// The revision's closing time as DICOM writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) date: String,
    pub(super) time: String,
    pub(super) offset: String,
}

impl Stamp {
    /// In the time zone that the film declares, since its own dates and times are copied; in UTC
    /// where it declares none.
    pub(super) fn new(context: &Context, copier: &mut Copier<'_>) -> Self {
        let declared = copier.value(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH);
        let minutes = declared.as_deref().and_then(timezone_minutes).unwrap_or(0);
        Self::at(context.closed_at, minutes)
    }

    fn at(unix_ms: i64, offset_minutes: i32) -> Self {
        let seconds = unix_ms.div_euclid(1000) + i64::from(offset_minutes) * 60;
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let offset = offset_minutes.abs();
        Self {
            date: format!("{year:04}{month:02}{day:02}"),
            time: format!("{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60),
            offset: format!("{sign}{:02}{:02}", offset / 60, offset % 60),
        }
    }

    /// For people: `2026-11-24 02:00 UTC+0000`.
    pub(super) fn readable(&self) -> String {
        let (d, t) = (&self.date, &self.time);
        let zone = if self.offset == "+0000" { "UTC".to_owned() } else { format!("UTC{}", self.offset) };
        format!("{}-{}-{} {}:{} {zone}", &d[..4], &d[4..6], &d[6..], &t[..2], &t[2..4])
    }
}

/// Starts an object with everything that all kinds share.
pub(super) fn start(context: &Context, identity: &Identity, copier: &mut Copier<'_>, stamp: &Stamp) -> Dataset {
    let mut ds = Dataset::new();
    ds.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
    copier.patient_and_study(&mut ds);
    ds.uid(tags::STUDY_INSTANCE_UID, &context.study);
    let modality = match identity.kind {
        ResultKind::Sr => "SR",
        ResultKind::Gsps => "PR",
        ResultKind::Sc => "OT",
        ResultKind::Kos => "KO",
        ResultKind::Seg => "SEG",
    };
    ds.text(tags::MODALITY, VR::CS, modality)
        .uid(tags::SERIES_INSTANCE_UID, &identity.series)
        .number(tags::SERIES_NUMBER, identity.series_number)
        .text(tags::SERIES_DATE, VR::DA, &stamp.date)
        .text(tags::SERIES_TIME, VR::TM, &stamp.time)
        .text(tags::SERIES_DESCRIPTION, VR::LO, context.language.series(identity.kind, identity.form))
        .number(tags::INSTANCE_NUMBER, identity.instance_number);
    ds.text(tags::MANUFACTURER, VR::LO, &context.node.manufacturer)
        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, &context.node.model_name)
        .text(tags::SOFTWARE_VERSIONS, VR::LO, &context.node.version)
        .text(tags::DEVICE_SERIAL_NUMBER, VR::LO, &context.node.serial_number);
    ds.uid(tags::SOP_CLASS_UID, &identity.class)
        .uid(tags::SOP_INSTANCE_UID, &identity.instance)
        .text(tags::INSTANCE_CREATION_DATE, VR::DA, &stamp.date)
        .text(tags::INSTANCE_CREATION_TIME, VR::TM, &stamp.time)
        .text(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, &stamp.offset);
    if identity.kind != ResultKind::Gsps {
        ds.text(tags::CONTENT_DATE, VR::DA, &stamp.date).text(tags::CONTENT_TIME, VR::TM, &stamp.time);
    }
    if !matches!(identity.kind, ResultKind::Sr | ResultKind::Kos) {
        // An unpaired body part keeps Laterality (type 2C) out of the General Series module.
        ds.text(tags::BODY_PART_EXAMINED, VR::CS, "CHEST");
    }
    ds
}

/// Patient Orientation of an image that lies as its film does: type 2C, so perhaps empty.
pub(super) fn patient_orientation(ds: &mut Dataset, copier: &mut Copier<'_>) {
    match copier.values(tags::PATIENT_ORIENTATION, VR::CS, 2) {
        Some(values) if values.len() == 2 => {
            ds.texts(tags::PATIENT_ORIENTATION, VR::CS, &[&values[0], &values[1]]);
        }
        _ => {
            ds.empty(tags::PATIENT_ORIENTATION, VR::CS);
        }
    }
}

/// Lossy Image Compression: what is drawn on a film that has lost something has lost it too
/// (PS3.3 C.7.6.1.1.5). Without the ratio, which 01 requires, only what we did ourselves is said.
pub(super) fn lossy(ds: &mut Dataset, copier: &mut Copier<'_>) {
    let lost = copier.value(tags::LOSSY_IMAGE_COMPRESSION, VR::CS).as_deref() == Some("01");
    let ratios = copier.values(tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, usize::MAX).filter(|_| lost);
    let methods = copier.values(tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, usize::MAX);
    let Some(ratios) = ratios else {
        ds.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "00");
        return;
    };
    let texts = |values: &[String], ds: &mut Dataset, tag, vr| {
        ds.texts(tag, vr, &values.iter().map(String::as_str).collect::<Vec<_>>());
    };
    ds.text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01");
    texts(&ratios, ds, tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS);
    // One method for each ratio, or none.
    if let Some(methods) = methods.filter(|methods| methods.len() == ratios.len()) {
        texts(&methods, ds, tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS);
    }
}

/// Contributing Equipment Sequence item for the modality that took the film; needs its maker.
pub(super) fn acquisition_equipment(copier: &mut Copier<'_>) -> Option<Dataset> {
    let manufacturer = copier.value(tags::MANUFACTURER, VR::LO)?;
    let mut item = Dataset::new();
    item.code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &Code::dcm("109101", "Acquisition Equipment")).text(
        tags::MANUFACTURER,
        VR::LO,
        &manufacturer,
    );
    for (tag, vr) in [
        (tags::INSTITUTION_NAME, VR::LO),
        (tags::STATION_NAME, VR::SH),
        (tags::MANUFACTURER_MODEL_NAME, VR::LO),
        (tags::DEVICE_SERIAL_NUMBER, VR::LO),
    ] {
        copier.copy(&mut item, tag, vr, super::copy::Need::Optional);
    }
    if let Some(versions) = copier.values(tags::SOFTWARE_VERSIONS, VR::LO, usize::MAX) {
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        item.texts(tags::SOFTWARE_VERSIONS, VR::LO, &versions);
    }
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_from_unix_time_and_the_declared_zone() {
        let at = |ms, minutes| {
            let stamp = Stamp::at(ms, minutes);
            (stamp.date, stamp.time, stamp.offset)
        };
        let expect = |d: &str, t: &str, o: &str| (d.to_owned(), t.to_owned(), o.to_owned());
        assert_eq!(at(0, 0), expect("19700101", "000000", "+0000"));
        assert_eq!(at(951_782_399_999, 0), expect("20000228", "235959", "+0000"));
        assert_eq!(at(951_782_400_000, 0), expect("20000229", "000000", "+0000"));
        assert_eq!(at(1_795_485_600_000, 60), expect("20261124", "030000", "+0100"));
        assert_eq!(at(1_795_485_600_000, -210), expect("20261123", "223000", "-0330"));
    }
}
