//! `centinela doctor`: the right recommendation or cause for each peer, on text and exit code.

mod causes;
mod inward;
mod tls;

use crate::harness::dcmtk::{GSPS, SC, SR_3D, SR_COMPREHENSIVE, SR_ENHANCED, StoreScp};
use crate::harness::node::{Home, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::tools::{python, script};
use crate::orthanc::Orthanc;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// What the command says.
struct Said {
    code: i32,
    text: String,
}

impl Said {
    /// Fails unless the lines of the text have all these words somewhere.
    fn has(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.text.contains(word), "no {word:?} in:\n{}", self.text);
        }
        self
    }

    /// Fails unless the exit code is this one.
    fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }

    /// The line that begins with this mark and name.
    fn line(&self, mark: &str, name: &str) -> &str {
        let begin = format!("{mark} {name} ");
        self.text.lines().find(|l| l.starts_with(&begin)).unwrap_or_else(|| panic!("no {begin:?} in:\n{}", self.text))
    }
}

fn doctor(home: &Home, arguments: &[&str]) -> Said {
    let arguments: Vec<_> = ["doctor"].iter().chain(arguments).copied().collect();
    let done = home.command(&arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    Said { code: done.status.code().unwrap(), text }
}

fn report(home: &Home, arguments: &[&str]) -> Value {
    let arguments: Vec<_> = ["doctor", "--json"].iter().chain(arguments).copied().collect();
    let done = home.command(&arguments).output().unwrap();
    serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&done.stderr)))
}

fn check<'r>(report: &'r Value, name: &str) -> &'r Value {
    report["checks"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()
}

/// A home with the PACS at this port, which is not to call us.
fn home(port: u16, deliver: &'static str) -> Home {
    Home::new(&[Peer::pacs(port, deliver)])
}

/// pynetdicom with moods.
struct Moody {
    port: u16,
    child: Child,
}

