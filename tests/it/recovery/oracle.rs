//! The oracle: what must hold once a fault is over, read from outside, from files, rows, logs and what the PACS has.
//!
//! I1 what was answered with success is kept, byte for byte; I2 every study has one current set of results, at every
//! destination once, with the UIDs of a run without faults; I3 nothing is left undone; I4 each state has its event,
//! and no event tells what is not there; I5 nobody's name or identifier is in a log; I6 descriptors and memory do not
//! grow. It tells what it finds, so that a test can show that it finds something.

use crate::harness::films::Film;
use crate::harness::kept::data_set;
use crate::harness::node::Home;
use crate::harness::tools::must;
use centinela_phantom::PATIENT_NAMES;
use dicom_dictionary_std::tags;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a destination has: for each SOP Instance UID the digests of all copies that it kept.
pub type Copies = BTreeMap<String, Vec<String>>;

/// What the oracle looks at.
pub struct Evidence<'e> {
    pub home: &'e Home,
    /// Films that were answered with success.
    pub answered: &'e [Film],
    /// For each study the UIDs of all results that it has without a fault.
    pub expected: &'e BTreeMap<String, BTreeSet<String>>,
    /// Studies with a film on which the analysis fails: they may be failed, and lack what that film would have given.
    pub poisoned: &'e BTreeSet<String>,
    /// What each destination has, by its name.
    pub destinations: &'e [(&'e str, Copies)],
    /// Whether an object may have been sent a second time.
    pub again: bool,
}

/// Rows of the node's database, read as any other program would.
pub fn rows(data: &Path, sql: &str) -> Vec<Value> {
    let database = data.join("centinela.db");
    let text = must("sqlite3", &["-json", "-cmd", ".timeout 10000", database.to_str().unwrap(), sql]);
    if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(&text).unwrap() }
}

fn text<'v>(row: &'v Value, column: &str) -> &'v str {
    row[column].as_str().unwrap_or_default()
}

/// Everything that is wrong.
pub fn judge(evidence: &Evidence<'_>) -> Vec<String> {
    let mut found = Vec::new();
    kept(evidence, &mut found);
    results(evidence, &mut found);
    found.extend(undone(evidence.home, evidence.poisoned));
    events(evidence, &mut found);
    private(evidence, &mut found);
    found
}

/// I1: one row for each film that was answered with success, and its file holds what was sent.
fn kept(evidence: &Evidence<'_>, found: &mut Vec<String>) {
    let data = evidence.home.data();
    let mut blobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(&data, "select sop_instance, blob from instance") {
        blobs.entry(text(&row, "sop_instance").to_owned()).or_default().push(text(&row, "blob").to_owned());
    }
    for film in evidence.answered {
        let [blob] = blobs.get(&film.sop).map(Vec::as_slice).unwrap_or_default() else {
            found.push(format!("I1: {} was answered with success and has not one row", film.sop));
            continue;
        };
        let sent = fs::read(&film.path).unwrap();
        match fs::read(data.join("blobs").join(blob)) {
            Ok(stored) if centinela_scp::part10_parts(&stored).is_ok_and(|_| data_set(&stored) == data_set(&sent)) => {}
            Ok(_) => found.push(format!("I1: {} was kept with other bytes", film.sop)),
            Err(error) => found.push(format!("I1: the bytes of {} cannot be read: {error}", film.sop)),
        }
    }
}

/// I2: one current set of results for each study, and every destination has it.
fn results(evidence: &Evidence<'_>, found: &mut Vec<String>) {
    let data = evidence.home.data();
    let results = rows(&data, "select * from result where kind <> 'note' and withdrawn_at is null");
    let studies = rows(&data, "select study_uid, revision, state from study");
    for study in &studies {
        let (uid, revision) = (text(study, "study_uid"), &study["revision"]);
        let own: Vec<&Value> = results.iter().filter(|r| text(r, "study_uid") == uid).collect();
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for row in own.iter().filter(|r| r["revision"] == *revision && r["derived_from"].is_null()) {
            *kinds.entry(format!("{} of {}", text(row, "kind"), text(row, "source"))).or_default() += 1;
        }
        if kinds.get("sr of ") != Some(&1) || kinds.values().any(|count| *count != 1) {
            found.push(format!("I2: study {uid} has not one set of results for revision {revision}: {kinds:?}"));
        }
        let uids: BTreeSet<String> = own.iter().map(|r| text(r, "sop_instance").to_owned()).collect();
        match evidence.expected.get(uid) {
            Some(expected) if *expected != uids && !evidence.poisoned.contains(uid) => {
                found.push(format!("I2: study {uid} has the results {uids:?}, without a fault {expected:?}"));
            }
            _ => {}
        }
    }
    for uid in evidence.expected.keys().filter(|uid| !studies.iter().any(|s| text(s, "study_uid") == *uid)) {
        found.push(format!("I2: study {uid} is not known"));
    }
    let known: BTreeSet<&str> = results.iter().map(|row| text(row, "sop_instance")).collect();
    for (name, copies) in evidence.destinations {
        arrived(evidence, name, copies, found);
        for uid in copies.keys().filter(|uid| !known.contains(uid.as_str())) {
            found.push(format!("I2: {name} has {uid}, which is no result"));
        }
    }
}

