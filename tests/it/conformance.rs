//! docs/conformance.md says what the code does: it is written from docs/conformance.in.md and the code's
//! own tables, and this test compares. `make conformance` writes it anew.

use centinela::config::DEFAULT_SETTINGS;
use centinela::ingest::IngestError;
use centinela_domain::ability::OFFERS;
use centinela_domain::commitment::FailureReason;
use centinela_domain::delivery::ANSWERS;
use centinela_domain::header::HeaderError;
use centinela_domain::implementation::{IMPLEMENTATION_VERSION, implementation_class_uid};
use centinela_domain::profile::{Profile, ResultKind};
use centinela_domain::text::TERMS;
use centinela_scp::{RefusalCause, preference};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The whole statement.
fn statement(template: &str) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").unwrap_or_else(|| panic!("an open {{{{ after: {before}"));
        out += before;
        out += &value(name);
        rest = behind;
    }
    out + rest
}

fn value(name: &str) -> String {
    match name {
        "implementation_class_uid" => implementation_class_uid().to_string(),
        "implementation_version" => IMPLEMENTATION_VERSION.to_owned(),
        "program_version" => env!("CARGO_PKG_VERSION").to_owned(),
        "image_syntaxes" => syntaxes(&preference::IMAGES),
        "document_syntaxes" => syntaxes(&preference::DOCUMENTS),
        "refused_calls" => refused_calls(),
        "kept_statuses" => kept_statuses(),
        "failure_reasons" => failure_reasons(),
        "answers" => answers(),
        "results" => results(),
        "character_sets" => character_sets(),
        "cipher_suites" => centinela_scp::suites().iter().map(|suite| format!("- {suite}\n")).collect(),
        key => setting(key),
    }
}

/// The default of a key, `section.key`.
fn setting(name: &str) -> String {
    let table: toml::Table = DEFAULT_SETTINGS.parse().unwrap();
    let (section, key) = name.split_once('.').unwrap_or_else(|| panic!("{{{{{name}}}}} is no table and no key"));
    let value = table.get(section).and_then(|s| s.get(key));
    value.unwrap_or_else(|| panic!("conf/centinela.toml has no [{section}] {key}")).to_string()
}

fn syntaxes(list: &[(&str, &str)]) -> String {
    list.iter().map(|(uid, name)| format!("| {name} | {uid} |\n")).collect()
}

fn refused_calls() -> String {
    let row = |cause: &RefusalCause| {
        let answer = match (cause, cause.rejection()) {
            (_, Some(rejection)) => rejection.to_string(),
            (RefusalCause::Tls(_), None) => "TLS alert; no association".to_owned(),
            (RefusalCause::SopClasses, None) => "those contexts: user rejection (1)".to_owned(),
            (_, None) => "the connection is closed".to_owned(),
        };
        format!("| `{}` | {answer} |\n", cause.group())
    };
    RefusalCause::ALL.iter().map(row).collect()
}

fn kept_statuses() -> String {
    let failed = || anyhow::anyhow!("");
    let rows = [
        (IngestError::Conflict, "other bytes under a known UID with `[dicom] conflicts = \"refuse\"`"),
        (
            IngestError::Blob(failed()),
            "the disk is full or broken; free space below `[storage] min_free`; larger than `[dicom] max_instance`",
        ),
        (IngestError::Database(failed()), "the database failed"),
        (IngestError::Mismatch, "class or instance differ between command and data set"),
        (IngestError::Header(HeaderError::Missing { attribute: "" }), "the header cannot be read"),
    ];
    rows.iter().map(|(error, when)| format!("| {:04X}H | {when} |\n", error.status().0)).collect()
}

fn failure_reasons() -> String {
    let rows = [
        (FailureReason::PROCESSING_FAILURE, "its bytes are damaged or missing; send it again"),
        (FailureReason::NO_SUCH_INSTANCE, "never received, or deleted by retention"),
        (FailureReason::CLASS_CONFLICT, "here under another SOP class"),
    ];
    rows.iter().map(|(reason, when)| format!("| {:04X}H | {when} |\n", reason.0)).collect()
}

fn answers() -> String {
    let mut out = String::new();
    for row in &ANSWERS {
        let codes = if row.from == row.to {
            format!("{:04X}H", row.from)
        } else {
            format!("{:04X}H to {:04X}H", row.from, row.to)
        };
        let _ = writeln!(out, "| {codes} | {} | {} | {} |", row.meaning, row.reference, row.treatment.as_str());
    }
    out
}

fn results() -> String {
    let profiles = [
        ("full", Profile::Full),
        ("compat", Profile::Compat),
        ("minimal", Profile::Minimal),
        ("research", Profile::Research),
    ];
    let wanted = |kind: ResultKind| {
        let words: Vec<_> = profiles.iter().filter(|(_, p)| p.wants(kind)).map(|(word, _)| *word).collect();
        if words.is_empty() { "only by a list of kinds".to_owned() } else { words.join(", ") }
    };
    let mut out = String::new();
    for offer in &OFFERS {
        if let Some(kind) = offer.kind {
            let _ = writeln!(out, "| {kind} | {} | {} | {} |", offer.name, offer.class, wanted(kind));
        }
    }
    out
}

fn character_sets() -> String {
    TERMS.iter().map(|(term, what)| format!("| {term} | {what} |\n")).collect()
}

#[test]
fn the_conformance_statement_is_what_the_code_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let template = fs::read_to_string(docs.join("conformance.in.md")).unwrap();
    let wanted = statement(&template);
    let place = docs.join("conformance.md");
    if std::env::var_os("CENTINELA_WRITE_DOCS").is_some() {
        fs::write(&place, &wanted).unwrap();
    }
    let found = fs::read_to_string(&place).unwrap();
    let differs = wanted.lines().zip(found.lines()).find(|(wanted, found)| wanted != found);
    assert!(wanted == found, "docs/conformance.md is old; run `make conformance`. First difference: {differs:?}");
}