impl Moody {
    fn start(options: &Value) -> Self {
        let mut child = Command::new(python())
            .args([script("doctor_peer.py").to_str().unwrap(), &options.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().unwrap(), child }
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn orthanc_takes_everything() {
    let orthanc = Orthanc::start();
    let home = home(orthanc.dicom, "full");
    let said = doctor(&home, &["pacs"]);
    said.ends(0).has(&[
        "accepted CENTINELA",
        "OFFIS_DCMTK_",
        "Recommended: deliver = \"full\"",
        "Configured:  deliver = \"full\"",
        "it takes sr, gsps",
        "AE title CENTINELA   host 127.0.0.1   port 11112   TLS no",
        "\"DicomModalities\": { \"centinela\": { \"AET\": \"CENTINELA\", \"Host\": \"127.0.0.1\", \"Port\": 11112",
        "centinela = (CENTINELA, 127.0.0.1, 11112)",
        "Results can be delivered as configured, by what the peer says; --store proves it.",
    ]);
    for name in ["name", "connection", "association", "C-ECHO", "delivery"] {
        said.line("[ok]", name);
    }
    for name in ["TLS", "C-STORE", "inward"] {
        assert!(said.line("[--]", name).contains("not tested: "));
    }
    let report = report(&home, &["pacs"]);
    assert_eq!((&report["deliverable"], &report["recommended"]["deliver"]), (&json!(true), &json!("\"full\"")));
    assert_eq!(report["recommended"]["sr_class"], SR_3D);
    assert_eq!(report["max_pdu"], 16_384);
    for class in report["classes"].as_array().unwrap() {
        assert_eq!(class["refusal"], Value::Null, "{class}");
        assert!(class["accepted"].as_array().unwrap().len() >= 2, "{class}");
    }
}

#[test]
fn refused_kinds_lead_to_the_deliver_that_fits() {
    for (classes, configured, recommended, words) in [
        (
            &[GSPS, SC][..],
            "full",
            "[\"gsps\", \"sc\"]",
            "has sr, which it does not take: class not supported (reason 3)",
        ),
        (&[SR_3D, SC], "full", "[\"sr\", \"sc\"]", "has gsps, which it does not take: class not supported"),
        (&[SC], "compat", "\"minimal\"", "has sr, gsps, which it does not take"),
        (&[SR_3D], "full", "\"research\"", "has gsps, which"),
    ] {
        let pacs = StoreScp::taking(classes);
        let said = doctor(&home(pacs.port, configured), &["pacs"]);
        let fits = format!("deliver = {recommended} into peer \"pacs\" in ae-titles.toml");
        said.ends(1).has(&[&format!("Recommended: deliver = {recommended}"), words, &fits, "can NOT be delivered"]);
        assert!(said.line("[!!]", "delivery").contains(words));
    }
}

#[test]
fn what_fits_is_deliverable() {
    for (classes, configured, recommended, words) in [
        (&[SR_3D, GSPS][..], "full", "\"full\"", "it takes sr, gsps"),
        (&[SR_3D, SC], "auto", "[\"sr\", \"sc\"]", "deliver = \"auto\": it gets sr, sc"),
        (&[SR_COMPREHENSIVE, GSPS, SC], "compat", "\"compat\"", "reports go as Comprehensive SR"),
        (&[SR_ENHANCED, GSPS], "full", "\"full\"", "reports go as Enhanced SR"),
    ] {
        let pacs = StoreScp::taking(classes);
        let said = doctor(&home(pacs.port, configured), &["pacs", "--store"]);
        let all = "Results can be delivered as configured.";
        said.ends(0).has(&[&format!("Recommended: deliver = {recommended}"), words, all]);
    }
    let list = "[[peer]]\nname = \"list\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = PORT\ndeliver = [\"sr\", \"sc\"]\n";
    let pacs = StoreScp::taking(&[SR_3D, SC]);
    let home = Home::new(&[]).peers_text(&list.replace("PORT", &pacs.port.to_string()));
    doctor(&home, &["list"]).ends(0).has(&["Configured:  deliver = [\"sr\", \"sc\"]"]);
}

#[test]
fn a_peer_that_knows_only_implicit_vr_is_fine() {
    let pacs = StoreScp::start(&[SR_3D, GSPS], &["LittleEndianImplicit"], &[]);
    let said = doctor(&home(pacs.port, "full"), &["pacs", "--store"]);
    said.ends(0).has(&["in Implicit VR Little Endian only, which is fine"]);
    assert!(said.line("[ok]", "C-STORE").contains("0x0000"));
    let row = said.text.lines().find(|line| line.contains("(sr)")).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(row[row.len() - 2..], ["no", "yes"], "{row:?}");
}

#[test]
fn a_peer_without_deliver_is_not_deliverable_and_told_what_fits() {
    let pacs = StoreScp::taking(&[SR_3D, GSPS]);
    let said = doctor(&home(pacs.port, "none"), &["pacs"]);
    said.ends(1).has(&["nothing would be sent there", "write deliver = \"full\" into peer \"pacs\""]);
}

#[test]
fn one_marked_test_object_is_stored_on_demand() {
    for (classes, modality) in [(&[SR_ENHANCED, SC][..], "SR"), (&[SC], "OT")] {
        let pacs = StoreScp::taking(classes);
        let home = home(pacs.port, "auto");
        for _ in 0..2 {
            let said = doctor(&home, &["pacs", "--store"]);
            said.ends(0);
            let line = said.line("[ok]", "C-STORE");
            assert!(line.contains("0x0000") && line.contains("CENTINELA-TEST \"TEST^CENTINELA\""), "{line}");
        }
        let received = pacs.received();
        assert_eq!(received.len(), 1, "the same object all day");
        assert_eq!(received[0].modality, modality);
        let texts = received[0].texts();
        assert!(texts.iter().any(|t| t == "CONNECTION TEST, NO PATIENT"), "{texts:?}");
        let file = home.dir.path().join("test.dcm");
        received[0].data.write_to_file(&file).unwrap();
        let judged = Command::new("dciodvfy").args(["-new", file.to_str().unwrap()]).output().unwrap();
        let judged = String::from_utf8_lossy(&judged.stderr).into_owned();
        assert!(!judged.contains("Error") && !judged.contains("Warning"), "{judged}");
    }
    let full = Pacs::start();
    full.answer(0xA700);
    let said = doctor(&home(full.port, "full"), &["pacs", "--store"]);
    said.ends(1).has(&["answered with 0xA700", "is the peer's disk full?"]);
    said.line("[ok]", "delivery");
}

#[test]
fn what_it_takes_is_kept_beside_a_running_node() {
    let pacs = Pacs::taking(0, &[SR_3D, SC]);
    let home = home(pacs.port, "full");
    doctor(&home, &["pacs"]).ends(1).has(&["was not kept for the node", "no database yet"]);
    let node = home.start();
    doctor(&home, &["pacs"]).ends(1).has(&["What it takes was kept for the node."]);
    let peers = node.get("/api/v1/peers");
    let pacs = peers["peers"].as_array().unwrap().iter().find(|p| p["name"] == "pacs").unwrap();
    let probe = &pacs["probe"];
    assert_eq!((&probe["outcome"], &probe["recommended"]), (&json!("answered"), &json!("sr, sc")), "{pacs:#}");
    assert_eq!(probe["implementation"].as_str().map(|i| i.starts_with("TESTPACS (2.25.")), Some(true));
    assert_eq!(probe["classes"][SC].as_array().map(Vec::len), Some(3), "{probe:#}");
    assert_eq!(probe["classes"][GSPS], json!([]));
}
