//! Tests of the configuration: defaults, layers, and all problems at once.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

fn load(settings: &str, peers: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("centinela.toml"), dir.path().join("ae-titles.toml"));
    std::fs::write(&a, settings).unwrap();
    std::fs::write(&b, peers).unwrap();
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Config::load(&Sources { settings: Some(a), peers: Some(b), data_dir: None, environment })
}

const NODE: &str = "[node]\nae_title = \"CENTINELA\"\n";

#[test]
fn embedded_defaults_are_complete() {
    let config = load("", NODE, &[]).unwrap();
    assert_eq!(config.settings.dicom.port, 11112);
    assert_eq!(config.settings.study.quiet_ms(), 5_000);
    assert_eq!(config.settings.api.bind.to_string(), "127.0.0.1");
    assert_eq!(config.settings.dicom.callers, Callers::Listed);
    Peers::parse("example", DEFAULT_PEERS, &mut Vec::new()).unwrap();
}

#[test]
fn environment_wins_over_file() {
    let config = load(
        "[study]\nquiet_period = 9\n[node]\nlanguage = \"es\"\n",
        NODE,
        &[("CENTINELA__STUDY__QUIET_PERIOD", "0.5"), ("CENTINELA__ANALYZE__ENABLED", "false"), ("HOME", "/")],
    )
    .unwrap();
    assert_eq!(config.settings.study.quiet_ms(), 500);
    assert!(!config.settings.analyze.enabled);
    assert_eq!(config.settings.node.language, Language::Spanish);
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = load(
        "[study]\nquiet = 3\n[nonsense]\na = 1\n[dicom]\nport = \"x\"\nassociations = 0\n[storage]\nkeep_days = -1\n",
        "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"a\"\nae_title = \"A\"\ndeliver = \"full\"\n\
         [[peer]]\nname = \"a\"\nae_title = \"B\"\n",
        &[("CENTINELA__API__PRT", "1")],
    )
    .unwrap_err();
    let text = problems.to_string();
    for part in [
        "unknown key \"quiet\" in [study]",
        "unknown section [nonsense]",
        "[dicom] port is string",
        "associations = 0",
        "keep_days = -1",
        "needs host and port",
        "two peers are named \"a\"",
        "CENTINELA__API__PRT: unknown key \"prt\"",
    ] {
        assert!(text.contains(part), "{part} missing in:\n{text}");
    }
    let unknown = load("", "[node]\nae_title = \"X\"\ncolour = 1\n", &[]).unwrap_err().to_string();
    assert!(unknown.contains("colour"), "{unknown}");
}

#[test]
fn the_least_age_is_no_more_than_the_age() {
    let refused = load("[storage]\nkeep_days = 2\nkeep_min = 3\n", NODE, &[]).unwrap_err().to_string();
    assert!(refused.contains("keep_min = 3") && refused.contains("keep_days (2)"), "{refused}");
    let config = load("[storage]\nkeep_days = 0\nkeep_min = 3\nmin_free = 5\n", NODE, &[]).unwrap();
    assert_eq!(config.settings.storage.low_space(), 15);
}
