//! One contract for both engines: the same story on SQLite and on PostgreSQL.

use centinela::store::commitments::{self, NewCommitment, Recorded};
use centinela::store::events::{self, EventKind};
use centinela::store::jobs::{self, JobKind, NewJob};
use centinela::store::{Db, Tx, deliveries, studies};
use centinela_domain::commitment::Reference;
use centinela_domain::delivery::DeliveryState;
use centinela_domain::priority::Urgency;
use centinela_domain::study::{Closing, StudyState};
use centinela_domain::uid::Uid;
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

async fn contract(db: &Db) {
    study_opens_closes_and_reopens(db).await;
    a_study_that_never_falls_quiet_closes_all_the_same(db).await;
    a_rolled_back_transaction_leaves_nothing(db).await;
    events_are_told_by_kind(db).await;
    writers_stand_in_line(db).await;
    eight_workers_never_share_a_job(db).await;
    urgent_work_passes_and_nothing_starves(db).await;
    a_lost_lease_is_fenced(db).await;
    a_report_waits_for_a_film_that_is_tried_again(db).await;
    a_delivery_is_scheduled_once(db).await;
    crate::outbox::contract(db).await;
    crate::hours::contract(db).await;
    crate::auto_deliver::contract(db).await;
    crate::proof::contract(db).await;
    crate::retention::contract(db).await;
    a_promise_is_taken_back_with_its_film(db).await;
    thousands_of_references_keep_their_outcome(db).await;
}

/// One instance of a study arrived; the study falls quiet after half a second.
fn arrival(study: &str, now: i64) -> studies::Arrival {
    studies::Arrival {
        study_uid: study.to_owned(),
        identity: format!("who-{now}"),
        urgency: Urgency::Routine,
        now,
        closing: Closing::from(now, 500, 5_000),
    }
}

async fn closed(tx: &mut Tx, now: i64) -> Vec<(String, i64)> {
    let rows = studies::close_due(tx, now).await.unwrap();
    rows.into_iter().map(|row| (row.study_uid, row.revision)).collect()
}

async fn study_opens_closes_and_reopens(db: &Db) {
    let mut tx = db.write().await.unwrap();
    let row = studies::arrived(&mut tx, &[arrival("1.2.3", 100)]).await.unwrap().remove(0);
    assert_eq!((row.state(), row.revision), (StudyState::Receiving, 1));
    studies::arrived(&mut tx, &[arrival("1.2.3", 200)]).await.unwrap();
    let both = studies::arrived(&mut tx, &[arrival("1.2.2", 150), arrival("1.2.3", 200)]).await.unwrap();
    let of = |uid: &str| both.iter().find(|row| row.study_uid == uid).unwrap();
    assert_eq!(of("1.2.2").identity.as_deref(), Some("who-150"));
    assert_eq!(of("1.2.3").identity.as_deref(), Some("who-100"), "the first instance says whose study it is");
    assert_eq!((of("1.2.3").first_at, of("1.2.3").quiet_until), (100, 700));
    assert_eq!(closed(&mut tx, 650).await, [("1.2.2".to_owned(), 1)]);
    assert!(studies::close_due(&mut tx, 699).await.unwrap().is_empty());
    assert_eq!(closed(&mut tx, 700).await, [("1.2.3".to_owned(), 1)]);
    assert!(studies::close_due(&mut tx, 900).await.unwrap().is_empty(), "closed once");
    studies::settle(&mut tx, "1.2.3", 1, StudyState::Analyzed, None, 800).await.unwrap();
    assert_eq!(studies::reopen(&mut tx, "1.2.3", Closing::from(1_500, 500, 5_000)).await.unwrap(), 2);
    // A report of the old revision that ends now must not settle the new one.
    studies::settle(&mut tx, "1.2.3", 1, StudyState::Analyzed, None, 900).await.unwrap();
    let row = studies::find(&mut tx, "1.2.3").await.unwrap().unwrap();
    assert_eq!((row.state(), row.revision, row.closed_at), (StudyState::Receiving, 2, None));
    assert_eq!(studies::page(&mut tx, Some("receiving"), None, 10).await.unwrap().len(), 1);
    assert!(studies::page(&mut tx, Some("failed"), None, 10).await.unwrap().is_empty());
    tx.commit().await.unwrap();
}

