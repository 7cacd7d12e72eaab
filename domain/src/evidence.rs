//! Source images: what every result object must reference and copy from.

use crate::finding::{Finding, ImageFindings};
use crate::gate::SkipReason;
use crate::instance::InstanceHeader;
use dicom_object::mem::InMemDicomObject;
use std::fmt;

/// A received instance as evidence: its indexed header and its whole header data set.
#[derive(Clone)]
pub struct SourceImage {
    /// The indexed attributes.
    pub header: InstanceHeader,
    /// Every attribute up to Pixel Data, texts decoded to Unicode (see [`crate::text`]).
    pub dataset: InMemDicomObject,
}

// A data set is full of PHI: only the UID is printed.
impl fmt::Debug for SourceImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceImage({})", self.header.sop_instance)
    }
}

/// A grey picture of a film as a viewer would show it: bone white, 8 bits, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Columns of the picture.
    pub width: u32,
    /// Rows of the picture.
    pub height: u32,
    /// `width * height` grey values, 0 black.
    pub gray: Vec<u8>,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

/// What became of one instance of the study.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "a study has a handful of them, and most are analysed")]
pub enum ImageOutcome {
    /// It was analysed.
    Analyzed {
        /// Its findings.
        findings: ImageFindings,
        /// Its picture for the Secondary Capture, long side at most 1280 pixels.
        picture: Picture,
    },
    /// The gate said no, or it could not be decoded or processed.
    Skipped(SkipReason),
}

/// One instance of the study with its outcome.
#[derive(Debug, Clone)]
pub struct StudyImage {
    /// The instance.
    pub source: SourceImage,
    /// What became of it.
    pub outcome: ImageOutcome,
}

impl StudyImage {
    /// Its findings; none where it was not analysed.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let findings = match &self.outcome {
            ImageOutcome::Analyzed { findings, .. } => findings.findings.as_slice(),
            ImageOutcome::Skipped(_) => &[],
        };
        findings.iter()
    }
}
