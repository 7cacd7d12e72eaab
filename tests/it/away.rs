//! The PACS is away for days, one study a minute; the hours go by on a clock that the test moves. Everything waits,
//! memory and disk stay bounded, and after its return everything arrives by itself, once.
//!
//! One hour by default; `make test-outage` has 72, or `HOURS=n`.

use crate::harness::clock::MovedClock;
use crate::harness::films::Reel;
use crate::harness::kept::data_set;
use crate::harness::memory::{anonymous, bytes_below};
use crate::harness::modality::OpenAssociation;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::{until, until_within};
use serde_json::Value;
use sha2::Digest as _;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// A report, and a presentation state where there is something to show.
const OBJECTS: std::ops::RangeInclusive<usize> = 1..=2;
/// Studies that may be at work at once: by how many minutes results lag on the moved clock.
const AT_WORK: usize = 6;
/// Within so much time all results are to arrive after the return.
const ARRIVED_WITHIN: Duration = Duration::from_secs(600);

/// How things stand at one hour.
struct Look {
    hour: usize,
    anonymous_kib: u64,
    films: u64,
    results: u64,
    database: u64,
    log: u64,
    events: u64,
    attempts: u64,
    status_ms: u128,
}

impl Look {
    fn at(hour: usize, node: &Node<'_>) -> Self {
        let data = node.home.data();
        let begin = Instant::now();
        let status = node.get("/api/v1/status");
        let status_ms = begin.elapsed().as_millis();
        let database = ["centinela.db", "centinela.db-wal"].map(|f| fs::metadata(data.join(f)).map_or(0, |m| m.len()));
        let look = Self {
            hour,
            anonymous_kib: anonymous(node.pid()).unwrap(),
            films: bytes_below(&data.join("blobs/instances")),
            results: bytes_below(&data.join("blobs")) - bytes_below(&data.join("blobs/instances")),
            database: database.iter().sum(),
            log: node.home.logs().len() as u64,
            events: events(node).iter().map(|(_, count)| count).sum(),
            attempts: status["destinations"][0]["failures"].as_u64().unwrap(),
            status_ms,
        };
        look.print();
        look
    }

    fn print(&self) {
        let (mib, studies) = (|bytes: u64| bytes as f64 / f64::from(1 << 20), self.hour as u64 * 60);
        println!(
            "hour {:>2}: {:.1} MiB anonymous memory; films {:.0} MiB, results {:.0} MiB, database {:.1} MiB ({} KiB a study), \
             log {:.1} MiB; {} events, {} calls of the PACS; status asked in {} ms",
            self.hour,
            self.anonymous_kib as f64 / 1024.0,
            mib(self.films),
            mib(self.results),
            mib(self.database),
            self.database / 1024 / studies,
            mib(self.log),
            self.events,
            self.attempts,
            self.status_ms
        );
    }
}

/// How many events of each kind there are, as the metrics tell.
fn events(node: &Node<'_>) -> Vec<(String, u64)> {
    let metrics = node.ask("GET", "/metrics").body;
    let lines = metrics.lines().filter_map(|line| line.strip_prefix("centinela_events_total{kind=\""));
    lines
        .map(|line| {
            let (kind, count) = line.split_once("\"} ").unwrap();
            (kind.to_owned(), count.parse().unwrap())
        })
        .collect()
}

fn hours() -> usize {
    std::env::var("CENTINELA_OUTAGE_HOURS").map_or(1, |text| text.parse().expect("CENTINELA_OUTAGE_HOURS is a number"))
}

#[test]
fn days_without_the_pacs_lose_nothing() {
    let hours = hours();
    let studies = hours * 60;
    let mut pacs = Pacs::start().digests_only();
    pacs.leave();
    // A step of a minute must not end the lease of a job that is running.
    let home = Home::new(&[Peer::pacs(pacs.port, "full")])
        .set("CENTINELA__STUDY__QUIET_PERIOD", "5")
        .set("CENTINELA__ANALYZE__LEASE", "3600");
    let (home, clock) = MovedClock::of(home);
    let reel = Reel::new(480);
    let node = home.start();
    let begin = Instant::now();

    let samples: Vec<Vec<u8>> = reel.studies(4).map(|(_, bytes)| bytes).collect();
    let mut modality = OpenAssociation::for_films(node.dicom, samples.iter().map(Vec::as_slice));
    let mut pushed: Vec<String> = Vec::new();
    let mut looks = Vec::new();
    for (spec, bytes) in reel.studies(u32::try_from(studies).unwrap()) {
        modality.must_store(&bytes);
        pushed.push(spec.study_uid().to_string());
        clock.forward(MINUTE);
        if let Some(earlier) = pushed.len().checked_sub(AT_WORK) {
            analysed(&node, &pushed[earlier]);
        }
        let hour = pushed.len() / 60;
        if pushed.len().is_multiple_of(60) && ([1, 12, 24, 36, 48, 60].contains(&hour) || hour == hours) {
            looks.push(Look::at(hour, &node));
        }
        if pushed.len() == studies / 2 {
            assert_told(&node, pushed.len());
        }
    }
    modality.release();
    clock.forward(MINUTE);
    pushed.iter().rev().take(AT_WORK).for_each(|study| analysed(&node, study));
    println!("{hours} h went by in {:.0} s, {studies} studies", begin.elapsed().as_secs_f64());
    assert_bounded(&looks, &node);
    let waiting = node.get("/api/v1/status")["destinations"][0]["undelivered"].as_u64().unwrap() as usize;

    // From here on the clock goes as the machine's does, and nobody asks the node for anything.
    assert_eq!(pacs.count(), 0);
    pacs.come_back();
    let back = Instant::now();
    let arrived = |count: usize| {
        until_within(ARRIVED_WITHIN, "results arrive", || {
            (pacs.count() >= count).then_some(back.elapsed().as_secs_f64())
        })
    };
    let (first, all) = (arrived(1), arrived(waiting));
    let rate = waiting as f64 / (all - first).max(0.001);
    println!(
        "PACS away for {hours} h: the first result arrived {first:.0} s after its return, all {waiting} after {all:.0} s"
    );
    println!("that is {rate:.0} a second");
    assert_exactly_once(&node, &pacs, &pushed);
    Look::at(hours, &node);
}