async fn a_study_that_never_falls_quiet_closes_all_the_same(db: &Db) {
    let mut tx = db.write().await.unwrap();
    for now in (10_000..16_000).step_by(400) {
        let row = studies::arrived(&mut tx, &[arrival("4.4", now)]).await.unwrap().remove(0);
        assert_eq!(row.quiet_until, (now + 500).min(15_000));
    }
    // What other parts of the contract left open is due, too.
    assert!(!closed(&mut tx, 14_999).await.contains(&("4.4".to_owned(), 1)));
    assert_eq!(closed(&mut tx, 15_000).await, [("4.4".to_owned(), 1)]);
}

async fn a_rolled_back_transaction_leaves_nothing(db: &Db) {
    let mut tx = db.write().await.unwrap();
    studies::arrived(&mut tx, &[arrival("1.2.4", 1)]).await.unwrap();
    drop(tx);
    let mut tx = db.read().await.unwrap();
    assert!(studies::find(&mut tx, "1.2.4").await.unwrap().is_none());
}

async fn writers_stand_in_line(db: &Db) {
    let first = db.write().await.unwrap();
    let soon = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(soon, db.write()).await.is_err(), "two writers at once");
    assert!(tokio::time::timeout(soon, db.read()).await.unwrap().is_ok(), "readers do not wait");
    drop(first);
    db.write().await.unwrap();
}

fn job<'a>(subject: &'a str, urgency: i64) -> NewJob<'a> {
    let urgency = Urgency::from_number(urgency);
    NewJob { kind: JobKind::Predict, subject, study_uid: "1.2.3", revision: 1, urgency, since: 10 }
}

async fn events_are_told_by_kind(db: &Db) {
    let mut tx = db.write().await.unwrap();
    for kind in [EventKind::CallRefused, EventKind::FilmsDeleted, EventKind::CallRefused] {
        events::append(&mut tx, 1_000, None, None, kind, serde_json::json!({})).await.unwrap();
    }
    let refused = events::latest(&mut tx, Some("call_refused"), 10).await.unwrap();
    assert!(refused.len() == 2 && refused[0].seq > refused[1].seq, "{refused:?}");
    let latest = events::latest(&mut tx, None, 2).await.unwrap();
    assert_eq!(latest.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>(), ["call_refused", "films_deleted"]);
}

async fn eight_workers_never_share_a_job(db: &Db) {
    let mut tx = db.write().await.unwrap();
    for n in 0..60 {
        assert!(jobs::enqueue(&mut tx, &job(&format!("s{n}"), n % 3), 10).await.unwrap());
        assert!(!jobs::enqueue(&mut tx, &job(&format!("s{n}"), 9), 10).await.unwrap(), "enqueued once");
    }
    tx.commit().await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for w in 0..8 {
        let db = db.clone();
        workers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let mut tx = db.write().await.unwrap();
                let Some(job) = jobs::claim(&mut tx, &format!("w{w}"), 20, 60_000).await.unwrap() else { break };
                assert!(jobs::finish(&mut tx, &job, 30).await.unwrap());
                tx.commit().await.unwrap();
                mine.push((job.urgency, job.subject));
            }
            mine
        });
    }
    let mut all = HashSet::new();
    while let Some(mine) = workers.join_next().await {
        let mine = mine.unwrap();
        assert!(mine.windows(2).all(|pair| pair[0].0 >= pair[1].0), "urgent first: {mine:?}");
        for (_, subject) in mine {
            assert!(all.insert(subject), "a job was handed out twice");
        }
    }
    assert_eq!(all.len(), 60);
}

