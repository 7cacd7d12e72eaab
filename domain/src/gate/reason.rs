//! Why an instance was not analysed: stable codes for rows and the API, plain words for people.
//!
//! The words go into the not-analysed report (TID 1500, Comment), so they hold no text that a
//! person typed: only coded strings, numbers and words from our own lists.

use super::Unknown;
use crate::result::Language;
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
        match language {
            Language::English => self.english(),
            Language::Spanish => self.spanish(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::OwnResult => "this is one of our own result objects".into(),
            Self::OtherAi => "this is the result of another analysis program".into(),
            Self::NotAnImage => "this object is not an image".into(),
            Self::Modality { found } => format!("the modality is {found}, not CR or DX"),
            Self::ForProcessing => "the image is FOR PROCESSING, not for presentation".into(),
            Self::BodyPart { found } => format!("this is not a chest film: the body part is {found}"),
            Self::Species => "the patient is not a person".into(),
            Self::Age { years, min, max } => {
                let unit = if *years == 1 { "year" } else { "years" };
                format!("the age is {years} {unit} and the model is made for {min} to {max} years")
            }
            Self::View { found } => format!("this is not a frontal film: the view is {}", found.english()),
            Self::OtherPatient => "patient or study identity differ from those of the study's first film".into(),
            Self::Unknown { what } => format!("{} is not known", what.english()),
            Self::Pixels { problem } => format!("the image is not usable: {}", problem.english()),
            Self::TransferSyntax { uid } => {
                format!("the transfer syntax {uid} of the pixel data cannot be decoded")
            }
            Self::Truncated => "the file is truncated".into(),
            Self::Decode => "the file cannot be decoded".into(),
            Self::TooLarge => "the image is too large to be decoded".into(),
            Self::Processing => "the analysis failed".into(),
        }
    }

    fn spanish(&self) -> String {
        match self {
            Self::OwnResult => "es uno de nuestros propios objetos de resultado".into(),
            Self::OtherAi => "es el resultado de otro programa de análisis".into(),
            Self::NotAnImage => "el objeto no es una imagen".into(),
            Self::Modality { found } => format!("la modalidad es {found}, no CR ni DX"),
            Self::ForProcessing => "la imagen es FOR PROCESSING, no para presentación".into(),
            Self::BodyPart { found } => {
                format!("no es una radiografía de tórax: la parte del cuerpo es {found}")
            }
            Self::Species => "el paciente no es una persona".into(),
            Self::Age { years, min, max } => {
                let unit = if *years == 1 { "año" } else { "años" };
                format!("la edad es {years} {unit} y el modelo está hecho para {min} a {max} años")
            }
            Self::View { found } => {
                format!("no es una radiografía frontal: la proyección es {}", found.spanish())
            }
            Self::OtherPatient => {
                "la identidad del paciente o del estudio difiere de la de la primera imagen del estudio".into()
            }
            Self::Unknown { what } => format!("no se conoce {}", what.spanish()),
            Self::Pixels { problem } => format!("la imagen no es utilizable: {}", problem.spanish()),
            Self::TransferSyntax { uid } => {
                format!("no se puede decodificar la sintaxis de transferencia {uid} de los píxeles")
            }
            Self::Truncated => "el archivo está truncado".into(),
            Self::Decode => "no se puede decodificar el archivo".into(),
            Self::TooLarge => "la imagen es demasiado grande para decodificarla".into(),
            Self::Processing => "el análisis falló".into(),
        }
    }
}

impl ViewFound {
    const fn english(self) -> &'static str {
        match self {
            Self::Lateral => "lateral",
            Self::Oblique => "oblique",
            Self::Decubitus => "lateral decubitus",
            Self::Other => "another one",
        }
    }

    const fn spanish(self) -> &'static str {
        match self {
            Self::Lateral => "lateral",
            Self::Oblique => "oblicua",
            Self::Decubitus => "decúbito lateral",
            Self::Other => "otra",
        }
    }
}

impl Unknown {
    const fn english(self) -> &'static str {
        match self {
            Self::BodyPart => "the body part",
            Self::Age => "the age of the patient",
            Self::View => "the view",
        }
    }

    const fn spanish(self) -> &'static str {
        match self {
            Self::BodyPart => "la parte del cuerpo",
            Self::Age => "la edad del paciente",
            Self::View => "la proyección",
        }
    }
}

impl PixelProblem {
    const fn english(self) -> &'static str {
        match self {
            Self::Missing => "it has no pixel data",
            Self::NoSize => "rows or columns are missing or zero",
            Self::TooSmall => "it has too few rows or columns",
            Self::TooLarge => "it has too many rows or columns",
            Self::Samples => "it does not have one sample per pixel",
            Self::Frames => "it has several frames",
            Self::Photometric => "it is not MONOCHROME1 or MONOCHROME2",
            Self::Bits => "its pixels are not stored in 8 or 16 bits",
            Self::Uniform => "all its pixels are the same",
        }
    }

    const fn spanish(self) -> &'static str {
        match self {
            Self::Missing => "no tiene píxeles",
            Self::NoSize => "faltan las filas o columnas, o son cero",
            Self::TooSmall => "tiene muy pocas filas o columnas",
            Self::TooLarge => "tiene demasiadas filas o columnas",
            Self::Samples => "no tiene una sola muestra por píxel",
            Self::Frames => "tiene varios fotogramas",
            Self::Photometric => "no es MONOCHROME1 ni MONOCHROME2",
            Self::Bits => "sus píxeles no se guardan en 8 o 16 bits",
            Self::Uniform => "todos sus píxeles son iguales",
        }
    }
}
