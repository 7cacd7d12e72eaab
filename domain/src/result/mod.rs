//! Result objects: SR, GSPS and SC built from values alone.
//!
//! The same input always gives the same UIDs and the same bytes; nothing here reads a clock.

pub(crate) mod canvas;
mod copy;
mod dataset;
mod downgrade;
mod gsps;
mod heat;
mod kos;
mod mask;
mod modules;
mod notice;
mod overlay;
mod palette;
mod rejection;
mod rle;
mod sc;
mod seg;
mod sr;
mod sr_content;
mod sr_tree;
mod validity;

use crate::UnixMs;
use crate::evidence::{ImageOutcome, SourceImage, StudyImage};
use crate::prediction::ModelRef;
use crate::profile::ResultKind;
use crate::uid::Uid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub use crate::language::{Language, UnknownLanguage};
pub use copy::attributes_that_differ;
pub use downgrade::{DowngradeError, SrClass, downgrade};
pub use rejection::{Rejection, reject};
pub use rle::{DecompressError, RLE_LOSSLESS, uncompressed};

/// Who we are, as result objects say it (General Equipment, TID 1004).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Manufacturer (0008,0070).
    pub manufacturer: String,
    /// Manufacturer's Model Name (0008,1090).
    pub model_name: String,
    /// Software Versions (0018,1020).
    pub version: String,
    /// Device Serial Number (0018,1000), stable for one installation.
    pub serial_number: String,
    /// Device Observer UID (121012, DCM), stable for one installation.
    pub device: Uid,
    /// Our AE title, for the file meta information.
    pub ae_title: String,
}

/// A report of the previous revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// Its Series Instance UID.
    pub series: Uid,
    /// Its SOP Class UID.
    pub sop_class: Uid,
    /// Its SOP Instance UID.
    pub sop_instance: Uid,
}

/// How a report tells of labels below their operating point (`[report] negatives`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Negatives {
    /// A measurement group for each, Presence = Absent.
    #[default]
    Groups,
    /// None, as long as any film of the study has a present finding.
    Omit,
}

/// How the pixels of a Secondary Capture are written (`[report] sc_compression`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// RLE Lossless.
    Rle,
}

/// What a site wants of Secondary Captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Captures {
    /// A second one for each film with a heat map (`[report] heat_map`).
    pub heat_map: bool,
    /// Their pixels.
    pub compression: Compression,
}

/// What all objects of one revision share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The installation.
    pub node: Node,
    /// The model that the revision was analysed with.
    pub model: ModelRef,
    /// Digest or name of the threshold set and of a site's codes, part of every UID.
    pub threshold_set: String,
    /// Language of the texts.
    pub language: Language,
    /// How the report tells of absent labels.
    pub negatives: Negatives,
    /// What is wanted of Secondary Captures.
    pub captures: Captures,
    /// Study Instance UID.
    pub study: Uid,
    /// Revision of the study, from 1.
    pub revision: i64,
    /// When the revision closed: every date in the objects. Written in the time zone that the film
    /// declares (its own dates and times are copied beside it), else as UTC with offset `+0000`.
    pub closed_at: UnixMs,
    /// The report that this revision replaces.
    pub predecessor: Option<Predecessor>,
}

/// One finished object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultObject {
    /// Its kind.
    pub kind: ResultKind,
    /// SOP Class UID.
    pub sop_class: Uid,
    /// SOP Instance UID.
    pub sop_instance: Uid,
    /// Series Instance UID.
    pub series: Uid,
    /// The film, for the kinds that exist once for each image.
    pub source: Option<Uid>,
    /// Whether it reports that nothing was analysed.
    pub not_analyzed: bool,
    /// The DICOM Part 10 file: Explicit VR Little Endian, or RLE Lossless where [`Compression`] says so.
    pub bytes: Vec<u8>,
}

