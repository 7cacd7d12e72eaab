//! Why an instance was not analysed: stable codes for rows and the API, plain words for people.
//!
//! The words are data (`domain/data/texts/`). They go into the not-analysed report (TID 1500, Comment), so they hold no text that a
//! person typed: only coded strings, numbers and words from our own lists.

use super::Unknown;
use crate::language::{self, Language, fill};
use serde::{Deserialize, Serialize};

/// Why an instance was not analysed.
///
/// Serialised with the stable string of [`SkipReason::code`] under the key `code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum SkipReason {
    /// One of our own result objects.
    OwnResult,
    /// The result of another AI or CAD product.
    OtherAi,
    /// A report, a presentation state, a document: no image at all.
    NotAnImage,
    /// Not computed or digital radiography.
    Modality {
        /// Modality (0008,0060), or `other` where it is no coded string.
        found: String,
    },
    /// Presentation Intent Type (0008,0068) is FOR PROCESSING.
    ForProcessing,
    /// Not a chest film.
    BodyPart {
        /// Body Part Examined, or the English word of our list that a description matched.
        found: String,
    },
    /// The patient is not a person.
    Species,
    /// Outside the ages that the model was made for.
    Age {
        /// Age in whole years.
        years: u16,
        /// Youngest age of the model, inclusive.
        min: u16,
        /// Oldest age of the model, inclusive.
        max: u16,
    },
    /// A chest film, but not a frontal one.
    View {
        /// What was found.
        found: ViewFound,
    },
    /// The study holds films of another patient: the identity differs from that of its first film.
    OtherPatient,
    /// Something that has to be known is not, and the policy is to skip then.
    Unknown {
        /// What is not known.
        what: Unknown,
    },
    /// The image is not a single grey picture of a sane size.
    Pixels {
        /// What is wrong.
        problem: PixelProblem,
    },
    /// Failure: no decoder for the transfer syntax.
    TransferSyntax {
        /// The transfer syntax UID.
        uid: String,
    },
    /// Failure: the file ends before its last value does.
    Truncated,
    /// Failure: the header or the pixel data cannot be decoded.
    Decode,
    /// Failure: decoding would take more memory than allowed.
    TooLarge,
    /// Failure: the analysis itself failed.
    Processing,
}

/// A view that the model was not made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewFound {
    /// Lateral.
    Lateral,
    /// Oblique.
    Oblique,
    /// Lateral decubitus: frontal beam, patient lying on a side.
    Decubitus,
    /// Any other view that is not frontal.
    Other,
}

/// What is wrong with the image's description of its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelProblem {
    /// No Pixel Data element.
    Missing,
    /// Rows or Columns absent or zero.
    NoSize,
    /// Fewer than [`super::MIN_SIDE`] rows or columns.
    TooSmall,
    /// More than [`super::MAX_SIDE`] rows or columns, or more than [`super::MAX_PIXELS`] in all.
    TooLarge,
    /// Samples per Pixel is not 1.
    Samples,
    /// More than one frame.
    Frames,
    /// Photometric Interpretation is neither MONOCHROME1 nor MONOCHROME2.
    Photometric,
    /// Bits Allocated is neither 8 nor 16.
    Bits,
    /// Every pixel has the same value.
    Uniform,
}

impl SkipReason {
    /// The stable code: rows, API and findings.json.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OwnResult => "own_result",
            Self::OtherAi => "other_ai",
            Self::NotAnImage => "not_an_image",
            Self::Modality { .. } => "modality",
            Self::ForProcessing => "for_processing",
            Self::BodyPart { .. } => "body_part",
            Self::Species => "species",
            Self::Age { .. } => "age",
            Self::View { .. } => "view",
            Self::OtherPatient => "other_patient",
            Self::Unknown { .. } => "unknown",
            Self::Pixels { .. } => "pixels",
            Self::TransferSyntax { .. } => "transfer_syntax",
            Self::Truncated => "truncated",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::Processing => "processing",
        }
    }

    /// Whether a report may speak of the instance. Not of reports, ours least of all: a PACS that
    /// forwards everything would get an answer to each answer. Not of another patient's film either.
    #[must_use]
    pub const fn is_reported(&self) -> bool {
        !matches!(self, Self::OwnResult | Self::NotAnImage | Self::OtherPatient)
    }

    /// Whether the film was wanted but could not be analysed: (111224, DCM, "Failed") in the
    /// report instead of (111225, DCM, "Not Attempted").
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::TransferSyntax { .. } | Self::Truncated | Self::Decode | Self::TooLarge | Self::Processing)
    }

    /// The reason in plain words, one sentence without a full stop.
    #[must_use]
    pub fn text(&self, language: &Language) -> String {
        let texts = language.texts();
        let reason = &texts.reason;
        let plain = |text: &str| text.to_owned();
        match self {
            Self::OwnResult => plain(&reason.own_result),
            Self::OtherAi => plain(&reason.other_ai),
            Self::NotAnImage => plain(&reason.not_an_image),
            Self::Modality { found } => fill(&reason.modality, &[("found", found)]),
            Self::ForProcessing => plain(&reason.for_processing),
            Self::BodyPart { found } => fill(&reason.body_part, &[("found", found)]),
            Self::Species => plain(&reason.species),
            Self::Age { years, min, max } => {
                let text = if *years == 1 { &reason.age_one } else { &reason.age };
                let (years, min, max) = (years.to_string(), min.to_string(), max.to_string());
                fill(text, &[("years", &years), ("min", &min), ("max", &max)])
            }
            Self::View { found } => fill(&reason.view, &[("found", found.word(&texts.view))]),
            Self::OtherPatient => plain(&reason.other_patient),
            Self::Unknown { what } => fill(&reason.unknown, &[("what", what.word(&texts.unknown))]),
            Self::Pixels { problem } => fill(&reason.pixels, &[("problem", problem.word(&texts.pixels))]),
            Self::TransferSyntax { uid } => fill(&reason.transfer_syntax, &[("uid", uid)]),
            Self::Truncated => plain(&reason.truncated),
            Self::Decode => plain(&reason.decode),
            Self::TooLarge => plain(&reason.too_large),
            Self::Processing => plain(&reason.processing),
        }
    }
}

impl ViewFound {
    fn word(self, words: &language::View) -> &str {
        match self {
            Self::Lateral => &words.lateral,
            Self::Oblique => &words.oblique,
            Self::Decubitus => &words.decubitus,
            Self::Other => &words.other,
        }
    }
}

impl Unknown {
    fn word(self, words: &language::Unknown) -> &str {
        match self {
            Self::BodyPart => &words.body_part,
            Self::Age => &words.age,
            Self::View => &words.view,
        }
    }
}

impl PixelProblem {
    fn word(self, words: &language::Pixels) -> &str {
        match self {
            Self::Missing => &words.missing,
            Self::NoSize => &words.no_size,
            Self::TooSmall => &words.too_small,
            Self::TooLarge => &words.too_large,
            Self::Samples => &words.samples,
            Self::Frames => &words.frames,
            Self::Photometric => &words.photometric,
            Self::Bits => &words.bits,
            Self::Uniform => &words.uniform,
        }
    }
}
