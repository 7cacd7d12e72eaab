//! The plain-text test that holds the house rules: import directions, purposes, sizes, names.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no Rust file");
    files
}

const CODE: [&str; 6] = ["src", "domain", "scp", "models", "phantom", "xtask"];

fn code_lines(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().map(|(n, l)| (n + 1, l.trim().to_owned()));
    lines.filter(|(_, l)| !l.starts_with("//")).collect()
}

/// Fails for each line below the folders that has one of the words, outside the allowed places.
fn only(words: &[&str], allowed: &[&str]) {
    let mut wrong = Vec::new();
    for path in CODE.iter().flat_map(|folder| rust_files(folder)) {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if allowed.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        for (n, line) in code_lines(&path) {
            if words.iter().any(|w| line.contains(w)) {
                wrong.push(format!("{name}:{n}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{words:?} belong to {allowed:?}:\n{}", wrong.join("\n"));
}

#[test]
fn imports_go_one_way() {
    only(&["dicom_ul"], &["scp/"]);
    only(
        &["candle_core", "candle_nn", "dicom_pixeldata", "jpeg2k", "jpeg_decoder", "jpegls::", " png::"],
        &["models/"],
    );
    only(&["sqlx::"], &["src/store/"]);
    only(&["axum::"], &["src/api/"]);
    only(&["s3::"], &["src/blob/"]);
    only(&["lapin::"], &["src/queue/"]);
}

#[test]
fn stages_meet_only_in_rows() {
    let stages = ["ingest", "analyze", "delivery", "commitment", "proof", "retention"];
    for stage in stages {
        for path in rust_files(&format!("src/{stage}")) {
            for (n, line) in code_lines(&path) {
                for other in stages.iter().filter(|s| **s != stage) {
                    assert!(!line.contains(&format!("crate::{other}")), "{}:{n} imports {other}", path.display());
                }
            }
        }
    }
}

#[test]
fn the_domain_is_pure() {
    for path in rust_files("domain/src") {
        for (n, line) in code_lines(&path) {
            for word in ["tokio", "std::fs", "std::net", "SystemTime", "Instant::now", "sqlx", "std::env"] {
                assert!(!line.contains(word), "{}:{n}: the domain may not know {word}", path.display());
            }
        }
    }
}

#[test]
fn every_file_says_its_purpose_and_none_is_crowded() {
    let mut wrong = Vec::new();
    for path in CODE.iter().chain(&["tests", "fuzz/fuzz_targets"]).flat_map(|folder| rust_files(folder)) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        if !text.starts_with("//!") {
            wrong.push(format!("{name}: does not open with its purpose (//!)"));
        }
        if text.lines().count() > 500 {
            wrong.push(format!("{name}: has {} lines; split it by 500", text.lines().count()));
        }
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if ["utils", "util", "common", "helpers", "helper", "manager", "misc"].contains(&stem) {
            wrong.push(format!("{name}: the name says nothing"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn migrations_have_the_same_names_on_both_engines() {
    let names = |engine: &str| {
        let entries = fs::read_dir(root().join("migrations").join(engine)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn failpoints_are_listed_and_placed_once() {
    let sources: Vec<_> = rust_files("src").iter().map(|p| fs::read_to_string(p).unwrap()).collect();
    use centinela::failpoint::{ALL, COMMITMENT, DOWNGRADE, PROOF, RETENTION};
    for name in [ALL, COMMITMENT, PROOF, DOWNGRADE, RETENTION].concat() {
        let places: usize = sources.iter().map(|s| s.matches(&format!("hit(\"{name}\")")).count()).sum();
        assert_eq!(places, 1, "failpoint {name} stands in {places} places");
    }
}
