//! What the night shift sees: `centinela status`, one study's chain, and their places in the API. What
//! docs/operations.md shows of them is compared with what the program really says.

use crate::harness::films::{Film, fixture};
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::until;
use serde_json::Value;
use std::path::PathBuf;

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")
}

/// Three destinations: one takes everything, one does not answer, one refuses.
struct Night {
    home: Home,
    film: Film,
    _ward: Pacs,
    archive: Pacs,
}

impl Night {
    fn new() -> Self {
        let (ward, archive, gone) = (Pacs::start(), Pacs::start(), Pacs::start().port);
        archive.answer(0x0124);
        let peer = |name: &str, port, deliver| Peer { name: name.into(), ..Peer::pacs(port, deliver) };
        let peers =
            [peer("ward", ward.port, "full"), peer("pacs", gone, "full"), peer("archive", archive.port, "research")];
        let home = Home::new(&peers);
        let text = "[alerts]\nundelivered_minutes = 0.01\n";
        std::fs::write(home.dir.path().join("centinela.toml"), text).unwrap();
        Self { home, film: fixture("dx_opacity"), _ward: ward, archive }
    }

    /// Sends the film and waits until everybody has said what he has to say, and the alerts stand.
    fn fall(&self, node: &Node<'_>) {
        must_push(node.dicom, &self.film);
        until("the ward has everything, the archive refused, the PACS did not answer, and alerts stand", || {
            let status = node.get("/api/v1/status");
            let of = |name: &str| status["destinations"].as_array()?.iter().find(|d| d["name"] == name).cloned();
            let (ward, pacs, archive) = (of("ward")?, of("pacs")?, of("archive")?);
            let done = |d: &Value| d["accepted"].as_i64().unwrap() + d["committed"].as_i64().unwrap();
            let settled = done(&ward) > 0 && ward["undelivered"] == 0 && archive["refused"] == 1;
            let away = pacs["undelivered"].as_i64()? > 0 && pacs["last_error"].is_string();
            (settled && away && status["alerts"].as_array()?.len() == 2).then_some(())
        });
    }

    fn status(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let done = self.home.command(&[&["status"], arguments].concat()).output().unwrap();
        assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    }
}

#[test]
fn the_night_shift_is_told_who_lacks_what_and_what_to_do() {
    let night = Night::new();
    let node = night.home.start();
    night.fall(&node);
    let (code, text) = night.status(&[]);
    assert_eq!(code, Some(1), "somebody has to look: {text}");
    for words in [
        "the node runs",
        "[!!] pacs: ",
        "`centinela doctor pacs` tells more",
        "[!!] archive: 1 result was refused: archive answered 0x0124",
        "(Refused: not authorized)",
        "then retry: `centinela delivery retry --destination archive`",
        "alerts     these stand:",
        "Nothing is lost",
    ] {
        assert!(text.contains(words), "{words:?} is missing:\n{text}");
    }
    let json: Value = serde_json::from_str(&night.status(&["--json"]).1).unwrap();
    let told = node.get("/api/v1/status");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&json), keys(&told), "the command and the API say the same");
    assert_eq!(json["destinations"][1]["undelivered"], told["destinations"][1]["undelivered"]);
    assert_eq!(json["troubles"].as_array().unwrap().len(), 2, "{json:#}");
    shown("status", || night.status(&[]).1);

    let (code, text) = night.status(&["--study", &night.film.study]);
    assert_eq!(code, Some(1), "{text}");
    shown("study", || night.status(&["--study", &night.film.study]).1);
    let chain = node.get(&format!("/api/v1/studies/{}/chain", night.film.study));
    for step in ["received_at", "durable_at", "analyzed_at", "closed_at", "built_at"] {
        assert!(chain[step].is_string(), "{step}: {chain:#}");
    }
    let times: Vec<&str> = ["received_at", "durable_at", "analyzed_at", "built_at"]
        .iter()
        .map(|step| chain[*step].as_str().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(chain["accepted_at"].is_null(), "not everybody has everything: {chain:#}");
    assert_eq!(chain["missing"].as_array().unwrap().len(), 2, "{chain:#}");
    node.stop();
}

