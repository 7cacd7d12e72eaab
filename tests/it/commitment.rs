//! Storage commitment as SCP, with pynetdicom and with Orthanc as the ones who ask: on the same
//! association, on a new one, with failures, across restarts, and with a peer that is away.

use crate::harness::films::{fixture, studies};
use crate::harness::modality::{must_push, push_as};
use crate::harness::node::{Home, Node, Peer};
use crate::harness::running;
use crate::harness::tls::Certificates;
use crate::harness::tools::{free_port, must, python, run, script};
use crate::harness::until;
use crate::orthanc::Orthanc;
use centinela::cli::serve::{Role, Running};
use centinela::clock::Clock;
use centinela::failpoint;
use centinela::store::commitments::{self, CommitmentRow};
use centinela_domain::delivery::MAX_BACKOFF_MS;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// Asks as MODALITY; waits so many seconds for the report on the same association.
fn ask(port: u16, transaction: &str, wait: &str, class: &str, instances: &[&str]) -> Option<Value> {
    let (program, port) = (script("commitment_peer.py"), port.to_string());
    let mut arguments = vec![program.to_str().unwrap(), "ask", &port, transaction, wait, class];
    arguments.extend(instances);
    let done = run(&python(), &arguments);
    let text = String::from_utf8(done.stdout).unwrap();
    done.status.success().then(|| serde_json::from_str(&text).unwrap())
}

/// MODALITY, waiting for reports.
struct Listener {
    port: u16,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    fn start(port: u16, status: u16) -> Self {
        Self::start_with(port, status, &[])
    }

