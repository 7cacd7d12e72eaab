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
    assert_eq!(config.settings.report.negatives, Negatives::Groups);
    assert_eq!(config.settings.report.captures(), Captures::default());
    assert_eq!(config.settings.api.bind.to_string(), "127.0.0.1");
    assert_eq!(config.settings.dicom.callers, Callers::Listed);
    Peers::parse("example", DEFAULT_PEERS, &mut Vec::new()).unwrap();
}

#[test]
fn environment_wins_over_file() {
    let config = load(
        "[study]\nquiet_period = 9\n[node]\nlanguage = \"es\"\n[report]\nnegatives = \"omit\"\nheat_map = true\nsc_compression = \"rle\"\n",
        NODE,
        &[("CENTINELA__STUDY__QUIET_PERIOD", "0.5"), ("CENTINELA__ANALYZE__ENABLED", "false"), ("HOME", "/")],
    )
    .unwrap();
    assert_eq!(config.settings.study.quiet_ms(), 500);
    assert!(!config.settings.analyze.enabled);
    assert_eq!(config.settings.node.language, Language::Spanish);
    assert_eq!(config.settings.report.negatives, Negatives::Omit);
    let captures = Captures { heat_map: true, compression: Compression::Rle };
    assert_eq!(config.settings.report.captures(), captures);
}

#[test]
fn a_site_brings_its_own_codes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("codes.toml");
    let row = "format = 2\n[[label]]\nlabel = \"Hernia\"\nconfidence = \"site\"\nsource = \"we\"\n\
               finding = { value = \"84089009\", scheme = \"SCT\", meaning = \"Hiatal hernia\" }\n";
    let settings = format!("[report]\nfindings = {file:?}\n");
    std::fs::write(&file, row).unwrap();
    let config = load(&settings, NODE, &[]).unwrap();
    let vocabulary = config.settings.report.vocabulary();
    assert_eq!(vocabulary.get("Hernia").unwrap().finding.value, "84089009");
    assert_eq!(vocabulary.get("Mass"), Vocabulary::embedded().get("Mass"));
    assert_eq!(load("", NODE, &[]).unwrap().settings.report.vocabulary(), Vocabulary::embedded());

    std::fs::write(&file, row.replace("84089009", "287272002")).unwrap();
    let problem = load(&settings, NODE, &[]).unwrap_err().to_string();
    for part in ["[report] findings", "codes.toml", "label \"Hernia\"", "use (8186001, SCT)"] {
        assert!(problem.contains(part), "{part} missing in {problem}");
    }
    std::fs::remove_file(&file).unwrap();
    let problem = load(&settings, NODE, &[]).unwrap_err().to_string();
    assert!(problem.contains("codes.toml cannot be read"), "{problem}");
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
fn a_wrong_value_names_its_file_and_hides_nothing() {
    let text = load(
        "[dicom]\ncallers = \"all\"\nbind = \"nowhere\"\nassociations = 0\n[study]\nquiet_period = -1\n[log]\nlevel = 3\n",
        "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"a\"\nae_title = \"A\"\nport = \"x\"\n\
         [[peer]]\nname = \"b\"\nae_title = \"B\"\nsends = true\nnetworks = [\"10.0.0.1/8\"]\n\
         [[peer]]\nname = \"c\"\nae_title = \"C\"\nsends = true\nclasses = [\"XRAY\"]\nper_minute = 0\n\
         [[peer]]\nname = \"d\"\nae_title = \"D\"\nper_minute = 5\n",
        &[("CENTINELA__DICOM__CALLED", "nobody")],
    )
    .unwrap_err()
    .to_string();
    for part in [
        "centinela.toml: [dicom] callers: unknown variant `all`",
        "centinela.toml: [dicom] bind: invalid IP address",
        "centinela.toml: [log] level is integer",
        "CENTINELA__DICOM__CALLED: [dicom] called: unknown variant `nobody`",
        "[dicom] associations = 0",
        "quiet_period = -1",
        "ae-titles.toml: [[peer]] number 1 (\"a\")",
        "ae-titles.toml: [[peer]] number 2 (\"b\")",
        "the address has bits beyond the length",
        "no SOP class is called \"XRAY\"",
        "peer \"d\" has networks, classes, per_minute or associations, but may not call",
    ] {
        assert!(text.contains(part), "{part} missing in:\n{text}");
    }
}

