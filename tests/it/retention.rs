//! Retention: a small disk over simulated weeks, films that come back, and the exact rule of what
//! may go, on both engines.

use crate::harness::disk::SmallDisk;
use crate::harness::films::{Film, write};
use crate::harness::kept::files;
use crate::harness::modality::{must_push, push};
use crate::harness::node::{Home, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::running;
use crate::harness::until;
use centinela::app::App;
use centinela::cli::serve::{Role, Running};
use centinela::clock::Clock;
use centinela::failpoint;
use centinela::store::events::count_by_kind;
use centinela::store::instances::{self, InstanceRow};
use centinela::store::jobs::{self, JobKind, NewJob};
use centinela::store::variants::{self, VariantRow};
use centinela::store::{Db, Tx, deliveries, retention, studies};
use centinela_domain::delivery::DeliveryState;
use centinela_domain::priority::Urgency;
use centinela_domain::study::{Closing, StudyState};
use centinela_phantom::{Pathology, collection};
use std::collections::BTreeSet;
use std::time::Duration;

const DAY: i64 = 86_400_000;

#[test]
fn a_deleted_film_says_so_and_comes_back_without_new_work() {
    let pacs = Pacs::start();
    // A day of 864 ms: the film goes two seconds after it came.
    let home = Home::new(&[Peer::pacs(pacs.port, "full")])
        .set("CENTINELA__STORAGE__KEEP_DAYS", "0.00003")
        .set("CENTINELA__STORAGE__KEEP_MIN", "0");
    let node = home.start();
    let film = write(home.dir.path(), &collection(1, 640).next().unwrap());
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    let instance = || node.get(&format!("/api/v1/instances/{}", film.sop));
    until("the film is deleted", || instance()["deleted_at"].as_str().map(drop));
    let blobs = home.data().join("blobs");
    until("its bytes and its picture are gone", || {
        (files(&blobs.join("instances")) + files(&blobs.join("pictures")) == 0).then_some(())
    });
    assert!(files(&blobs.join("results")) > 0, "results stay");
    let study = node.study(&film.study).unwrap();
    assert_eq!(study["instances"][0]["status"], "analyzed", "{study:#}");
    node.stop();
    // The same bytes again, now to be kept: stored, and nothing else.
    let home = home.set("CENTINELA__STORAGE__KEEP_DAYS", "1");
    let node = home.start();
    let arrived = pacs.shelf();
    must_push(node.dicom, &film);
    let instance = node.get(&format!("/api/v1/instances/{}", film.sop));
    assert!(instance["deleted_at"].is_null(), "{instance:#}");
    assert_eq!(files(&blobs.join("instances")), 1);
    std::thread::sleep(Duration::from_millis(1_500));
    let after = node.settled(&film.study, 1);
    assert_eq!(study["results"], after["results"]);
    assert_eq!(arrived, pacs.shelf(), "nothing was sent again");
    assert!(after["timeline"].as_array().unwrap().iter().any(|e| e["kind"] == "film_restored"), "{after:#}");
}

#[test]
fn killed_while_deleting_it_never_claims_what_is_gone() {
    for name in failpoint::RETENTION {
        let home =
            Home::new(&[]).set("CENTINELA__STORAGE__KEEP_DAYS", "0.00003").set("CENTINELA__STORAGE__KEEP_MIN", "0");
        let film = write(home.dir.path(), &collection(1, 320).next().unwrap());
        let node = home.start_with(&[("CENTINELA_FAILPOINT", name)]);
        must_push(node.dicom, &film);
        assert!(!node.wait().success());
        assert!(home.logs().contains(&format!("failpoint fired name={name}")), "{name} did not fire");
        let node = home.start();
        until("the bytes are gone", || (files(&home.data().join("blobs/instances")) == 0).then_some(()));
        let instance = node.get(&format!("/api/v1/instances/{}", film.sop));
        assert!(instance["deleted_at"].is_string(), "{instance:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_removed_holds_up_no_other() {
    let (dir, shop) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut config = running::config(&dir.path().join("data"), running::MODALITY);
    config.settings.storage.keep_days = 1.0;
    config.settings.study.quiet_period = 1.0;
    config.settings.analyze.lease = 86_400;
    let clock = Clock::fixed(1_800_000_000_000);
    let node = Running::start(config, clock, &[Role::Scp, Role::Worker]).await.unwrap();
    let (app, port) = (node.app.clone(), node.dicom.unwrap().port());
    let films: Vec<_> = collection(2, 320).map(|spec| write(shop.path(), &spec)).collect();
    for film in &films {
        assert_eq!(push_from(port, film).await.0, 0);
        settle(&app, film).await;
    }
    // A folder with something inside, where the file of the first is: no unlink removes it.
    let first = films.iter().map(|film| &film.sop).min().unwrap();
    let path = dir.path().join("data/blobs").join(&instance(&app, first).await.blob);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("inside"), b"").unwrap();
    app.clock.advance(2 * DAY);
    let left = async |wanted: Option<&String>| {
        for _ in 0..1_000 {
            app.room.ring();
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut tx = app.db.read().await.unwrap();
            let deleted = retention::due(&mut tx, i64::MAX, false, 10).await.unwrap().is_empty();
            if deleted && retention::next_remains(&mut tx, "", 10).await.unwrap().as_ref() == wanted {
                return;
            }
        }
        panic!("not left: {wanted:?}");
    };
    left(Some(first)).await;
    assert_eq!(files(&dir.path().join("data/blobs/instances")), 1, "the other is gone");
    std::fs::remove_dir_all(&path).unwrap();
    left(None).await;
    drop(app);
    node.run_until(async {}).await.unwrap();
}

async fn instance(app: &App, sop: &str) -> InstanceRow {
    let mut tx = app.db.read().await.unwrap();
    instances::find(&mut tx, sop).await.unwrap().unwrap()
}

async fn settle(app: &App, film: &Film) {
    for _ in 0..1_200 {
        app.clock.advance(1_000);
        let study = {
            let mut tx = app.db.read().await.unwrap();
            studies::find(&mut tx, &film.study).await.unwrap().unwrap()
        };
        if matches!(study.state(), StudyState::Analyzed | StudyState::Skipped) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("study {} does not settle", film.study);
}

async fn push_from(port: u16, film: &Film) -> centinela_domain::status::DimseStatus {
    let film = film.clone();
    tokio::task::spawn_blocking(move || push(port, &film).unwrap()).await.unwrap()
}

#[test]
fn a_small_disk_takes_films_for_weeks() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, pacs) = (SmallDisk::mount(folder.path(), 24 << 20), Pacs::start());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(weeks(&disk, &pacs));
}

async fn weeks(disk: &SmallDisk, pacs: &Pacs) {
    let shop = tempfile::tempdir().unwrap();
    let text = format!(
        "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"m\"\nae_title = \"MODALITY\"\nsends = true\n\
         [[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}\ndeliver = \"full\"\n",
        pacs.port
    );
    let mut config = running::config(&disk.0.join("data"), &text);
    config.settings.storage.min_free = 4 << 20;
    config.settings.storage.low_free = 6 << 20;
    config.settings.storage.keep_days = 14.0;
    config.settings.storage.keep_min = 1.0;
    config.settings.study.quiet_period = 1.0;
    // The clock runs fast here: a lease of a minute would end within a second.
    config.settings.analyze.lease = 86_400;
    let clock = Clock::fixed(1_800_000_000_000);
    let node = Running::start(config, clock.clone(), &[Role::Scp, Role::Worker, Role::Delivery]).await.unwrap();
    let (app, port) = (node.app.clone(), node.dicom.unwrap().port());
    let mut specs = collection(60, 640);
    // A film in quarantine, on the first day.
    let mut spec = specs.next().unwrap();
    let held = write(shop.path(), &spec);
    assert_eq!(push_from(port, &held).await.0, 0);
    settle(&app, &held).await;
    spec.pathology = vec![Pathology::Cardiomegaly];
    assert_eq!(push_from(port, &write(shop.path(), &spec)).await.0, 0);
    // One whose results the PACS does not take for now.
    pacs.answer(0xA700);
    let waiting = write(shop.path(), &specs.next().unwrap());
    assert_eq!(push_from(port, &waiting).await.0, 0);
    settle(&app, &waiting).await;
    let mut sent = Vec::new();
    let mut bytes = 0;
    for day in 0..28 {
        // The PACS is away for the first two weeks, for the one film; for the others it takes everything.
        let away = day < 14;
        if away {
            hold(&app, &waiting.study, app.clock.now() + 2 * DAY).await;
        }
        pacs.answer(0);
        for _ in 0..2 {
            let film = write(shop.path(), &specs.next().unwrap());
            bytes += std::fs::metadata(&film.path).unwrap().len();
            assert_eq!(push_from(port, &film).await.0, 0, "day {day}: the node stopped accepting");
            settle(&app, &film).await;
            sent.push(film);
        }
        app.clock.advance(DAY);
        app.room.ring();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(instance(&app, &held.sop).await.deleted_at.is_none(), "day {day}: quarantined films stay");
        if away {
            assert!(instance(&app, &waiting.sop).await.deleted_at.is_none(), "day {day}: undelivered films stay");
        }
    }
    assert!(bytes > 24 << 20, "more came than fits: {bytes}");
    let folders = std::fs::read_dir(disk.0.join("data/blobs/instances")).unwrap().count();
    assert!(folders < 15, "empty folders go: {folders} are there");
    let mut kept = 0;
    for film in &sent {
        kept += usize::from(instance(&app, &film.sop).await.deleted_at.is_none());
    }
    assert!(kept >= 2 && kept < sent.len(), "{kept} of {} films are kept", sent.len());
    let newest = sent.last().unwrap();
    assert!(instance(&app, &newest.sop).await.deleted_at.is_none(), "the newest stay");
    let mut tx = app.db.read().await.unwrap();
    let sweeps = count_by_kind(&mut tx).await.unwrap().into_iter().find(|(k, _)| k == "films_deleted").unwrap().1;
    drop(tx);
    println!("{} films of {bytes} bytes on 24 MiB in 28 days: {kept} kept, {sweeps} sweeps", sent.len() + 2);
    drop(app);
    node.run_until(async {}).await.unwrap();
}

/// Puts the deliveries of a study off by the means of the store, claimed and given back, so that the
/// others need not wait for it. None of them may be on its way meanwhile.
async fn hold(app: &App, study: &str, until: i64) {
    for _ in 0..500 {
        let mut tx = app.db.write().await.unwrap();
        let sending = deliveries::list(&mut tx, Some("sending"), None, None, 10).await.unwrap();
        let held = deliveries::list(&mut tx, Some("scheduled"), None, Some(study), 10).await.unwrap();
        if sending.is_empty() && !held.is_empty() {
            for row in deliveries::claim(&mut tx, "pacs", i64::MAX - 1_000_000, 1, 100).await.unwrap() {
                let next = if held.iter().any(|r| r.id == row.id) { until } else { 0 };
                deliveries::give_back(&mut tx, &row.id, next).await.unwrap();
            }
            return tx.commit().await.unwrap();
        }
        drop(tx);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the deliveries of study {study} do not wait");
}

const STATES: [StudyState; 5] =
    [StudyState::Receiving, StudyState::Complete, StudyState::Analyzed, StudyState::Skipped, StudyState::Failed];
const JOBS: [&str; 5] = ["none", "queued", "running", "done", "dead"];
const DELIVERIES: [&str; 5] = ["none", "scheduled", "sending", "accepted", "refused"];
const VARIANTS: [&str; 5] = ["none", "pending", "variant", "quarantined", "kept_first"];

/// Every combination of states, and exactly the films that nobody needs any more.
pub async fn contract(db: &Db) {
    let (mut young, mut done, mut settled) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut tx = db.write().await.unwrap();
    let mut n = 0;
    for state in STATES {
        for job in JOBS {
            for delivery in DELIVERIES {
                for variant in VARIANTS {
                    for at in [100, 5_000] {
                        n += 1;
                        let uid = format!("7.{n}");
                        film(&mut tx, &uid, state, (job, delivery, variant), at).await;
                        let free = !["queued", "running"].contains(&job)
                            && !["scheduled", "sending"].contains(&delivery)
                            && !["pending", "quarantined"].contains(&variant);
                        let ended = [StudyState::Analyzed, StudyState::Skipped].contains(&state);
                        match (free, at) {
                            (true, 100) if ended => drop(settled.insert(uid)),
                            (true, 100) if state == StudyState::Failed => drop(done.insert(uid)),
                            _ => drop(young.insert(uid)),
                        }
                    }
                }
            }
        }
    }
    tx.commit().await.unwrap();
    let mut tx = db.write().await.unwrap();
    let uids = |films: &[retention::FilmRow]| films.iter().map(|f| f.sop_instance.clone()).collect::<BTreeSet<_>>();
    let early = retention::due(&mut tx, 1_000, true, 10_000).await.unwrap();
    assert_eq!(uids(&early), settled, "early: what is done and did not fail");
    let aged = retention::due(&mut tx, 1_000, false, 10_000).await.unwrap();
    assert_eq!(uids(&aged), settled.union(&done).cloned().collect(), "by age: also what failed");
    assert!(uids(&aged).is_disjoint(&young));
    assert_eq!(retention::due(&mut tx, 1_000, false, 3).await.unwrap().len(), 3);
    // Deleted once, removed once, and back with the same bytes only.
    let one = aged[0].sop_instance.clone();
    let known = instances::find(&mut tx, &one).await.unwrap().unwrap();
    let again = |digest: &str, blob: &str| InstanceRow {
        digest: digest.to_owned(),
        blob: blob.to_owned(),
        bytes: 11,
        transfer_syntax: "2".to_owned(),
        ..known.clone()
    };
    retention::delete(&mut tx, &one, 2_000).await.unwrap();
    assert!(!uids(&retention::due(&mut tx, 1_000, false, 10_000).await.unwrap()).contains(&one));
    assert_eq!(retention::next_remains(&mut tx, "", 100).await.unwrap().as_deref(), Some(&*one));
    let remains = retention::purge(&mut tx, 2_001, ("", &one)).await.unwrap();
    assert!(remains.iter().all(|r| r.sop_instance == one) && !remains.is_empty(), "{remains:?}");
    assert!(retention::purge(&mut tx, 2_002, ("", &one)).await.unwrap().is_empty(), "once");
    assert_eq!(retention::next_remains(&mut tx, "", 100).await.unwrap(), None);
    // A file that cannot be removed: marked again, and behind it comes the next.
    retention::unpurge(&mut tx, &remains[0]).await.unwrap();
    let two = aged.iter().map(|film| &film.sop_instance).find(|sop| **sop > one).unwrap();
    retention::delete(&mut tx, two, 2_003).await.unwrap();
    assert_eq!(retention::next_remains(&mut tx, "", 1).await.unwrap().as_deref(), Some(&*one));
    assert_eq!(retention::next_remains(&mut tx, &one, 1).await.unwrap().as_ref(), Some(two));
    let stuck = retention::purge(&mut tx, 2_004, ("", &one)).await.unwrap();
    assert_eq!(stuck, remains[..1]);
    late_variant(&mut tx, &one).await;
    assert_eq!(retention::restore(&mut tx, &again("other", "new")).await.unwrap(), None);
    assert_eq!(retention::restore(&mut tx, &again("digest", "new")).await.unwrap(), Some(one.clone()));
    assert_eq!(retention::restore(&mut tx, &again("digest", "newer")).await.unwrap(), None, "once");
    let back = instances::find(&mut tx, &one).await.unwrap().unwrap();
    assert_eq!((back.deleted_at, back.blob.as_str(), back.bytes), (None, "new", 11));
    assert_eq!(back.transfer_syntax, "2", "as it came now");
    retention::mark_damaged(&mut tx, "new", 3_000).await.unwrap();
    assert_eq!(instances::find(&mut tx, &one).await.unwrap().unwrap().damaged_at, Some(3_000));
    assert_eq!(retention::restore(&mut tx, &again("digest", "newer")).await.unwrap(), Some("new".to_owned()));
    drop(tx);
}

async fn film(tx: &mut Tx, uid: &str, state: StudyState, (job, delivery, variant): (&str, &str, &str), at: i64) {
    let arrival = |quiet_until| studies::Arrival {
        study_uid: uid.to_owned(),
        identity: "who".to_owned(),
        urgency: Urgency::Routine,
        now: at,
        closing: Closing { quiet_until, closes_by: i64::MAX },
    };
    studies::arrived(tx, &[arrival(at)]).await.unwrap();
    if state != StudyState::Receiving {
        assert!(studies::close_due(tx, at).await.unwrap().iter().any(|closed| closed.study_uid == uid));
    } else {
        studies::arrived(tx, &[arrival(i64::MAX)]).await.unwrap();
    }
    if ![StudyState::Receiving, StudyState::Complete].contains(&state) {
        studies::settle(tx, uid, 1, state, None, at).await.unwrap();
    }
    let row = InstanceRow {
        sop_instance: uid.to_owned(),
        study_uid: uid.to_owned(),
        series_uid: "1".to_owned(),
        sop_class: "1".to_owned(),
        transfer_syntax: "1".to_owned(),
        blob: uid.to_owned(),
        bytes: 10,
        digest: "digest".to_owned(),
        header: "{}".to_owned(),
        calling: "A".to_owned(),
        called: "B".to_owned(),
        peer: "::1".to_owned(),
        priority: 1,
        received_at: at,
        revision: Some(1),
        chest: None,
        skip: None,
        unknowns: "[]".to_owned(),
        deleted_at: None,
        damaged_at: None,
    };
    assert_eq!(instances::insert(tx, &[&row]).await.unwrap(), 1);
    if job != "none" {
        let new = NewJob {
            kind: JobKind::Predict,
            subject: uid,
            study_uid: uid,
            revision: 1,
            urgency: Urgency::Stat,
            since: 0,
        };
        assert!(jobs::enqueue(tx, &new, at).await.unwrap());
        if job != "queued" {
            let claimed = jobs::claim(tx, "w", at, i64::MAX / 4).await.unwrap().unwrap();
            assert_eq!(claimed.subject, uid);
            match job {
                "done" => assert!(jobs::finish(tx, &claimed, at).await.unwrap()),
                "dead" => {
                    let tired = jobs::JobRow { attempts: 100, ..claimed };
                    jobs::fail(tx, &tired, "broken", at).await.unwrap();
                }
                _ => {}
            }
        } else {
            // Out of the way of the claims of the next films.
            jobs_later(tx, uid).await;
        }
    }
    if delivery != "none" {
        assert!(deliveries::schedule(tx, uid, uid, uid, Urgency::Routine, at).await.unwrap());
        if delivery != "scheduled" {
            let claimed = deliveries::claim(tx, uid, at, 1_000, 1).await.unwrap().remove(0);
            let ended = match delivery {
                "accepted" => Some(DeliveryState::Accepted),
                "refused" => Some(DeliveryState::Refused),
                _ => None,
            };
            if let Some(state) = ended {
                let attempt = deliveries::AttemptRecord { state, next_at: at, status: None, error: None, cause: None };
                deliveries::record(tx, &claimed.id, &attempt, at).await.unwrap();
            }
        }
    }
    if variant != "none" {
        let row = pending_variant(&format!("v{uid}"), uid, at, 5);
        assert!(variants::insert(tx, &row).await.unwrap());
        match variant {
            "variant" | "quarantined" => variants::judge(tx, &row.id, variant, "because").await.unwrap(),
            "kept_first" => {
                variants::judge(tx, &row.id, "quarantined", "because").await.unwrap();
                assert!(variants::resolve(tx, &row.id, "kept_first", at).await.unwrap());
            }
            _ => {}
        }
    }
}

/// Other bytes of an instance that wait to be compared; their key and digest are named after it.
fn pending_variant(id: &str, sop_instance: &str, received_at: i64, bytes: i64) -> VariantRow {
    VariantRow {
        id: id.to_owned(),
        sop_instance: sop_instance.to_owned(),
        digest: format!("digest of {id}"),
        transfer_syntax: "1".to_owned(),
        blob: id.to_owned(),
        bytes,
        calling: "A".to_owned(),
        received_at,
        state: "pending".to_owned(),
        reason: None,
        deleted_at: None,
        resolution: None,
        resolved_at: None,
    }
}

/// A variant of a deleted film goes as well, once it is old enough and somebody has decided.
async fn late_variant(tx: &mut Tx, sop: &str) {
    let row = pending_variant("late", sop, 3_000, 7);
    assert!(variants::insert(tx, &row).await.unwrap());
    let bytes = async |tx: &mut Tx, before| {
        let due = retention::due(tx, before, false, 10_000).await.unwrap();
        due.into_iter().find(|film| film.sop_instance == sop).map(|film| film.bytes)
    };
    assert_eq!(bytes(tx, 4_000).await, None, "to be compared");
    variants::judge(tx, "late", "quarantined", "because").await.unwrap();
    assert_eq!(bytes(tx, 4_000).await, None, "to be decided");
    assert!(variants::resolve(tx, "late", "kept_first", 3_500).await.unwrap());
    assert_eq!(bytes(tx, 3_000).await, None, "too young");
    assert_eq!(bytes(tx, 4_000).await, Some(7));
    retention::delete(tx, sop, 4_001).await.unwrap();
    assert_eq!(bytes(tx, 4_000).await, None, "deleted");
    let remains = retention::purge(tx, 4_002, ("", sop)).await.unwrap();
    assert_eq!(remains.iter().map(|r| (r.blob.as_str(), r.variant)).collect::<Vec<_>>(), [("late", true)]);
}

/// A queued job that no claim of this story meets: claimed for a while and failed into the future.
async fn jobs_later(tx: &mut Tx, uid: &str) {
    let claimed = jobs::claim(tx, "w", i64::MAX / 4, 1).await.unwrap().unwrap();
    assert_eq!(claimed.subject, uid);
    jobs::fail(tx, &claimed, "later", i64::MAX / 4).await.unwrap();
}
