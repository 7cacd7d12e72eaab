//! The table of findings: what each label of a model is called in codes and names.
//!
//! The table is data: `domain/data/findings.toml`, embedded here. A site replaces rows of it, or
//! adds some, by a file of the same form; both are held to the same rules.

use super::Code;
use crate::language::Language;
use crate::uid::Uid;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// How far a code was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The triple stands in DICOM's own tables.
    Verified,
    /// Read in a public source that says it validated the code.
    Read,
    /// Not seen in a published source yet.
    Memory,
    /// A site decided it.
    Site,
}

/// A coding scheme that receivers cannot know by its designator alone: Coding Scheme Identification
/// Sequence (PS3.3 C.12.1.1.15).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodingScheme {
    /// Coding Scheme Designator (0008,0102).
    pub designator: String,
    /// Coding Scheme Name (0008,0115).
    pub name: String,
    /// Coding Scheme UID (0008,010C).
    #[serde(default)]
    pub uid: Option<Uid>,
    /// Coding Scheme Responsible Organization (0008,0116).
    #[serde(default)]
    pub organization: Option<String>,
}

/// One row of the table: what a label means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingCode {
    /// The label, as model manifests spell it.
    pub label: String,
    /// The value of Finding (121071, DCM), with its equivalents in RadLex and RadElement.
    pub finding: Code,
    /// The value of Finding Site (363698007, SCT), where the finding does not say it.
    pub site: Option<Code>,
    /// The value of Finding category (276214006, SCT).
    pub category: Code,
    /// Names for people that a site gives, by language; ours stand with the texts.
    pub names: BTreeMap<String, String>,
    /// How far the code was confirmed.
    pub confidence: Confidence,
    /// Where the code was found.
    pub source: String,
    /// Schemes of these codes that an object has to identify.
    pub schemes: Vec<CodingScheme>,
}

/// The table of findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    rows: BTreeMap<String, FindingCode>,
    /// Digest of the site's file, empty without one.
    site: String,
}

/// The table of findings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    /// It is not the TOML that is expected.
    #[error("cannot be read: {0}")]
    Format(String),
    /// Its format number is not known.
    #[error("has format {0}, this program reads format 2")]
    Version(u32),
    /// A coding scheme breaks a rule.
    #[error("scheme {designator:?}: {problem}")]
    Scheme {
        /// The designator.
        designator: String,
        /// The rule.
        problem: &'static str,
    },
    /// A row breaks a rule.
    #[error("label {label:?}: {problem}")]
    Row {
        /// The label.
        label: String,
        /// The rule, with the remedy.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    format: u32,
    #[serde(default)]
    scheme: Vec<CodingScheme>,
    #[serde(default)]
    label: Vec<Row>,
}

/// A row as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    label: String,
    finding: Code,
    #[serde(default)]
    radlex: Option<Equivalent>,
    #[serde(default)]
    radelement: Option<Equivalent>,
    #[serde(default)]
    site: Option<Code>,
    #[serde(default = "disease")]
    category: Code,
    #[serde(default)]
    names: BTreeMap<String, String>,
    confidence: Confidence,
    source: String,
}

/// A code that means the same as the finding. Confidence and source are for those who read the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Equivalent {
    value: String,
    meaning: String,
    #[serde(rename = "confidence")]
    _confidence: Confidence,
    source: String,
}

fn disease() -> Code {
    Code::sct("64572001", "Disease")
}

/// Designators that every receiver knows (PS3.16 section 8).
const KNOWN_SCHEMES: [&str; 9] = ["SCT", "SRT", "DCM", "RADLEX", "LN", "UMLS", "NCIt", "FMA", "ICD10"];
const RADLEX: &str = "RADLEX";
const RADELEMENT: &str = "RADELEMENT";

