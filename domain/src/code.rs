//! Coded concepts (PS3.3 section 8, code sequence macro) and the table of findings.

mod vocabulary;

use serde::Deserialize;

pub use vocabulary::{CodingScheme, Confidence, FindingCode, Vocabulary, VocabularyError};

/// A code triple.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Code Value (0008,0100), at most 16 characters.
    pub value: String,
    /// Coding Scheme Designator (0008,0102), at most 16 characters.
    pub scheme: String,
    /// Code Meaning (0008,0104), at most 64 characters.
    pub meaning: String,
    /// Codes of other schemes that mean the same: Equivalent Code Sequence (0008,0121).
    #[serde(skip)]
    pub equivalents: Vec<Self>,
}

impl Code {
    /// A code from its three parts.
    #[must_use]
    pub fn new(value: &str, scheme: &str, meaning: &str) -> Self {
        Self { value: value.into(), scheme: scheme.into(), meaning: meaning.into(), equivalents: Vec::new() }
    }

    /// A code of DICOM's own terminology (PS3.16 annex D).
    #[must_use]
    pub fn dcm(value: &str, meaning: &str) -> Self {
        Self::new(value, "DCM", meaning)
    }

    /// A SNOMED CT code.
    #[must_use]
    pub fn sct(value: &str, meaning: &str) -> Self {
        Self::new(value, "SCT", meaning)
    }

    /// Whether value and scheme are the same; the meaning is only a display text.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.value == other.value && self.scheme == other.scheme
    }

    fn problem(&self) -> Option<&'static str> {
        let bad = |text: &str, limit: usize| text.is_empty() || text.chars().count() > limit || text.contains('\\');
        if bad(&self.value, 16) {
            Some("a code value must have 1 to 16 characters")
        } else if bad(&self.scheme, 16) {
            Some("a coding scheme must have 1 to 16 characters")
        } else if bad(&self.meaning, 64) {
            Some("a code meaning must have 1 to 64 characters")
        } else {
            None
        }
    }
}
