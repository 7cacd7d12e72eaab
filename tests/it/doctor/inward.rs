//! The way in: called back by storage commitment or by hand, heard by the node or by the command itself.

use super::{Moody, Said, doctor};
use crate::harness::dcmtk::{GSPS, SR_3D};
use crate::harness::films::fixture;
use crate::harness::modality::{must_push, push_as};
use crate::harness::node::{Home, Peer};
use crate::harness::tools::{free_port, run};
use crate::harness::until;
use crate::orthanc::Orthanc;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn home(port: u16, own: u16, sends: bool) -> Home {
    let home = Home::new(&[Peer { sends, ..Peer::pacs(port, "full") }]);
    home.set("CENTINELA__DICOM__PORT", &own.to_string())
}

fn moody(calls: u16, commit: u16) -> Moody {
    Moody::start(&json!({ "classes": [SR_3D, GSPS], "calls": calls, "commit": commit }))
}

/// Sends C-ECHOs as this title while the command runs.
fn echoing(title: &str, port: u16, home: &Home, arguments: &[&str]) -> Said {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                run("echoscu", &["-aet", title, "-aec", "CENTINELA", "127.0.0.1", &port.to_string()]);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let said = doctor(home, arguments);
        done.store(true, Ordering::SeqCst);
        said
    })
}

/// A node on a port that was chosen before.
struct Serving(Child);

impl Serving {
    fn start(home: &Home, port: u16) -> Self {
        let mut command = home.command(&["serve", "--api-port", "0"]);
        let serving = Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        until("the node listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn orthanc_calls_back_when_it_is_asked_for_commitment() {
    let own = free_port();
    let modality = json!({ "AET": "CENTINELA", "Host": "127.0.0.1", "Port": own, "AllowStorageCommitment": true });
    let orthanc = Orthanc::start_with(json!({ "DicomModalities": { "centinela": modality } }));
    let said = doctor(&home(orthanc.dicom, own, true), &["pacs"]);
    let line = said.ends(0).line("[ok]", "inward");
    assert!(line.contains("PACS called us from 127.0.0.1") && line.contains("heard by this command"), "{line}");
    // Without an entry for us it does not know where to call.
    let stranger = Orthanc::start();
    let said = doctor(&home(stranger.dicom, free_port(), true), &["pacs"]);
    assert!(said.ends(0).line("[--]", "inward").contains("--wait SECONDS"), "{}", said.text);
}

#[test]
fn the_running_node_hears_it() {
    let own = free_port();
    let peer = moody(own, 0);
    let home = home(peer.port, own, true);
    let _node = Serving::start(&home, own);
    let said = doctor(&home, &["pacs"]);
    let line = said.ends(0).line("[ok]", "inward");
    assert!(line.contains("PACS called us") && line.contains("the node heard it"), "{line}");
}

#[test]
fn the_node_tells_when_peers_called() {
    let home = Home::new(&[]);
    let node = home.start();
    let peer = || node.get("/api/v1/peers")["peers"][0].clone();
    assert_eq!((&peer()["name"], &peer()["heard_at"]), (&json!("modality"), &Value::Null));
    must_push(node.dicom, &fixture("hip"));
    let heard = until("the call is written", || Some(peer()).filter(|p| !p["heard_at"].is_null()));
    assert_eq!(heard["heard_from"], "127.0.0.1");
    assert!(push_as("NOBODY", node.dicom, &fixture("hip")).is_err());
}

#[test]
fn nobody_calls() {
    let own = free_port();
    let peer = moody(0, 0);
    let said = doctor(&home(peer.port, own, true), &["pacs"]);
    // Results can be delivered all the same.
    let line = said.ends(0).line("[??]", "inward");
    assert!(line.contains("PACS did not call us within 10 s"), "{line}");
    said.has(&["create the entry below", &format!("is port {own} of this machine open")]);
    let refusing = moody(0, 0x0110);
    let said = doctor(&home(refusing.port, own, true), &["pacs"]);
    assert!(said.ends(0).line("[--]", "inward").contains("answered 0x0110"), "{}", said.text);
}

#[test]
fn somebody_presses_echo() {
    let own = free_port();
    let peer = Moody::start(&json!({ "classes": [SR_3D, GSPS] }));
    let known = home(peer.port, own, true);
    let said = echoing("PACS", own, &known, &["pacs", "--wait", "20"]);
    said.ends(0).has(&["Now have PACS call CENTINELA at 127.0.0.1:"]);
    assert!(said.line("[ok]", "inward").contains("somebody there had it call"), "{}", said.text);
    // Another title is not this peer.
    let said = echoing("OTHER", own, &known, &["pacs", "--wait", "2"]);
    let line = said.line("[??]", "inward");
    assert!(line.contains("did not call us within 2 s; others did: OTHER from 127.0.0.1"), "{line}");
    // Who may not call the node is told so.
    let said = echoing("PACS", own, &home(peer.port, own, false), &["pacs", "--wait", "20"]);
    said.ends(0).has(&["the node would refuse it", "write sends = true into peer \"pacs\""]);
    said.line("[??]", "inward");
}

#[test]
fn what_cannot_be_tested_is_said() {
    let own = free_port();
    let peer = Moody::start(&json!({ "classes": [SR_3D, GSPS] }));
    let said = doctor(&home(peer.port, own, false), &["pacs"]);
    assert!(said.ends(0).line("[--]", "inward").contains("not to call us (sends = false)"));
    let said = doctor(&home(peer.port, own, true), &["pacs"]);
    assert!(said.ends(0).line("[--]", "inward").contains("it offers no storage commitment"));
    let _taken = TcpListener::bind(("127.0.0.1", own)).unwrap();
    let said = doctor(&home(peer.port, own, true), &["pacs", "--wait", "1"]);
    assert!(said.ends(0).line("[--]", "inward").contains("another program has its port"), "{}", said.text);
}
