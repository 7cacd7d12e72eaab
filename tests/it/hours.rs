//! Rests and rates of destinations: within a rest nothing calls them, no minute holds more objects than allowed, and
//! both are told as they are.

use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::Home;
use crate::harness::peer::Scripted;
use crate::harness::proxy::Proxy;
use crate::harness::running;
use crate::harness::until;
use centinela::app::App;
use centinela::cli::serve::{Role, Running};
use centinela::clock::Clock;
use centinela::store::{Db, deliveries, destinations, handovers};
use centinela::wall;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: i64 = 60_000;
/// On the minute.
const START: i64 = 1_800_000_000_000;
/// Longer than the sender's pause between two looks.
const LOOK: Duration = Duration::from_millis(1_500);

/// `02:00-03:00`, from and to so many minutes after a time, by the wall of this process.
fn rest(now: i64, from: i64, to: i64) -> String {
    let word = |at: i64| {
        let minute = wall::minute_of_day(at);
        format!("{:02}:{:02}", minute / 60, minute % 60)
    };
    format!("{}-{}", word(now + from * MINUTE), word(now + to * MINUTE))
}

/// A node in this process with a clock that only the test moves; results go to one destination.
struct Desk {
    dir: tempfile::TempDir,
    destination: String,
}

impl Desk {
    fn new(port: u16, more: &str) -> Self {
        let destination = format!(
            "[[peer]]\nname = \"box\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\ndeliver = \"compat\"\n{more}\n"
        );
        Self { dir: tempfile::tempdir().unwrap(), destination }
    }

