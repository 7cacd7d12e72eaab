//! Everything that can be wrong on the way out, each with its cause and remedy.

use super::{Moody, check, doctor, home, report};
use crate::harness::dcmtk::{GSPS, SR_3D};
use crate::harness::node::Home;
use crate::harness::tools::free_port;
use crate::orthanc::Orthanc;
use serde_json::json;
use socket2::{Domain, Socket, Type};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn a_closed_port() {
    let said = doctor(&home(free_port(), "full"), &["pacs"]);
    said.ends(1).has(&["nothing listens there", "start the DICOM service", "correct port of peer \"pacs\""]);
    said.line("[!!]", "connection");
    said.line("[--]", "association");
}

#[test]
fn a_name_without_an_address() {
    let peer =
        "[[peer]]\nname = \"far\"\nae_title = \"FAR\"\nhost = \"pacs.invalid\"\nport = 104\ndeliver = \"full\"\n";
    let home = Home::new(&[]).peers_text(peer);
    let said = doctor(&home, &["far"]);
    said.ends(1).has(&["the name \"pacs.invalid\" has no address", "correct host of peer \"far\""]);
    said.line("[!!]", "name");
    assert_eq!(check(&report(&home, &["far"]), "name")["cause"], "name");
}

#[test]
fn a_host_that_never_answers() {
    // A full queue of a socket that nobody serves drops further connections, as a firewall does.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
    }
    let begin = Instant::now();
    let said = doctor(&home(address.port(), "full"), &["pacs", "--timeout", "1"]);
    said.ends(1).has(&["does not answer at all", "firewall"]);
    said.line("[!!]", "connection");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_port_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = home(silent.local_addr().unwrap().port(), "full");
    let said = doctor(&home, &["pacs", "--timeout", "1"]);
    said.ends(1).has(&["takes the connection and says nothing", "look into the peer's log"]);
    said.line("[ok]", "connection");
    said.line("[!!]", "association");
}

#[test]
fn a_web_server_and_other_services() {
    let orthanc = Orthanc::start();
    let said = doctor(&home(orthanc.http, "full"), &["pacs", "--timeout", "2"]);
    said.ends(1).has(&["is a web server, not a DICOM port", "Orthanc: DicomPort, not HttpPort"]);
    for (banner, words) in [("SSH-2.0-OpenSSH_9\r\n", "is an SSH server"), ("220 mail ready\r\n", "is no DICOM")] {
        let service = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = service.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in service.incoming() {
                let _ = stream.unwrap().write_all(banner.as_bytes());
            }
        });
        let said = doctor(&home(port, "full"), &["pacs", "--timeout", "2"]);
        said.ends(1).has(&[words, "correct port of peer \"pacs\""]);
    }
}

#[test]
fn a_wrong_title_of_theirs() {
    let orthanc = Orthanc::start_with(json!({ "DicomAet": "OTHER" }));
    let pynetdicom = Moody::start(&json!({ "title": "OTHER" }));
    for port in [orthanc.dicom, pynetdicom.port] {
        let said = doctor(&home(port, "full"), &["pacs"]);
        said.ends(1).has(&["it is not called PACS", "1/1/7", "set ae_title of peer \"pacs\""]);
        said.line("[!!]", "association");
    }
}

#[test]
fn our_title_is_not_known_there() {
    let peer = Moody::start(&json!({ "calling": ["SOMEBODY"], "classes": [SR_3D, GSPS] }));
    let said = doctor(&home(peer.port, "full"), &["pacs"]);
    // The entry to create is the remedy: it must be complete.
    said.ends(1).has(&["it does not know CENTINELA", "1/1/3", "create the entry", "host 127.0.0.1   port 11112"]);
    let strict = json!({
        "DicomAlwaysAllowEcho": false, "DicomAlwaysAllowStore": false, "DicomAlwaysAllowFind": false,
        "DicomAlwaysAllowGet": false,
    });
    let orthanc = Orthanc::start_with(strict);
    let said = doctor(&home(orthanc.dicom, "full"), &["pacs"]);
    said.ends(1).has(&["it does not know CENTINELA", "create the entry"]);
}

#[test]
fn known_there_without_the_right_to_store() {
    let peer = Moody::start(&json!({}));
    let said = doctor(&home(peer.port, "full"), &["pacs"]);
    said.ends(1).has(&["takes none of our objects from us", "allow this node to store"]);
    said.line("[ok]", "C-ECHO");
    // Orthanc accepts every class and then aborts: only an object shows it.
    let orthanc = Orthanc::start_with(json!({ "DicomAlwaysAllowStore": false }));
    let home = home(orthanc.dicom, "full");
    doctor(&home, &["pacs"]).ends(0).has(&["--store proves it"]);
    let said = doctor(&home, &["pacs", "--store"]);
    said.ends(1).has(&["no right to store there", "AllowStore", "can NOT be delivered"]);
    said.line("[!!]", "C-STORE");
}

#[test]
fn no_place_and_other_rejections() {
    let said = |rejection: [u8; 3]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let [result, source, reason] = rejection;
                let _ = stream.unwrap().write_all(&[3, 0, 0, 0, 0, 4, 0, result, source, reason]);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        doctor(&home(port, "full"), &["pacs"])
    };
    said([2, 3, 2]).ends(1).has(&["has no place now", "local limit exceeded (2/3/2)", "try again in a minute"]);
    said([1, 1, 1]).ends(1).has(&["refused the association", "no reason given (1/1/1)", "its log tells"]);
    said([1, 1, 2]).ends(1).has(&["application context name not supported (1/1/2)"]);
}

#[test]
fn echo_refused_or_answered_with_a_failure() {
    let classes = [SR_3D, GSPS];
    let unwell = Moody::start(&json!({ "echo": 0x0110, "classes": classes }));
    let said = doctor(&home(unwell.port, "full"), &["pacs"]);
    assert!(said.ends(0).line("[??]", "C-ECHO").contains("0x0110"));
    let silent = Moody::start(&json!({ "echo": null, "classes": classes }));
    let said = doctor(&home(silent.port, "full"), &["pacs"]);
    assert!(said.ends(0).line("[??]", "C-ECHO").contains("does not take C-ECHO"));
}

#[test]
fn a_peer_that_is_not_configured() {
    let home = home(1, "full");
    doctor(&home, &["pasc"]).ends(1).has(&["no peer is named \"pasc\"", "modality", "pacs"]);
    doctor(&home, &["modality"]).ends(1).has(&["has no host and port in ae-titles.toml"]);
}
