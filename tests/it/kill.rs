//! kill -9: at random moments of a push and at every failpoint. What was answered 0000 is there, and
//! every study ends with exactly one current set of objects, with the same UIDs and bytes.

use crate::harness::films::{Film, studies};
use crate::harness::kept::{assert_kept, unfinished};
use crate::harness::modality::push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::until;
use centinela::failpoint;
use centinela_domain::status::DimseStatus;
use std::collections::BTreeSet;
use std::time::Duration;

/// Every instance is there, every study has one current set, every copy has the same bytes.
fn assert_whole(node: &Node<'_>, pacs: &Pacs, films: &[Film]) {
    let mut expected = BTreeSet::new();
    for film in films {
        let study = until(&format!("study {} settles", film.study), || {
            let study = node.study(&film.study)?;
            let accepted = study["deliveries"].as_array()?.iter().all(|d| d["state"] == "accepted");
            (study["study"]["state"] == "analyzed" && accepted).then_some(study)
        });
        let revision = &study["study"]["revision"];
        let results = study["results"].as_array().unwrap();
        let current: Vec<_> = results.iter().filter(|r| r["revision"] == *revision).collect();
        let reports = current.iter().filter(|r| r["kind"] == "sr").count();
        assert_eq!(reports, 1, "one current report: {study:#}");
        expected.extend(results.iter().map(|r| r["sop_instance"].as_str().unwrap().to_owned()));
        let instance = node.get(&format!("/api/v1/instances/{}", film.sop));
        assert_eq!(instance["sop_instance"], film.sop.as_str());
    }
    let shelf = pacs.shelf();
    assert_eq!(shelf.keys().cloned().collect::<BTreeSet<_>>(), expected, "the PACS has what the node built");
    for (sop, copies) in &shelf {
        let first = &copies[0].0;
        assert!(copies.iter().all(|(digest, _)| digest == first), "{sop} was sent with different bytes");
    }
}

#[test]
fn killed_once_at_every_failpoint() {
    let mut fired = 0;
    for name in failpoint::ALL {
        let pacs = Pacs::start();
        let home = Home::new(&[Peer::pacs(pacs.port, "compat")]);
        let films = studies(home.dir.path(), 1, 640);
        let node = home.start_with(&[("CENTINELA_FAILPOINT", name)]);
        let answered = push(node.dicom, &films[0]);
        let status = node.wait();
        assert!(!status.success(), "{name}: the node ended with {status}");
        let line = format!("failpoint fired name={name}");
        assert!(home.logs().contains(&line), "{name} did not fire:\n{}", home.logs());
        fired += 1;
        let node = home.start();
        // The node is at work already: its own unfinished files come and go.
        until(&format!("nothing is left by the start after {name}"), || unfinished(&home).is_empty().then_some(()));
        if !matches!(answered, Ok(DimseStatus::SUCCESS)) {
            assert_eq!(push(node.dicom, &films[0]).unwrap(), DimseStatus::SUCCESS);
        }
        assert_whole(&node, &pacs, &films);
        assert_kept(&home, &films);
    }
    println!("{fired} of {} failpoints fired, each followed by a restart", failpoint::ALL.len());
    assert_eq!(fired, failpoint::ALL.len());
}

#[test]
fn killed_at_20_random_moments_of_a_push() {
    let pacs = Pacs::start();
    let home = Home::new(&[Peer::pacs(pacs.port, "compat")]);
    let films = studies(home.dir.path(), 10, 2500);
    let mut answered: BTreeSet<String> = BTreeSet::new();
    for round in 0..20 {
        let node = home.start();
        let port = node.dicom;
        // One film a round, so that the push lasts until the end; once all are in, one of them again.
        let film = films.iter().find(|f| !answered.contains(&f.sop)).unwrap_or(&films[round % 10]).clone();
        let pusher = std::thread::spawn(move || match push(port, &film) {
            Ok(DimseStatus::SUCCESS) => Some(film.sop),
            _ => None,
        });
        // Half of the kills within the push of a film, half within its analysis and delivery.
        let moment = rand::random::<u64>() % if round % 2 == 0 { 50 } else { 900 };
        std::thread::sleep(Duration::from_millis(moment));
        node.kill();
        let stored = pusher.join().unwrap();
        let answer = if stored.is_some() { "answered 0000" } else { "not answered" };
        println!("round {round}: killed {moment} ms after the push began, {answer}");
        answered.extend(stored);
    }
    let node = home.start();
    // Before anything is sent again: what was answered is there.
    for sop in &answered {
        node.get(&format!("/api/v1/instances/{sop}"));
    }
    for film in films.iter().filter(|f| !answered.contains(&f.sop)) {
        assert_eq!(push(node.dicom, film).unwrap(), DimseStatus::SUCCESS);
    }
    assert_whole(&node, &pacs, &films);
    println!("20 kills, {} of 10 films were answered 0000 during them, all 10 ended whole", answered.len());
}
