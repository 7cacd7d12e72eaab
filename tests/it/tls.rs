//! DICOM TLS on the wire: which versions, ciphers and certificates are let in, and what the others
//! are told; foreign tools and hand-made hellos against the real program.

use crate::harness::films::{fixture, studies};
use crate::harness::node::{Home, Node};
use crate::harness::tls::{Certificates, client_hello, exchange, pynetdicom};
use crate::harness::tools::{free_port, must, python, run};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A peer bound to its certificate, for ae-titles.toml.
const BOUND: &str = "[[peer]]\nname = \"cr1\"\nae_title = \"CR1\"\nsends = true\ncertificates = [\"cn:CR1\"]\n";

/// C-ECHO by DCMTK: whether it went well, and all that the tool said.
fn echo(certificates: &Certificates, port: u16, calling: &str, own: &str, more: &[&str]) -> (bool, String) {
    let port = port.to_string();
    let own = match own {
        "-" => vec!["+tla".to_owned(), "+cf".to_owned(), certificates.path("ca.pem")],
        name => certificates.dcmtk(name),
    };
    let mut arguments: Vec<&str> = vec!["-v", "-aet", calling, "-aec", "CENTINELA"];
    arguments.extend(own.iter().map(String::as_str));
    arguments.extend(more);
    arguments.extend(["127.0.0.1", &port]);
    let done = run("echoscu", &arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.success(), said)
}

