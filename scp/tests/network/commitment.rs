//! Storage commitment over a real socket: roles, requests with their statuses, reports on the same
//! association and from the requestor's side (PS3.4 annex J, PS3.7 annex D.3.3.4).

use crate::node::Node;
use crate::peer::{CR, EXPLICIT, IMPLICIT, JPEG_2000, Peer, Request, command, p_data, pdv, release, store};
use centinela_domain::ae::AeTitle;
use centinela_domain::commitment::{FailureReason, MAX_BYTES, Reference, Report};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{
    Caller, CallerRule, NotReported, ProposedContext, Remote, RequestError, Requestor, RequestorOptions,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const CLASS: &str = "1.2.840.10008.1.20.1";
const INSTANCE: &str = "1.2.840.10008.1.20.1.1";

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn request(roles: Vec<(&'static str, u8, u8)>) -> Request {
    let contexts = vec![(1, CLASS, vec![JPEG_2000, EXPLICIT, IMPLICIT]), (3, CR, vec![EXPLICIT])];
    Request { contexts, roles, ..Request::usual() }
}

async fn asked(node: &Node) -> Peer {
    let mut peer = Peer::connect(node.address).await;
    peer.send(&request(vec![(CLASS, 1, 0)]).encode()).await;
    assert_eq!(peer.hear().await.kind, 2);
    peer
}

/// N-ACTION-RQ of message 7.
fn action(class: &str, instance: &str, kind: u16, data_set: u16) -> Vec<u8> {
    command(&[
        (0x0003, class.as_bytes()),
        (0x0100, &0x0130_u16.to_le_bytes()),
        (0x0110, &[7, 0]),
        (0x0800, &data_set.to_le_bytes()),
        (0x1001, instance.as_bytes()),
        (0x1008, &kind.to_le_bytes()),
    ])
}

/// N-EVENT-REPORT-RQ of a type.
fn event(kind: u16) -> Vec<u8> {
    command(&[
        (0x0002, CLASS.as_bytes()),
        (0x0100, &0x0100_u16.to_le_bytes()),
        (0x0110, &[7, 0]),
        (0x0800, &[1, 0]),
        (0x1000, INSTANCE.as_bytes()),
        (0x1002, &kind.to_le_bytes()),
    ])
}

/// What an SCU would send: the same sequence as a report in which all is well.
fn information(instances: &[&str]) -> Vec<u8> {
    let reference = |sop: &&str| Reference { sop_class: uid(CR), sop_instance: uid(sop) };
    let committed = instances.iter().map(reference).collect();
    Report { transaction: uid("1.2.3.99"), committed, failed: Vec::new() }.encode(true)
}

async fn ask(peer: &mut Peer, command: &[u8], data: &[u8]) -> (u16, u16) {
    peer.send(&p_data(&[pdv(1, 3, command)])).await;
    peer.send(&p_data(&[pdv(1, 2, data)])).await;
    peer.hear_response().await
}

/// The presentation context results and role selections of an A-ASSOCIATE-AC.
fn accepted(body: &[u8]) -> (Vec<(u8, u8)>, Vec<Vec<u8>>) {
    let (mut results, mut roles, mut rest) = (Vec::new(), Vec::new(), &body[68..]);
    while let [kind, _, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match kind {
            0x21 => results.push((tail[0], tail[2])),
            0x50 => {
                let mut user = &tail[..length];
                while let [kind, _, high, low, item @ ..] = user {
                    let length = usize::from(u16::from_be_bytes([*high, *low]));
                    if *kind == 0x54 {
                        roles.push(item[..length].to_vec());
                    }
                    user = &item[length..];
                }
            }
            _ => {}
        }
        rest = &tail[length..];
    }
    (results, roles)
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_answered_and_decide_over_the_context() {
    let node = Node::start().await;
    let role = |scu, scp| [&[0, 20], CLASS.as_bytes(), &[scu, scp]].concat();
    for (proposed, result, answer) in [
        (vec![], 0, vec![]),
        (vec![(CLASS, 1, 0)], 0, vec![role(1, 0)]),
        (vec![(CLASS, 1, 1)], 0, vec![role(1, 1)]),
        // The peer wants to report to us.
        (vec![(CLASS, 0, 1)], 0, vec![role(0, 1)]),
        // It wants neither: user rejection.
        (vec![(CLASS, 0, 0)], 1, vec![]),
    ] {
        let mut peer = Peer::connect(node.address).await;
        peer.send(&request(proposed.clone()).encode()).await;
        let said = peer.hear().await;
        assert_eq!(said.kind, 2);
        let (results, roles) = accepted(&said.body);
        assert_eq!(results, [(1, result), (3, 0)], "{proposed:?}");
        assert_eq!(roles, answer, "{proposed:?}");
        peer.send(&release()).await;
        assert_eq!(peer.hear().await.kind, 6);
    }
    let closed = Node::with(|policy| policy.commitment = false).await;
    let mut peer = Peer::connect(closed.address).await;
    peer.send(&request(vec![]).encode()).await;
    assert_eq!(accepted(&peer.hear().await.body).0, [(1, 3), (3, 0)], "abstract syntax not supported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_few_classes_may_still_ask_for_commitment() {
    let node = Node::with(|policy| {
        let caller = Caller::new(AeTitle::parse("PEER").unwrap());
        policy.callers = CallerRule::Listed(vec![Caller { classes: Some(vec![uid("1.2.3")]), ..caller }]);
    })
    .await;
    let mut peer = Peer::connect(node.address).await;
    peer.send(&request(vec![(CLASS, 1, 0)]).encode()).await;
    assert_eq!(accepted(&peer.hear().await.body).0, [(1, 0), (3, 1)], "CR is refused, commitment is not");
    assert_eq!(ask(&mut peer, &action(CLASS, INSTANCE, 1, 1), &information(&["1.5"])).await, (7, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_handed_over_and_answered_with_its_action_type() {
    let node = Node::start().await;
    let mut peer = asked(&node).await;
    peer.send(&p_data(&[pdv(1, 3, &action(CLASS, INSTANCE, 1, 1))])).await;
    // In two pieces, as long ones come.
    let data = information(&["1.5", "1.6"]);
    let (head, tail) = data.split_at(20);
    peer.send(&p_data(&[pdv(1, 0, head), pdv(1, 2, tail)])).await;
    let answer = peer.hear_command().await;
    assert_eq!(answer[&0x0100], [0x30, 0x81]);
    assert_eq!(answer[&0x0900], [0, 0]);
    assert_eq!(answer[&0x0002], CLASS.as_bytes());
    assert_eq!(answer[&0x1008], [1, 0]);
    let asked = node.memory.asked.lock().unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].transaction, uid("1.2.3.99"));
    assert_eq!(asked[0].references.len(), 2);
    assert_eq!(asked[0].calling.as_str(), "PEER");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_request_has_its_status_and_the_association_goes_on() {
    let node = Node::start().await;
    let mut peer = asked(&node).await;
    let good = information(&["1.5"]);
    for (command, data, status) in [
        (action("1.2.840.10008.1.20.2", INSTANCE, 1, 1), good.as_slice(), 0x0118),
        (action(CLASS, "1.2.3", 1, 1), good.as_slice(), 0x0112),
        (action(CLASS, "../../x", 1, 1), good.as_slice(), 0x0117),
        (action(CLASS, INSTANCE, 2, 1), good.as_slice(), 0x0123),
        (action(CLASS, INSTANCE, 1, 1), &good[..30], 0x0115),
        (action(CLASS, INSTANCE, 1, 1), &b""[..], 0x0120),
        // An N-EVENT-REPORT without its type, of another type, that cannot be read, on a transaction that we never began.
        (crate::peer::request(0x0100, 7, 1), good.as_slice(), 0x0212),
        (event(3), good.as_slice(), 0x0113),
        (event(1), &good[..30], 0x0115),
        (event(1), &b""[..], 0x0120),
        (event(1), good.as_slice(), 0x0115),
        // N-GET is no service of ours.
        (crate::peer::request(0x0110, 7, 1), good.as_slice(), 0x0211),
    ] {
        assert_eq!(ask(&mut peer, &command, data).await, (7, status), "{status:04X}");
    }
    peer.send(&p_data(&[pdv(1, 3, &action(CLASS, INSTANCE, 1, 0x0101))])).await;
    assert_eq!(peer.hear_response().await, (7, 0x0120), "without a data set");
    // On the context of another class.
    peer.send(&p_data(&[pdv(3, 3, &action(CLASS, INSTANCE, 1, 1)), pdv(3, 2, &good)])).await;
    assert_eq!(peer.hear_response().await, (7, 0x0211));
    // A film on the context of commitment.
    peer.send(&p_data(&[pdv(1, 3, &store(7, CLASS, "1.2.3")), pdv(1, 2, b"")])).await;
    assert_eq!(peer.hear_response().await, (7, 0x0122));
    *node.memory.answer.lock().unwrap() = Some(DimseStatus::PROCESSING_FAILURE);
    assert_eq!(ask(&mut peer, &action(CLASS, INSTANCE, 1, 1), &good).await, (7, 0x0110), "the handler's word");
    assert_eq!(node.memory.asked.lock().unwrap().len(), 1, "only the last one was worth asking");
}

/// The places for long requests are the process's: tests that take them take turns.
static LONG: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_by_its_command_is_not_collected() {
    let node = Node::start().await;
    let mut peer = asked(&node).await;
    let block = p_data(&[pdv(1, 0, &vec![0; 100_000])]);
    for (command, status) in [(action(CLASS, "1.2.3", 1, 1), 0x0112), (event(3), 0x0113)] {
        peer.send(&p_data(&[pdv(1, 3, &command)])).await;
        // So much that a collected one would have been aborted.
        for _ in 0..=4 * MAX_BYTES / 100_000 {
            peer.send(&block).await;
        }
        peer.send(&p_data(&[pdv(1, 2, b"")])).await;
        assert_eq!(peer.hear_response().await, (7, status), "{status:04X}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_long_requests_are_collected_at_once() {
    let _turn = LONG.lock().await;
    let node = Node::with(|policy| policy.limits.stall = Duration::from_secs(3)).await;
    let instances: Vec<String> = (0..1_000).map(|n| format!("1.{n:0>60}").replace("1.0", "1.2")).collect();
    let data = information(&instances.iter().map(String::as_str).collect::<Vec<_>>());
    let (most, rest) = data.split_at(100_000);
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut peer = asked(&node).await;
        peer.send(&p_data(&[pdv(1, 3, &action(CLASS, INSTANCE, 1, 1)), pdv(1, 0, most)])).await;
        slow.push(peer);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut fifth = asked(&node).await;
    fifth.send(&p_data(&[pdv(1, 3, &action(CLASS, INSTANCE, 1, 1)), pdv(1, 2, &data)])).await;
    let mut short = asked(&node).await;
    assert_eq!(ask(&mut short, &action(CLASS, INSTANCE, 1, 1), &information(&["1.5"])).await, (7, 0));
    let alive = async {
        for byte in 0..7 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            for peer in &mut slow {
                peer.send(&p_data(&[pdv(1, 0, &rest[byte..=byte])])).await;
            }
        }
    };
    let (answer, ()) = tokio::join!(fifth.hear_response(), alive);
    assert_eq!(answer, (7, 0x0213), "no place");
    for peer in &mut slow {
        peer.send(&p_data(&[pdv(1, 2, &rest[7..])])).await;
        assert_eq!(peer.hear_response().await, (7, 0));
    }
    assert_eq!(ask(&mut fifth, &action(CLASS, INSTANCE, 1, 1), &data).await, (7, 0), "the places are free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_end_is_not_collected() {
    let _turn = LONG.lock().await;
    let node = Node::start().await;
    let mut peer = asked(&node).await;
    peer.send(&p_data(&[pdv(1, 3, &action(CLASS, INSTANCE, 1, 1))])).await;
    let block = p_data(&[pdv(1, 0, &vec![0; 100_000])]);
    for _ in 0..MAX_BYTES / 100_000 + 1 {
        peer.send(&block).await;
    }
    peer.send(&p_data(&[pdv(1, 2, b"")])).await;
    assert_eq!(peer.hear_response().await, (7, 0x0213));
    peer.send(&p_data(&[pdv(1, 3, &action(CLASS, INSTANCE, 1, 1))])).await;
    for _ in 0..=4 * MAX_BYTES / 100_000 {
        peer.send(&block).await;
    }
    peer.hear_abort(0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_comes_on_the_same_association_between_two_messages() {
    let node = Node::start().await;
    let mut peer = asked(&node).await;
    assert_eq!(ask(&mut peer, &action(CLASS, INSTANCE, 1, 1), &information(&["1.5", "1.6"])).await, (7, 0));
    let channel = node.memory.asked.lock().unwrap()[0].channel.clone();
    assert!(!channel.is_closed());
    let report = Report {
        transaction: uid("1.2.3.99"),
        committed: vec![Reference { sop_class: uid(CR), sop_instance: uid("1.5") }],
        failed: vec![(Reference { sop_class: uid(CR), sop_instance: uid("1.6") }, FailureReason::NO_SUCH_INSTANCE)],
    };
    let (told, sent) = (channel.clone(), report.clone());
    let telling = tokio::spawn(async move { told.report(&sent).await });
    let event = peer.hear_command().await;
    assert_eq!((&event[&0x0100][..], &event[&0x1002][..]), (&[0, 1][..], &[2, 0][..]), "event type 2");
    let said = peer.hear().await;
    assert_eq!((said.kind, said.body[5]), (4, 2), "a whole data set");
    assert_eq!(said.body[6..], report.encode(true), "in the encoding of the context");
    // The peer first sends another film, then answers the report.
    peer.send(&p_data(&[pdv(3, 3, &store(8, CR, "1.2.3")), pdv(3, 2, b"\x08\0\x05\0CS\0\0")])).await;
    assert_eq!(peer.hear_response().await, (8, 0));
    let id = event[&0x0110].as_slice();
    let answer = command(&[
        (0x0002, CLASS.as_bytes()),
        (0x0100, &0x8100_u16.to_le_bytes()),
        (0x0120, id),
        (0x0800, &0x0101_u16.to_le_bytes()),
        (0x0900, &[0, 0]),
    ]);
    peer.send(&p_data(&[pdv(1, 3, &answer)])).await;
    assert_eq!(telling.await.unwrap(), Ok(DimseStatus::SUCCESS));
    // Once more: a late answer to an old report is no offence.
    peer.send(&p_data(&[pdv(1, 3, &answer)])).await;
    peer.send(&release()).await;
    assert_eq!(peer.hear().await.kind, 6);
    drop(peer);
    for _ in 0..500 {
        if channel.is_closed() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(channel.report(&report).await, Err(NotReported), "the association has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_answer_the_report_is_given_up_and_served_on() {
    let node = Node::with(|policy| policy.limits.stall = Duration::from_millis(300)).await;
    let mut peer = asked(&node).await;
    assert_eq!(ask(&mut peer, &action(CLASS, INSTANCE, 1, 1), &information(&["1.5"])).await, (7, 0));
    let channel = node.memory.asked.lock().unwrap()[0].channel.clone();
    let report = Report { transaction: uid("1.2.3.99"), committed: Vec::new(), failed: Vec::new() };
    assert_eq!(channel.report(&report).await, Err(NotReported));
    peer.hear().await;
    peer.hear().await;
    peer.send(&p_data(&[pdv(3, 3, &store(8, CR, "1.2.3")), pdv(3, 2, b"\x08\0\x05\0CS\0\0")])).await;
    assert_eq!(peer.hear_response().await, (8, 0));
    // An answer to what was never asked still is one.
    let stray = command(&[(0x0100, &0x8100_u16.to_le_bytes()), (0x0120, &[9, 0]), (0x0900, &[0, 0])]);
    peer.send(&p_data(&[pdv(1, 3, &stray)])).await;
    peer.hear_abort(0, 0).await;
}

fn options() -> RequestorOptions {
    RequestorOptions {
        calling: AeTitle::parse("NODE").unwrap(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(5),
        max_pdu: 16_384,
        implementation_class_uid: uid("2.25.4711"),
        implementation_version: "CENTINELA_TEST".to_owned(),
    }
}

/// A peer that accepts the class with this answer to the role selection.
async fn receiver(roles: Option<(u8, u8)>) -> (Remote, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut peer = Peer(listener.accept().await.unwrap().0);
        let asked = peer.hear().await.body;
        let item = |kind: u8, body: &[u8]| {
            [&[kind, 0], u16::try_from(body.len()).unwrap().to_be_bytes().as_slice(), body].concat()
        };
        let mut user = item(0x51, &16_384_u32.to_be_bytes());
        user.extend(item(0x52, b"1.2.3.4"));
        if let Some((scu, scp)) = roles {
            user.extend(item(0x54, &[&[0, 20], CLASS.as_bytes(), &[scu, scp]].concat()));
        }
        let mut body = asked[..68].to_vec();
        body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
        body.extend(item(0x21, &[&[1, 0, 0, 0], item(0x40, IMPLICIT.as_bytes()).as_slice()].concat()));
        body.extend(item(0x50, &user));
        peer.send(&crate::peer::pdu(2, &body)).await;
        let heard = peer.hear().await;
        if heard.kind == 4 {
            // The answer carries an event reply, which nobody needs.
            let answer = command(&[
                (0x0100, &0x8100_u16.to_le_bytes()),
                (0x0120, &[1, 0]),
                (0x0800, &[0, 0]),
                (0x0900, &[0x12, 0x01]),
            ]);
            peer.hear().await;
            peer.send(&p_data(&[pdv(1, 3, &answer), pdv(1, 2, b"\x08\0\x05\0\0\0\0\0")])).await;
        }
        let mut rest = [0; 10];
        let _ = peer.0.read(&mut rest).await;
        let _ = peer.0.shutdown().await;
        asked
    });
    let remote = Remote { ae_title: AeTitle::parse("PEER").unwrap(), host: "127.0.0.1".into(), port, tls: None };
    (remote, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requestor_proposes_the_scp_role_and_reports() {
    let report = Report { transaction: uid("1.2.3.99"), committed: Vec::new(), failed: Vec::new() };
    // A peer that forgets the answer to the role selection gets its report all the same.
    for roles in [Some((0, 1)), None] {
        let (remote, task) = receiver(roles).await;
        let mut requestor = Requestor::open(&remote, &options(), &[ProposedContext::commitment()]).await.unwrap();
        assert_eq!(requestor.report(&report).await.unwrap(), DimseStatus(0x0112));
        requestor.release().await;
        let asked = task.await.unwrap();
        let role = [&[0x54, 0, 0, 24, 0, 20], CLASS.as_bytes(), &[0, 1]].concat();
        assert!(asked.windows(role.len()).any(|w| w == role), "SCU 0, SCP 1 is proposed");
    }
    let (remote, task) = receiver(Some((0, 0))).await;
    let refused = Requestor::open(&remote, &options(), &[ProposedContext::commitment()]).await;
    assert!(matches!(refused, Err(RequestError::NoPresentationContext { .. })), "{refused:?}");
    task.await.unwrap();
}
