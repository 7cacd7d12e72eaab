//! Faults on the way to the PACS: T06 death before the answer is read, T19 it refuses and aborts, T20 it is slow, half
//! open or silent, T21 its answers.

use super::oracle::rows;
use super::scene::{End, Has, Modality, World, home, play};
use crate::harness::dcmtk::{GSPS, SC, SR_3D};
use crate::harness::node::{Node, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::peer::Scripted;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::{until, until_within};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn t06_dies_before_the_answer_of_the_pacs_is_read() {
    play(
        "T06",
        "death of the sender after the PACS stored: before the answer arrives, is read, or is recorded",
        |case| {
            let world = World::new().set("CENTINELA__DELIVERY__RESPONSE_TIMEOUT", "20");
            let mut modality = Modality::with(case.studies(world.home.dir.path()));
            let name = case.one(&["delivery.claimed", "delivery.sent", "delivery.recorded", "answer", "answer"]);
            let node = if name == "answer" {
                // The association is answered; of what the PACS says then, some or nothing arrives.
                let passes = case.pick(450, 1_200);
                case.tell(format!("{passes} bytes of answers pass, then kill -9"));
                world.line.set(Fault::DropAnswersAfter(passes));
                let node = world.home.start();
                modality.finish(node.dicom);
                until("the PACS has an object", || (!world.pacs.shelf().is_empty()).then_some(()));
                std::thread::sleep(Duration::from_millis(case.pick(0, 500)));
                node.kill();
                world.line.set(Fault::None);
                world.home.start()
            } else {
                let failpoint = format!("{name}:{}", if name == "delivery.claimed" { 1 } else { case.pick(1, 2) });
                case.tell(&failpoint);
                let node = world.home.start_with(&[("CENTINELA_FAILPOINT", &failpoint)]);
                modality.try_all(node.dicom);
                assert!(!node.wait().success(), "{failpoint} did not fire");
                world.home.start()
            };
            modality.finish(node.dicom);
            case.judge(&node, &modality, &End::at(&world.pacs).or_again());
        },
    );
}

/// Deliveries of the node, with what is known of them.
fn deliveries(node: &Node<'_>) -> Vec<Value> {
    rows(&node.home.data(), "select id, state, attempts, cause, last_status from delivery")
}

/// Every refused delivery is tried once more by hand.
fn retry_refused(node: &Node<'_>) {
    for row in deliveries(node).iter().filter(|row| row["state"] == "refused") {
        let path = format!("/api/v1/deliveries/{}/retry", row["id"].as_str().unwrap());
        assert!((200..300).contains(&node.ask("POST", &path).status));
    }
}

/// How a PACS can send us away: the reason of an A-ASSOCIATE-RJ, an abort, a closed line, a context.
#[derive(Debug, Clone, Copy)]
enum Away {
    Reject([u8; 3]),
    Abort,
    Close(u64),
    Contexts(&'static [&'static str]),
}

#[test]
fn t19_the_pacs_refuses_aborts_or_closes() {
    play("T19", "the PACS rejects the association, aborts, closes the line, refuses presentation contexts", |case| {
        let kinds = [
            Away::Reject([1, 1, 7]),
            Away::Reject([1, 1, 3]),
            Away::Reject([2, 3, 1]),
            Away::Reject([2, 3, 2]),
            Away::Abort,
            Away::Close(case.pick(0, 400)),
            Away::Contexts(&[SR_3D]),
            Away::Contexts(&[GSPS, SC]),
        ];
        let kind = kinds[(case.seed as usize - 1 + 6) % kinds.len()];
        case.tell(format!("{kind:?}"));
        let options = match kind {
            Away::Reject(words) => json!({ "reject": words }),
            Away::Abort => json!({ "answers": { "*": ["abort"] } }),
            Away::Close(_) => json!({}),
            Away::Contexts(classes) => json!({ "classes": classes }),
        };
        let mut peers = vec![Scripted::start(&options)];
        let line = Proxy::start(peers[0].port);
        if let Away::Close(bytes) = kind {
            line.set(Fault::CutAfter(bytes));
        }
        let home = home(&[Peer::pacs(line.port, "compat")]);
        let mut modality = Modality::with(case.studies(home.dir.path()));
        let node = home.start();
        modality.finish(node.dicom);
        // Each object keeps a state of its own: what the PACS does not take is shown, the rest waits.
        until("the fault is noticed", || match kind {
            Away::Contexts(_) => deliveries(&node).iter().any(|d| d["state"] == "refused").then_some(()),
            _ => deliveries(&node).iter().any(|d| d["attempts"].as_i64() > Some(0)).then_some(()),
        });
        std::thread::sleep(Duration::from_millis(case.pick(0, 1_500)));
        let states = deliveries(&node);
        match kind {
            Away::Contexts(_) => {
                let refused = states.iter().filter(|d| d["state"] == "refused");
                assert!(refused.clone().all(|d| d["cause"] == "no_context"), "{states:#?}");
            }
            _ => assert!(states.iter().all(|d| ["scheduled", "sending"].contains(&d["state"].as_str().unwrap()))),
        }
        match kind {
            Away::Reject(_) => peers[0].change(&json!({ "reject": null })),
            Away::Abort => peers[0].change(&json!({ "answers": {} })),
            Away::Close(_) => line.set(Fault::None),
            Away::Contexts(_) => {
                until("the rest arrives", || {
                    let states = deliveries(&node);
                    let ended = |d: &Value| ["accepted", "refused"].contains(&d["state"].as_str().unwrap());
                    (!states.is_empty() && states.iter().all(ended)).then_some(())
                });
                let port = peers[0].port;
                peers[0].stop();
                peers.push(Scripted::start(&json!({ "port": port })));
                retry_refused(&node);
            }
        }
        case.judge(&node, &modality, &End::at_scripted(&peers));
    });
}