    fn start_with(port: u16, status: u16, tls: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(script("commitment_peer.py"))
            .args(["listen", &port.to_string(), &status.to_string()])
            .args(tls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().trim().parse().unwrap();
        Self { port, child, lines }
    }

    /// The next report; waits for it.
    fn report(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    /// How many more reports came until now.
    fn end(mut self) -> usize {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        self.lines.by_ref().count()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A peer under the title of the modality, with an address.
fn modality(port: u16) -> Peer {
    Peer { name: "listener".into(), ae_title: "MODALITY".into(), port, sends: true, deliver: "none", on_skip: "none" }
}

fn commitment(node: &Node<'_>, transaction: &str) -> Option<Value> {
    let all = node.get("/api/v1/commitments?limit=500");
    all["commitments"].as_array().unwrap().iter().find(|c| c["transaction_uid"] == transaction).cloned()
}

fn ends(node: &Node<'_>, transaction: &str, state: &str) -> Value {
    until(&format!("transaction {transaction} is {state}"), || {
        commitment(node, transaction).filter(|c| c["state"] == state)
    })
}

#[test]
fn reported_on_the_same_association_with_every_reason() {
    let home = Home::new(&[]);
    let node = home.start();
    let film = fixture("dx_normal");
    must_push(node.dicom, &film);
    let answer = ask(node.dicom, "1.2.3.1", "30", DX, &[&film.sop]).unwrap();
    let report = json!({ "type": 1, "transaction": "1.2.3.1", "committed": [film.sop], "failed": {} });
    assert_eq!(answer, json!({ "status": 0, "report": report }));
    let row = ends(&node, "1.2.3.1", "reported");
    assert_eq!((&row["instances"], &row["failed"]), (&json!(1), &json!(0)), "{row:#}");
    // Never received; and here under another class.
    let answer = ask(node.dicom, "1.2.3.2", "30", DX, &[&film.sop, "9.9.9"]).unwrap();
    let report = json!({ "type": 2, "transaction": "1.2.3.2", "committed": [film.sop], "failed": { "9.9.9": 0x0112 } });
    assert_eq!(answer, json!({ "status": 0, "report": report }));
    let answer = ask(node.dicom, "1.2.3.3", "30", CT, &[&film.sop]).unwrap();
    assert_eq!(answer["report"]["failed"][&film.sop], 0x0119, "{answer:#}");
    // The same transaction once more is reported once more; with other instances it is refused.
    let again = ask(node.dicom, "1.2.3.1", "30", DX, &[&film.sop]).unwrap();
    assert_eq!(again["report"]["committed"], json!([film.sop]));
    let other = ask(node.dicom, "1.2.3.1", "0", DX, &["9.9.9"]).unwrap();
    assert_eq!(other, json!({ "status": 0x0115, "report": null }));
    // The peer hears before our row says so.
    for transaction in ["1.2.3.1", "1.2.3.2", "1.2.3.3"] {
        ends(&node, transaction, "reported");
    }
    let all = node.get("/api/v1/commitments?state=reported");
    assert_eq!(all["commitments"].as_array().unwrap().len(), 3, "{all:#}");
    let id = all["commitments"].as_array().unwrap().iter().find(|c| c["transaction_uid"] == "1.2.3.2").unwrap();
    let detail = node.get(&format!("/api/v1/commitments/{}", id["id"].as_str().unwrap()));
    assert_eq!(detail["instances"][1]["reason"], "0x0112", "{detail:#}");
}

#[test]
fn reported_on_a_new_association_where_the_first_has_ended() {
    let mut listener = Listener::start(0, 0);
    let home = Home::new(&[modality(listener.port)]);
    let node = home.start();
    let film = fixture("dx_normal");
    must_push(node.dicom, &film);
    ask_and_vanish(node.dicom, "1.2.3.10", &film.sop);
    let report = listener.report();
    assert_eq!(report["transaction"], "1.2.3.10");
    assert_eq!(report["committed"], json!([film.sop]));
    assert_eq!((&report["type"], &report["calling"]), (&json!(1), &json!("CENTINELA")));
    ends(&node, "1.2.3.10", "reported");
    assert_eq!(listener.end(), 0, "once");
}

#[test]
fn reported_by_tls_where_results_would_be() {
    let certificates = Certificates::make();
    let path = |file: &str| certificates.path(file);
    let mut listener = Listener::start_with(0, 0, &[&path("node2"), &path("ca.pem")]);
    let peer = format!(
        "[[peer]]\nname = \"listener\"\nae_title = \"MODALITY\"\nhost = \"127.0.0.1\"\nport = {}\n\
         tls = {{ ca = {:?}, certificate = {:?}, key = {:?} }}\n",
        listener.port,
        path("ca.pem"),
        path("CR1.pem"),
        path("CR1.key")
    );
    let home = Home::new(&[]).peers_text(&peer);
    let node = home.start();
    ask_and_vanish(node.dicom, "1.2.3.11", "9.9.9");
    assert_eq!(listener.report()["transaction"], "1.2.3.11");
    ends(&node, "1.2.3.11", "reported");
}

/// The head of the file then names another sender and has another length.
#[test]
fn a_film_that_another_sends_again_is_still_committed() {
    let other = "[[peer]]\nname = \"other\"\nae_title = \"ANOTHER_MODALITY\"\nsends = true\n";
    let home = Home::new(&[]).peers_text(other);
    let node = home.start();
    let film = fixture("dx_normal");
    must_push(node.dicom, &film);
    assert_eq!(push_as("ANOTHER_MODALITY", node.dicom, &film).unwrap().0, 0);
    let answer = ask(node.dicom, "1.2.3.12", "30", DX, &[&film.sop]).unwrap();
    assert_eq!(answer["report"]["committed"], json!([film.sop]), "{answer:#}");
}

/// An N-ACTION whose connection closes at once after the response, by bytes of our own.
fn ask_and_vanish(port: u16, transaction: &str, sop: &str) {
    use std::io::{Read as _, Write as _};
    let item = |kind: u8, body: &[u8]| [&[kind, 0], &(body.len() as u16).to_be_bytes()[..], body].concat();
    let pdu = |kind: u8, body: &[u8]| [&[kind, 0], &(body.len() as u32).to_be_bytes()[..], body].concat();
    let class = "1.2.840.10008.1.20.1";
    let mut context = vec![1, 0, 0, 0];
    context.extend(item(0x30, class.as_bytes()));
    context.extend(item(0x40, b"1.2.840.10008.1.2"));
    let mut body = vec![0, 1, 0, 0];
    body.extend(format!("{:<16}{:<16}", "CENTINELA", "MODALITY").as_bytes());
    body.extend([0; 32]);
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    body.extend(item(0x20, &context));
    body.extend(item(0x50, &item(0x51, &16_384_u32.to_be_bytes())));
    let element = |group: u16, element: u16, value: &[u8]| {
        let mut value = value.to_vec();
        value.resize(value.len().next_multiple_of(2), 0);
        [&group.to_le_bytes()[..], &element.to_le_bytes(), &(value.len() as u32).to_le_bytes(), &value].concat()
    };
    let set = [
        element(0, 3, class.as_bytes()),
        element(0, 0x100, &0x0130_u16.to_le_bytes()),
        element(0, 0x110, &[1, 0]),
        element(0, 0x800, &[0, 0]),
        element(0, 0x1001, b"1.2.840.10008.1.20.1.1"),
        element(0, 0x1008, &[1, 0]),
    ]
    .concat();
    let reference = [element(8, 0x1150, DX.as_bytes()), element(8, 0x1155, sop.as_bytes())].concat();
    let sequence = [&[0xFE, 0xFF, 0, 0xE0][..], &(reference.len() as u32).to_le_bytes(), &reference].concat();
    let data = [element(8, 0x1195, transaction.as_bytes()), element(8, 0x1199, &sequence)].concat();
    let value = |control: u8, bytes: &[u8]| {
        pdu(4, &[&(bytes.len() as u32 + 2).to_be_bytes()[..], &[1, control], bytes].concat())
    };
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let hear = |stream: &mut std::net::TcpStream| {
        let mut head = [0; 6];
        stream.read_exact(&mut head).unwrap();
        let mut body = vec![0; u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize];
        stream.read_exact(&mut body).unwrap();
        (head[0], body)
    };
    stream.write_all(&pdu(1, &body)).unwrap();
    assert_eq!(hear(&mut stream).0, 2, "accepted");
    stream.write_all(&[value(3, &set), value(2, &data)].concat()).unwrap();
    let (kind, answer) = hear(&mut stream);
    assert_eq!(kind, 4);
    let success = element(0, 0x900, &[0, 0]);
    assert!(answer.windows(success.len()).any(|w| w == success), "N-ACTION answered {answer:?}");
}

#[test]
fn a_peer_that_does_not_know_the_transaction_is_not_told_again() {
    let mut listener = Listener::start(0, 0x0115);
    let home = Home::new(&[modality(listener.port)]);
    let node = home.start();
    ask_and_vanish(node.dicom, "1.2.3.20", "9.9.9");
    assert_eq!(listener.report()["failed"]["9.9.9"], 0x0112);
    let row = ends(&node, "1.2.3.20", "refused");
    assert_eq!(row["last_status"], "0x0115", "{row:#}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(listener.end(), 0, "told once");
    // By hand it is told again.
    let again = node.ask("POST", &format!("/api/v1/commitments/{}/retry", row["id"].as_str().unwrap()));
    assert_eq!(again.status, 202, "{again:?}");
}

#[test]
fn refused_on_the_same_association_it_is_told_where_the_peer_waits() {
    let mut listener = Listener::start(0, 0);
    let home = Home::new(&[modality(listener.port)]);
    let node = home.start();
    let refused = ask(node.dicom, "1.2.3.21", "30", DX, &["9.9.9", "--answer", "529"]).unwrap();
    assert_eq!(refused["report"]["transaction"], "1.2.3.21", "{refused:#}");
    assert_eq!(listener.report()["transaction"], "1.2.3.21");
    let row = ends(&node, "1.2.3.21", "reported");
    assert_eq!(row["last_status"], "0x0000", "{row:#}");
    node.stop();
    // Without an address the refusal ends it.
    let home = home.with_peers(&[]);
    let node = home.start();
    ask(node.dicom, "1.2.3.22", "30", DX, &["9.9.9", "--answer", "529"]).unwrap();
    let row = ends(&node, "1.2.3.22", "refused");
    assert_eq!(row["last_status"], "0x0211", "{row:#}");
}

#[test]
fn without_an_address_it_stays_visible_until_one_is_known() {
    let home = Home::new(&[]);
    let node = home.start();
    ask_and_vanish(node.dicom, "1.2.3.30", "9.9.9");
    let row = ends(&node, "1.2.3.30", "undeliverable");
    assert!(row["last_error"].as_str().unwrap().contains("ae-titles.toml"), "{row:#}");
    node.stop();
    let mut listener = Listener::start(0, 0);
    let home = home.with_peers(&[modality(listener.port)]);
    let node = home.start();
    assert_eq!(listener.report()["transaction"], "1.2.3.30");
    ends(&node, "1.2.3.30", "reported");
}

#[test]
fn killed_between_action_and_report_it_goes_on() {
    for name in failpoint::COMMITMENT {
        let mut listener = Listener::start(0, 0);
        let home = Home::new(&[modality(listener.port)]);
        let film = fixture("dx_normal");
        let node = home.start_with(&[("CENTINELA_FAILPOINT", name)]);
        must_push(node.dicom, &film);
        // The node may die before it answers: then the modality asks again, as it must.
        let answer = ask(node.dicom, "1.2.3.40", "30", DX, &[&film.sop]);
        assert!(!node.wait().success());
        assert!(home.logs().contains(&format!("failpoint fired name={name}")), "{name} did not fire");
        let node = home.start();
        let report = listener.report();
        assert_eq!(report["committed"], json!([film.sop]), "{name}, answered {answer:?}");
        let row = ends(&node, "1.2.3.40", "reported");
        assert_eq!(row["failed"], 0, "{row:#}");
    }
}

/// The one file of a film below the data directory.
fn only_film(home: &Home) -> PathBuf {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, files) } else { files.push(path) }
        }
    }
    let mut files = Vec::new();
    walk(&home.data().join("blobs/instances"), &mut files);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn one_flipped_byte_is_not_committed_and_sending_again_heals_it() {
    let home = Home::new(&[]);
    let node = home.start();
    let film = studies(home.dir.path(), 1, 640).remove(0);
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    let class = node.get(&format!("/api/v1/instances/{}", film.sop))["sop_class"].as_str().unwrap().to_owned();
    let file = only_film(&home);
    let whole = std::fs::read(&file).unwrap();
    for (n, at) in [(0, 3), (1, 400), (2, whole.len() / 2), (3, whole.len() - 1)] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let answer = ask(node.dicom, &format!("1.2.3.5{n}"), "30", &class, &[&film.sop]).unwrap();
        assert_eq!(answer["report"]["failed"][&film.sop], 0x0110, "byte {at}: {answer:#}");
    }
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let answer = ask(node.dicom, "1.2.3.55", "30", &class, &[&film.sop]).unwrap();
    assert_eq!(answer["report"]["failed"][&film.sop], 0x0110, "cut: {answer:#}");
    std::fs::remove_file(&file).unwrap();
    let answer = ask(node.dicom, "1.2.3.56", "30", &class, &[&film.sop]).unwrap();
    assert_eq!(answer["report"]["failed"][&film.sop], 0x0110, "gone: {answer:#}");
    let timeline = node.study(&film.study).unwrap()["timeline"].clone();
    assert!(timeline.as_array().unwrap().iter().any(|e| e["kind"] == "bytes_damaged"), "{timeline:#}");
    let instance = || node.get(&format!("/api/v1/instances/{}", film.sop));
    assert!(instance()["damaged_at"].is_string());
    must_push(node.dicom, &film);
    assert!(instance()["damaged_at"].is_null());
    let answer = ask(node.dicom, "1.2.3.57", "30", &class, &[&film.sop]).unwrap();
    assert_eq!(answer["report"]["committed"], json!([film.sop]), "{answer:#}");
}

#[test]
fn a_film_deleted_by_retention_is_not_there_any_more() {
    let home = Home::new(&[]).set("CENTINELA__STORAGE__KEEP_DAYS", "0.00003").set("CENTINELA__STORAGE__KEEP_MIN", "0");
    let node = home.start();
    let film = fixture("dx_normal");
    must_push(node.dicom, &film);
    until("the film is deleted", || {
        let instance = node.get(&format!("/api/v1/instances/{}", film.sop));
        instance["deleted_at"].as_str().map(drop)
    });
    let answer = ask(node.dicom, "1.2.3.70", "30", DX, &[&film.sop]).unwrap();
    assert_eq!(answer["report"]["failed"][&film.sop], 0x0112, "{answer:#}");
}

#[test]
fn orthanc_asks_and_hears() {
    for (extra, status) in [("", "Success"), ("9.9.9", "Failure")] {
        let orthanc = Orthanc::start();
        let home = Home::new(&[Peer { sends: true, ..Peer::pacs(orthanc.dicom, "none") }]);
        let node = home.start();
        let film = fixture("dx_normal");
        let (program, http, port) = (script("orthanc_commitment.py"), orthanc.http.to_string(), node.dicom.to_string());
        let file = film.path.to_str().unwrap();
        let text = must(&python(), &[program.to_str().unwrap(), &http, &port, file, extra]);
        let outcome: Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(outcome["Status"], status, "{outcome:#}");
        assert_eq!(outcome["Success"][0]["SOPInstanceUID"], film.sop.as_str(), "{outcome:#}");
        if !extra.is_empty() {
            assert_eq!(outcome["Failures"][0]["SOPInstanceUID"], extra, "{outcome:#}");
            assert_eq!(outcome["Failures"][0]["FailureReason"], 0x0112, "{outcome:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_away_for_an_hour_is_told_when_it_is_back() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let text = format!(
        "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"m\"\nae_title = \"MODALITY\"\nhost = \"127.0.0.1\"\n\
         port = {port}\nsends = true\n"
    );
    let mut config = running::config(&dir.path().join("data"), &text);
    config.settings.analyze.enabled = false;
    let start = 1_800_000_000_000;
    let node = Running::start(config, Clock::fixed(start), &[Role::Scp]).await.unwrap();
    let (app, dicom) = (node.app.clone(), node.dicom.unwrap().port());
    let film = fixture("dx_normal");
    let sop = film.sop.clone();
    tokio::task::spawn_blocking(move || {
        must_push(dicom, &film);
        ask_and_vanish(dicom, "1.2.3.60", &film.sop);
    })
    .await
    .unwrap();
    let row = async || -> CommitmentRow {
        let mut tx = app.db.read().await.unwrap();
        commitments::list(&mut tx, None, None, 1).await.unwrap().remove(0)
    };
    let attempts = async |wanted: i64| {
        for _ in 0..600 {
            let row = row().await;
            if row.attempts >= wanted && row.lease_until.is_none() {
                return row;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("no attempt {wanted}: {:?}", row().await);
    };
    let mut last = attempts(1).await;
    while app.clock.now() < start + 3_600_000 {
        assert_eq!(last.state, "reporting", "{last:?}");
        let wait = last.next_at - app.clock.now();
        assert!((1..=MAX_BACKOFF_MS).contains(&wait), "the pause is {wait} ms");
        app.clock.advance(wait);
        app.asked.ring();
        last = attempts(last.attempts + 1).await;
    }
    println!("{} attempts in an hour", last.attempts);
    assert!(last.attempts < 60, "an hour away costs few attempts: {}", last.attempts);
    let mut listener = tokio::task::spawn_blocking(move || Listener::start(port, 0)).await.unwrap();
    app.clock.advance(last.next_at - app.clock.now());
    app.asked.ring();
    let last = attempts(last.attempts + 1).await;
    assert_eq!((last.state.as_str(), last.last_status), ("reported", Some(0)), "{last:?}");
    assert_eq!(listener.report()["committed"], json!([sop]));
    drop(app);
    node.run_until(async {}).await.unwrap();
}
