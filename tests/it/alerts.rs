//! Alerts: raised while a destination is away, told to a webhook with a signature that another
//! implementation checks, told later if the webhook was away, cleared once everything arrived.

use crate::harness::films::fixture;
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::tools::{must, python};
use crate::harness::web::Web;
use crate::harness::{until, until_within};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const SECRET: &str = "a secret that signs the calls";

/// A home whose alerts come after 0.6 s and go to these webhooks.
fn home(peers: &[Peer], hooks: &[(&str, u16)]) -> Home {
    let home = Home::new(peers);
    let secret = home.dir.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let hooks: Vec<String> = hooks
        .iter()
        .map(|(name, port)| {
            format!(
                "{{ name = \"{name}\", address = \"http://127.0.0.1:{port}/hook\", secret_file = \"{}\" }}",
                secret.display()
            )
        })
        .collect();
    let text = format!("[alerts]\nundelivered_minutes = 0.01\nwebhooks = [{}]\n", hooks.join(", "));
    std::fs::write(home.dir.path().join("centinela.toml"), text).unwrap();
    home
}

fn calls(web: &Web) -> Vec<Value> {
    web.told().iter().map(|told| serde_json::from_str(&told.body).unwrap()).collect()
}

fn kinds(web: &Web) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    calls(web).iter().map(|call| (word(&call["type"]), word(&call["alert"]["kind"]))).collect()
}

#[test]
fn a_destination_that_is_away_is_told_of_and_told_of_again_when_it_is_back() {
    let port = Pacs::start().port;
    let web = Web::start();
    let home = home(&[Peer::pacs(port, "research")], &[("ops", web.port)]);
    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    until("the alert is told", || (!web.told().is_empty()).then_some(()));
    let expected = |what: &str| (what.to_owned(), "destination_behind".to_owned());
    assert_eq!(kinds(&web), [expected("alert.raised")]);
    let call = &calls(&web)[0];
    assert_eq!(call["alert"]["subject"], "pacs");
    assert!(call["alert"]["remedy"].as_str().unwrap().contains("centinela doctor"), "{call}");
    let listed = &node.get("/api/v1/alerts")["alerts"][0];
    assert_eq!((&listed["kind"], &listed["destination"]), (&"destination_behind".into(), &"pacs".into()));
    assert!(listed["cleared_at"].is_null());

    let pacs = Pacs::start_on(port);
    until_within(Duration::from_secs(120), "the report arrives", || (!pacs.shelf().is_empty()).then_some(()));
    until("the end is told", || (web.told().len() == 2).then_some(()));
    assert_eq!(kinds(&web), [expected("alert.raised"), expected("alert.cleared")]);
    assert_eq!(calls(&web)[0]["alert"]["id"], calls(&web)[1]["alert"]["id"]);

    for told in web.told() {
        let signature = told.header("webhook-signature").unwrap();
        let (id, timestamp) = (told.header("webhook-id").unwrap(), told.header("webhook-timestamp").unwrap());
        let script = "import base64, hashlib, hmac, sys\nsecret, text = (a.encode() for a in sys.argv[1:])\n\
            print('v1,' + base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode())";
        let signed = std::process::Command::new(python())
            .args(["-c", script, SECRET, &format!("{id}.{timestamp}.{}", told.body)])
            .output()
            .unwrap();
        assert_eq!(signature, String::from_utf8(signed.stdout).unwrap().trim());
    }
    assert_ne!(web.told()[0].header("webhook-id"), web.told()[1].header("webhook-id"));
}

#[test]
fn a_webhook_that_was_away_hears_everything_in_order_and_holds_up_nobody() {
    let port = Pacs::start().port;
    let (away, there) = (Web::start(), Web::start());
    away.answer(503);
    let home = home(&[Peer::pacs(port, "research")], &[("away", away.port), ("there", there.port)]);
    let node = home.start();
    must_push(node.dicom, &fixture("dx_opacity"));
    until("the alert is told where it can be", || (!there.told().is_empty()).then_some(()));
    until("the other was asked, too", || (!away.told().is_empty()).then_some(()));
    // A restart forgets neither the alert nor who has not heard of it.
    node.stop();
    let node = home.start();
    let _pacs = Pacs::start_on(port);
    until_within(Duration::from_secs(120), "the end is told where it can be", || {
        (there.told().len() == 2).then_some(())
    });
    away.answer(204);
    let last = || kinds(&away).into_iter().map(|(what, _)| what).collect::<Vec<_>>();
    until_within(Duration::from_secs(120), "the other hears both", || {
        last().ends_with(&["alert.raised".to_owned(), "alert.cleared".to_owned()]).then_some(())
    });
    let refused: Vec<_> = away.told().iter().map(|t| t.header("webhook-id").unwrap().to_owned()).collect();
    assert_eq!(refused.first(), refused.get(refused.len() - 2), "a repetition has the identifier of the first try");
    drop(node);
}

#[test]
fn webhooks_that_would_tell_in_the_clear_or_unsigned_by_mistake_are_refused() {
    let home = Home::new(&[]);
    let short = home.dir.path().join("short");
    std::fs::write(&short, "short").unwrap();
    let text = format!(
        "[alerts]\nqueued_minutes = 0.0\nwebhooks = [\
         {{ name = \"clear\", address = \"http://ops.example/hook\" }}, \
         {{ name = \"nobody\", address = \"https://ops.example/hook\" }}, \
         {{ name = \"short\", address = \"http://127.0.0.1:1/\", secret_file = \"{}\" }}, \
         {{ name = \"missing\", address = \"http://127.0.0.1:1/\", secret_file = \"/nowhere/secret\" }}]\n",
        short.display()
    );
    std::fs::write(home.dir.path().join("centinela.toml"), text).unwrap();
    let out = home.command(&["config", "check"]).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2), "{said}");
    for words in [
        "queued_minutes = 0",
        "webhook \"clear\": http:// would send it in the clear",
        "webhook \"nobody\": https needs ca",
        "webhook \"short\": secret_file",
        "at least 16 characters",
        "webhook \"missing\": secret_file /nowhere/secret: cannot be read",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn the_rules_for_prometheus_hold_and_name_metrics_that_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/prometheus");
    let rules = folder.join("centinela.rules.yml");
    must("promtool", &["check", "rules", rules.to_str().unwrap()]);
    must("promtool", &["test", "rules", folder.join("centinela.rules.test.yml").to_str().unwrap()]);

    let home = Home::new(&[Peer::pacs(9, "research")]);
    let node = home.start();
    must_push(node.dicom, &fixture("dx_opacity"));
    let page = node.ask("GET", "/metrics").body;
    let text = std::fs::read_to_string(&rules).unwrap();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|w| w.starts_with("centinela_"));
    let mut seen = 0;
    for metric in words {
        assert!(page.contains(&format!("# TYPE {metric} ")), "{metric} is no metric of the node");
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
    assert!(page.contains("state=\"refused\""), "the state that a rule names");
}
