//! The words that result objects carry, in each language, above all the notice that the output is
//! not for diagnostic use. Pure texts: their places are chosen by the builders.

use crate::code::{Code, FindingCode};
use crate::profile::ResultKind;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Language of the texts in result objects (`[node] language`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Language {
    /// English (United States).
    #[default]
    #[serde(rename = "en")]
    English,
    /// Spanish (Spain).
    #[serde(rename = "es")]
    Spanish,
}

/// The text names no language that Centinela speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the language must be \"en\" or \"es\"")]
pub struct UnknownLanguage;

impl FromStr for Language {
    type Err = UnknownLanguage;
    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text {
            "en" => Ok(Self::English),
            "es" => Ok(Self::Spanish),
            _ => Err(UnknownLanguage),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Language {
    /// Reads `en` or `es`.
    ///
    /// # Errors
    /// [`UnknownLanguage`] for anything else.
    pub fn parse(text: &str) -> Result<Self, UnknownLanguage> {
        text.parse()
    }

    /// The word in the configuration and in derived UIDs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// The value of Language of Content Item and Descendants (TID 1204).
    pub(super) fn code(self) -> Code {
        match self {
            Self::English => Code::new("en-US", "RFC5646", "English (United States)"),
            Self::Spanish => Code::new("es-ES", "RFC5646", "Spanish (Spain)"),
        }
    }

    const fn pick(self, english: &'static str, spanish: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::Spanish => spanish,
        }
    }

    /// The notice. The English words stand in both languages: archives are searched for them.
    #[must_use]
    pub const fn notice(self) -> &'static str {
        self.pick(
            "AI output, unverified - not for diagnostic use",
            "Resultado de IA sin verificar, no apto para diagnóstico - not for diagnostic use",
        )
    }

    /// The notice for an attribute of at most 64 characters.
    pub(super) const fn short_notice(self) -> &'static str {
        self.pick(
            "CXR AI: AI output, unverified - not for diagnostic use",
            "IA RX: no apto para diagnóstico - not for diagnostic use",
        )
    }

    /// Series Description of each kind, at most 64 characters.
    pub(super) const fn series(self, kind: ResultKind, not_analyzed: bool) -> &'static str {
        match (kind, not_analyzed) {
            (ResultKind::Sr, false) => {
                self.pick("AI CXR findings SR (unverified)", "IA RX tórax: hallazgos SR (sin verificar)")
            }
            (ResultKind::Sr, true) => {
                self.pick("AI CXR not analyzed SR (unverified)", "IA RX tórax: no analizado SR (sin verificar)")
            }
            (ResultKind::Gsps, _) => {
                self.pick("AI CXR annotations GSPS (unverified)", "IA RX tórax: anotaciones GSPS (sin verificar)")
            }
            (ResultKind::Sc, _) => {
                self.pick("AI CXR overlay SC (unverified)", "IA RX tórax: imagen anotada SC (sin verificar)")
            }
            (ResultKind::Kos, _) => {
                self.pick("AI CXR key films KO (unverified)", "IA RX tórax: placas clave KO (sin verificar)")
            }
            (ResultKind::Seg, _) => {
                self.pick("AI CXR regions SEG (unverified)", "IA RX tórax: regiones SEG (sin verificar)")
            }
        }
    }

    /// The name of a finding for people.
    #[must_use]
    pub fn finding_name(self, code: &FindingCode) -> &str {
        match self {
            Self::English => &code.name_en,
            Self::Spanish => &code.name_es,
        }
    }

    /// Tracking Identifier: viewers show it as the only name of a measurement group.
    pub(super) fn tracking_identifier(self, code: &FindingCode, region: usize) -> String {
        let name = self.finding_name(code);
        let prefix = self.pick("CXR AI", "IA RX");
        match region {
            0 => format!("{prefix} {name}"),
            n => format!("{prefix} {name} {}", n + 1),
        }
    }

    /// Tracking Identifier of the group of a not-analysed report.
    pub(super) const fn not_analyzed(self) -> &'static str {
        self.pick("CXR AI not analyzed", "IA RX no analizado")
    }

    /// The sentence of one film that was not analysed. `number` is its place in the study, from 1.
    pub(super) fn film_not_analyzed(self, number: usize, failed: bool, reason: &str) -> String {
        let film = self.film();
        let what = match (failed, self) {
            (false, Self::English) => "not analyzed",
            (false, Self::Spanish) => "no analizada",
            (true, Self::English) => "could not be processed",
            (true, Self::Spanish) => "no se pudo procesar",
        };
        format!("{film} {number} {what}: {reason}.")
    }

    /// Completion Flag Description of a partial report.
    pub(super) fn partial(self, failed: usize, of: usize) -> String {
        match self {
            Self::English => format!("{failed} of {of} films could not be processed"),
            Self::Spanish => format!("no se pudieron procesar {failed} de {of} placas"),
        }
    }

    /// The description of a key object selection, without the notice.
    pub(super) fn key_findings(self, findings: &str) -> String {
        format!("{}: {findings}", self.pick("AI findings", "Hallazgos de IA"))
    }

    /// One film, with its number behind it.
    pub(super) const fn film(self) -> &'static str {
        self.pick("Film", "Placa")
    }

    pub(super) const fn no_finding(self) -> &'static str {
        self.pick("No finding above threshold", "Ningún hallazgo supera el umbral")
    }

    pub(super) const fn no_finding_hint(self) -> &'static str {
        self.pick("This does not mean that the film is normal.", "No significa que la placa sea normal.")
    }

    pub(super) const fn subtitle(self) -> &'static str {
        self.pick("Chest X-ray AI", "IA de radiografía de tórax")
    }

    pub(super) const fn heading_finding(self) -> &'static str {
        self.pick("FINDING", "HALLAZGO")
    }

    pub(super) const fn heading_probability(self) -> &'static str {
        self.pick("PROB.", "PROB.")
    }

    pub(super) const fn heading_threshold(self) -> &'static str {
        self.pick("THRESH.", "UMBRAL")
    }

    pub(super) const fn derivation(self) -> &'static str {
        self.pick("Film with AI contours and probabilities", "Placa con contornos y probabilidades de IA")
    }

    pub(super) const fn layer_findings(self) -> &'static str {
        self.pick("AI findings", "Hallazgos de IA")
    }

    pub(super) const fn layer_notice(self) -> &'static str {
        self.pick("AI notice", "Aviso de IA")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Language; 2] = [Language::English, Language::Spanish];

    #[test]
    fn every_notice_says_not_for_diagnostic_use_and_fits() {
        for language in BOTH {
            assert!(language.notice().contains("not for diagnostic use"));
            assert!(language.short_notice().contains("not for diagnostic use"));
            assert!(language.short_notice().chars().count() <= 64);
            for kind in ResultKind::ALL {
                assert!(language.series(kind, true).chars().count() <= 64);
                assert!(language.series(kind, false).contains("erif"));
            }
        }
    }

    #[test]
    fn parse_knows_two_words() {
        for language in BOTH {
            assert_eq!(Language::parse(language.as_str()), Ok(language));
        }
        assert_eq!(Language::parse("EN"), Err(UnknownLanguage));
    }
}
