//! The oracle itself is tried: one row, byte, copy or word that is wrong, and it says which rule is broken.

use super::oracle::{self, Copies, Evidence, Vitals, growth, rows};
use super::scene::home;
use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::tools::must;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;

/// What a node has that did its work, and nothing was wrong.
struct Whole {
    home: Home,
    film: Film,
    expected: BTreeMap<String, BTreeSet<String>>,
    copies: Copies,
}

impl Whole {
    fn new() -> Self {
        let pacs = Pacs::start();
        let home = home(&[Peer::pacs(pacs.port, "compat")]);
        let film = fixture("dx_opacity");
        let node = home.start();
        must_push(node.dicom, &film);
        let study = node.settled(&film.study, 1);
        node.stop();
        let results = study["results"].as_array().unwrap().iter();
        let uids = results.map(|row| row["sop_instance"].as_str().unwrap().to_owned()).collect();
        let expected = [(film.study.clone(), uids)].into();
        let shelf = pacs.shelf().into_iter();
        let copies = shelf.map(|(uid, copies)| (uid, copies.into_iter().map(|(digest, _)| digest).collect())).collect();
        Self { home, film, expected, copies }
    }

    /// The first word of each finding: which rules are broken.
    fn broken(&self, copies: &Copies) -> BTreeSet<String> {
        let found = oracle::judge(&Evidence {
            home: &self.home,
            answered: std::slice::from_ref(&self.film),
            expected: &self.expected,
            poisoned: &BTreeSet::new(),
            destinations: &[("pacs", copies.clone())],
            again: true,
        });
        found.iter().map(|text| text.split(':').next().unwrap().to_owned()).collect()
    }

    fn sql(&self, text: &str) {
        must("sqlite3", &[self.home.data().join("centinela.db").to_str().unwrap(), text]);
    }

    /// Runs one statement, looks, and takes the database of before back.
    fn with(&self, change: &str) -> BTreeSet<String> {
        let (database, before) = (self.home.data().join("centinela.db"), self.home.dir.path().join("before.db"));
        fs::copy(&database, &before).unwrap();
        self.sql(change);
        let broken = self.broken(&self.copies);
        fs::copy(&before, &database).unwrap();
        broken
    }
}

#[test]
fn the_oracle_sees_every_rule_broken() {
    let whole = Whole::new();
    assert_eq!(whole.broken(&whole.copies), BTreeSet::new());
    let statements = [
        ("I1", "delete from instance"),
        ("I1", "update instance set blob = blob || 'x'"),
        ("I2", "update study set study_uid = study_uid || '.1'"),
        ("I2", "update result set sop_instance = sop_instance || '.1' where kind = 'sr'"),
        ("I2", "update result set revision = 2"),
        ("I2", "delete from result where kind = 'sc'"),
        ("I3", "update study set state = 'complete'"),
        ("I3", "update study set state = 'failed'"),
        ("I3", "update job set state = 'running' where kind = 'report'"),
        ("I3", "update job set state = 'dead' where kind = 'report'"),
        ("I3", "update delivery set state = 'sending' where id = (select id from delivery limit 1)"),
        ("I3", "update delivery set state = 'refused' where id = (select id from delivery limit 1)"),
        ("I3", "update destination set down_since = 1"),
        ("I4", "delete from event where kind = 'received'"),
        ("I4", "delete from event where kind = 'delivered'"),
        ("I4", "update event set sop_instance = '1.2.3' where kind = 'predicted'"),
        ("I4", "update event set kind = 'duplicate' where kind = 'study_closed'"),
        ("I4", "update event set seq = seq + 1000 where kind = 'results_built'"),
    ];
    for (rule, statement) in statements {
        let broken = whole.with(statement);
        assert!(broken.contains(rule), "{statement}: {broken:?}");
    }
    assert_eq!(whole.broken(&whole.copies), BTreeSet::new(), "all as before");
}

#[test]
fn the_oracle_sees_other_bytes_and_copies_and_names() {
    let whole = Whole::new();
    let only = |rule: &str| BTreeSet::from([rule.to_owned()]);
    // I1: one byte of the film, and one too few.
    let blob = rows(&whole.home.data(), "select blob from instance")[0]["blob"].as_str().unwrap().to_owned();
    let file = whole.home.data().join("blobs").join(blob);
    let bytes = fs::read(&file).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    for spoiled in [flipped, bytes[..bytes.len() - 1].to_vec(), Vec::new()] {
        fs::write(&file, spoiled).unwrap();
        assert_eq!(whole.broken(&whole.copies), only("I1"));
    }
    fs::write(&file, &bytes).unwrap();
    // I2: a copy that is missing, one with other bytes, one of another object.
    let uid = whole.copies.keys().next().unwrap().clone();
    let spoil = |change: &dyn Fn(&mut Copies)| {
        let mut copies = whole.copies.clone();
        change(&mut copies);
        whole.broken(&copies)
    };
    assert_eq!(spoil(&|copies| drop(copies.remove(&uid))), only("I2"));
    assert_eq!(spoil(&|copies| copies.get_mut(&uid).unwrap().push("other".into())), only("I2"));
    assert_eq!(spoil(&|copies| drop(copies.insert("1.2.3".into(), vec!["any".into()]))), only("I2"));
    // I5: a name in a log.
    let log = fs::read_dir(whole.home.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let log = log.into_iter().find(|path| path.extension().is_some_and(|e| e == "log")).unwrap();
    let mut log = fs::OpenOptions::new().append(true).open(log).unwrap();
    writeln!(log, "stored a film of Abernathy").unwrap();
    assert_eq!(whole.broken(&whole.copies), only("I5"));
}

#[test]
fn the_oracle_sees_what_grows() {
    let at = |descriptors, mib: u64| Vitals { descriptors, kib: mib << 10 };
    assert_eq!(growth(&[at(20, 100), at(24, 130), at(21, 110)]), (1, 10 << 10, None));
    assert!(growth(&[at(20, 100), at(25, 100), at(40, 100)]).2.unwrap().starts_with("I6"));
    assert!(growth(&[at(20, 100), at(20, 170)]).2.unwrap().starts_with("I6"));
    assert!(growth(&[]).2.unwrap().starts_with("I6"));
}
