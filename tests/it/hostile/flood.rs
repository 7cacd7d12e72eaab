//! Too many: idle connections, associations that are held, requests as fast as they go.

use super::peer::{End, Hostile, request};
use super::{Scene, home};
use std::time::{Duration, Instant};

#[test]
fn a_thousand_idle_connections() {
    let home =
        home().set("CENTINELA__DICOM__CONNECTIONS_PER_ADDRESS", "1200").set("CENTINELA__DICOM__ARTIM_TIMEOUT", "60");
    let scene = Scene::start(&home);
    let mut idle: Vec<_> = (0..1000).map(|_| scene.connect()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let closed = idle.iter_mut().filter_map(|peer| peer.is_closed().then_some(())).count();
    assert_eq!(closed, 0, "all are open at once");
    drop(idle);
    scene.end("1,000 idle connections");
}

#[test]
fn more_connections_of_one_address_than_allowed_are_closed() {
    let home =
        home().set("CENTINELA__DICOM__CONNECTIONS_PER_ADDRESS", "20").set("CENTINELA__DICOM__ARTIM_TIMEOUT", "60");
    let scene = Scene::start(&home);
    let mut peers: Vec<_> = (0..100).map(|_| scene.connect()).collect();
    assert!(peers.iter_mut().skip(20).all(|peer| peer.end() == End::Closed), "not by ARTIM");
    assert!(peers.iter_mut().take(20).all(|peer| !peer.is_closed()));
    drop(peers);
    scene.end("100 connections, 20 allowed");
}

#[test]
fn associations_that_are_held_leave_room_for_others() {
    let home = home().set("CENTINELA__DICOM__ASSOCIATIONS_PER_ADDRESS", "8");
    let scene = Scene::start(&home);
    let held: Vec<_> = (0..8).map(|_| scene.associated()).collect();
    for _ in 0..20 {
        let mut peer = scene.connect();
        peer.say(&request("CENTINELA", "MODALITY", 16_384));
        assert_eq!(peer.end(), End::Rejected(2, 3, 2));
    }
    drop(held);
    scene.end("held associations");
}

#[test]
fn a_flood_of_requests() {
    let home = home().set("CENTINELA__DICOM__REQUESTS_PER_MINUTE", "600");
    let scene = Scene::start(&home);
    let flooding = |_: usize| {
        let port = scene.node.dicom;
        std::thread::spawn(move || {
            let (mut rejected, begin) = (0, Instant::now());
            while begin.elapsed() < Duration::from_secs(3) {
                let Ok(mut peer) = Hostile::try_connect(port) else { continue };
                peer.say(&request("CENTINELA", "MODALITY", 16_384));
                match peer.hear() {
                    Some((3, body)) => {
                        assert_eq!(body[1..], [2, 3, 1]);
                        rejected += 1;
                    }
                    Some((kind, _)) => assert_eq!(kind, 2),
                    None => {}
                }
            }
            rejected
        })
    };
    let rejected: usize = (0..4).map(flooding).collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).sum();
    assert!(rejected > 0, "the rate of one address is limited");
    println!("flood: {rejected} requests were asked to come back later");
    scene.end("flood of requests");
}
