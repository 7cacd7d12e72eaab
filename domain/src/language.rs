//! The languages of result texts. Their words are data: one file each in `domain/data/texts/`,
//! embedded and parsed once. A new language is a file there and a line in the table below.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// The table: names, words of the configuration, files.
macro_rules! languages {
    ($first:ident = $first_word:literal, $($name:ident = $word:literal,)*) => {
        /// Language of the texts in result objects (`[node] language`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the names are those of the languages")]
        pub enum Language {
            #[default]
            #[serde(rename = $first_word)]
            $first,
            $(#[serde(rename = $word)] $name,)*
        }

        impl Language {
            /// All of them.
            pub const ALL: &[Self] = &[Self::$first, $(Self::$name,)*];

            /// The word in the configuration and in derived UIDs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $first_word,
                    $(Self::$name => $word,)*
                }
            }
        }

        const FILES: &[(Language, &str)] = &[
            (Language::$first, include_str!(concat!("../data/texts/", $first_word, ".toml"))),
            $((Language::$name, include_str!(concat!("../data/texts/", $word, ".toml"))),)*
        ];
    };
}

// The first is the default.
languages! {
    English = "en",
    Spanish = "es",
}

/// The text names no language that Centinela speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLanguage;

impl fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = Language::ALL.iter().map(|l| format!("{:?}", l.as_str())).collect();
        write!(f, "the language must be {}", words.join(" or "))
    }
}

impl std::error::Error for UnknownLanguage {}

impl FromStr for Language {
    type Err = UnknownLanguage;
    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.iter().copied().find(|language| language.as_str() == text).ok_or(UnknownLanguage)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Language {
    /// Reads a word of the configuration.
    ///
    /// # Errors
    /// [`UnknownLanguage`] for anything else.
    pub fn parse(text: &str) -> Result<Self, UnknownLanguage> {
        text.parse()
    }

    pub(crate) fn texts(self) -> &'static Texts {
        static TEXTS: LazyLock<Vec<Texts>> = LazyLock::new(|| FILES.iter().map(|(l, file)| read(*l, file)).collect());
        &TEXTS[self as usize]
    }
}

fn read(language: Language, file: &str) -> Texts {
    match toml::from_str(file) {
        Ok(texts) => texts,
        // The text is part of the program and a test parses it.
        Err(error) => unreachable!("embedded texts/{language}.toml: {error}"),
    }
}

/// Puts values into the `{places}` of a text.
pub(crate) fn fill(text: &str, places: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let value = rest.find('}').and_then(|end| {
            let place = &rest[1..end];
            places.iter().find(|(name, _)| *name == place).map(|(_, value)| (value, end))
        });
        let Some((value, end)) = value else { break };
        filled.push_str(value);
        rest = &rest[end + 1..];
    }
    filled.push_str(rest);
    filled
}

/// One file of texts; `domain/data/texts/en.toml` explains the keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    pub(crate) language: Tag,
    pub(crate) notice: Notice,
    /// By the word of the result kind, and `not_analyzed`.
    pub(crate) series: BTreeMap<String, String>,
    pub(crate) tracking: Tracking,
    pub(crate) report: Report,
    pub(crate) selection: Selection,
    pub(crate) layer: Layer,
    pub(crate) picture: Picture,
    pub(crate) reason: Reason,
    pub(crate) view: View,
    pub(crate) unknown: Unknown,
    pub(crate) pixels: Pixels,
    /// By label.
    pub(crate) finding: BTreeMap<String, String>,
}

/// Sections: structures whose fields are all texts.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($field:ident),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub(crate) struct $name {
                $(pub(crate) $field: String,)+
            }
        )+
    };
}

sections! {
    Tag { tag, meaning }
    Notice { full, short }
    Tracking { finding, of_film, not_analyzed }
    Report { film_not_analyzed, film_failed, partial }
    Selection { findings, of_film, withdrawn }
    Layer { findings, notice, overlays }
    Picture {
        subtitle, no_finding, no_finding_hint, heading_finding, heading_probability, heading_threshold, derivation,
        heat_map, heat_map_low, heat_map_high, heat_map_hint, heat_map_derivation,
    }
    Reason {
        own_result, other_ai, not_an_image, modality, for_processing, body_part, species, age_one, age, view,
        other_patient, unknown, pixels, transfer_syntax, truncated, decode, too_large, processing,
    }
    View { lateral, oblique, decubitus, other }
    Unknown { body_part, age, view }
    Pixels { missing, no_size, too_small, too_large, samples, frames, photometric, bits, uniform }
}

#[cfg(test)]
#[path = "language/tests.rs"]
mod tests;