/// What a destination was to get is there once; where it may have been sent again, with the same bytes.
fn arrived(evidence: &Evidence<'_>, name: &str, copies: &Copies, found: &mut Vec<String>) {
    let sql = format!("select result, state from delivery where destination = '{name}'");
    let deliveries = rows(&evidence.home.data(), &sql);
    for row in deliveries.iter().filter(|row| ["accepted", "committed"].contains(&text(row, "state"))) {
        let uid = text(row, "result");
        match copies.get(uid).map(Vec::as_slice).unwrap_or_default() {
            [] => found.push(format!("I2: {name} accepted {uid} and does not have it")),
            [_] => {}
            [first, rest @ ..] if rest.iter().any(|copy| copy != first) => {
                found.push(format!("I2: {name} got {uid} with different bytes"));
            }
            more if !evidence.again => found.push(format!("I2: {name} got {uid} {} times", more.len())),
            _ => {}
        }
    }
    let scheduled: BTreeSet<&str> = deliveries.iter().map(|row| text(row, "result")).collect();
    let wanted = evidence.expected.iter().filter(|(study, _)| !evidence.poisoned.contains(*study));
    for uid in wanted.flat_map(|(_, uids)| uids).filter(|uid| !scheduled.contains(uid.as_str())) {
        found.push(format!("I2: {uid} was never to go to {name}"));
    }
}

/// What is not at its end, and how its end is called.
const OPEN: [(&str, &str); 9] = [
    ("study", "select study_uid as id, state from study where state in ('receiving', 'complete')"),
    ("job", "select kind || ' ' || subject as id, state from job where state in ('queued', 'running')"),
    ("delivery", "select result as id, state from delivery where state in ('scheduled', 'sending')"),
    ("delivery", "select result as id, state from delivery where state in ('refused', 'parked')"),
    ("variant", "select id, state from variant where state = 'pending'"),
    ("commitment", "select id, state from commitment where state in ('checking', 'reporting')"),
    ("proof", "select id, state from proof where state in ('asking', 'waiting', 'looking')"),
    ("destination", "select name as id, 'down' as state from destination where down_since is not null"),
    ("alert call", "select id, 'not told' as state from alert_call where told_at is null"),
];

/// I3: whatever is not at its end.
pub fn undone(home: &Home, poisoned: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (what, sql) in OPEN {
        for row in rows(&home.data(), sql) {
            found.push(format!("I3: {what} {} is {}", text(&row, "id"), text(&row, "state")));
        }
    }
    let failed = "select study_uid, 'study' as what from study where state = 'failed' \
                  union all select study_uid, kind || ' job' from job where state = 'dead'";
    for row in rows(&home.data(), failed) {
        if !poisoned.contains(text(&row, "study_uid")) {
            found.push(format!("I3: {} of {} was given up", text(&row, "what"), text(&row, "study_uid")));
        }
    }
    found
}