#[test]
fn callers_with_conditions_are_read() {
    let peers = "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"a\"\nae_title = \"A\"\nsends = true\n\
        networks = [\"10.0.0.0/8\", \"fd00::/8\"]\nclasses = [\"cr\", \"1.2.3\"]\nper_minute = 60\nassociations = 2\n";
    let caller = load("", peers, &[]).unwrap().peers.peers[0].caller();
    let caller = caller.unwrap();
    assert_eq!(caller.networks.len(), 2);
    assert_eq!(caller.classes.map(|classes| classes.len()), Some(2));
    assert_eq!((caller.per_minute, caller.associations), (Some(60), Some(2)));
    let ignored = load("[dicom]\ncallers = \"any\"\n", peers, &[]).unwrap_err().to_string();
    assert!(ignored.contains("set callers = \"listed\""), "{ignored}");
}

#[test]
fn limits_have_bounds() {
    let settings = "[dicom]\nconnections = 10\nassociations_per_address = 0\nartim_timeout = 0\nmin_rate = 9999999\n";
    let text = load(settings, NODE, &[]).unwrap_err().to_string();
    for part in ["connections = 10", "associations_per_address = 0", "artim_timeout = 0", "min_rate = 9999999"] {
        assert!(text.contains(part), "{part} missing in:\n{text}");
    }
}

#[test]
fn the_least_age_is_no_more_than_the_age() {
    let refused = load("[storage]\nkeep_days = 2\nkeep_min = 3\n", NODE, &[]).unwrap_err().to_string();
    assert!(refused.contains("keep_min = 3") && refused.contains("keep_days (2)"), "{refused}");
    let config = load("[storage]\nkeep_days = 0\nkeep_min = 3\nmin_free = 5\nlow_free = 8\n", NODE, &[]).unwrap();
    assert_eq!(config.settings.storage.low_space(), 15);
    let config = load("[storage]\nmin_free = 5\nlow_free = 20\n", NODE, &[]).unwrap();
    assert_eq!(config.settings.storage.low_space(), 30);
}

#[test]
fn deliver_is_a_profile_auto_or_a_list_of_kinds() {
    let entry = |deliver: &str| {
        format!("{NODE}[[peer]]\nname = \"p\"\nae_title = \"P\"\nhost = \"h\"\nport = 1\ndeliver = {deliver}\n")
    };
    for (text, word) in [("\"auto\"", "auto"), ("\"compat\"", "compat"), ("[\"sc\", \"sr\", \"kos\"]", "sr, sc, kos")] {
        let config = load("", &entry(text), &[]).unwrap();
        assert_eq!(config.peers.destinations().map(|p| p.deliver.to_string()).collect::<Vec<_>>(), [word]);
    }
    for (wrong, words) in [
        ("\"ful\"", "invalid value: string \"ful\", expected one of \"auto\", \"full\""),
        ("[]", "empty list"),
        ("[\"sr\", \"pdf\"]", "pdf"),
        ("[\"sr\", \"sr\"]", "\"sr\" twice"),
        ("true", "a list of kinds"),
    ] {
        let text = load("", &entry(wrong), &[]).unwrap_err().to_string();
        assert!(text.contains("(\"p\")") && text.contains(words), "{wrong}: {text}");
    }
    // Whoever is to be asked needs an address.
    let nowhere = load("", &format!("{NODE}[[peer]]\nname = \"p\"\nae_title = \"P\"\ndeliver = \"auto\"\n"), &[]);
    assert!(nowhere.unwrap_err().to_string().contains("needs host and port"));
}