/// Codes that tables in the field hold and that are wrong for us, with what to write instead.
const WRONG_CODES: [(&str, &str, &str); 6] = [
    (
        "287272002",
        "SCT",
        "287272002 also stands for an enlarged septal foramen of the heart; for cardiomegaly use (8186001, SCT)",
    ),
    (
        "78381009",
        "SCT",
        "78381009 comes from a table with wrong codes beside it; for pleural thickening use (RID28509, RADLEX) \
         with the site (3120008, SCT)",
    ),
    ("168733007", "SCT", NORMAL),
    ("17621005", "SCT", NORMAL),
    ("23875004", "SCT", NORMAL),
    ("111286", "DCM", NORMAL),
];
const NORMAL: &str = "this code says that the film is normal, which a classifier cannot know; name a finding";

impl Vocabulary {
    /// The table that comes with the program.
    #[must_use]
    pub fn embedded() -> &'static Self {
        static TABLE: LazyLock<Vocabulary> = LazyLock::new(|| {
            match Vocabulary::lay(BTreeMap::new(), include_str!("../../data/findings.toml")) {
                Ok(rows) => Vocabulary { rows, site: String::new() },
                // The text is part of the program and a test parses it.
                Err(error) => unreachable!("embedded findings.toml: {error}"),
            }
        });
        &TABLE
    }

    /// The table with a site's rows in place of ours, and beside them.
    ///
    /// # Errors
    /// [`VocabularyError`] names the label and the rule that it breaks.
    pub fn of_site(text: &str) -> Result<Self, VocabularyError> {
        let digest = Sha256::digest(text.as_bytes());
        let site = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { rows: Self::lay(Self::embedded().rows.clone(), text)?, site })
    }

    /// What stands in UIDs for all that turns scores into findings: the model's thresholds, and the
    /// site's codes if there are any.
    #[must_use]
    pub fn threshold_set(&self, of_model: &str) -> String {
        if self.site.is_empty() { of_model.to_owned() } else { format!("{of_model}, findings {}", self.site) }
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

    /// Lays the rows of a file over others and checks what comes out.
    fn lay(
        mut rows: BTreeMap<String, FindingCode>,
        text: &str,
    ) -> Result<BTreeMap<String, FindingCode>, VocabularyError> {
        let table: Table =
            toml::from_str(text).map_err(|e| VocabularyError::Format(e.to_string().trim().to_owned()))?;
        if table.format != 2 {
            return Err(VocabularyError::Version(table.format));
        }
        for scheme in &table.scheme {
            if let Some(problem) = scheme.problem() {
                return Err(VocabularyError::Scheme { designator: scheme.designator.clone(), problem });
            }
        }
        let mut new = Vec::new();
        for row in table.label {
            let label = row.label.clone();
            let fail = |problem: String| VocabularyError::Row { label: label.clone(), problem };
            if new.contains(&label) {
                return Err(fail("has two rows: keep one".to_owned()));
            }
            let row = row.checked(&table.scheme).map_err(fail)?;
            rows.insert(label.clone(), row);
            new.push(label);
        }
        for label in &new {
            for language in Language::ALL {
                let name = |row: &FindingCode| language.finding_name(row).to_lowercase();
                let mine = rows.get(label).map(name);
                if let Some(other) = rows.values().find(|row| row.label != *label && Some(name(row)) == mine) {
                    let problem = format!("has the name of {:?} ({language}): give one of them its own", other.label);
                    return Err(VocabularyError::Row { label: label.clone(), problem });
                }
            }
        }
        // Two labels with one code would be one finding to whoever reads the report.
        for label in &new {
            let same = |a: &FindingCode, b: &FindingCode| {
                let site = |row: &FindingCode| row.site.as_ref().map(|s| (s.value.clone(), s.scheme.clone()));
                a.label != b.label && a.finding.matches(&b.finding) && site(a) == site(b)
            };
            if let Some(other) = rows.values().find(|other| rows.get(label).is_some_and(|row| same(row, other))) {
                let problem = format!("has the finding and the site of {:?}: give one of them its own", other.label);
                return Err(VocabularyError::Row { label: label.clone(), problem });
            }
        }
        Ok(rows)
    }
}