/// Waits until a study is analysed: its results wait for the PACS.
fn analysed(node: &Node<'_>, study: &str) {
    let begin = Instant::now();
    while node.study(study).is_none_or(|row| row["study"]["state"] != "analyzed") {
        assert!(begin.elapsed() < MINUTE, "study {study} was not analysed: {:#?}", node.study(study));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The night shift is told since when, how much waits, and when it is tried again.
fn assert_told(node: &Node<'_>, studies: usize) {
    let asked = node.home.command(&["status"]).output().unwrap();
    let text = String::from_utf8(asked.stdout).unwrap();
    println!("{text}");
    let row = text.lines().find(|line| line.starts_with("pacs ")).unwrap_or_else(|| panic!("no row:\n{text}"));
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[1], "down", "{text}");
    let waiting: usize = words[2].parse().unwrap();
    let (least, most) = (studies.saturating_sub(AT_WORK) * OBJECTS.start(), studies * OBJECTS.end());
    assert!((least..=most).contains(&waiting), "{waiting} wait: {text}");
    assert!(row.contains("(in ") || row.contains(" now "), "when it is asked next: {text}");
    assert!(text.contains("[!!] pacs: down for "), "{text}");
    let status: Value = node.get("/api/v1/status");
    let destination = &status["destinations"][0];
    let age = destination["oldest_seconds"].as_u64().unwrap();
    let gone = studies as u64 * 60;
    assert!((gone.saturating_sub(400)..=gone + 120).contains(&age), "the oldest waits for {age} s of {gone} s");
    assert!(destination["since"].is_string() && destination["next_at"].is_string(), "{destination:#}");
    // Alerts are looked at every few seconds of the machine's clock.
    until("the alert stands", || {
        let status = node.get("/api/v1/status");
        status["alerts"].as_array()?.iter().any(|alert| alert["kind"] == "destination_behind").then_some(())
    });
}

/// Memory does not grow with what waits; disk, calls and events grow with the studies and not with the time.
fn assert_bounded(looks: &[Look], node: &Node<'_>) {
    let (first, middle, last) = (&looks[0], &looks[looks.len() / 2], &looks[looks.len() - 1]);
    let studies = last.hour as u64 * 60;
    let more = |since: &Look| last.anonymous_kib.saturating_sub(since.anonymous_kib) / 1024;
    println!(
        "anonymous memory: +{} MiB since hour {}, +{} MiB since hour {}",
        more(first),
        first.hour,
        more(middle),
        middle.hour
    );
    assert!(more(first) <= 64 && more(middle) <= 16, "memory grows with what waits");
    let a_study = last.database / studies / 1024;
    assert!(last.hour < 24 || a_study <= 48, "{a_study} KiB of database a study");
    let most = last.hour as u64 * 3_600 / 30 + 12;
    assert!((1..=most).contains(&last.attempts), "{} calls in {} h", last.attempts, last.hour);
    for (kind, count) in events(node) {
        let limit = match kind.as_str() {
            "received" | "predicted" | "study_closed" | "results_built" => studies,
            _ => 20,
        };
        assert!(count <= limit, "{count} events {kind}");
    }
}

/// Every study has its objects at the PACS, each once and with the bytes that the node keeps.
fn assert_exactly_once(node: &Node<'_>, pacs: &Pacs, studies: &[String]) {
    let shelf = pacs.shelf();
    let mut expected = BTreeSet::new();
    for uid in studies {
        let row = until_within(MINUTE, "the last answer is recorded", || {
            let row = node.study(uid)?;
            row["deliveries"].as_array()?.iter().all(|d| d["state"] == "accepted").then_some(row)
        });
        let results = row["results"].as_array().unwrap();
        assert!(OBJECTS.contains(&results.len()), "{row:#}");
        assert_eq!(results.len(), row["deliveries"].as_array().unwrap().len(), "{row:#}");
        for result in results {
            let sop = result["sop_instance"].as_str().unwrap();
            let [(digest, _)] = shelf.get(sop).map(Vec::as_slice).unwrap_or_default() else {
                panic!("{sop} did not arrive exactly once: {:?}", shelf.get(sop));
            };
            let key = centinela::blob::hex(&sha2::Sha256::digest(sop));
            let path = node.home.data().join("blobs").join(centinela::blob::key("results", &key, "dcm"));
            let kept = blake3::hash(data_set(&fs::read(path).unwrap())).to_string();
            assert_eq!(*digest, kept, "{sop} arrived with other bytes");
            expected.insert(sop.to_owned());
        }
    }
    assert_eq!(shelf.into_keys().collect::<BTreeSet<_>>(), expected, "nothing else arrived");
}
