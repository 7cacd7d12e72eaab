//! The words that result objects carry, above all the notice that the output is not for
//! diagnostic use. Pure texts of `domain/data/texts/`: their places are chosen by the builders.

use super::modules::Form;
use crate::code::{Code, FindingCode};
use crate::finding::Finding;
use crate::language::{Language, fill};
use crate::profile::ResultKind;

impl Language {
    /// The value of Language of Content Item and Descendants (TID 1204).
    pub(super) fn code(self) -> Code {
        let language = &self.texts().language;
        Code::new(&language.tag, "RFC5646", &language.meaning)
    }

    /// The notice. The English words stand in every language: archives are searched for them.
    #[must_use]
    pub fn notice(self) -> &'static str {
        &self.texts().notice.full
    }

    /// The notice for an attribute of at most 64 characters.
    pub(super) fn short_notice(self) -> &'static str {
        &self.texts().notice.short
    }

    /// Series Description of each kind, at most 64 characters.
    pub(super) fn series(self, kind: ResultKind, form: Form) -> &'static str {
        let word = match form {
            Form::Plain => kind.as_str(),
            Form::NotAnalyzed => "not_analyzed",
            Form::HeatMap => "heat_map",
            Form::Rejection => "rejection",
        };
        // A test holds that every kind has its text; the notice is never wrong.
        self.texts().series.get(word).map_or_else(|| self.short_notice(), String::as_str)
    }

    /// The name of a finding for people: the site's own, else ours, else the English one.
    #[must_use]
    pub fn finding_name(self, code: &FindingCode) -> &str {
        let name = |language: Self| {
            let own = code.names.get(language.as_str());
            own.or_else(|| language.texts().finding.get(&code.label)).map(String::as_str)
        };
        name(self).or_else(|| name(Self::default())).unwrap_or(&code.label)
    }

    /// Name and probability, as they stand beside a contour.
    pub(super) fn finding_percent(self, finding: &Finding) -> String {
        format!("{} {:.0}%", self.finding_name(&finding.code), f64::from(finding.probability) * 100.0)
    }

    /// Tracking Identifier of a finding's n-th region, or of the finding: viewers show it as the only
    /// name of a measurement group, and it has to be unique where it is used (PS3.16 annex D,
    /// 112039). `film` is the film's place in the study where others were analysed too.
    pub(super) fn tracking_identifier(self, code: &FindingCode, region: usize, film: Option<usize>) -> String {
        let texts = &self.texts().tracking;
        let mut identifier = fill(&texts.finding, &[("name", self.finding_name(code))]);
        if region > 0 {
            identifier.push_str(&format!(" {}", region + 1));
        }
        if let Some(number) = film {
            identifier.push_str(&fill(&texts.of_film, &[("number", &number.to_string())]));
        }
        identifier
    }

    /// Tracking Identifier of the group of a not-analysed report.
    pub(super) fn not_analyzed(self) -> &'static str {
        &self.texts().tracking.not_analyzed
    }

    /// The sentence of one film that was not analysed. `number` is its place in the study, from 1.
    pub(super) fn film_not_analyzed(self, number: usize, failed: bool, reason: &str) -> String {
        let report = &self.texts().report;
        let text = if failed { &report.film_failed } else { &report.film_not_analyzed };
        fill(text, &[("number", &number.to_string()), ("reason", reason)])
    }

    /// Completion Flag Description of a partial report.
    pub(super) fn partial(self, failed: usize, of: usize) -> String {
        fill(&self.texts().report.partial, &[("failed", &failed.to_string()), ("of", &of.to_string())])
    }

    /// What a key object selection says of the films, without the notice.
    pub(super) fn key_findings(self, list: &str) -> String {
        fill(&self.texts().selection.findings, &[("list", list)])
    }

    /// What a note says that takes results back.
    pub(super) fn withdrawn(self, reason: &str) -> String {
        fill(&self.texts().selection.withdrawn, &[("reason", reason)])
    }

    /// The same of one film among several. `number` is its place in the study, from 1.
    pub(super) fn key_findings_of_film(self, number: usize, list: &str) -> String {
        fill(&self.texts().selection.of_film, &[("number", &number.to_string()), ("list", list)])
    }

    pub(super) fn no_finding(self) -> &'static str {
        &self.texts().picture.no_finding
    }

    pub(super) fn no_finding_hint(self) -> &'static str {
        &self.texts().picture.no_finding_hint
    }

    pub(super) fn subtitle(self) -> &'static str {
        &self.texts().picture.subtitle
    }

    pub(super) fn heading_finding(self) -> &'static str {
        &self.texts().picture.heading_finding
    }

    pub(super) fn heading_probability(self) -> &'static str {
        &self.texts().picture.heading_probability
    }

    pub(super) fn heading_threshold(self) -> &'static str {
        &self.texts().picture.heading_threshold
    }

    pub(super) fn derivation(self) -> &'static str {
        &self.texts().picture.derivation
    }

    /// What a heat map is of.
    pub(super) fn heat_map(self, name: &str) -> String {
        fill(&self.texts().picture.heat_map, &[("name", name)])
    }

    /// The two ends of its colours.
    pub(super) fn heat_map_ends(self) -> (&'static str, &'static str) {
        (&self.texts().picture.heat_map_low, &self.texts().picture.heat_map_high)
    }

    pub(super) fn heat_map_hint(self) -> &'static str {
        &self.texts().picture.heat_map_hint
    }

    pub(super) fn heat_map_derivation(self, name: &str) -> String {
        fill(&self.texts().picture.heat_map_derivation, &[("name", name)])
    }

    pub(super) fn layer_findings(self) -> &'static str {
        &self.texts().layer.findings
    }

    pub(super) fn layer_overlays(self) -> &'static str {
        &self.texts().layer.overlays
    }

    pub(super) fn layer_notice(self) -> &'static str {
        &self.texts().layer.notice
    }
}
