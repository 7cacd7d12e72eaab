//! What the reading routes give.

use super::seed::{self, FRONTAL, LATERAL, PHI, REPORT, STUDY, arrival};
use super::{Node, START};
use crate::api::routes;
use crate::app::Counters;
use crate::store::studies;
use centinela_domain::uid::Uid;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

#[tokio::test]
async fn a_study_is_told_whole() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    let study = node.get(&format!("/api/v1/studies/{STUDY}")).await.json();
    assert_eq!(study["study"]["state"], "analyzed");
    assert_eq!(study["study"]["first_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(study["study"]["closed_at"], "2026-01-01T00:00:05.500Z");

    let (frontal, lateral) = (&study["instances"][0], &study["instances"][1]);
    assert_eq!((&frontal["sop_instance"], &frontal["status"]), (&json!(FRONTAL), &json!("analyzed")));
    assert_eq!(frontal["reason"], Value::Null);
    let score = &frontal["predictions"][0]["scores"][0];
    assert_eq!(score["label"], "Pneumonia");
    assert_eq!(score["probability"].to_string(), "0.812");
    assert_eq!((&score["present"], &score["regions"][0][1]), (&json!(true), &json!([20.5, 10.0])));
    assert_eq!(frontal["predictions"][0]["scores"][1]["present"], false);
    assert_eq!((&lateral["sop_instance"], &lateral["status"]), (&json!(LATERAL), &json!("skipped")));
    assert_eq!(lateral["reason"]["code"], "view");
    assert_eq!(lateral["reason"]["text"], "this is not a frontal film: the view is lateral");

    assert_eq!(study["results"][0]["sop_instance"], REPORT);
    assert_eq!((&study["results"][0]["bytes"], &study["results"][0]["model"]), (&json!(12_345), &json!("cxr-demo")));
    let states: BTreeMap<&str, &str> = study["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["destination"].as_str().unwrap(), d["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, BTreeMap::from([("archive", "refused"), ("pacs", "accepted")]));
}

#[tokio::test]
async fn the_timeline_counts_milliseconds() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    let study = node.get(&format!("/api/v1/studies/{STUDY}")).await.json();
    let timeline: Vec<(&str, i64, i64)> = study["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["kind"].as_str().unwrap(), e["ms"].as_i64().unwrap(), e["step_ms"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        timeline,
        [
            ("received", 0, 0),
            ("received", 400, 400),
            ("image_skipped", 400, 0),
            ("predicted", 900, 500),
            ("study_closed", 5_500, 4_600),
            ("results_built", 5_700, 200),
            ("delivered", 6_000, 300),
            ("delivery_refused", 6_500, 500),
        ]
    );
    assert_eq!(
        study["milliseconds"],
        json!({
            "received": 400,
            "predicted": [{ "sop_instance": FRONTAL, "after_received": 900, "decode_ms": 120, "predict_ms": 300 }],
            "closed": 5_100,
            "built": 200,
            "delivered": { "archive": null, "pacs": 300 },
            "total": null,
        })
    );
}

#[tokio::test]
async fn an_open_study_has_no_times_yet() {
    let node = Node::start().await;
    seed::received(&node, "1.2.4", "1.2.4.1", START).await;
    let study = node.get("/api/v1/studies/1.2.4").await.json();
    assert_eq!(study["instances"][0]["status"], "pending");
    assert_eq!(
        study["milliseconds"],
        json!({
            "received": 0, "predicted": [], "closed": null, "built": null, "delivered": {}, "total": null,
        })
    );
    node.get("/api/v1/studies/9.9").await.problem(404, "/api/v1/studies/9.9");
}

#[tokio::test]
async fn an_instance_is_told_with_its_variants() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    let instance = node.get(&format!("/api/v1/instances/{FRONTAL}")).await.json();
    assert_eq!(instance["header"]["age_years"], 63);
    assert_eq!(instance["header"]["view_position"], "PA");
    assert_eq!(instance["unknowns"], json!(["age"]));
    assert_eq!((&instance["priority"], &instance["calling"]), (&json!("medium"), &json!("XRAY")));
    assert_eq!(instance["variants"][0]["state"], "quarantined");
    assert_eq!(instance["variants"][0]["reason"], "pixels differ");
    assert_eq!(instance["predictions"][0]["decode_ms"], 120);
    node.get("/api/v1/instances/9.9").await.problem(404, "/api/v1/instances/9.9");
}