async fn urgent_work_passes_and_nothing_starves(db: &Db) {
    let mut tx = db.write().await.unwrap();
    let minute = 60_000;
    let of = |subject, urgency, since| NewJob { urgency, since, ..job(subject, 1) };
    let waiting = [
        of("u-low", Urgency::Low, 0),
        of("u-low-late", Urgency::Low, 30 * minute),
        of("u-routine", Urgency::Routine, 55 * minute),
        of("u-stat", Urgency::Stat, 59 * minute),
        of("u-stat-late", Urgency::Stat, 61 * minute),
    ];
    jobs::enqueue_all(&mut tx, &waiting, 61 * minute).await.unwrap();
    // A second film says that the study is urgent: what waits for it moves up.
    jobs::enqueue(&mut tx, &NewJob { study_uid: "8.8", ..of("u-raised", Urgency::Low, 58 * minute) }, 61 * minute)
        .await
        .unwrap();
    assert_eq!(jobs::hasten(&mut tx, "8.8", Urgency::Stat).await.unwrap(), 1);
    assert_eq!(jobs::hasten(&mut tx, "8.8", Urgency::Routine).await.unwrap(), 0, "never down");
    let mut order = Vec::new();
    while let Some(job) = jobs::claim(&mut tx, "w", 61 * minute, 60_000).await.unwrap() {
        assert!(jobs::finish(&mut tx, &job, 61 * minute).await.unwrap());
        order.push(job.subject);
    }
    assert_eq!(order, ["u-raised", "u-stat", "u-low", "u-stat-late", "u-routine", "u-low-late"]);
    let study = |urgency| studies::Arrival { urgency, ..arrival("8.8", 100) };
    for (comes, is) in [(Urgency::Low, Urgency::Low), (Urgency::Stat, Urgency::Stat), (Urgency::Routine, Urgency::Stat)]
    {
        let row = studies::arrived(&mut tx, &[study(comes)]).await.unwrap().remove(0);
        assert_eq!(row.urgency(), is, "a study is as urgent as its most urgent film");
    }
}

async fn a_lost_lease_is_fenced(db: &Db) {
    let mut tx = db.write().await.unwrap();
    jobs::enqueue(&mut tx, &job("slow", 1), 100).await.unwrap();
    let first = jobs::claim(&mut tx, "a", 100, 1_000).await.unwrap().unwrap();
    assert!(jobs::claim(&mut tx, "b", 1_099, 1_000).await.unwrap().is_none(), "the lease holds");
    let second = jobs::claim(&mut tx, "b", 1_100, 1_000).await.unwrap().unwrap();
    assert_eq!((second.id.as_str(), second.interruptions), (first.id.as_str(), 1));
    assert!(!jobs::finish(&mut tx, &first, 1_200).await.unwrap(), "the late worker is told no");
    assert_eq!(jobs::fail(&mut tx, &first, "late", 1_200).await.unwrap(), None, "nor does its failure count");
    assert!(jobs::finish(&mut tx, &second, 1_200).await.unwrap());
    tx.commit().await.unwrap();
}

async fn a_report_waits_for_a_film_that_is_tried_again(db: &Db) {
    let mut tx = db.write().await.unwrap();
    let of_study = NewJob { subject: "7.7", study_uid: "7.7", ..job("", 1) };
    let film = NewJob { kind: JobKind::Predict, subject: "7.7.1", ..of_study };
    let report = NewJob { kind: JobKind::Report, ..of_study };
    jobs::enqueue_all(&mut tx, &[film, report], 100).await.unwrap();
    let report = jobs::claim(&mut tx, "a", 100, 1_000).await.unwrap().unwrap();
    let film = jobs::claim(&mut tx, "b", 100, 1_000).await.unwrap().unwrap();
    assert_eq!((report.kind.as_str(), film.kind.as_str()), ("report", "predict"));
    assert!(!jobs::awaits_predict(&mut tx, "7.7").await.unwrap(), "nothing has failed yet");
    jobs::fail(&mut tx, &film, "no", 100).await.unwrap();
    assert!(jobs::awaits_predict(&mut tx, "7.7").await.unwrap());
    assert!(!jobs::awaits_predict(&mut tx, "7").await.unwrap(), "another study");
    assert!(jobs::postpone(&mut tx, &report, 500).await.unwrap());
    assert!(!jobs::postpone(&mut tx, &report, 600).await.unwrap(), "it is no longer ours");
    assert!(jobs::claim(&mut tx, "a", 499, 1_000).await.unwrap().is_none());
    let again = jobs::claim(&mut tx, "a", 500, 1_000).await.unwrap().unwrap();
    assert_eq!((again.id.as_str(), again.attempts, again.interruptions), (report.id.as_str(), 0, 0));
    assert!(jobs::awaits_report(&mut tx, "7.7", 2).await.unwrap(), "the next revision names this one");
    assert!(!jobs::awaits_report(&mut tx, "7.7", 1).await.unwrap(), "nothing waits for itself");
    assert!(jobs::finish(&mut tx, &again, 600).await.unwrap());
    assert!(!jobs::awaits_report(&mut tx, "7.7", 2).await.unwrap());
    for attempt in 2..=3 {
        let film = jobs::claim(&mut tx, "b", 10_000 * attempt, 1).await.unwrap().unwrap();
        assert_eq!(film.kind, "predict");
        jobs::fail(&mut tx, &film, "no", 10_000 * attempt).await.unwrap();
    }
    assert!(!jobs::awaits_predict(&mut tx, "7.7").await.unwrap(), "it is dead");
    drop(tx);
}

