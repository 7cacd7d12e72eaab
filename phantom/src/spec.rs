//! What a film is to be: everything that the picture and the header depend on.

use centinela_domain::uid::Uid;

/// The object class that carries the film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Computed Radiography Image Storage.
    Cr,
    /// Digital X-Ray Image Storage - For Presentation.
    DxPresentation,
    /// Digital X-Ray Image Storage - For Processing: raw detector values.
    DxProcessing,
    /// A DX film inside Secondary Capture Image Storage, as real archives hold.
    ScDx,
}

/// What the film shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Chest, postero-anterior.
    Pa,
    /// Chest, antero-posterior (larger heart, higher diaphragm).
    Ap,
    /// Chest, lateral.
    Lateral,
    /// Pelvis with both hips, antero-posterior.
    Hip,
}

/// Photometric Interpretation (0028,0004).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Photometric {
    /// The smallest value is white.
    Monochrome1,
    /// The smallest value is black.
    Monochrome2,
}

/// How the stored range relates to the display range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voi {
    /// No window and no table; the values fill the stored range.
    None,
    /// A window over the whole stored range.
    Full,
    /// The values lie between `low` and `high` and the window spans just these.
    Window {
        /// Stored value of black.
        low: u16,
        /// Stored value of white.
        high: u16,
    },
    /// As `Window`, but a VOI LUT Sequence maps the range to 16 bits.
    Table {
        /// Stored value of black.
        low: u16,
        /// Stored value of white.
        high: u16,
    },
    /// As `Window`, stored signed with Rescale Intercept 0 after a shift by half the range.
    Signed {
        /// Value of black before the shift.
        low: u16,
        /// Value of white before the shift.
        high: u16,
    },
    /// As `Window`, with set bits above Bits Stored (burned overlay planes of older equipment).
    DirtyHighBits {
        /// Stored value of black.
        low: u16,
        /// Stored value of white.
        high: u16,
    },
}

/// A side of the patient. The patient's left is at the right of the film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Patient's right.
    Right,
    /// Patient's left.
    Left,
}

/// The bright test opacity, in fractions of the film's sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marker {
    /// Centre, x then y.
    pub centre: (f32, f32),
    /// Width and height of its box at half height.
    pub size: (f32, f32),
}

/// What is wrong with the patient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pathology {
    /// A soft consolidation in the middle of a lung (frontal views).
    Opacity(Side),
    /// Fluid that blunts the costophrenic angle.
    Effusion(Side),
    /// Air outside the lung edge.
    Pneumothorax(Side),
    /// A heart wider than half the chest.
    Cardiomegaly,
}

/// Specific Character Set (0008,0005) of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Attribute absent: ASCII.
    Ascii,
    /// ISO_IR 100.
    Latin1,
    /// `\ISO 2022 IR 87` with escape sequences.
    Japanese,
    /// `\ISO 2022 IR 149` with escape sequences.
    Korean,
    /// GB18030.
    Gb18030,
    /// ISO_IR 192.
    Utf8,
}

/// Transfer syntax of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// Explicit VR Little Endian.
    ExplicitLe,
    /// Implicit VR Little Endian.
    ImplicitLe,
}

/// What is wrong with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Rows is 0.
    ZeroRows,
    /// Rows and Columns claim 60000 while the pixel data stay small.
    HugeClaim,
    /// The file ends in the middle of the pixel data.
    Truncated,
}

/// A fictional patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// Patient's Name as PN text; one of [`crate::PATIENT_NAMES`].
    pub name: String,
    /// Patient ID.
    pub id: String,
    /// Birth date, YYYYMMDD, or empty.
    pub birth: String,
    /// `F`, `M`, `O` or empty.
    pub sex: String,
    /// Patient's Age exactly as written; empty writes an empty attribute.
    pub age: String,
    /// Species for an animal: SNOMED CT code and meaning.
    pub species: Option<(String, String)>,
}

/// The study that the film belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Study {
    /// Key of the Study Instance UID: films with the same key share a study.
    pub key: String,
    /// YYYYMMDD.
    pub date: String,
    /// HHMMSS.
    pub time: String,
    /// Accession Number, or empty.
    pub accession: String,
    /// Study Description, or empty.
    pub description: String,
}

/// One film.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Key of the series and instance UIDs and of every random number.
    pub key: String,
    /// Object class.
    pub kind: Kind,
    /// View.
    pub view: View,
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// Bits Stored, 8 to 16, in 16 bits allocated.
    pub bits: u16,
    /// Photometric Interpretation.
    pub photometric: Photometric,
    /// Display mapping.
    pub voi: Voi,
    /// Transfer syntax.
    pub syntax: Syntax,
    /// Character set.
    pub charset: Charset,
    /// Findings in the picture.
    pub pathology: Vec<Pathology>,
    /// The bright test opacity.
    pub marker: Option<Marker>,
    /// Patient.
    pub patient: Patient,
    /// Study.
    pub study: Study,
    /// Series Description, or empty.
    pub series_description: String,
    /// Body Part Examined, or empty.
    pub body_part: String,
    /// Whether optional attributes are present but empty.
    pub bare: bool,
    /// Whether the attributes are there that only some equipment fills: issuers, other identifiers, size and
    /// weight, comments, referring physician, request, time zone, pixel spacing, shutter.
    pub rich: bool,
    /// Series Number and Instance Number.
    pub numbers: (u16, u16),
    /// What is wrong with the file.
    pub fault: Option<Fault>,
}

impl Spec {
    /// Whether bright means a small stored value.
    pub fn inverted(&self) -> bool {
        self.photometric == Photometric::Monochrome1
    }

    /// Stored values of black and white before inversion and sign.
    pub fn range(&self) -> (u32, u32) {
        match self.voi {
            Voi::None | Voi::Full => (0, (1u32 << self.bits) - 1),
            Voi::Window { low, high }
            | Voi::Table { low, high }
            | Voi::Signed { low, high }
            | Voi::DirtyHighBits { low, high } => (u32::from(low), u32::from(high)),
        }
    }
}

/// A UID of this crate: the same key, the same UID, for ever.
pub(crate) fn derive(parts: &[&str]) -> Uid {
    let mut all = vec!["phantom"];
    all.extend_from_slice(parts);
    Uid::derive(&all)
}

impl Spec {
    /// SOP Instance UID of the film.
    pub fn sop_instance_uid(&self) -> Uid {
        derive(&["instance", &self.key])
    }

    /// Series Instance UID of the film: one series per film.
    pub fn series_uid(&self) -> Uid {
        derive(&["series", &self.key])
    }

    /// Study Instance UID; films with the same study key share it.
    pub fn study_uid(&self) -> Uid {
        derive(&["study", &self.study.key])
    }
}