impl CodingScheme {
    fn problem(&self) -> Option<&'static str> {
        let fits = |text: &str, limit: usize| {
            !text.is_empty() && text.chars().count() <= limit && !text.contains(['\\', '\n', '\r', '\t'])
        };
        if !self.designator.starts_with("99") || !fits(&self.designator, 16) {
            Some("designators of your own begin with 99 and have at most 16 characters; others need no [[scheme]]")
        } else if !fits(&self.name, 64) || self.organization.as_deref().is_some_and(|text| !fits(text, 64)) {
            Some("name and organization must have 1 to 64 characters")
        } else {
            None
        }
    }
}

impl Row {
    fn checked(self, schemes: &[CodingScheme]) -> Result<FindingCode, String> {
        let Self { label, mut finding, radlex, radelement, site, category, names, confidence, source } = self;
        if label.is_empty() || label.chars().count() > 64 {
            return Err("a label must have 1 to 64 characters".to_owned());
        }
        for (equivalent, scheme) in [(&radlex, RADLEX), (&radelement, RADELEMENT)] {
            let Some(equivalent) = equivalent else { continue };
            if equivalent.source.trim().is_empty() {
                return Err(format!("the {scheme} code has no source: say where the code was found"));
            }
            let code = Code::new(&equivalent.value, scheme, &equivalent.meaning);
            if scheme == finding.scheme {
                return Err(format!("finding is a {scheme} code already: leave the other one out"));
            }
            finding.equivalents.push(code);
        }
        if source.trim().is_empty() {
            return Err("source is empty: say where the code was found".to_owned());
        }
        let mut declared = Vec::new();
        let codes = [Some(&finding), site.as_ref(), Some(&category)];
        for code in codes.into_iter().flatten().flat_map(|code| std::iter::once(code).chain(&code.equivalents)) {
            if let Some(problem) = code.problem() {
                return Err(problem.to_owned());
            }
            if let Some((_, _, remedy)) = WRONG_CODES.iter().find(|(v, s, _)| *v == code.value && *s == code.scheme) {
                return Err((*remedy).to_owned());
            }
            if let Some(scheme) = schemes.iter().find(|s| s.designator == code.scheme) {
                declared.push(scheme.clone());
            } else if code.scheme == RADELEMENT {
                declared.push(CodingScheme {
                    designator: RADELEMENT.to_owned(),
                    name: "RadElement Common Data Elements".to_owned(),
                    uid: None,
                    organization: Some("RSNA and ACR".to_owned()),
                });
            } else if !KNOWN_SCHEMES.contains(&code.scheme.as_str()) {
                return Err(format!(
                    "coding scheme {:?} is not known: use one of {}, or one of your own that begins with 99 and \
                     has a [[scheme]] with designator and name",
                    code.scheme,
                    KNOWN_SCHEMES.join(", ")
                ));
            }
        }
        for (language, name) in &names {
            Language::parse(language).map_err(|unknown| format!("names: {unknown}, not {language:?}"))?;
            // Names end in a Tracking Identifier and in a picture of Latin-1 glyphs.
            let printable = |c: char| (' '..='~').contains(&c) || ('\u{a1}'..='ÿ').contains(&c);
            if name.trim().is_empty()
                || name.chars().count() > 48
                || !name.chars().all(printable)
                || name.contains('\\')
            {
                return Err("names must have 1 to 48 Latin-1 characters".to_owned());
            }
        }
        let english = Language::default();
        if !names.contains_key(english.as_str()) && !english.texts().finding.contains_key(&label) {
            return Err(format!("names.{english} is missing: a label of your own needs a name for people"));
        }
        declared.sort();
        declared.dedup();
        Ok(FindingCode { label, finding, site, category, names, confidence, source, schemes: declared })
    }
}

#[cfg(test)]
mod tests;