    async fn start(&self, now: i64) -> Running {
        // Its films are urgent: neither a rest nor a rate is broken for them.
        let peers = format!("{}urgency = \"stat\"\n{}", running::MODALITY, self.destination);
        let mut config = running::config(&self.dir.path().join("data"), &peers);
        config.settings.analyze.model =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("models/test-synthetic-map-1.0.0").display().to_string();
        config.settings.study.quiet_period = 0.1;
        config.settings.api.port = 0;
        let roles = [Role::Scp, Role::Worker, Role::Delivery];
        // What the node before left running in this process may hold the directory for a moment more.
        for _ in 0..200 {
            match Running::start(config.clone(), Clock::fixed(now), &roles).await {
                Ok(node) => return node,
                Err(error) if error.to_string().contains("is in use by another") => {}
                Err(error) => panic!("{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the directory is in use for 10 s");
    }
}

/// Pushes a film and waits until its three results are scheduled; the clock goes on by a second.
async fn scheduled(node: &Running, name: &str) -> Film {
    let (film, port) = (fixture(name), node.dicom.unwrap().port());
    let pushed = film.clone();
    tokio::task::spawn_blocking(move || must_push(port, &pushed)).await.unwrap();
    node.app.clock.advance(1_000);
    for _ in 0..1_200 {
        if all(&node.app, &film).await.len() == 3 {
            return film;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the results were not scheduled");
}

async fn all(app: &App, film: &Film) -> Vec<deliveries::DeliveryRow> {
    let mut tx = app.db.read().await.unwrap();
    deliveries::list(&mut tx, None, None, Some(&film.study), 10).await.unwrap()
}

async fn told(app: &Arc<App>) -> Value {
    let status = centinela::api::status::gather(&app.db, &app.config, true, None, app.clock.now()).await.unwrap();
    serde_json::to_value(&status).unwrap()["destinations"][0].clone()
}

/// Waits until the peer was handed so many objects; fails where there are more.
async fn stored(peer: &Scripted, wanted: usize) {
    for _ in 0..1_200 {
        let stored = peer.told("store");
        assert!(stored.len() <= wanted, "{} objects, not {wanted}", stored.len());
        if stored.len() == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{wanted} objects did not come: {:#?}", peer.told("store"));
}

fn at(time: i64) -> Value {
    json!(centinela::api::time::format(time))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_rests_is_not_called_and_gets_everything_afterwards() {
    let peer = Scripted::start(&json!({}));
    let line = Proxy::start(peer.port);
    let desk = Desk::new(line.port, &format!("rests = [{:?}]", rest(START, 10, 40)));
    let node = desk.start(START).await;
    let app = Arc::clone(&node.app);
    scheduled(&node, "dx_portrait_mono2_14").await;
    stored(&peer, 3).await;
    let open = told(&app).await;
    assert_eq!((&open["state"], &open["rests_until"]), (&json!("open"), &Value::Null), "{open:#}");

    // The rest begins before anybody asked for commitment; an outage would be asked about, too.
    app.clock.advance(15 * MINUTE);
    tokio::time::sleep(LOOK).await;
    let calls = line.connections();
    assert_eq!(peer.told("EVT_RELEASED").len(), peer.told("association").len(), "the association is released");
    let film = scheduled(&node, "dx_landscape_mono1_12").await;
    tokio::time::sleep(LOOK).await;
    let resting = told(&app).await;
    let end = START + 40 * MINUTE;
    assert_eq!((&resting["state"], &resting["undelivered"]), (&json!("resting"), &json!(3)), "{resting:#}");
    assert_eq!((&resting["rests_until"], &resting["next_at"]), (&at(end), &at(end)), "{resting:#}");
    let mut tx = app.db.write().await.unwrap();
    let away = destinations::Failure { cause: "refused", error: "e", limit: 1, every_ms: 1_000, patience_ms: 0 };
    destinations::failed(&mut tx, "box", &away, app.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    app.clock.advance(20 * MINUTE);
    tokio::time::sleep(LOOK).await;
    let down = told(&app).await;
    assert_eq!((&down["state"], &down["next_at"]), (&json!("down"), &at(end)), "{down:#}");
    assert!(all(&app, &film).await.iter().all(|row| row.attempts == 0 && row.state == "scheduled"));
    assert_eq!(line.connections(), calls, "no echo, no object, no request for commitment");

    app.clock.advance(end - 1 - app.clock.now());
    tokio::time::sleep(LOOK).await;
    assert_eq!(line.connections(), calls, "not a millisecond too early");
    app.clock.advance(1);
    stored(&peer, 6).await;
    drop(app);
    node.run_until(async {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_on_its_way_when_the_rest_begins_is_finished_and_no_other_goes() {
    let peer = Scripted::start(&json!({ "delay": 2 }));
    let desk = Desk::new(peer.port, &format!("rests = [{:?}]", rest(START, 10, 40)));
    let node = desk.start(START).await;
    let app = Arc::clone(&node.app);
    let film = scheduled(&node, "dx_portrait_mono2_14").await;
    stored(&peer, 1).await;
    app.clock.advance(15 * MINUTE);
    tokio::time::sleep(2 * LOOK).await;
    stored(&peer, 1).await;
    let rows = all(&app, &film).await;
    let words: Vec<_> = rows.iter().map(|row| (row.state.as_str(), row.attempts)).collect();
    assert_eq!(words, [("accepted", 1), ("scheduled", 0), ("scheduled", 0)]);
    assert_eq!(peer.told("EVT_RELEASED").len(), 1);
    app.clock.advance(25 * MINUTE);
    stored(&peer, 3).await;
    drop(app);
    node.run_until(async {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_minute_holds_more_objects_than_allowed_across_a_restart_too() {
    let peer = Scripted::start(&json!({}));
    let desk = Desk::new(peer.port, "objects_per_minute = 4\ncommitment = \"off\"");
    let node = desk.start(START).await;
    scheduled(&node, "dx_portrait_mono2_14").await;
    scheduled(&node, "dx_landscape_mono1_12").await;
    stored(&peer, 4).await;
    tokio::time::sleep(LOOK).await;
    stored(&peer, 4).await;
    let mut tx = node.app.db.read().await.unwrap();
    let first = handovers::sent(&mut tx, "box", node.app.clock.now()).await.unwrap()[0];
    drop(tx);
    let full = told(&node.app).await;
    assert_eq!((&full["undelivered"], &full["next_at"]), (&json!(2), &at(first + MINUTE)), "{full:#}");
    assert_eq!((&full["state"], &full["objects_per_minute"]), (&json!("open"), &json!(4)));
    let now = node.app.clock.now();
    node.run_until(async {}).await.unwrap();

    let node = desk.start(now).await;
    tokio::time::sleep(LOOK).await;
    stored(&peer, 4).await;
    node.app.clock.advance(first + MINUTE - 1 - now);
    tokio::time::sleep(LOOK).await;
    stored(&peer, 4).await;
    node.app.clock.advance(MINUTE);
    stored(&peer, 6).await;
    node.run_until(async {}).await.unwrap();
}

#[test]
fn killed_while_objects_are_on_their_way_the_node_counts_them() {
    let peer = Scripted::start(&json!({}));
    let words = format!(
        "[[peer]]\nname = \"box\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}\ndeliver = \"compat\"\nobjects_per_minute = 1\n",
        peer.port
    );
    let home = Home::new(&[]).peers_text(&words).synthetic_map();
    // The answer came, and nothing of it was written.
    let node = home.start_with(&[("CENTINELA_FAILPOINT", "delivery.sent")]);
    must_push(node.dicom, &fixture("dx_portrait_mono2_14"));
    assert!(!node.wait().success());
    assert_eq!(peer.told("store").len(), 1);
    let node = home.start();
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(peer.told("store").len(), 1, "the minute is not over");
    let told = node.get("/api/v1/status")["destinations"][0].clone();
    let (now, next) = (Clock::System.now(), centinela::api::time::parse(told["next_at"].as_str().unwrap()).unwrap());
    assert!(next > now + 30_000 && next <= now + MINUTE, "{told:#}");
    let text = String::from_utf8(home.command(&["status"]).output().unwrap().stdout).unwrap();
    assert!(text.contains("box          gets at most 1 objects a minute, as ae-titles.toml says"), "{text}");
}

#[test]
fn a_rest_is_by_local_time_and_is_told_in_words() {
    let peer = Scripted::start(&json!({}));
    // Seven hours before UTC, and not where this process lives.
    let now = Clock::System.now();
    let minute = |at: i64| ((at + 7 * 60 * MINUTE) / MINUTE) % 1_440;
    let word = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let (from, to) = (word(minute(now - 60 * MINUTE)), word(minute(now + 120 * MINUTE)));
    let words = format!(
        "[[peer]]\nname = \"box\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}\ndeliver = \"research\"\nrests = [\"{from}-{to}\"]\n",
        peer.port
    );
    let home = Home::new(&[]).peers_text(&words).set("TZ", "<+07>-7");
    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    until("the report is scheduled", || (node.study(&film.study)?["deliveries"].as_array()?.len() == 1).then_some(()));
    std::thread::sleep(LOOK);
    let done = home.command(&["status"]).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    for words in [
        format!("box          rests until {to} (UTC+07:00), as ae-titles.toml says: it is not called"),
        "box          resting       1  ".to_owned(),
        "Nothing needs a hand.".to_owned(),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
    assert!(done.status.success(), "a rest is no trouble");
    let chain = node.get(&format!("/api/v1/studies/{}/chain", film.study));
    assert_eq!(chain["state"], "analyzed", "{chain:#}");
    node.logged(&["the destination rests", &format!("until=\"{to} (UTC+07:00)\"")]);
    assert!(peer.told("association").is_empty() && peer.told("echo").is_empty());
    node.stop();
    // The same words mean another time where the machine lives elsewhere.
    let home = home.set("TZ", "<-05>5");
    let node = home.start();
    node.settled(&film.study, 1);
    assert_eq!(peer.told("store").len(), 1);
}

#[test]
fn entries_that_cannot_be_meant_are_told_at_once() {
    let entry = |name: &str, words: &str| {
        format!("[[peer]]\nname = \"{name}\"\nae_title = \"A\"\nhost = \"127.0.0.1\"\nport = 104\n{words}\n")
    };
    let text = [
        entry("early", "deliver = \"full\"\nrests = [\"2:00-3:00\"]"),
        entry("always", "deliver = \"full\"\nrests = [\"00:00-12:00\", \"12:00-00:00\"]"),
        entry("nothing", "deliver = \"full\"\nobjects_per_minute = 0"),
        entry("sender", "sends = true\nrests = [\"02:00-03:00\"]"),
        entry("sender-too", "sends = true\nobjects_per_minute = 5"),
        entry("good", "deliver = \"full\"\nobjects_per_minute = 5\nrests = [\"23:30-00:30\"]"),
    ];
    let out = Home::new(&[]).peers_text(&text.concat()).command(&["config", "check"]).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{said}");
    for words in [
        "(\"early\"): \"2:00-3:00\" is no part of a day; write two different times such as \"02:00-03:00\"",
        "\"always\": its rests leave no time in which it may be called",
        "\"nothing\": objects_per_minute 0 would let nothing through",
        "\"sender\": it has rests or objects_per_minute, but gets no results",
        "\"sender-too\": it has rests or objects_per_minute, but gets no results",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("good"), "{said}");
}

/// What the store promises of rests and rates, on either engine.
pub async fn contract(db: &Db) {
    let mut tx = db.write().await.unwrap();
    handovers::begin(&mut tx, "box", ["a", "b"].into_iter(), 1_000).await.unwrap();
    handovers::begin(&mut tx, "other", ["c"].into_iter(), 1_000).await.unwrap();
    assert_eq!(handovers::sent(&mut tx, "box", 5_000).await.unwrap(), [5_000, 5_000], "on their way");
    handovers::end(&mut tx, "a", 6_000).await.unwrap();
    handovers::undo(&mut tx, "a").await.unwrap();
    handovers::undo(&mut tx, "b").await.unwrap();
    assert_eq!(handovers::sent(&mut tx, "box", 65_999).await.unwrap(), [6_000], "what came stays counted");
    assert!(handovers::sent(&mut tx, "box", 66_000).await.unwrap().is_empty());
    handovers::begin(&mut tx, "box", ["a", "b"].into_iter(), 7_000).await.unwrap();
    handovers::end_all(&mut tx, Some("box"), 8_000).await.unwrap();
    assert_eq!(handovers::sent(&mut tx, "box", 10_000).await.unwrap(), [6_000, 8_000, 8_000]);
    assert_eq!(handovers::sent(&mut tx, "other", 10_000).await.unwrap(), [10_000]);
    handovers::begin(&mut tx, "box", [].into_iter(), 68_000).await.unwrap();
    handovers::end_all(&mut tx, None, 68_000).await.unwrap();
    assert!(handovers::sent(&mut tx, "box", 9_000).await.unwrap().is_empty(), "older ones are forgotten");
    destinations::set_rest(&mut tx, "quiet", Some(9_000)).await.unwrap();
    assert_eq!(destinations::find(&mut tx, "quiet").await.unwrap().unwrap().rests_until, Some(9_000));
    // Dropped: what follows in the contract finds nothing of this.
}
