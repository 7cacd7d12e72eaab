//! Coded concepts and the table of findings (PS3.3 section 8, code sequence macro).
//!
//! The table itself is data: `domain/data/findings.toml`, embedded here and overridable by a site.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

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
}

impl Code {
    /// A code from its three parts.
    #[must_use]
    pub fn new(value: &str, scheme: &str, meaning: &str) -> Self {
        Self { value: value.into(), scheme: scheme.into(), meaning: meaning.into() }
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

/// How far a row's code was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The triple stands in DICOM's own tables.
    Verified,
    /// Read in a public source that says it validated the code.
    Read,
    /// Not seen in a published source yet.
    Memory,
}

/// One row of the table: what a label means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingCode {
    /// The label, as model manifests spell it.
    pub label: String,
    /// The value of Finding (121071, DCM).
    pub finding: Code,
    /// The value of Finding Site (363698007, SCT), where the finding does not say it.
    #[serde(default)]
    pub site: Option<Code>,
    /// The value of Finding category (276214006, SCT).
    #[serde(default = "disease")]
    pub category: Code,
    /// English name, for people.
    pub name_en: String,
    /// Spanish name, for people.
    pub name_es: String,
    /// How far the code was confirmed.
    pub confidence: Confidence,
    /// Where the code was found.
    pub source: String,
}

fn disease() -> Code {
    Code::sct("64572001", "Disease")
}

/// The table of findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    rows: BTreeMap<String, FindingCode>,
}

/// The table of findings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// It is not the TOML that is expected.
    #[error("the table of findings cannot be read: {0}")]
    Format(String),
    /// Its format number is not known.
    #[error("the table of findings has format {0}, this program reads format 1")]
    Version(u32),
    /// A row breaks a rule.
    #[error("the row of label {label:?} is wrong: {problem}")]
    Row {
        /// The label.
        label: String,
        /// The rule.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    format: u32,
    label: Vec<FindingCode>,
}

const EMBEDDED: &str = include_str!("../data/findings.toml");

impl Vocabulary {
    /// The table that comes with the program.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static TABLE: LazyLock<Vocabulary> = LazyLock::new(|| match Vocabulary::parse(EMBEDDED) {
            Ok(table) => table,
            // The text is part of the program and a test parses it.
            Err(error) => unreachable!("embedded findings.toml: {error}"),
        });
        &TABLE
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`VocabularyError`] names the label and the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, VocabularyError> {
        let table: Table = toml::from_str(text).map_err(|e| VocabularyError::Format(e.message().to_owned()))?;
        if table.format != 1 {
            return Err(VocabularyError::Version(table.format));
        }
        let mut rows = BTreeMap::new();
        for row in table.label {
            let label = row.label.clone();
            let fail = |problem| Err(VocabularyError::Row { label: label.clone(), problem });
            if let Some(problem) = [Some(&row.finding), row.site.as_ref(), Some(&row.category)]
                .into_iter()
                .flatten()
                .find_map(Code::problem)
            {
                return fail(problem);
            }
            // Names end in a Tracking Identifier and in a picture of Latin-1 glyphs.
            let unprintable =
                |name: &str| name.is_empty() || name.len() > 48 || name.chars().any(|c| !(' '..='ÿ').contains(&c));
            if label.is_empty() || unprintable(&row.name_en) || unprintable(&row.name_es) {
                return fail("names must have 1 to 48 Latin-1 characters");
            }
            if rows.insert(row.label.clone(), row).is_some() {
                return fail("the label has two rows");
            }
        }
        Ok(Self { rows })
    }

    /// The row of a label.
    #[must_use]
    pub fn get(&self, label: &str) -> Option<&FindingCode> {
        self.rows.get(label)
    }

    /// All rows, sorted by label.
    pub fn rows(&self) -> impl Iterator<Item = &FindingCode> {
        self.rows.values()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const LABELS: [&str; 18] = [
        "Atelectasis",
        "Consolidation",
        "Infiltration",
        "Pneumothorax",
        "Edema",
        "Emphysema",
        "Fibrosis",
        "Effusion",
        "Pneumonia",
        "Pleural_Thickening",
        "Cardiomegaly",
        "Nodule",
        "Mass",
        "Hernia",
        "Lung Lesion",
        "Fracture",
        "Lung Opacity",
        "Enlarged Cardiomediastinum",
    ];

    #[test]
    fn the_embedded_table_has_the_eighteen_labels() {
        let table = Vocabulary::embedded();
        assert_eq!(table.rows().count(), LABELS.len());
        for label in LABELS {
            assert_eq!(table.get(label).unwrap().label, label);
        }
        assert!(table.get("Pneumothorax ").is_none());
    }

    #[test]
    fn codes_fit_their_value_representations_and_avoid_known_mistakes() {
        for row in Vocabulary::embedded().rows() {
            for code in [Some(&row.finding), row.site.as_ref(), Some(&row.category)].into_iter().flatten() {
                assert!(code.value.len() <= 16 && code.scheme.len() <= 16 && code.meaning.len() <= 64, "{code:?}");
                assert!(["SCT", "DCM", "RADLEX"].contains(&code.scheme.as_str()), "{code:?}");
                assert!(!["287272002", "78381009"].contains(&code.value.as_str()), "{code:?}");
            }
            assert!(!row.source.is_empty());
        }
    }

    #[test]
    fn two_labels_never_share_finding_and_site() {
        let mut seen = std::collections::BTreeSet::new();
        for row in Vocabulary::embedded().rows() {
            let site = row.site.as_ref().map(|s| s.value.clone());
            assert!(seen.insert((row.finding.value.clone(), site)), "{}", row.label);
        }
    }

    #[test]
    fn a_broken_table_is_refused_with_its_label() {
        let row = |value: &str| {
            format!(
                "format = 1\n[[label]]\nlabel = \"X\"\nname_en = \"X\"\nname_es = \"X\"\nconfidence = \"read\"\n\
                 source = \"s\"\nfinding = {{ value = \"{value}\", scheme = \"SCT\", meaning = \"m\" }}\n"
            )
        };
        assert!(Vocabulary::parse(&row("1")).is_ok());
        let long = Vocabulary::parse(&row(&"1".repeat(17)));
        assert!(matches!(long, Err(VocabularyError::Row { ref label, .. }) if label == "X"), "{long:?}");
        assert!(matches!(Vocabulary::parse(&row("").replace("X", "Y")), Err(VocabularyError::Row { .. })));
        assert_eq!(Vocabulary::parse("format = 2\nlabel = []\n"), Err(VocabularyError::Version(2)));
        assert!(matches!(Vocabulary::parse("format = 1\nlabels = 3\n"), Err(VocabularyError::Format(_))));
        let twice = format!("{}{}", row("1"), row("2").replace("format = 1\n", ""));
        assert!(matches!(Vocabulary::parse(&twice), Err(VocabularyError::Row { .. })));
    }
}
