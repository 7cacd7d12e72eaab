//! Before the association is open: other protocols, sizes that lie, drips, titles that are paths.

use super::peer::{CR, EXPLICIT, End, Hostile, IMPLICIT, request, request_of};
use super::{Scene, home};
use std::time::{Duration, Instant};

#[test]
fn http_and_noise_on_the_port() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.connect();
    peer.say(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    peer.say(&[0x5A; 4096]);
    assert_eq!(peer.end(), End::Aborted(2, 1));
    scene.end("HTTP and noise");
}

#[test]
fn a_request_that_claims_4_gib() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.connect();
    let mut sent = 0;
    peer.say(b"\x01\0\xFF\xFF\xFF\xF0");
    while sent < 300 << 20 && peer.say(&[0; 1 << 16]) {
        sent += 1 << 16;
    }
    assert!(sent < 300 << 20, "nobody reads 300 MiB of it");
    scene.end("request of 4 GiB");
}

#[test]
fn long_requests_that_never_end_share_a_fixed_memory() {
    let home = home();
    let scene = Scene::start(&home);
    // 200 connections with 250 KiB each are 49 MiB of requests, twice as much while buffers grow.
    let whole = [b"\x01\0\0\x03\xFF\xF0".as_slice(), &[0; 250_000]].concat();
    let mut peers: Vec<_> = (0..200).map(|_| scene.connect()).collect();
    for peer in &mut peers {
        peer.0.set_nonblocking(true).unwrap();
        let _ = std::io::Write::write(&mut peer.0, &whole);
    }
    for mut peer in peers {
        peer.0.set_nonblocking(false).unwrap();
        peer.end();
    }
    scene.end("200 unfinished long requests");
}

#[test]
fn a_request_dripped_byte_by_byte() {
    let home = home();
    let scene = Scene::start(&home);
    let (mut peer, begin) = (scene.connect(), Instant::now());
    for byte in request("CENTINELA", "MODALITY", 16_384) {
        if !peer.say(&[byte]) || begin.elapsed() > Duration::from_secs(10) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(peer.end(), End::Closed, "ARTIM closes (AA-2)");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    scene.end("dripped request");
}

#[test]
fn a_requestor_with_a_maximum_length_of_4() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.connect();
    peer.say(&request("CENTINELA", "MODALITY", 4));
    assert_eq!(peer.end(), End::Rejected(1, 2, 1));
    scene.end("maximum length 4");
}

#[test]
fn two_hundred_contexts_with_duplicate_identifiers() {
    let home = home();
    let scene = Scene::start(&home);
    let contexts: Vec<_> = (0..200_u16).map(|n| ((2 * n + 1) as u8, CR, EXPLICIT)).collect();
    let mut peer = scene.connect();
    peer.say(&request_of("CENTINELA", "MODALITY", 16_384, &contexts));
    assert_eq!(peer.end(), End::Rejected(1, 2, 1));
    scene.end("200 contexts");
}

/// CVE-2022-2119 and its like: text of the peer that becomes a path.
#[test]
fn titles_that_are_paths_are_refused_and_told_harmlessly() {
    let home = home();
    let scene = Scene::start(&home);
    for calling in ["../../etc/cron", "/etc/passwd", "A\0B", "..\\..\\windows", "\x1b[31mRED\r\nfake", "STRANGER", ""] {
        let mut peer = scene.connect();
        peer.say(&request("CENTINELA", calling, 16_384));
        assert_eq!(peer.end(), End::Rejected(1, 1, 3), "{calling:?}");
    }
    let mut peer = scene.connect();
    peer.say(&request("../CENTINELA", "MODALITY", 16_384));
    assert_eq!(peer.end(), End::Rejected(1, 1, 7));
    scene.end("titles that are paths");
    let logs = home.logs();
    assert!(logs.contains("association refused: unknown_caller") && !logs.contains("\x1b[31mRED"), "{logs}");
}

#[test]
fn every_cut_of_a_request_ends() {
    let home = home();
    let scene = Scene::start(&home);
    let whole = request("CENTINELA", "MODALITY", 16_384);
    let mut peers = Vec::new();
    for cut in (1..whole.len()).step_by(7) {
        let mut peer = scene.connect();
        peer.say(&whole[..cut]);
        peers.push(peer);
    }
    assert!(peers.iter_mut().map(Hostile::end).all(|end| end == End::Closed), "ARTIM");
    // The same with a length that fits: decoded, and refused or aborted.
    for cut in (6..whole.len() - 1).step_by(7) {
        let mut peer = scene.connect();
        peer.say(&super::peer::pdu(1, &whole[6..cut]));
        let (kind, _) = peer.hear().expect("an answer");
        assert!([2, 3, 7].contains(&kind), "cut {cut}: {kind}");
    }
    let nothing = request_of("CENTINELA", "MODALITY", 16_384, &[(1, "../../x", IMPLICIT)]);
    let mut peer = scene.connect();
    peer.say(&nothing);
    assert_eq!(peer.hear().map(|(kind, _)| kind), Some(2), "accepted, its context is not");
    drop(peer);
    scene.end("cut requests");
}