/// A source value that is invalid for its VR and was left out of the results.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The film.
    pub source: Uid,
    /// The attribute, `(gggg,eeee) Keyword`. Never the value.
    pub attribute: String,
}

/// The objects of one revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Built {
    /// In the order of delivery: SR, then GSPS and SC image by image, SEG image by image, KOS.
    pub objects: Vec<ResultObject>,
    /// What could not be copied.
    pub left_out: Vec<LeftOut>,
}

/// An object could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There was no image at all.
    #[error("no image to report on")]
    NoImage,
    /// The data set could not be written.
    #[error("cannot encode the {kind} object: {reason}")]
    Encode {
        /// The kind.
        kind: ResultKind,
        /// What the encoder said; never a value.
        reason: String,
    },
}

/// Builds the objects of the wanted kinds for one revision of a study.
///
/// With at least one analysed image: one SR for the study, one GSPS for each image with regions,
/// one SC for each analysed image, a second one with a heat map where that is wanted and there is one, one SEG for each with regions, and one KOS where a finding is present. Without any: the not-analysed SR, whatever kinds are wanted.
/// Instances that are no images (neither Rows nor Pixel Data) are not reported on.
///
/// # Errors
/// [`BuildError`] if there is no image or an object cannot be encoded.
pub fn build(context: &Context, images: &[StudyImage], kinds: &[ResultKind]) -> Result<Built, BuildError> {
    let is_image = |image: &&StudyImage| image.source.header.has_pixels || image.source.header.rows.is_some();
    let images: Vec<&StudyImage> = images.iter().filter(is_image).collect();
    if images.is_empty() {
        return Err(BuildError::NoImage);
    }
    let mut built = Built::default();
    let mut left_out = BTreeSet::new();
    let analyzed = |image: &&StudyImage| matches!(image.outcome, ImageOutcome::Analyzed { .. });
    if kinds.contains(&ResultKind::Sr) || !images.iter().any(analyzed) {
        built.objects.push(sr::build(context, &images, &mut left_out)?);
    }
    let (mut states, mut captures, mut heated, mut masks) = (0, 0, 0, 0);
    for image in &images {
        let ImageOutcome::Analyzed { findings, picture } = &image.outcome else { continue };
        if kinds.contains(&ResultKind::Gsps) && findings.has_regions() {
            states += 1;
            built.objects.push(gsps::build(context, &images, &image.source, findings, states, &mut left_out)?);
        }
        if kinds.contains(&ResultKind::Sc) {
            captures += 1;
            let film = sc::Film { image: &image.source, findings, picture, heat: None };
            built.objects.push(sc::build(context, &images, film, captures, &mut left_out)?);
            if let Some(film) = film.with_heat().filter(|_| context.captures.heat_map) {
                heated += 1;
                built.objects.push(sc::build(context, &images, film, heated, &mut left_out)?);
            }
        }
    }
    for image in images.iter().filter(|_| kinds.contains(&ResultKind::Seg)) {
        let ImageOutcome::Analyzed { findings, .. } = &image.outcome else { continue };
        if findings.has_regions() {
            masks += 1;
            let film = (&image.source, findings);
            built.objects.extend(seg::build(context, &images, film, masks, &mut left_out)?);
        }
    }
    if kinds.contains(&ResultKind::Kos) {
        built.objects.extend(kos::build(context, &images, &mut left_out)?);
    }
    built.left_out = left_out.into_iter().collect();
    Ok(built)
}

/// The place of a film in the study, from 1, where it is not the only one that was analysed.
fn film_number(images: &[&StudyImage], source: &SourceImage) -> Option<usize> {
    let analyzed = |image: &&&StudyImage| matches!(image.outcome, ImageOutcome::Analyzed { .. });
    if images.iter().filter(analyzed).count() < 2 {
        return None;
    }
    images.iter().position(|image| image.source.header.sop_instance == source.header.sop_instance).map(|n| n + 1)
}

#[cfg(test)]
mod tests;
