//! Reasons: stable codes in JSON, words in both languages, which of them are failures.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use centinela_domain::gate::{self, PixelProblem, SkipReason, ViewFound};
use centinela_domain::result::Language;

fn every_reason() -> Vec<SkipReason> {
    use SkipReason::*;
    let mut all = vec![
        OwnResult,
        OtherAi,
        NotAnImage,
        Modality { found: "CT".into() },
        ForProcessing,
        OtherPatient,
        BodyPart { found: "HIP".into() },
        Species,
        Age { years: 5, min: 18, max: 120 },
        TransferSyntax { uid: "1.2.840.10008.1.2.4.51".into() },
        Truncated,
        Decode,
        TooLarge,
        Processing,
    ];
    all.extend(
        [ViewFound::Lateral, ViewFound::Oblique, ViewFound::Decubitus, ViewFound::Other].map(|found| View { found }),
    );
    all.extend([gate::Unknown::BodyPart, gate::Unknown::Age, gate::Unknown::View].map(|what| Unknown { what }));
    all.extend(
        [
            PixelProblem::Missing,
            PixelProblem::NoSize,
            PixelProblem::TooSmall,
            PixelProblem::TooLarge,
            PixelProblem::Samples,
            PixelProblem::Frames,
            PixelProblem::Photometric,
            PixelProblem::Bits,
            PixelProblem::Uniform,
        ]
        .map(|problem| Pixels { problem }),
    );
    all
}

#[test]
fn reasons_survive_json_and_their_code_is_the_tag() {
    for reason in every_reason() {
        let json = serde_json::to_value(&reason).unwrap();
        assert_eq!(json["code"], reason.code());
        assert_eq!(serde_json::from_value::<SkipReason>(json).unwrap(), reason);
    }
    let age = SkipReason::Age { years: 5, min: 18, max: 120 };
    assert_eq!(serde_json::to_string(&age).unwrap(), r#"{"code":"age","years":5,"min":18,"max":120}"#);
}

#[test]
fn every_reason_has_its_own_words_in_both_languages() {
    let mut seen = std::collections::HashSet::new();
    for reason in every_reason() {
        let (english, spanish) = (reason.text(&Language::English), reason.text(&Language::Spanish));
        assert_ne!(english, spanish);
        for text in [english, spanish] {
            assert!(text.len() > 15 && !text.ends_with('.') && !text.contains("  "), "{text}");
            assert!(seen.insert(text));
        }
    }
    let failures = every_reason().into_iter().filter(SkipReason::is_failure).count();
    assert_eq!(failures, 5);
    let age = SkipReason::Age { years: 1, min: 18, max: 120 };
    assert_eq!(age.text(&Language::Spanish), "la edad es 1 año y el modelo está hecho para 18 a 120 años");
}

#[test]
fn the_words_of_every_reason() {
    let words: Vec<String> = every_reason()
        .iter()
        .flat_map(|r| [Language::English, Language::Spanish].map(|l| format!("{l} {}: {}", r.code(), r.text(&l))))
        .collect();
    insta::assert_snapshot!(words.join("\n"));
}