async fn a_delivery_is_scheduled_once(db: &Db) {
    let mut tx = db.write().await.unwrap();
    assert!(deliveries::schedule(&mut tx, "9.9", "1.2.3", "pacs", Urgency::Routine, 5).await.unwrap());
    assert!(!deliveries::schedule(&mut tx, "9.9", "1.2.3", "pacs", Urgency::Routine, 6).await.unwrap());
    assert!(!deliveries::any_ready(&mut tx, "pacs", 4).await.unwrap());
    assert!(deliveries::any_ready(&mut tx, "pacs", 5).await.unwrap());
    let batch = deliveries::claim(&mut tx, "pacs", 5, 1_000, 8).await.unwrap();
    assert_eq!(batch.len(), 1);
    let refused = deliveries::AttemptRecord {
        state: DeliveryState::Refused,
        next_at: 9,
        status: Some(0x0122),
        error: Some("no"),
        cause: Some("status"),
    };
    deliveries::record(&mut tx, &batch[0].id, &refused, 7).await.unwrap();
    assert!(deliveries::claim(&mut tx, "pacs", 9_999, 1_000, 8).await.unwrap().is_empty());
    assert!(deliveries::retry(&mut tx, &batch[0].id, 10).await.unwrap());
    let row = deliveries::find(&mut tx, &batch[0].id).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.attempts, row.last_status), ("scheduled", 1, Some(0x0122)));
    tx.commit().await.unwrap();
}

async fn a_promise_is_taken_back_with_its_film(db: &Db) {
    let reference = |sop| Reference { sop_class: Uid::parse("1.2").unwrap(), sop_instance: Uid::parse(sop).unwrap() };
    let references = [reference("8.1"), reference("8.2")];
    let new = |references| NewCommitment {
        transaction_uid: "8.8",
        calling: "CR1",
        called: "NODE",
        peer: "::1",
        association: "a",
        references,
    };
    let mut tx = db.write().await.unwrap();
    let Recorded::New(id) = commitments::record(&mut tx, &new(&references), 10).await.unwrap() else { panic!("new") };
    assert_eq!(commitments::record(&mut tx, &new(&references[..1]), 11).await.unwrap(), Recorded::OtherReferences);
    assert_eq!(commitments::due_callers(&mut tx, 10).await.unwrap(), ["CR1"]);
    let row = commitments::claim(&mut tx, "CR1", 10, 100).await.unwrap().unwrap();
    assert!(commitments::claim(&mut tx, "CR1", 109, 100).await.unwrap().is_none(), "the lease holds");
    assert!(commitments::due_callers(&mut tx, 109).await.unwrap().is_empty());
    // Asked again while it is checked, in another order: the check of before is fenced.
    let turned = [references[1].clone(), references[0].clone()];
    assert_eq!(commitments::record(&mut tx, &new(&turned), 12).await.unwrap(), Recorded::Again(id.clone()));
    assert!(!commitments::checked(&mut tx, &row, &[0, 0], 13).await.unwrap());
    let row = commitments::claim(&mut tx, "CR1", 12, 100).await.unwrap().unwrap();
    assert!(commitments::checked(&mut tx, &row, &[0, 0], 13).await.unwrap());
    commitments::take_back(&mut tx, "8.2").await.unwrap();
    commitments::take_back(&mut tx, "8.2").await.unwrap();
    let outcomes = async |tx: &mut Tx| {
        let rows = commitments::references(tx, &id).await.unwrap();
        rows.into_iter().map(|row| row.outcome.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(&mut tx).await, [0, 0x0112]);
    let row = commitments::claim(&mut tx, "CR1", 13, 100).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.failed), ("reporting", Some(1)));
    let told = commitments::AttemptRecord { state: "reported", next_at: 99, status: Some(0), error: None };
    assert!(commitments::attempted(&mut tx, &row, &told, 14).await.unwrap());
    // What the peer was told is not rewritten.
    commitments::take_back(&mut tx, "8.1").await.unwrap();
    assert_eq!(outcomes(&mut tx).await, [0, 0x0112]);
    assert!(!commitments::retry(&mut tx, &id, 15).await.unwrap(), "there is nothing to try again");
    tx.commit().await.unwrap();
}