/// `openssl s_client` with an empty conversation: all that it said.
fn s_client(certificates: &Certificates, port: u16, own: &str, more: &[&str]) -> String {
    let (address, authority) = (format!("127.0.0.1:{port}"), certificates.path("ca.pem"));
    let (certificate, key) = (certificates.path(&format!("{own}.pem")), certificates.path(&format!("{own}.key")));
    let mut arguments = vec!["s_client", "-connect", &address, "-CAfile", &authority, "-ign_eof"];
    if own != "-" {
        arguments.extend(["-cert", &certificate, "-key", &key]);
    }
    arguments.extend(more);
    // It ends when the peer closes. A PDU of an unknown type makes the node do so at once.
    let mut client = Command::new("openssl")
        .args(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("openssl: {e}; install it: apt-get install -y openssl"));
    // A handshake that failed has closed the pipe.
    let _ = std::io::Write::write_all(client.stdin.as_mut().unwrap(), b"\x77\0\0\0\0\x04xxxx");
    let done = client.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[test]
fn old_versions_and_weak_ciphers_get_our_alert() {
    let certificates = Certificates::make();
    let home = certificates.home(&[]);
    let node = home.start();
    const VERSION: u8 = 70; // protocol_version
    const CIPHER: u8 = 40; // handshake_failure
    let strong = [0xC02B, 0xC02F];
    for (what, version, suites, alert) in [
        ("SSL 3.0", 0x0300, &strong[..], VERSION),
        ("TLS 1.0", 0x0301, &[0xC009, 0xC013, 0x002F], VERSION),
        ("TLS 1.1", 0x0302, &[0xC009, 0xC013, 0x002F], VERSION),
        ("NULL", 0x0303, &[0x003B, 0xC006, 0xC010], CIPHER),
        ("CBC", 0x0303, &[0xC023, 0xC024, 0xC009, 0xC00A, 0xC027, 0x003C], CIPHER),
        ("3DES", 0x0303, &[0xC008, 0xC012, 0x000A], CIPHER),
        ("RC4", 0x0303, &[0xC007, 0xC011, 0x0005], CIPHER),
        ("RSA key exchange", 0x0303, &[0x009C, 0x009D], CIPHER),
        ("DHE", 0x0303, &[0x009E, 0x009F], CIPHER),
        ("anonymous", 0x0303, &[0xC018, 0x00A6], CIPHER),
    ] {
        let answer = exchange(node.tls(), &client_hello(version, suites, &[]));
        assert_eq!(answer.len(), 7, "{what}: one alert record and the end: {answer:?}");
        assert_eq!((answer[0], &answer[3..]), (21, &[0, 2, 2, alert][..]), "{what}: a fatal alert");
    }
    // The same hello with one good cipher is answered by a ServerHello: the refusals above are about the ciphers.
    let mut good = std::net::TcpStream::connect(("127.0.0.1", node.tls())).unwrap();
    std::io::Write::write_all(&mut good, &client_hello(0x0303, &[0xC02B], &[])).unwrap();
    let mut head = [0; 6];
    std::io::Read::read_exact(&mut good, &mut head).unwrap();
    assert_eq!((head[0], head[5]), (22, 2), "a handshake record with a ServerHello");
    drop(good);

    for (what, options) in [
        ("1.0", &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..]),
        ("1.1", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]),
        ("CBC", &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"]),
        ("NULL", &["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"]),
    ] {
        let said = s_client(&certificates, node.tls(), "CR1", options);
        assert!(said.contains("alert protocol version") || said.contains("alert handshake failure"), "{what}: {said}");
        assert!(said.contains("Cipher is (NONE)"), "{what}: {said}");
    }
    for (profile, options) in [("AES", &["+pa"][..]), ("NULL", &["+pn"])] {
        let (done, said) = echo(&certificates, node.tls(), "MODALITY", "CR1", options);
        assert!(!done && said.contains("alert"), "DCMTK's {profile} profile: {said}");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let said = s_client(&certificates, node.tls(), "CR1", &[version]);
        let name = if version == "-tls1_2" { "TLSv1.2" } else { "TLSv1.3" };
        assert!(said.contains(&format!("New, {name}, Cipher is")), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    node.logged(&["neither TLS 1.2 nor TLS 1.3"]);
    node.logged(&["no cipher suite in common"]);
    // The certificates of the tests are made for 30 days, less what has passed since.
    node.logged(&["WARN", "[tls]", "our certificate expires soon", "days="]);
}

#[test]
fn bad_certificates_and_false_titles_are_refused_with_a_reason() {
    let certificates = Certificates::make();
    let home = certificates.home(&[]).peers_text(BOUND);
    let node = home.start();
    for (own, reason) in [
        ("-", "it showed no certificate"),
        ("foreign", "no trusted authority signed its certificate"),
        ("expired", "its certificate has expired"),
        ("revoked", "its certificate is revoked"),
    ] {
        let (done, said) = echo(&certificates, node.tls(), "MODALITY", own, &[]);
        assert!(!done, "{own}: {said}");
        node.logged(&["WARN", reason]);
        assert_eq!(pynetdicom(&certificates, &node.tls().to_string(), own, "1.3", &["MODALITY"]), "aborted", "{own}");
    }
    let (done, said) = echo(&certificates, node.tls(), "CR1", "CR1", &[]);
    assert!(done, "{said}");
    for (calling, own, reason) in [
        ("CR1", "CR2", "its certificate is not the one that its AE title is bound to"),
        ("MODALITY", "CR1", "its certificate is bound to another AE title"),
    ] {
        let (done, said) = echo(&certificates, node.tls(), calling, own, &[]);
        assert!(!done && said.contains("Calling AE Title Not Recognized"), "{calling} with {own}: {said}");
        node.logged(&["WARN", calling, reason]);
    }
    let plain = pynetdicom(&certificates, &node.dicom.to_string(), "-", "-", &["CR1"]);
    assert_eq!(plain, "rejected 1/1/3", "a bound title without TLS");
    node.logged(&["WARN", "CR1", "called without TLS"]);
    drop(node);
    let query = "import sqlite3, sys; print(*(r[0] for r in sqlite3.connect(sys.argv[1]).execute(\"select detail from event where kind = 'call_refused'\")))";
    let database = home.data().join("centinela.db");
    let events = must(&python(), &["-c", query, database.to_str().unwrap()]);
    for word in [
        "tls_no_certificate",
        "tls_unknown_issuer",
        "tls_expired",
        "tls_revoked",
        "binding_other_certificate",
        "binding_other_title",
        "binding_without_tls",
    ] {
        assert!(events.contains(&format!("\"{word}\"")), "{word} is no event: {events}");
    }
}

#[test]
fn certificates_of_callers_may_be_optional_or_not_asked_for() {
    let certificates = Certificates::make();
    let calls = |mode: &str, expected: [(&str, &str, &str); 4]| {
        let home = certificates.home(&[]).peers_text(BOUND).set("CENTINELA__TLS__CLIENT_CERTIFICATES", mode);
        let home = if mode == "none" { home.set("CENTINELA__TLS__CRL", "") } else { home };
        let node = home.start();
        for (calling, own, said) in expected {
            let port = node.tls().to_string();
            assert_eq!(pynetdicom(&certificates, &port, own, "1.3", &[calling]), said, "{mode}: {calling} with {own}");
        }
    };
    let refused = "rejected 1/1/3";
    calls(
        "optional",
        [
            ("MODALITY", "-", "stored"),
            ("MODALITY", "foreign", "aborted"),
            ("CR1", "-", refused),
            ("CR1", "CR1", "stored"),
        ],
    );
    calls(
        "none",
        [
            ("MODALITY", "-", "stored"),
            ("MODALITY", "foreign", "stored"),
            ("CR1", "-", refused),
            ("CR1", "CR1", refused),
        ],
    );
}

#[test]
fn both_versions_store_films_beside_the_plain_listener() {
    let certificates = Certificates::make();
    let home = certificates.home(&[]).peers_text(BOUND).set("CENTINELA__ANALYZE__ENABLED", "false");
    let node = home.start();
    let dir = tempfile::tempdir().unwrap();
    let films = studies(dir.path(), 4, 256);
    let path = |n: usize| films[n].path.to_str().unwrap();
    let port = node.tls().to_string();
    assert_eq!(pynetdicom(&certificates, &port, "CR1", "1.2", &["CR1", path(0)]), "stored");
    assert_eq!(pynetdicom(&certificates, &port, "CR2", "1.3", &["MODALITY", path(1)]), "stored");
    let own = certificates.dcmtk("CR2");
    let mut arguments: Vec<&str> = vec!["-aet", "MODALITY", "-aec", "CENTINELA"];
    arguments.extend(own.iter().map(String::as_str));
    arguments.extend(["127.0.0.1", &port, path(2)]);
    must("storescu", &arguments);
    crate::harness::modality::must_push(node.dicom, &films[3]);
    for film in &films {
        crate::harness::until("the film has a row", || node.study(&film.study));
    }
}

#[test]
fn the_wrong_protocol_on_a_port_is_answered_and_closed() {
    let certificates = Certificates::make();
    let home = certificates.home(&[]);
    let node = home.start();
    // An A-ASSOCIATE-RQ to the TLS port: an alert, or nothing, and the end; long before ARTIM.
    let answer = exchange(node.tls(), b"\x01\0\0\0\0\xCD\0\x01\0\0CENTINELA       MODALITY        ");
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    node.logged(&["WARN", "what came is no TLS"]);
    // A ClientHello to the plain port: A-ABORT, unrecognized PDU.
    let answer = exchange(node.dicom, &client_hello(0x0303, &[0xC02B], &[0x0304, 0x0303]));
    assert_eq!(answer, [7, 0, 0, 0, 0, 4, 0, 0, 2, 1]);
    drop(node);
    // Only TLS: no plain port is open at all.
    let home = certificates.home(&[]).set("CENTINELA__DICOM__PLAIN", "false");
    let node = home.start();
    assert_eq!(node.dicom, node.tls());
    assert!(!home.logs().contains("role=\"scp\" "), "{}", home.logs());
    let (done, said) = echo(&certificates, node.tls(), "MODALITY", "CR2", &[]);
    assert!(done, "{said}");
}

#[test]
fn certificates_are_read_again_under_load_and_nothing_is_dropped() {
    let certificates = Certificates::make();
    let home = certificates.home(&[]).set("CENTINELA__ANALYZE__ENABLED", "false");
    certificates.put("none.crl.pem", "own.crl");
    let node = home.start();
    let dir = tempfile::tempdir().unwrap();
    let films = studies(dir.path(), 6, 512);
    let port = node.tls();
    let (stop, pushed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let count = || pushed.load(Ordering::SeqCst);
    let more = || {
        let before = count();
        crate::harness::until("more films come in", || (count() > before + 4).then_some(()));
    };
    std::thread::scope(|scope| {
        for film in films.chunks(2) {
            let (certificates, stop, pushed) = (&certificates, &stop, &pushed);
            scope.spawn(move || {
                let paths: Vec<&str> = film.iter().map(|film| film.path.to_str().unwrap()).collect();
                while !stop.load(Ordering::SeqCst) {
                    let options = certificates.dcmtk("CR1");
                    let mut arguments: Vec<&str> = vec!["-aet", "MODALITY", "-aec", "CENTINELA"];
                    arguments.extend(options.iter().map(String::as_str));
                    let port = port.to_string();
                    arguments.extend(["127.0.0.1", port.as_str()]);
                    arguments.extend(&paths);
                    let done = run("storescu", &arguments);
                    // Seen by the main thread as no more progress, and by this as a panic.
                    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
                    pushed.fetch_add(paths.len(), Ordering::SeqCst);
                }
            });
        }
        let check = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            more();
            assert!(s_client(&certificates, port, "CR1", &[]).contains("subject=CN = node\n"));
            // Another certificate: the key alone does not fit and changes nothing.
            certificates.put("node2.key", "own.key");
            node.logged(&["ERROR", "own.key", "does not belong to the certificate"]);
            more();
            certificates.put("node2.pem", "own.pem");
            node.logged(&["INFO", "credentials read again"]);
            assert!(s_client(&certificates, port, "CR1", &[]).contains("subject=CN = node2\n"));
            more();
            // Broken: told, and the old one serves.
            std::fs::write(certificates.path("own.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
            node.signal("HUP");
            node.logged(&["ERROR", "own.pem", "stay as they were"]);
            assert!(s_client(&certificates, port, "CR1", &[]).contains("subject=CN = node2\n"));
            more();
            // Revocation takes hold with the next association.
            let (done, said) = echo(&certificates, port, "MODALITY", "revoked", &[]);
            assert!(done, "{said}");
            certificates.put("node2.pem", "own.pem");
            certificates.put("ca.crl.der", "own.crl");
            node.signal("HUP");
            crate::harness::until("the revocation is read", || {
                let (done, _) = echo(&certificates, port, "MODALITY", "revoked", &[]);
                (!done).then_some(())
            });
            more();
        }));
        stop.store(true, Ordering::SeqCst);
        if let Err(panic) = check {
            std::panic::resume_unwind(panic);
        }
    });
    for film in &films {
        assert!(node.study(&film.study).is_some(), "{}", film.study);
    }
}

/// DCMTK's receiver with TLS, which demands a certificate.
struct Storescp(Child);

impl Storescp {
    /// It cannot choose a free port itself, and the one that we choose may be taken meanwhile.
    fn start(certificates: &Certificates, folder: &std::path::Path) -> (Self, u16) {
        crate::harness::until("storescp listens", || {
            let port = free_port();
            let child = Command::new("storescp")
                .args(certificates.dcmtk("node2"))
                .args(["-rc", "-aet", "PACS", "-od", folder.to_str().unwrap(), &port.to_string()])
                .spawn()
                .unwrap_or_else(|e| panic!("storescp: {e}"));
            let mut started = Self(child);
            let listens = crate::harness::until("storescp listens or ends", || {
                if started.0.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true)
            });
            // Whoever answered there: it is this one only if it stays.
            std::thread::sleep(Duration::from_millis(300));
            (listens && started.0.try_wait().unwrap().is_none()).then_some((started, port))
        })
    }
}

impl Drop for Storescp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(home: &Home, arguments: &[&str]) -> (bool, String) {
    let done = home.command(arguments).output().unwrap();
    (
        done.status.success(),
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)),
    )
}

