//! Every language says everything, within the limits of its places.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::code::Vocabulary;
use crate::profile::ResultKind;
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster};
use std::collections::BTreeSet;
use toml::{Table, Value};

/// `section.key` and its text, for every text of a file.
fn all(file: &str) -> BTreeMap<String, String> {
    let table: Table = file.parse().unwrap();
    let mut texts = BTreeMap::new();
    for (section, entries) in &table {
        for (key, value) in entries.as_table().unwrap() {
            let Value::String(text) = value else { panic!("{section}.{key} is no text") };
            texts.insert(format!("{section}.{key}"), text.clone());
        }
    }
    texts
}

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0).collect()
}

/// What is wrong with a file, given what English has.
fn problems(file: &str) -> Vec<String> {
    let (texts, english) = (all(file), all(FILES[0].1));
    let mut problems = Vec::new();
    let mut claim = |holds: bool, what: String| {
        if !holds {
            problems.push(what);
        }
    };
    for (key, model) in &english {
        let Some(text) = texts.get(key) else {
            claim(false, format!("{key} is missing"));
            continue;
        };
        claim(
            !text.is_empty() && text.trim_end() == text && !text.starts_with(" ") && !text.contains("  "),
            format!("{key} has odd spaces"),
        );
        claim(!text.contains(|c: char| c.is_control() || c == '\\'), format!("{key} has a control character"));
        claim(places(text) == places(model), format!("{key} has other places"));
        let limit = match key.as_str() {
            "language.tag" => 16,
            _ if key.starts_with("finding.") => 48,
            "notice.short" | "language.meaning" | "report.partial" => 64,
            _ if ["series.", "layer."].iter().any(|section| key.starts_with(section)) => 64,
            // What is left for the name of a finding (48) and a number of two digits.
            "tracking.finding" => 64 - 48 - 3 + "{name}".len(),
            "tracking.not_analyzed" => 64,
            "tracking.of_film" => 24,
            _ => 160,
        };
        claim(text.chars().count() <= limit, format!("{key} is longer than {limit}"));
        if ["notice.full", "picture.", "finding."].iter().any(|start| key.starts_with(start)) {
            let glyph = |c| {
                let weights = [FontWeight::Regular, FontWeight::Bold];
                weights.into_iter().all(|weight| get_raster(c, weight, RasterHeight::Size20).is_some())
            };
            claim(text.chars().all(glyph), format!("{key} cannot be drawn"));
        }
        if key.starts_with("notice.") {
            claim(text.contains("not for diagnostic use"), format!("{key} lacks the English words"));
        }
        if key.starts_with("reason.") {
            claim(!text.ends_with('.'), format!("{key} ends with a full stop"));
        }
    }
    for key in texts.keys().filter(|key| !english.contains_key(*key)) {
        claim(false, format!("{key} is unknown"));
    }
    problems
}

#[test]
fn every_language_says_everything_within_its_limits() {
    for (language, file) in FILES {
        assert_eq!(problems(file), Vec::<String>::new(), "{language}");
        toml::from_str::<Texts>(file).unwrap();
    }
}

#[test]
fn what_is_wrong_with_a_file_is_seen() {
    let english = FILES[0].1;
    for (from, to, expected) in [
        ("full = \"AI output, unverified - not for diagnostic use\"\n", "", "notice.full is missing"),
        ("not for diagnostic use\"\n# 64", "no diagnostic use\"\n# 64", "notice.full lacks the English words"),
        ("\"AI findings\"", "\"Wyniki sztucznej inteligencji\u{0142}\"", ""),
        ("\"FINDING\"", "\"WYNIK \u{0141}\"", "picture.heading_finding cannot be drawn"),
        ("\"Hernia\" = \"Hernia\"", "\"Hernie\" = \"Hernia\"", "finding.Hernia is missing"),
        ("{found}, not CR or DX", "other", "reason.modality has other places"),
        (
            "AI notice",
            "AI notice that is very long and does not fit into sixty-four characters",
            "layer.notice is longer than 64",
        ),
        ("\"AI CXR overlay SC (unverified)\"", "\"AI CXR\\\\SC\"", "series.sc has a control character"),
        ("\"oblique\"", "\"oblique \"", "view.oblique has odd spaces"),
    ] {
        let broken = english.replace(from, to);
        assert_ne!(broken, english, "{from}");
        let found = problems(&broken);
        assert_eq!(found.first().map_or("", String::as_str), expected, "{found:?}");
    }
}

#[test]
fn series_and_findings_have_their_words() {
    for language in Language::ALL {
        let texts = language.texts();
        for kind in ResultKind::ALL {
            let text = &texts.series[kind.as_str()];
            assert!(text.contains("erif"), "{text}: it has to say that nobody verified it");
        }
        assert_eq!(texts.series.len(), ResultKind::ALL.len() + 3);
        let labels: Vec<&str> = Vocabulary::embedded().rows().map(|row| row.label.as_str()).collect();
        assert_eq!(texts.finding.keys().collect::<Vec<_>>(), labels);
    }
}

#[test]
fn words_of_the_configuration_are_the_languages() {
    for language in Language::ALL {
        assert_eq!(Language::parse(language.as_str()), Ok(*language));
        assert_eq!(serde_json::to_string(language).unwrap(), format!("{:?}", language.as_str()));
    }
    assert_eq!(Language::parse("EN"), Err(UnknownLanguage));
    assert_eq!(UnknownLanguage.to_string(), "the language must be \"en\" or \"es\"");
}

#[test]
fn places_are_filled_once() {
    assert_eq!(fill("{a} of {b}, {a}", &[("a", "{b}"), ("b", "2")]), "{b} of 2, {b}");
    assert_eq!(fill("nothing", &[("a", "1")]), "nothing");
    assert_eq!(fill("{c} {a", &[("a", "1")]), "{c} {a");
}
