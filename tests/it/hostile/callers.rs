//! Who may call, on the real program: every refusal is answered as the standard says, counted and an
//! event; a flood of them writes a handful of rows.

use super::peer::{End, Hostile, request};
use super::{Scene, home};
use crate::harness::api;
use crate::harness::node::Home;
use centinela::store::Db;
use centinela::store::events::{self, EventKind};
use serde_json::Value;

/// Peers with conditions, in the words of ae-titles.toml.
const PEERS: &str = r#"
[[peer]]
name = "near"
ae_title = "NEAR"
sends = true
networks = ["127.0.0.1", "::1"]
[[peer]]
name = "report"
ae_title = "REPORT"
sends = true
classes = ["SR", "1.2.840.10008.5.1.4.1.1.104.1"]
[[peer]]
name = "often"
ae_title = "OFTEN"
sends = true
per_minute = 2
[[peer]]
name = "many"
ae_title = "MANY"
sends = true
associations = 1
"#;

fn call(port: u16, calling: &str) -> Hostile {
    let mut peer = Hostile::connect(port);
    peer.say(&request("CENTINELA", calling, 16_384));
    peer
}

/// Reason, calling title and count of each event of a refused call; the node has stopped.
fn refused(home: &Home) -> Vec<(String, Value)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open_sqlite(&home.data().join("centinela.db")).await.unwrap();
        let mut tx = db.read().await.unwrap();
        let rows = events::latest(&mut tx, Some(EventKind::CallRefused.as_str()), 1000).await.unwrap();
        drop(tx);
        db.close().await;
        rows.iter()
            .map(|row| {
                let detail: Value = serde_json::from_str(&row.detail).unwrap();
                (detail["reason"].as_str().unwrap().to_owned(), detail)
            })
            .collect()
    })
}

#[test]
fn each_condition_is_held_and_each_refusal_is_an_event() {
    let home = home().peers_text(PEERS);
    let scene = Scene::start(&home);
    let port = scene.node.dicom;
    assert_eq!(call(port, "NEAR").end(), End::Rejected(1, 1, 3), "127.0.0.2 is not its network");
    assert_eq!(call(port, "NOBODY").end(), End::Rejected(1, 1, 3));
    let mut report = call(port, "REPORT");
    let (kind, body) = report.hear().unwrap();
    let results: Vec<_> = body.windows(8).filter(|w| w[..2] == [0x21, 0]).map(|w| (w[4], w[6])).collect();
    assert_eq!((kind, results), (2, vec![(1, 1), (3, 1), (5, 0)]), "CR by the user, Verification accepted");
    assert_eq!(report.echo(), 0);
    for _ in 0..2 {
        assert_eq!(call(port, "OFTEN").hear().map(|(kind, _)| kind), Some(2));
    }
    assert_eq!(call(port, "OFTEN").end(), End::Rejected(2, 3, 1));
    let mut held = call(port, "MANY");
    assert_eq!(held.hear().map(|(kind, _)| kind), Some(2));
    assert_eq!(call(port, "MANY").end(), End::Rejected(2, 3, 2));
    let metrics = api::request(scene.node.api, "GET", "/metrics", Some(scene.node.token())).unwrap().body;
    for reason in ["network", "unknown_caller", "sop_classes", "rate_of_caller", "associations_of_caller"] {
        let line = format!("centinela_refused_calls_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    drop((report, held));
    scene.end("conditions of callers");
    let events = refused(&home);
    for (reason, calling, answer) in [
        ("network", "NEAR", Some("1/1/3")),
        ("unknown_caller", "NOBODY", Some("1/1/3")),
        ("sop_classes", "REPORT", None),
        ("rate_of_caller", "OFTEN", Some("2/3/1")),
        ("associations_of_caller", "MANY", Some("2/3/2")),
    ] {
        let (_, detail) =
            events.iter().find(|(found, _)| found == reason).unwrap_or_else(|| panic!("{reason}: {events:?}"));
        assert_eq!(detail["calling"], calling);
        assert_eq!(detail["answer"].as_str(), answer);
        assert_eq!(detail["address"], "127.0.0.2");
        assert_eq!(detail["count"], 1);
    }
}

#[test]
fn a_flood_of_refused_calls_is_a_handful_of_rows() {
    let home = home();
    let scene = Scene::start(&home);
    for n in 0..300 {
        let calling = format!("SCANNER{n}");
        assert_eq!(call(scene.node.dicom, &calling).end(), End::Rejected(1, 1, 3));
    }
    scene.end("300 refused calls");
    let events = refused(&home);
    let total: u64 = events.iter().map(|(_, detail)| detail["count"].as_u64().unwrap()).sum();
    assert_eq!(total, 300, "none is lost");
    assert!(events.len() <= 3, "{events:?}");
    assert!(home.logs().matches("association refused").count() <= 3, "{}", home.logs());
}

#[test]
fn below_the_first_watermark_associations_are_congestion() {
    let home = home().set("CENTINELA__STORAGE__LOW_FREE", &(1_u64 << 50).to_string());
    let node = home.start();
    assert_eq!(call(node.dicom, "MODALITY").end(), End::Rejected(2, 3, 1));
    node.stop();
    assert_eq!(refused(&home).iter().map(|(reason, _)| reason.as_str()).collect::<Vec<_>>(), ["congestion"]);
}
