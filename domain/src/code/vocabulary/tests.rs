//! The table that comes with the program, and what a site may put over it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use std::collections::BTreeSet;

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

/// A site's file with one row; each part can be replaced.
fn site(label: &str, finding: &str, more: &str) -> String {
    format!(
        "format = 2\n[[label]]\nlabel = \"{label}\"\nfinding = {finding}\nconfidence = \"site\"\nsource = \"us\"\n{more}\n"
    )
}

const FINDING: &str = r#"{ value = "1", scheme = "SCT", meaning = "m" }"#;

fn problem(text: &str) -> String {
    Vocabulary::of_site(text).unwrap_err().to_string()
}

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
fn codes_fit_their_value_representations_and_stand_in_known_schemes() {
    for row in Vocabulary::embedded().rows() {
        for code in [Some(&row.finding), row.site.as_ref(), Some(&row.category)].into_iter().flatten() {
            for code in std::iter::once(code).chain(&code.equivalents) {
                assert!(code.value.len() <= 16 && code.scheme.len() <= 16 && code.meaning.len() <= 64, "{code:?}");
                assert!(["SCT", "DCM", "RADLEX", "RADELEMENT"].contains(&code.scheme.as_str()), "{code:?}");
                assert!(!["287272002", "78381009", "168733007"].contains(&code.value.as_str()), "{code:?}");
            }
        }
        assert!(!row.source.is_empty() && row.confidence != Confidence::Site && row.names.is_empty());
    }
}

#[test]
fn radlex_stands_beside_snomed_wherever_both_are_known() {
    let radlex: Vec<&str> = Vocabulary::embedded()
        .rows()
        .filter(|row| row.finding.equivalents.iter().any(|c| c.scheme == "RADLEX"))
        .map(|row| row.label.as_str())
        .collect();
    let expected = [
        "Atelectasis",
        "Consolidation",
        "Edema",
        "Effusion",
        "Emphysema",
        "Fracture",
        "Lung Opacity",
        "Mass",
        "Nodule",
        "Pneumonia",
        "Pneumothorax",
    ];
    assert_eq!(radlex, expected);
    let pneumothorax = Vocabulary::embedded().get("Pneumothorax").unwrap();
    let equivalents: Vec<_> = pneumothorax.finding.equivalents.iter().map(|c| (&*c.value, &*c.scheme)).collect();
    assert_eq!(equivalents, [("RID5352", "RADLEX"), ("RDES44", "RADELEMENT")]);
    assert_eq!(pneumothorax.schemes.len(), 1, "receivers are told what RADELEMENT is");
}

#[test]
fn a_site_replaces_rows_and_adds_its_own() {
    let own = r#"{ value = "X1", scheme = "99SITE", meaning = "Device in place" }"#;
    let text = format!(
        "{}\n[[label]]\nlabel = \"Device\"\nfinding = {own}\nconfidence = \"site\"\nsource = \"us\"\n\
         names = {{ en = \"Device\", es = \"Dispositivo\" }}\n[[scheme]]\ndesignator = \"99SITE\"\n\
         name = \"Our list\"\nuid = \"1.2.3\"\n",
        site("Pneumothorax", FINDING, "names = { en = \"Air\" }")
    );
    let table = Vocabulary::of_site(&text).unwrap();
    assert_eq!(table.rows().count(), 19);
    let air = table.get("Pneumothorax").unwrap();
    assert_eq!((air.finding.value.as_str(), air.site.as_ref(), air.finding.equivalents.len()), ("1", None, 0));
    assert_eq!(Language::English.finding_name(air), "Air");
    assert_eq!(Language::Spanish.finding_name(air), "Neumotórax");
    let device = table.get("Device").unwrap();
    assert_eq!(Language::Spanish.finding_name(device), "Dispositivo");
    assert_eq!(device.schemes[0].name, "Our list");
    assert_eq!(table.get("Edema"), Vocabulary::embedded().get("Edema"));

    // Other codes are other results.
    assert_eq!(Vocabulary::embedded().threshold_set("default"), "default");
    assert_ne!(table.threshold_set("default"), "default");
    let other = Vocabulary::of_site(&text.replace("\"Air\"", "\"Gas\"")).unwrap();
    assert_ne!(table.threshold_set("default"), other.threshold_set("default"));
}