/// Waits until nothing is undone, and nothing more begins; gives what still is undone after that time.
pub fn settle(home: &Home, poisoned: &BTreeSet<String>, patience: Duration) -> Vec<String> {
    let (begin, mut still) = (Instant::now(), None);
    loop {
        let found = undone(home, poisoned);
        if begin.elapsed() > patience {
            return found;
        }
        if found.is_empty() {
            // A second after the last result was accepted its destination is asked to commit to it; after a jump of the
            // clock it may never be.
            let since = *still.get_or_insert_with(Instant::now);
            if rows(&home.data(), UNASKED).is_empty() || since.elapsed() > Duration::from_secs(5) {
                return found;
            }
        } else {
            still = None;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a destination accepted that may still be asked to commit to it.
const UNASKED: &str = "select id from delivery d where state = 'accepted' and proof is null and not exists \
                       (select 1 from destination t where t.name = d.destination and t.unoffered_until is not null)";

/// I4: states and events that do not belong to each other; each query gives what is wrong.
const EVENTS: [(&str, &str); 8] = [
    ("the feed has a gap", "select max(seq) as id from event having count(*) > 0 and max(seq) <> count(*)"),
    (
        "an instance without its one event",
        "select sop_instance as id from instance i where (select count(*) from event e where e.kind = 'received' \
         and e.sop_instance = i.sop_instance) <> 1",
    ),
    (
        "an event of an instance that is not there",
        "select sop_instance as id from event where kind in ('received', 'predicted', 'duplicate') \
         and sop_instance not in (select sop_instance from instance)",
    ),
    (
        "a score without its one event",
        "select sop_instance as id from prediction p where (select count(*) from event e where e.kind = 'predicted' \
         and e.sop_instance = p.sop_instance) <> 1",
    ),
    (
        "a study that was not closed once for each revision",
        "select study_uid as id from study s where state not in ('receiving') and (select count(*) from event e \
         where e.kind = 'study_closed' and e.study_uid = s.study_uid) <> s.revision",
    ),
    (
        "a study that was not reopened for each later revision",
        "select study_uid as id from study s where (select count(*) from event e where e.kind = 'study_reopened' \
         and e.study_uid = s.study_uid) <> s.revision - 1",
    ),
    (
        "results that were not built once for each revision",
        "select study_uid as id from (select distinct study_uid, revision from result where derived_from is null \
         and kind <> 'note') r group by study_uid having count(*) <> (select count(*) from event e \
         where e.kind = 'results_built' and e.study_uid = r.study_uid)",
    ),
    (
        "a delivery whose end the feed does not tell",
        "select result as id from delivery d where state in ('accepted', 'committed') and not exists (select 1 from \
         event e where e.kind = 'delivered' and e.sop_instance = d.result \
         and json_extract(e.detail, '$.destination') = d.destination)",
    ),
];

fn events(evidence: &Evidence<'_>, found: &mut Vec<String>) {
    for (what, sql) in EVENTS {
        for row in rows(&evidence.home.data(), sql) {
            found.push(format!("I4: {what}: {}", row["id"]));
        }
    }
}

/// I5: names of the generator's patients, and what the films that were sent say of theirs.
fn private(evidence: &Evidence<'_>, found: &mut Vec<String>) {
    let logs = evidence.home.logs();
    let names = PATIENT_NAMES.iter().flat_map(|name| name.split(['^', '=', ' ']));
    let mut words: BTreeSet<String> = names.filter(|part| part.len() > 3).map(str::to_owned).collect();
    for film in evidence.answered {
        let object = dicom_object::open_file(&film.path).unwrap();
        for tag in [tags::PATIENT_ID, tags::ACCESSION_NUMBER] {
            let value = object.element(tag).unwrap().to_str().unwrap();
            words.insert(value.trim_end_matches([' ', '\0']).to_owned());
        }
    }
    for word in words.iter().filter(|word| !word.is_empty() && logs.contains(word.as_str())) {
        found.push(format!("I5: a log has {word:?}"));
    }
}

/// Open descriptors and anonymous memory of a process.
#[derive(Debug, Clone, Copy)]
pub struct Vitals {
    pub descriptors: usize,
    pub kib: u64,
}

impl Vitals {
    /// Of a process of this machine.
    pub fn of(pid: u32) -> Self {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        Self { descriptors, kib: line.split_whitespace().nth(1).unwrap().parse().unwrap() }
    }
}

/// Descriptors that a node may have more after the last repeat than after the first.
const MORE_DESCRIPTORS: usize = 10;
/// Memory that it may have more.
const MORE_KIB: u64 = 48 << 10;

/// I6: what a node has more after the last repeat than after the first, and whether that is too much.
pub fn growth(series: &[Vitals]) -> (usize, u64, Option<String>) {
    let (Some(first), Some(last)) = (series.first(), series.last()) else {
        return (0, 0, Some("I6: nothing was measured".to_owned()));
    };
    let descriptors = last.descriptors.saturating_sub(first.descriptors);
    let kib = last.kib.saturating_sub(first.kib);
    let wrong = (descriptors > MORE_DESCRIPTORS || kib > MORE_KIB)
        .then(|| format!("I6: {descriptors} descriptors and {kib} KiB more after {} repeats", series.len()));
    (descriptors, kib, wrong)
}