#[test]
fn t20_the_pacs_is_slow_half_open_or_silent() {
    play(
        "T20",
        "the PACS takes a byte a second, is half open, never answers, or is slow; another one is healthy",
        |case| {
            let (there, back) = (case.pick(0, 3_000), case.pick(0, 700));
            let fault = case.one(&[
                Fault::Throttle(1),
                Fault::HalfOpen,
                Fault::DropAnswersAfter(back),
                Fault::HoldAfter(there),
                Fault::Delay(Duration::from_millis(40)),
            ]);
            case.tell(format!("{fault:?}"));
            let (pacs, healthy) = (Pacs::start(), Pacs::start());
            let line = Proxy::start(pacs.port);
            line.set(fault);
            let other = Peer { name: "healthy".into(), ..Peer::pacs(healthy.port, "compat") };
            let home = home(&[Peer::pacs(line.port, "compat"), other]);
            let mut modality = Modality::with(case.studies(home.dir.path()));
            let node = home.start();
            modality.finish(node.dicom);
            let at =
                |name: &str| rows(&home.data(), &format!("select state from delivery where destination = '{name}'"));
            until_within(Duration::from_secs(30), "the healthy one has everything while the other is ill", || {
                let open = rows(&home.data(), "select state from study where state in ('receiving', 'complete')");
                let states = at("healthy");
                (open.is_empty() && !states.is_empty() && states.iter().all(|d| d["state"] == "accepted")).then_some(())
            });
            std::thread::sleep(Duration::from_millis(case.pick(0, 3_000)));
            if matches!(fault, Fault::Throttle(_) | Fault::HalfOpen | Fault::HoldAfter(_)) {
                assert!(at("pacs").iter().all(|d| d["state"] != "accepted"), "{:?}", at("pacs"));
            }
            line.set(Fault::None);
            let mut end = End::at(&pacs).or_again();
            end.destinations.push(("healthy", Has::Pacs(&healthy)));
            case.judge(&node, &modality, &end);
            assert!(healthy.shelf().values().all(|copies| copies.len() == 1), "the healthy one got something twice");
        },
    );
}

/// What becomes of an object at an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Delivered,
    TriedAgain,
    Refused,
}

/// Answers to C-STORE, by PS3.4 table B.2-1 and PS3.7 annex C.
const ANSWERS: [(u16, Fate); 14] = [
    (0x0124, Fate::Refused),
    (0xB000, Fate::Delivered),
    (0xB006, Fate::Delivered),
    (0xB007, Fate::Delivered),
    (0xA700, Fate::TriedAgain),
    (0xA701, Fate::TriedAgain),
    (0x0110, Fate::TriedAgain),
    (0x0213, Fate::TriedAgain),
    (0x0111, Fate::Delivered),
    (0x0122, Fate::Refused),
    (0xA900, Fate::Refused),
    (0xC000, Fate::Refused),
    (0xC1F0, Fate::Refused),
    (0x0117, Fate::Refused),
];

#[test]
fn t21_every_answer_of_the_pacs() {
    play("T21", "the PACS warns, refuses for now or for good, or has it already, for any kind of object", |case| {
        let (status, fate) = ANSWERS[(case.seed as usize - 1) % ANSWERS.len()];
        let class = case.one(&[SR_3D, SC, "*"]);
        case.tell(format!("{status:04X} for {class}: {fate:?}"));
        let mut peers = vec![Scripted::start(&json!({ "answers": { class: [status] } }))];
        let home = home(&[Peer::pacs(peers[0].port, "compat")]);
        let mut modality = Modality::with(case.studies(home.dir.path()));
        let node = home.start();
        modality.finish(node.dicom);
        let answered = || {
            let rows = deliveries(&node);
            rows.into_iter().filter(|d| d["last_status"] == status).collect::<Vec<_>>()
        };
        let seen = until("the answer is recorded", || Some(answered()).filter(|rows| !rows.is_empty()));
        let state = match fate {
            Fate::Delivered => "accepted",
            Fate::TriedAgain => "scheduled",
            Fate::Refused => "refused",
        };
        // One that waits is tried in between.
        let fits = |row: &Value| row["state"] == state || (fate == Fate::TriedAgain && row["state"] == "sending");
        assert!(seen.iter().all(fits), "{status:04X}: {seen:#?}");
        if fate == Fate::Refused {
            until("all have their answer", || {
                let open = rows(&home.data(), "select state from study where state in ('receiving', 'complete')");
                let states = deliveries(&node);
                let ended = |d: &Value| ["accepted", "refused"].contains(&d["state"].as_str().unwrap());
                (open.is_empty() && states.iter().all(ended)).then_some(())
            });
        } else if fate == Fate::TriedAgain {
            std::thread::sleep(Duration::from_millis(case.pick(0, 2_000)));
        }
        if fate != Fate::Delivered {
            peers[0].change(&json!({ "answers": {} }));
            retry_refused(&node);
        }
        case.judge(&node, &modality, &End::at_scripted(&peers));
    });
}
