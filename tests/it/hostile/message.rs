//! On an open association: lengths that lie, messages out of order, drips, data sets without end.

use super::peer::{End, element, header, message, p_data, pdu, pdv, store};
use super::{Scene, home};
use std::time::{Duration, Instant};

/// One probe on an association of its own that must be aborted.
fn aborted(probe: &str, bytes: &[u8], source: u8, reason: u8) {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    peer.say(bytes);
    assert_eq!(peer.end(), End::Aborted(source, reason), "{probe}");
    scene.spool_is_empty();
    scene.end(probe);
}

#[test]
fn a_pdu_that_claims_4_gib() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    let mut sent = 0;
    peer.say(b"\x04\0\xFF\xFF\xFF\xFF");
    while sent < 300 << 20 && peer.say(&[0; 1 << 16]) {
        sent += 1 << 16;
    }
    assert!(sent < 300 << 20, "nobody reads 300 MiB of it");
    scene.end("P-DATA of 4 GiB");
}

#[test]
fn a_value_longer_than_its_pdu() {
    aborted("PDV longer than its PDU", &pdu(4, b"\0\0\x10\0\x01\x03abcd"), 2, 6);
}

#[test]
fn a_data_set_without_a_command() {
    aborted("data set without a command", &p_data(&[pdv(1, 2, b"data")]), 0, 0);
}

#[test]
fn a_context_that_nobody_accepted() {
    aborted("unknown context", &p_data(&[pdv(99, 3, &store("1.2.3"))]), 2, 6);
}

#[test]
fn a_command_element_that_claims_3_gb() {
    aborted("command element of 3 GB", &p_data(&[pdv(1, 3, b"\0\0\x02\0\0\0\0\xC0abcdefghijkl")]), 0, 0);
}

#[test]
fn a_second_request_inside_the_association() {
    aborted("second A-ASSOCIATE-RQ", &super::peer::request("CENTINELA", "MODALITY", 16_384), 2, 2);
}

#[test]
fn half_a_data_set_and_then_a_close() {
    let home = home();
    let scene = Scene::start(&home);
    for _ in 0..4 {
        let mut peer = scene.associated();
        peer.say(&p_data(&[pdv(1, 3, &store("1.2.3"))]));
        for _ in 0..100 {
            peer.say(&p_data(&[pdv(1, 0, &[7; 16_000])]));
        }
    }
    scene.spool_is_empty();
    scene.end("half a data set");
}

#[test]
fn an_empty_value_that_is_not_the_last_is_served_whole() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    let data = header("1.2.3");
    let (front, back) = data.split_at(40);
    peer.say(&p_data(&[pdv(1, 3, &store("1.2.3"))]));
    peer.say(&p_data(&[pdv(1, 0, front), pdv(1, 0, b""), pdv(1, 2, back)]));
    assert_eq!(peer.status(), 0);
    let instance = scene.node.get("/api/v1/instances/1.2.3");
    assert_eq!(instance["sop_instance"], "1.2.3");
    scene.end("empty value");
}

#[test]
fn a_command_over_two_pdus_is_served() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    let command = store("1.2.3");
    peer.say(&p_data(&[pdv(1, 1, &command[..30])]));
    peer.say(&p_data(&[pdv(1, 3, &command[30..])]));
    peer.say(&p_data(&[pdv(1, 2, &header("1.2.3"))]));
    assert_eq!(peer.status(), 0);
    assert_eq!(peer.echo(), 0);
    scene.end("split command");
}

#[test]
fn a_data_set_that_never_ends() {
    let home = home().set("CENTINELA__DICOM__MAX_INSTANCE", "8388608");
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    peer.say(&p_data(&[pdv(1, 3, &store("1.2.3"))]));
    peer.say(&p_data(&[pdv(1, 0, &[header("1.2.3"), element(0x7FE0, 0x10, "OW", 0x7FFF_FFF0, b"")].concat())]));
    let mut sent = 0;
    while sent < 200 << 20 && peer.say(&p_data(&[pdv(1, 0, &[7; 16_000])])) {
        sent += 16_000;
    }
    assert!(sent < 100 << 20, "it is not heard out: {sent}");
    scene.spool_is_empty();
    scene.end("endless data set");
}

#[test]
fn a_stream_of_zeros() {
    let home = home().set("CENTINELA__DICOM__MAX_INSTANCE", "134217728");
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    // 100 MB that end: they name no instance, so they are refused; and memory does not follow them.
    assert_eq!(peer.store(1, "1.2.3", &vec![0; 100_000_000]), 0xC000);
    assert_eq!(peer.echo(), 0);
    scene.spool_is_empty();
    scene.end("100 MB of zeros");
}

#[test]
fn a_drip_in_a_pdu_and_in_a_data_set() {
    let home = home();
    let scene = Scene::start(&home);
    let whole = p_data(&[pdv(1, 3, &store("1.2.3")), pdv(1, 0, &[1; 10_000])]);
    let begin = Instant::now();
    // In the header of a PDU, in the command set and in the data set.
    let mut peers: Vec<_> = [3, 60, 300].map(|cut| (scene.associated(), cut)).into();
    for (peer, cut) in &mut peers {
        peer.say(&whole[..*cut]);
    }
    // Each byte comes before the stall timer of two seconds runs out.
    for step in 0..60 {
        let mut open = false;
        for (peer, cut) in &mut peers {
            open |= peer.say(&whole[*cut + step..=*cut + step]);
        }
        if !open {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
    scene.spool_is_empty();
    scene.end("drips");
    assert!(home.logs().matches("TooSlow").count() >= 3, "{}", home.logs());
}

#[test]
fn silence_inside_a_message_and_between_messages() {
    let home = home();
    let scene = Scene::start(&home);
    let mut inside = scene.associated();
    inside.say(&p_data(&[pdv(1, 3, &store("1.2.3"))]));
    let mut between = scene.associated();
    assert_eq!(inside.end(), End::Aborted(2, 0));
    assert_eq!(between.end(), End::Aborted(2, 0));
    scene.end("silence");
}

#[test]
fn a_peer_that_never_reads() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    let echoes = p_data(&[pdv(5, 3, &message(0x0030, 9, 0x0101, &[]))]).repeat(2_000);
    let begin = Instant::now();
    while peer.say(&echoes) {
        assert!(begin.elapsed() < Duration::from_secs(30), "it still reads");
    }
    scene.end("a peer that never reads");
}