#[test]
fn what_a_site_may_not_write_is_named_with_its_remedy() {
    let code = |value: &str, scheme: &str| format!("{{ value = \"{value}\", scheme = \"{scheme}\", meaning = \"m\" }}");
    let long = code(&"1".repeat(17), "SCT");
    let meaning = format!("{{ value = \"1\", scheme = \"SCT\", meaning = \"{}\" }}", "m".repeat(65));
    for (text, expected) in [
        (site("Mass", &long, ""), "label \"Mass\": a code value must have 1 to 16 characters"),
        (site("Mass", &meaning, ""), "label \"Mass\": a code meaning must have 1 to 64 characters"),
        (site("Mass", &code("1", ""), ""), "label \"Mass\": a coding scheme must have 1 to 16 characters"),
        (site("Cardiomegaly", &code("287272002", "SCT"), ""), "use (8186001, SCT)"),
        (site("Pleural_Thickening", &code("78381009", "SCT"), ""), "use (RID28509, RADLEX)"),
        (site("Mass", &code("168733007", "SCT"), ""), "which a classifier cannot know"),
        (
            site("Mass", &code("36118008", "SCT"), "site = { value = \"3120008\", scheme = \"SCT\", meaning = \"P\" }"),
            "label \"Mass\": has the finding and the site of \"Pneumothorax\"",
        ),
        (site("Mass", &code("1", "99SITE"), ""), "begins with 99 and has a [[scheme]]"),
        (site("Mass", &code("1", "NONSENSE"), ""), "coding scheme \"NONSENSE\" is not known: use one of SCT"),
        (site("Device", FINDING, ""), "label \"Device\": names.en is missing"),
        (site("Device", FINDING, "names = { en = \"山\" }"), "names must have 1 to 48 Latin-1 characters"),
        (site("Mass", FINDING, "names = { xx = \"x\" }"), "names: the language must be \"en\" or \"es\", not \"xx\""),
        (site("Device", FINDING, "names = { en = \"hernia\", es = \"x\" }"), "has the name of \"Hernia\" (en)"),
        (site("Mass", FINDING, "").replace("\"us\"", "\" \""), "source is empty"),
        (site("Mass", FINDING, "").replace("\"site\"", "\"sure\""), "confidence = \"sure\""),
        (site("Mass", FINDING, "color = \"red\""), "unknown field `color`"),
        (
            site(
                "Mass",
                FINDING,
                "radlex = { value = \"RID1\", meaning = \"m\", confidence = \"site\", source = \"\" }",
            ),
            "the RADLEX code has no source",
        ),
        (
            site(
                "Mass",
                &code("RID1", "RADLEX"),
                "radlex = { value = \"RID2\", meaning = \"m\", confidence = \"site\", source = \"s\" }",
            ),
            "finding is a RADLEX code already",
        ),
        (site("", FINDING, ""), "a label must have 1 to 64 characters"),
        (
            format!("{}{}", site("Mass", FINDING, ""), site("Mass", FINDING, "").replace("format = 2\n", "")),
            "label \"Mass\": has two rows",
        ),
        (
            format!("{}[[scheme]]\ndesignator = \"SCT\"\nname = \"x\"\n", site("Mass", FINDING, "")),
            "scheme \"SCT\": designators of your own begin with 99",
        ),
        (
            format!("{}[[scheme]]\ndesignator = \"99X\"\nname = \"\"\n", site("Mass", FINDING, "")),
            "scheme \"99X\": name and organization must have",
        ),
        ("format = 1\n".to_owned(), "has format 1, this program reads format 2"),
        ("labels = 3\n".to_owned(), "cannot be read"),
    ] {
        let problem = problem(&text);
        assert!(problem.contains(expected), "{expected:?} missing in {problem:?}");
    }
    assert!(Vocabulary::of_site("format = 2\n").is_ok(), "a file without rows changes nothing");
}

#[test]
fn two_labels_never_share_finding_and_site() {
    let mut seen = BTreeSet::new();
    for row in Vocabulary::embedded().rows() {
        let site = row.site.as_ref().map(|s| s.value.clone());
        assert!(seen.insert((row.finding.value.clone(), site)), "{}", row.label);
    }
}