fn deliveries(node: &Node<'_>, study: &str) -> usize {
    node.study(study).map_or(0, |s| s["deliveries"].as_array().map_or(0, Vec::len))
}

#[test]
fn everything_that_we_send_can_go_by_tls() {
    let certificates = Certificates::make();
    let dir = tempfile::tempdir().unwrap();
    let (_pacs, port) = Storescp::start(&certificates, dir.path());
    let path = |file: &str| certificates.path(file);
    let peer = |name: &str, deliver: &str, tls: &str| {
        format!(
            "[[peer]]\nname = \"{name}\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\ndeliver = \"{deliver}\"\ntls = {{ {tls} }}\n"
        )
    };
    let own = format!("certificate = {:?}, key = {:?}", path("CR1.pem"), path("CR1.key"));
    let home = Home::new(&[])
        .synthetic_map()
        .peers_text(&peer("pacs", "full", &format!("ca = {:?}, {own}", path("ca.pem"))))
        .peers_text(&peer("no-certificate", "none", &format!("ca = {:?}", path("ca.pem"))))
        .peers_text(&peer("stranger", "none", &format!("ca = {:?}, {own}", path("stranger.pem"))))
        .peers_text(&peer(
            "other-name",
            "none",
            &format!("ca = {:?}, server_name = \"pacs.example\", {own}", path("ca.pem")),
        ))
        .peers_text(&peer(
            "localhost",
            "none",
            &format!("ca = {:?}, server_name = \"localhost\", {own}", path("ca.pem")),
        ));
    let film = fixture("cr_portrait_mono1_10_latin1");
    for name in ["pacs", "localhost"] {
        let (done, said) = command(&home, &["echo", name]);
        assert!(done, "{said}");
    }
    for (name, reason) in [
        ("no-certificate", "TLS alert"),
        ("stranger", "no trusted authority signed its certificate"),
        ("other-name", "not made for this host name"),
    ] {
        let (done, said) = command(&home, &["echo", name]);
        assert!(!done && said.contains(reason), "{name}: {said}");
    }
    let (done, said) = command(&home, &["send", "pacs", film.path.to_str().unwrap()]);
    assert!(done, "{said}");
    let node = home.start();
    crate::harness::modality::must_push(node.dicom, &film);
    node.settled(&film.study, 1);
    assert!(deliveries(&node, &film.study) > 0);
    let kept = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(kept, 1 + deliveries(&node, &film.study), "the film that was sent, and each result");
}

#[test]
fn wrong_files_are_told_with_key_and_remedy() {
    let certificates = Certificates::make();
    let home = certificates.home(&[]).peers_text(
        "[[peer]]\nname = \"a\"\nae_title = \"A\"\ncertificates = [\"CR1\"]\n\
         [[peer]]\nname = \"b\"\nae_title = \"B\"\ntls = { ca = \"/nowhere/ca.pem\" }\n",
    );
    certificates.put("ca.pem", "own.key");
    let home =
        home.set("CENTINELA__TLS__CRL", &format!("{}, {}", certificates.path("own.crl"), certificates.path("ca.key")));
    let (done, said) = command(&home, &["config", "check"]);
    assert!(!done);
    for part in [
        "[tls] ",
        "own.key: holds no unencrypted private key",
        "\"CR1\" names no certificate; write sha256:",
        "peer \"b\": tls: /nowhere/ca.pem: cannot be read",
    ] {
        assert!(said.contains(part), "{part} missing in:\n{said}");
    }
    certificates.put("node.key", "own.key");
    let (_, said) = command(&home, &["config", "check"]);
    assert!(said.contains("ca.key: holds no certificate revocation list"), "{said}");
}
