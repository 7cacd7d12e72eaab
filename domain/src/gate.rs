//! The gate: is this a frontal chest film of a person the model was made for?
//!
//! A pure function of the indexed header. Absence of knowledge is its own answer: the policy says
//! whether an unknown body part, age or view is analysed or skipped.

mod reason;
mod rules;
mod terms;

use crate::instance::InstanceHeader;
use serde::{Deserialize, Serialize};

pub use reason::{PixelProblem, SkipReason, ViewFound};

/// Manufacturer (0008,0070) of every object that we make.
pub const OWN_MANUFACTURER: &str = "Centinela project";
/// Manufacturer's Model Name (0008,1090) of every object that we make.
pub const OWN_MODEL: &str = "Centinela CXR node";

/// Smallest number of rows and columns that is analysed.
pub const MIN_SIDE: u32 = 64;
/// Largest number of rows and columns that is analysed.
pub const MAX_SIDE: u32 = 20_000;
/// Largest number of pixels that is analysed.
pub const MAX_PIXELS: u64 = 100_000_000;

/// What to do where something is not known (`[analyze] assume`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assume {
    /// Analyse the film and say what was not known.
    #[default]
    Analyze,
    /// Skip the film.
    Skip,
}

/// What the gate is held to: the site's choice and the model's declared ages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatePolicy {
    /// What to do where something is not known.
    pub assume: Assume,
    /// Youngest age in years, inclusive.
    pub age_min: u16,
    /// Oldest age in years, inclusive.
    pub age_max: u16,
}

/// Something that the header does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// Whether it is a chest.
    BodyPart,
    /// The age.
    Age,
    /// Whether it is frontal.
    View,
}

/// Analyse or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Analyse it.
    Analyze {
        /// What was not known; empty for a film that says everything.
        unknown: Vec<Unknown>,
    },
    /// Do not.
    Skip(SkipReason),
}

/// The gate's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Analyse or not, and why.
    pub decision: Decision,
    /// Whether it is a chest film: known to be, known not to be, or not known. Peers with
    /// `on_skip = "chest"` hear only of the first.
    pub chest: Option<bool>,
}

/// Judges one instance.
///
/// The checks run in the order in which a reader wants to hear of them: whose object it is, what
/// kind of object, what it shows, whom it shows, how, and last whether the pixels are sane.
#[must_use]
pub fn gate(header: &InstanceHeader, policy: &GatePolicy) -> Verdict {
    let chest = rules::chest(header);
    match rules::first_refusal(header, policy, &chest) {
        Ok(unknown) => Verdict { decision: Decision::Analyze { unknown }, chest: chest.known() },
        Err(reason) => {
            let no_film = matches!(
                reason,
                SkipReason::OwnResult
                    | SkipReason::OtherAi
                    | SkipReason::NotAnImage
                    | SkipReason::Modality { .. }
                    | SkipReason::Species
            );
            Verdict { decision: Decision::Skip(reason), chest: if no_film { Some(false) } else { chest.known() } }
        }
    }
}