#[tokio::test]
async fn pages_lose_nothing_even_within_one_millisecond() {
    let node = Node::start().await;
    let mut tx = node.app.db.write().await.unwrap();
    for n in 0..23_i64 {
        let study = Uid::parse(&format!("1.7.{n}")).unwrap();
        studies::arrived(&mut tx, &[arrival(study.as_str(), START + n / 10)]).await.unwrap();
    }
    tx.commit().await.unwrap();
    for query in ["limit=4", "state=receiving&limit=4", "limit=23", "limit=22"] {
        let (mut seen, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!("/api/v1/studies?{query}"));
        while let Some(target) = next {
            let page = node.get(&target).await.json();
            let rows = page["studies"].as_array().unwrap();
            assert!(!rows.is_empty(), "no empty page: {target}");
            seen.extend(rows.iter().map(|s| (s["last_at"].to_string(), s["study_uid"].to_string())));
            next = page["next"].as_str().map(str::to_owned);
            pages += 1;
        }
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 23, "{query}");
        assert!(seen.windows(2).all(|pair| pair[0].0 >= pair[1].0), "the latest first");
        assert_eq!(
            pages,
            match query {
                "limit=23" => 1,
                "limit=22" => 2,
                _ => 6,
            },
            "{query}"
        );
    }
    let none = node.get("/api/v1/studies?state=failed").await.json();
    assert_eq!(none, json!({ "studies": [], "next": null }));
    let before = node.get("/api/v1/studies?before=2026-01-01T00:00:00.001Z").await.json();
    assert_eq!(before["studies"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn jobs_and_deliveries_are_filtered() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    seed::received(&node, "1.2.4", "1.2.4.1", START).await;
    seed::dead_job(&node, crate::store::jobs::JobKind::Predict, "1.2.4", "1.2.4.1").await;
    let count = async |target: &str, list: &str| node.get(target).await.json()[list].as_array().unwrap().len();
    assert_eq!(count("/api/v1/deliveries", "deliveries").await, 2);
    assert_eq!(count("/api/v1/deliveries?limit=1", "deliveries").await, 1);
    assert_eq!(count("/api/v1/deliveries?destination=pacs&study=1.2.3&state=accepted", "deliveries").await, 1);
    assert_eq!(count("/api/v1/deliveries?destination=pacs&state=refused", "deliveries").await, 0);
    let refused = node.get("/api/v1/deliveries?state=refused").await.json();
    assert_eq!(refused["deliveries"][0]["last_status"], "0x0122");
    assert_eq!(refused["deliveries"][0]["accepted_at"], Value::Null);
    assert_eq!(count("/api/v1/jobs?state=queued", "jobs").await, 0);
    assert_eq!(count("/api/v1/jobs?study=1.2.3", "jobs").await, 0);
    let dead = node.get("/api/v1/jobs?state=dead&study=1.2.4").await.json();
    assert_eq!(dead["jobs"][0]["last_error"], "inference: out of luck");
    assert_eq!(dead["jobs"][0]["attempts"], 3);
}

#[tokio::test]
async fn peers_come_with_their_deliveries() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    let peers = node.get("/api/v1/peers").await.json();
    assert_eq!(peers["ae_title"], "CENTINELA");
    assert_eq!(
        peers["peers"][0],
        json!({
            "name": "pacs", "ae_title": "ORTHANC", "host": "127.0.0.1", "port": 4242, "url": null, "folder": null,
            "sends": true, "deliver": "full",
            "kinds": ["sr", "gsps"], "on_skip": "all", "probe": null, "heard_at": null, "heard_from": null,
            "deliveries": { "accepted": 1 },
        })
    );
    assert_eq!(peers["peers"][1]["deliveries"], json!({ "refused": 1 }));
    assert_eq!(peers["peers"][2]["host"], Value::Null);
    assert_eq!(peers["peers"][2]["deliver"], "none");
    assert_eq!(peers["peers"][2]["on_skip"], "chest");

    seed::asked_and_heard(&node).await;
    let peers = node.get("/api/v1/peers").await.json();
    let probe = &peers["peers"][0]["probe"];
    assert_eq!((&probe["outcome"], &probe["recommended"]), (&json!("answered"), &json!("research")), "{probe:#}");
    assert_eq!(probe["sr_class"], "1.2.840.10008.5.1.4.1.1.88.33");
    assert_eq!(probe["classes"], json!({ "1.2.840.10008.5.1.4.1.1.88.33": ["1.2.840.10008.1.2"] }));
    assert_eq!(peers["peers"][0]["heard_from"], "10.0.0.7");
    assert!(peers["peers"][0]["heard_at"].is_string());
    assert_eq!(peers["peers"][1]["probe"], Value::Null, "asked under another entry");
}