async fn thousands_of_references_keep_their_outcome(db: &Db) {
    let uid = |text: &str| Uid::parse(text).unwrap();
    let references: Vec<_> =
        (0..4_500).map(|n| Reference { sop_class: uid("1.2"), sop_instance: uid(&format!("6.{n}")) }).collect();
    let new = NewCommitment {
        transaction_uid: "6.6",
        calling: "CR6",
        called: "NODE",
        peer: "::1",
        association: "a",
        references: &references,
    };
    let mut tx = db.write().await.unwrap();
    let Recorded::New(id) = commitments::record(&mut tx, &new, 10).await.unwrap() else { panic!("new") };
    let row = commitments::claim(&mut tx, "CR6", 10, 100).await.unwrap().unwrap();
    let outcomes: Vec<i64> = (0..4_500).map(|n| [0, 0x0110, 0x0112][n % 3]).collect();
    assert!(commitments::checked(&mut tx, &row, &outcomes, 11).await.unwrap());
    let rows = commitments::references(&mut tx, &id).await.unwrap();
    assert_eq!(rows.len(), references.len());
    for ((row, reference), (position, outcome)) in rows.iter().zip(&references).zip((0..).zip(outcomes)) {
        let found = (row.position, row.sop_instance.as_str(), row.outcome);
        assert_eq!(found, (position, reference.sop_instance.as_str(), Some(outcome)));
    }
    assert_eq!(commitments::find(&mut tx, &id).await.unwrap().unwrap().failed, Some(3_000));
    drop(tx);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open_sqlite(&dir.path().join("contract.db")).await.unwrap();
    contract(&db).await;
    db.close().await;
}

/// A PostgreSQL of its own on a Unix socket in a temporary folder; no network port.
struct Server {
    dir: TempDir,
    bin: PathBuf,
}

impl Server {
    fn start() -> Self {
        let versions = std::fs::read_dir("/usr/lib/postgresql");
        let bin = versions.ok().and_then(|v| v.flatten().map(|e| e.path().join("bin")).max());
        let bin = bin
            .filter(|b| b.join("initdb").exists())
            .unwrap_or_else(|| panic!("PostgreSQL's server is missing; install it: apt-get install -y postgresql"));
        let dir = tempfile::tempdir().unwrap();
        let server = Self { dir, bin };
        let data = server.dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        server.own(&["chown", "-R", "postgres", server.dir.path().to_str().unwrap()]);
        server.run("initdb", &["-D", data.to_str().unwrap(), "-A", "trust", "-N"]);
        let socket = format!("-c listen_addresses='' -k {}", server.dir.path().display());
        let log = server.dir.path().join("log");
        server
            .run("pg_ctl", &["-D", data.to_str().unwrap(), "-w", "-l", log.to_str().unwrap(), "-o", &socket, "start"]);
        server
    }

    fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.dir.path().display())
    }

    /// PostgreSQL refuses to run as root, so as root its tools run as the user of its package.
    fn run(&self, tool: &str, arguments: &[&str]) {
        let program = self.bin.join(tool);
        let mut words = vec![program.to_str().unwrap()];
        words.extend(arguments);
        if is_root() {
            words.splice(0..0, ["runuser", "-u", "postgres", "--"]);
        }
        let done = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).status();
        assert!(done.unwrap().success(), "{words:?}");
    }

    fn own(&self, words: &[&str]) {
        if is_root() {
            assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{words:?}");
        }
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.dir.path().join("data");
        self.run("pg_ctl", &["-D", data.to_str().unwrap(), "-m", "immediate", "stop"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_the_contract() {
    let server = Server::start();
    let db = Db::open_postgres(&server.url()).await.unwrap();
    contract(&db).await;
    db.close().await;
}
