//! The covering set of studies through the real program: every film is pushed by C-STORE, every result is
//! received by a peer and judged by `tests/judge`; and once more in another data directory, byte for byte.

use crate::harness::films::Film;
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node};
use crate::harness::pacs::Pacs;
use crate::harness::tools::{must, python, script};
use crate::harness::until_within;
use crate::judge;
use centinela_phantom::{Pictures, covering, manifest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const KINDS: [&str; 5] = ["sr", "gsps", "sc", "kos", "seg"];
const PATIENCE: Duration = Duration::from_secs(300);

/// Writes the films, in their encodings, and gives the manifest.
fn films(folder: &Path) -> Vec<Value> {
    let (cases, mut pictures) = (covering(), Pictures::default());
    for case in &cases {
        fs::create_dir_all(folder.join(case.name())).unwrap();
        for (role, film) in case.films().iter().enumerate() {
            fs::write(folder.join(case.name()).join(format!("{role}.dcm")), film.bytes(&mut pictures)).unwrap();
        }
    }
    fs::write(folder.join("manifest.json"), manifest(&cases)).unwrap();
    must(&python(), &[script("compress.py").to_str().unwrap(), "--set", folder.to_str().unwrap()]);
    serde_json::from_str(&manifest(&cases)).unwrap()
}

fn home(pacs: &Pacs) -> Home {
    let peer = format!(
        "[[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}\ndeliver = {KINDS:?}\n",
        pacs.port
    );
    Home::new(&[]).synthetic_map().peers_text(&peer).set("CENTINELA__STUDY__QUIET_PERIOD", "4")
}

/// Pushes the films of all studies that are late, or those that are not.
fn push(node: &Node<'_>, folder: &Path, studies: &[Value], late: bool) {
    for study in studies {
        for film in study["films"].as_array().unwrap().iter().filter(|f| f["late"] == late) {
            let path = folder.join(study["name"].as_str().unwrap()).join(film["file"].as_str().unwrap());
            must_push(node.dicom, &Film::of(&path));
        }
    }
}

fn is_late(study: &Value) -> bool {
    study["films"].as_array().unwrap().iter().any(|film| film["late"] == true)
}

/// Waits until every study of these has settled at the revision; gives each by its UID.
fn settled(node: &Node<'_>, studies: &[&Value], revision: i64) -> BTreeMap<String, Value> {
    let wait = |study: &&Value| {
        let uid = study["study"].as_str().unwrap();
        let done = until_within(PATIENCE, "a study settles and is delivered", || {
            let now = node.study(uid)?;
            let accepted = now["deliveries"].as_array()?.iter().all(|d| d["state"] == "accepted");
            let there = now["study"]["state"] == "analyzed" && now["study"]["revision"] == revision && accepted;
            there.then_some(now)
        });
        (uid.to_owned(), done)
    };
    studies.iter().map(wait).collect()
}

/// Writes what the peer has of each revision, and gives the judge's list.
fn received(
    out: &Path,
    folder: &Path,
    studies: &[Value],
    settled: &BTreeMap<String, Value>,
    pacs: &Pacs,
) -> Vec<Value> {
    let shelf = pacs.shelf();
    let mut list = Vec::new();
    for study in studies {
        let name = study["name"].as_str().unwrap();
        for revision in 1..=1 + i64::from(is_late(study)) {
            let place = out.join(name).join(revision.to_string());
            fs::create_dir_all(&place).unwrap();
            let rows = settled[study["study"].as_str().unwrap()]["results"].as_array().unwrap();
            for (n, row) in rows.iter().filter(|r| r["revision"] == revision).enumerate() {
                let copies = &shelf[row["sop_instance"].as_str().unwrap()];
                fs::write(place.join(format!("{}-{n}.dcm", row["kind"].as_str().unwrap())), &copies[0].1).unwrap();
            }
            let known = |film: &&Value| revision > 1 || film["late"] == false;
            let sources = study["films"].as_array().unwrap().iter().filter(known);
            let sources = sources.map(|film| folder.join(name).join(film["file"].as_str().unwrap()));
            let before: Vec<_> = (1..revision).map(|n| out.join(name).join(n.to_string())).collect();
            list.push(json!({
                "name": format!("{name}/{revision}"), "sources": sources.collect::<Vec<_>>(), "results": [place],
                "truth": study["truth"], "expect": KINDS, "before": before,
            }));
        }
    }
    list
}

#[test]
fn results_of_the_covering_set_have_no_fault_and_come_out_the_same_twice() {
    let begin = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("films");
    let studies = films(&folder);
    let pacs = Pacs::start();
    let home = home(&pacs);
    let node = home.start();
    push(&node, &folder, &studies, false);
    let mut all = settled(&node, &studies.iter().collect::<Vec<_>>(), 1);
    push(&node, &folder, &studies, true);
    all.extend(settled(&node, &studies.iter().filter(|s| is_late(s)).collect::<Vec<_>>(), 2));
    node.stop();
    println!("{} studies came back after {:.0} s", studies.len(), begin.elapsed().as_secs_f32());

    let list = dir.path().join("list.json");
    let entries = received(&dir.path().join("results"), &folder, &studies, &all, &pacs);
    fs::write(&list, Value::from(entries).to_string()).unwrap();
    let said = must(&python(), &[judge::script("judge.py").to_str().unwrap(), "--list", list.to_str().unwrap()]);
    println!("{said}judged after {:.0} s", begin.elapsed().as_secs_f32());

    again(&home, &pacs);
    println!("the same bytes again after {:.0} s", begin.elapsed().as_secs_f32());
}

/// The same installation in another place does all its analysis again: the peer there gets the same bytes.
fn again(first: &Home, before: &Pacs) {
    let pacs = Pacs::start();
    let home = home(&pacs);
    let copied = Command::new("cp").args(["-r"]).args([first.data(), home.data()]).status().unwrap();
    assert!(copied.success());
    fs::remove_dir_all(home.data().join("blobs/results")).unwrap();
    let database = home.data().join("centinela.db");
    must(&python(), &[script("again.py").to_str().unwrap(), database.to_str().unwrap()]);
    let node = home.start();
    let (was, mut now) = (before.shelf(), BTreeMap::new());
    until_within(PATIENCE, "every object comes again", || {
        now = pacs.shelf();
        (now.len() >= was.len()).then_some(())
    });
    node.stop();
    let uids = |shelf: &BTreeMap<String, Vec<(String, Vec<u8>)>>| shelf.keys().cloned().collect::<Vec<_>>();
    assert_eq!(uids(&was), uids(&now), "the same SOP Instance UIDs");
    for (uid, copies) in &now {
        assert!(copies[0].1 == was[uid][0].1, "{uid} has other bytes");
    }
    println!("{} objects, byte for byte", now.len());
}