#[tokio::test]
async fn the_loaded_model_tells_its_operating_points() {
    let without = Node::start().await;
    assert_eq!(without.get("/api/v1/models").await.json(), json!({ "models": [] }));
    assert_eq!(without.call("get", "/readyz", None).await.status, 200);
    let node = Node::with(&[("CENTINELA__STORAGE__MIN_FREE", "1")]).await;
    let models = node.get("/api/v1/models").await.json();
    let loaded = node.app.model.get().unwrap();
    let model = &models["models"][0];
    assert_eq!(model["name"], loaded.reference.name.as_str());
    assert_eq!(model["sha256"], loaded.reference.weights_sha256.as_str());
    assert_eq!(
        (model["age_min"].as_u64(), model["age_max"].as_u64()),
        (Some(loaded.ages.0.into()), Some(loaded.ages.1.into()))
    );
    let labels = model["labels"].as_array().unwrap();
    assert!(!labels.is_empty());
    for label in labels {
        let threshold = label["threshold"].as_f64().unwrap();
        assert!(threshold > 0.0 && threshold < 1.0, "{label}");
    }
    assert_eq!(node.call("get", "/readyz", None).await.body, "ready");
}

#[tokio::test]
async fn a_damaged_package_is_not_taken_and_a_whole_one_is() {
    let keep = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/test-synthetic-map-1.0.0");
    for file in ["manifest.toml", "reference.json", "weights.safetensors"] {
        std::fs::copy(source.join(file), keep.path().join(file)).unwrap();
    }
    let node = Node::with(&[("CENTINELA__ANALYZE__MODEL", keep.path().to_str().unwrap())]).await;
    let before = node.app.model.get().unwrap();
    let weights = keep.path().join("weights.safetensors");
    let good = std::fs::read(&weights).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    // Damaged, truncated, missing, and another model's under its name.
    let other = include_bytes!("../../../models/cxr-demo-0.1.0/weights.safetensors");
    for wrong in [Some(&bad[..]), Some(&good[..good.len() / 2]), None, Some(&other[..])] {
        std::fs::remove_file(&weights).unwrap();
        if let Some(bytes) = wrong {
            std::fs::write(&weights, bytes).unwrap();
        } else {
            std::fs::create_dir(&weights).unwrap();
        }
        let problem = node.post("/api/v1/models/reload").await.problem(409, "/api/v1/models/reload");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("The old model serves on:") && detail.contains("weights.safetensors"), "{detail}");
        assert!(Arc::ptr_eq(&before, &node.app.model.get().unwrap()));
        if wrong.is_none() {
            std::fs::remove_dir(&weights).unwrap();
            std::fs::write(&weights, b"").unwrap();
        }
    }
    std::fs::write(&weights, &good).unwrap();
    let manifest = std::fs::read_to_string(source.join("manifest.toml")).unwrap();
    assert!(manifest.contains("version = \"1.0.0\""));
    std::fs::write(keep.path().join("manifest.toml"), manifest.replace("\"1.0.0\"", "\"1.0.1\"")).unwrap();
    let answer = node.post("/api/v1/models/reload").await;
    assert_eq!((answer.status, answer.json()["models"][0]["version"].as_str()), (202, Some("1.0.1")));
    assert_eq!(node.app.model.get().unwrap().reference.version, "1.0.1");
    let events = node.get("/api/v1/events?kind=model_loaded").await.json();
    assert_eq!(events["events"][0]["detail"]["version"], "1.0.1");
    let without = Node::start().await;
    without.post("/api/v1/models/reload").await.problem(409, "/api/v1/models/reload");
}

#[tokio::test]
async fn a_full_disk_makes_the_node_unready() {
    let node = Node::with(&[
        ("CENTINELA__ANALYZE__ENABLED", "false"),
        ("CENTINELA__STORAGE__MIN_FREE", "9000000000000000000"),
    ])
    .await;
    let problem = node.call("get", "/readyz", None).await.problem(503, "/readyz");
    assert!(problem["reasons"][0].as_str().unwrap().contains("min_free"), "{problem}");
    assert_eq!(node.call("get", "/healthz", None).await.status, 200);
}