#[test]
fn a_node_that_does_not_run_is_told_first_and_a_quiet_one_needs_nobody() {
    let ward = Pacs::start();
    let home = Home::new(&[Peer { name: "ward".into(), ..Peer::pacs(ward.port, "research") }]);
    let status = |arguments: &[&str]| home.command(&[&["status"], arguments].concat()).output().unwrap();
    let none = status(&[]);
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("has no database"), "{none:?}");
    assert!(!home.data().join("centinela.db").exists(), "a look makes nothing");

    let node = home.start();
    let film = fixture("dx_opacity");
    must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    let quiet = status(&[]);
    let text = String::from_utf8(quiet.stdout).unwrap();
    assert_eq!(quiet.status.code(), Some(0), "{text}");
    assert!(text.contains("Nothing needs a hand.") && !text.contains("[!!]"), "{text}");
    let chain = status(&["--study", &film.study]);
    assert_eq!(chain.status.code(), Some(0), "{chain:?}");
    assert!(String::from_utf8_lossy(&chain.stdout).contains("Nothing is missing."), "{chain:?}");
    let unknown = status(&["--study", "1.2.3"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no study has the UID 1.2.3"), "{unknown:?}");
    node.stop();

    let stopped = status(&[]);
    let text = String::from_utf8(stopped.stdout).unwrap();
    assert_eq!(stopped.status.code(), Some(1), "{text}");
    assert!(text.contains("[!!] the node does not run"), "{text}");
    let json: Value = serde_json::from_slice(&status(&["--json"]).stdout).unwrap();
    assert_eq!((&json["running"], &json["destinations"][0]["accepted"]), (&Value::Bool(false), &Value::from(1)));
}

#[test]
fn a_retry_clears_what_was_refused() {
    let night = Night::new();
    let node = night.home.start();
    night.fall(&node);
    night.archive.answer(0);
    let refused = node.get("/api/v1/deliveries?state=refused");
    let id = refused["deliveries"][0]["id"].as_str().unwrap();
    assert_eq!(node.ask("POST", &format!("/api/v1/deliveries/{id}/retry")).status, 202);
    until("the archive has it", || {
        let status = node.get("/api/v1/status");
        let archive = status["destinations"].as_array()?.iter().find(|d| d["name"] == "archive").cloned()?;
        (archive["refused"] == 0 && archive["accepted"] == 1 && archive["undelivered"] == 0).then_some(())
    });
    let (_, text) = night.status(&[]);
    assert!(!text.contains("[!!] archive"), "{text}");
}

/// Compares an output with the block after `<!-- output: NAME -->` in the page, figures and times apart;
/// with CENTINELA_WRITE_DOCS=1 it is put there.
fn shown(name: &str, ask: impl Fn() -> String) {
    let output = ask();
    let text = std::fs::read_to_string(page()).unwrap();
    let mark = format!("<!-- output: {name} -->\n```\n");
    let (before, behind) = text.split_once(&mark).unwrap_or_else(|| panic!("the page has no output {name}"));
    let (block, after) = behind.split_once("```").unwrap();
    if std::env::var_os("CENTINELA_WRITE_DOCS").is_some() {
        std::fs::write(page(), format!("{before}{mark}{output}```{after}")).unwrap();
        return;
    }
    // A look that falls into an attempt may see its object on its way.
    let same = (0..5).any(|_| masked(block) == masked(&ask()));
    let why = "docs/operations.md shows another output; CENTINELA_WRITE_DOCS=1 puts this one there";
    assert!(same, "{why}:\n{output}\n{:#?}\n{:#?}", masked(block), masked(&output));
}

/// The words of each line, every figure `#`, every span of time and every UID one of them.
fn masked(text: &str) -> Vec<String> {
    let word = |word: &str| {
        let mut masked = String::new();
        for c in word.chars() {
            match c {
                '0'..='9' if masked.ends_with('#') => {}
                '0'..='9' => masked.push('#'),
                // Times, figures and UIDs differ in length.
                '.' | ':' | '-' if masked.ends_with('#') => {}
                c => masked.push(c),
            }
        }
        match word {
            "h" | "min" | "s" | "d" => "#".to_owned(),
            "s)" | "min)" => "#)".to_owned(),
            // The next try is due, or it is not yet.
            "now" => "# (in # #)".to_owned(),
            _ => masked,
        }
    };
    let line = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(word).collect();
        let text = words.join(" ");
        let mut words: Vec<&str> = text.split(' ').collect();
        words.dedup_by(|a, b| *a == "#" && *b == "#");
        words.join(" ")
    };
    text.lines().map(line).collect()
}
