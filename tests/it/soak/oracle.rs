//! What must hold after the soak: nothing is lost, nothing is double, nothing is stuck, nothing is told.

use super::traffic::Sent;
use crate::harness::kept::{assert_kept, assert_no_orphans, data_set};
use crate::harness::node::{Home, Node};
use crate::harness::pacs::Pacs;
use centinela_phantom::PATIENT_NAMES;
use serde_json::Value;
use sha2::Digest as _;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Whether nothing is under way any more.
pub fn rests(node: &Node<'_>) -> bool {
    let status = node.get("/api/v1/status");
    let (analysis, pacs) = (&status["analysis"], &status["destinations"][0]);
    let open = [&analysis["queued"], &analysis["running"], &analysis["receiving"], &pacs["undelivered"]];
    open.iter().all(|count| count.as_i64() == Some(0))
}

/// Every study ended as it must, with one current report; the PACS has what the node built and nothing else, each
/// object with one digest, the one of the kept bytes.
pub fn assert_delivered(node: &Node<'_>, pacs: &Pacs, sent: &[Sent]) {
    let shelf = pacs.shelf();
    let mut expected = BTreeSet::new();
    let (mut revised, mut again) = (0, 0);
    for study in sent {
        let row = node.study(&study.study).unwrap_or_else(|| panic!("study {} is lost", study.study));
        let state = if study.poisoned { "failed" } else { "analyzed" };
        assert_eq!(row["study"]["state"], state, "{row:#}");
        let films: BTreeSet<&str> = study.films.iter().map(|film| film.sop.as_str()).collect();
        let rows = list(&row, "instances");
        let kept: BTreeSet<&str> = rows.iter().map(|i| i["sop_instance"].as_str().unwrap()).collect();
        assert_eq!((rows.len(), kept), (films.len(), films), "{row:#}");
        let current = current(&row);
        let reports = current.iter().filter(|result| result["kind"] == "sr").count();
        assert_eq!(reports, 1, "one current report: {row:#}");
        assert!(list(&row, "deliveries").iter().all(|d| d["state"] == "accepted"), "{row:#}");
        revised += usize::from(row["study"]["revision"].as_i64() > Some(1));
        for result in list(&row, "results") {
            let sop = result["sop_instance"].as_str().unwrap();
            let copies = shelf.get(sop).unwrap_or_else(|| panic!("{sop} is not at the PACS: {row:#}"));
            let key = centinela::blob::hex(&sha2::Sha256::digest(sop));
            let path = node.home.data().join("blobs").join(centinela::blob::key("results", &key, "dcm"));
            let kept = blake3::hash(data_set(&fs::read(path).unwrap())).to_string();
            assert!(copies.iter().all(|(digest, _)| *digest == kept), "{sop} was sent with different bytes");
            again += copies.len() - 1;
            expected.insert(sop.to_owned());
        }
    }
    assert_eq!(shelf.into_keys().collect::<BTreeSet<_>>(), expected, "the PACS has what the node built");
    println!(
        "{} objects at the PACS, each with one digest; {again} were sent again after a fault; {revised} studies revised",
        expected.len()
    );
}

fn list<'v>(row: &'v Value, key: &str) -> &'v Vec<Value> {
    row[key].as_array().unwrap_or_else(|| panic!("no {key}: {row:#}"))
}

/// The results of the current revision.
fn current(row: &Value) -> Vec<&Value> {
    list(row, "results").iter().filter(|result| result["revision"] == row["study"]["revision"]).collect()
}

/// From the answer to the last film of a study to the arrival of its last current result.
pub fn print_turnaround(node: &Node<'_>, pacs: &Pacs, sent: &[Sent]) {
    let seen = pacs.first_seen();
    let mut took: Vec<Duration> = Vec::new();
    for study in sent.iter().filter(|study| !study.poisoned) {
        let row = node.study(&study.study).unwrap();
        let last = current(&row).iter().map(|result| seen[result["sop_instance"].as_str().unwrap()]).max().unwrap();
        took.push(last.saturating_duration_since(study.answered));
    }
    took.sort();
    let of = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64();
    println!(
        "last film answered to last result at the PACS, with a quiet period of 5 s: p50 {:.1} s, p95 {:.1} s, p99 {:.1} s, \
         longest {:.1} s ({} studies)",
        of(50),
        of(95),
        of(99),
        of(100),
        took.len()
    );
}

/// Every film is there with its bytes, no file is without a row, and no log says who was examined.
pub fn assert_kept_and_silent(home: &Home, sent: &[Sent]) {
    assert_kept(home, sent.iter().flat_map(|study| &study.films));
    assert_no_orphans(home);
    let logs = home.logs();
    for part in PATIENT_NAMES.iter().flat_map(|name| name.split(['^', '=', ' '])).filter(|part| part.len() > 3) {
        assert!(!logs.contains(part), "the log holds {part:?}");
    }
    assert!(!logs.contains("PHC-") && !logs.contains("PHC0"), "the log holds a Patient ID or an accession number");
}