/// Reads the text format: samples by name and labels; every one belongs to the family above it.
fn parse(text: &str) -> BTreeMap<String, i64> {
    let (mut samples, mut families, mut family) = (BTreeMap::new(), BTreeSet::new(), String::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            match words[..] {
                ["HELP", name, help] => {
                    assert!(families.insert(name.to_owned()) && !help.is_empty(), "{line}");
                    family = name.to_owned();
                }
                ["TYPE", name, kind] => assert!(name == family && ["gauge", "counter"].contains(&kind), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        assert_eq!(sample.split('{').next(), Some(family.as_str()), "{line}");
        assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
    }
    samples
}

#[tokio::test]
async fn metrics_can_be_read() {
    let node = Node::start().await;
    let empty = node.call("get", "/metrics", None).await;
    assert_eq!(empty.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let samples = parse(&empty.body);
    assert_eq!(samples["centinela_studies{state=\"receiving\"}"], 0);
    assert_eq!(samples["centinela_oldest_undelivered_seconds{destination=\"pacs\"}"], 0);
    assert!(!empty.body.contains("room 1"), "it receives nothing");

    seed::delivered_study(&node).await;
    Counters::add(&node.app.counters.instances_stored, 2);
    node.app.clock.advance(65_700);
    let refused = node.get("/api/v1/deliveries?state=refused").await.json();
    let id = refused["deliveries"][0]["id"].as_str().unwrap();
    assert_eq!(node.post(&format!("/api/v1/deliveries/{id}/retry")).await.status, 202);
    let samples = parse(&node.call("get", "/metrics", None).await.body);
    for (sample, value) in [
        ("centinela_studies{state=\"analyzed\"}", 1),
        ("centinela_instances", 2),
        ("centinela_deliveries{destination=\"pacs\",state=\"accepted\"}", 1),
        ("centinela_deliveries{destination=\"archive\",state=\"refused\"}", 0),
        ("centinela_deliveries{destination=\"archive\",state=\"scheduled\"}", 1),
        ("centinela_oldest_undelivered_seconds{destination=\"archive\"}", 60),
        ("centinela_oldest_undelivered_seconds{destination=\"pacs\"}", 0),
        ("centinela_events_total{kind=\"received\"}", 2),
        ("centinela_events_total{kind=\"retry_requested\"}", 1),
        ("centinela_store_requests_total{outcome=\"stored\"}", 2),
        ("centinela_database_up", 1),
        ("centinela_model_loaded", 0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}");
    }
    assert!(samples["centinela_free_bytes"] > 0);
}

#[tokio::test]
async fn events_are_listed_by_kind_the_latest_first() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    let all = node.get("/api/v1/events").await.json();
    let seqs: Vec<i64> = all["events"].as_array().unwrap().iter().map(|e| e["seq"].as_i64().unwrap()).collect();
    assert!(seqs.len() > 3 && seqs.is_sorted_by(|a, b| a > b), "{seqs:?}");
    let skipped = node.get("/api/v1/events?kind=image_skipped&limit=1").await.json();
    assert_eq!(skipped["events"][0]["sop_instance"], LATERAL);
    let unknown = node.get("/api/v1/events?kind=nothing").await;
    assert!(unknown.status == 400 && unknown.body.contains("call_refused"), "{}", unknown.body);
}

#[tokio::test]
async fn no_answer_tells_who_the_patient_is() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    let commitment = seed::commitment(&node).await;
    let mut tx = node.app.db.read().await.unwrap();
    let row = crate::store::instances::find(&mut tx, FRONTAL).await.unwrap().unwrap();
    assert!(PHI.iter().all(|secret| row.header.contains(secret)), "the rows do hold it");
    let mut answered = 0;
    for route in routes::all().iter().filter(|route| route.method == "get") {
        let path = if route.path.contains("instances") { FRONTAL } else { STUDY };
        let reply = node.get(&route.path.replace("{uid}", path).replace("{id}", &commitment)).await;
        assert_eq!(reply.status, 200, "{}", route.path);
        for secret in PHI {
            assert!(!reply.body.contains(secret) && !reply.head.contains(secret), "{}: {secret}", route.path);
        }
        answered += 1;
    }
    assert_eq!(answered, 18);
    let metrics = node.call("get", "/metrics", None).await.body;
    assert!(!metrics.contains(STUDY) && !metrics.contains("2.25."), "no UID in metrics");
}
