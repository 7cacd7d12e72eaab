//! Places, rates and permissions of callers; the least rate inside a message (PS3.8 section 9.3.4).

use crate::node::Node;
use crate::peer::{CR, DX, EXPLICIT, IMPLICIT, Peer, Request, VERIFICATION, p_data, pdv, release, request, store};
use centinela_domain::ae::AeTitle;
use centinela_domain::uid::Uid;
use centinela_scp::{AbortCause, AssociationChange, Caller, CallerRule, RefusalCause};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;

fn caller(title: &str) -> Caller {
    Caller::new(AeTitle::parse(title).unwrap())
}

async fn refused(node: &Node, wanted: RefusalCause) {
    node.observed(|change| matches!(change, AssociationChange::Refused { cause, .. } if *cause == wanted)).await;
}

async fn asked(node: &Node, calling: &'static str) -> Peer {
    let mut peer = Peer::connect(node.address).await;
    peer.send(&Request { calling, ..Request::usual() }.encode()).await;
    peer
}

/// From 127.0.0.2: another address on the same machine.
async fn from_elsewhere(node: &Node) -> Peer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    Peer(socket.connect(node.address).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_and_one_address_cannot_take_all_places() {
    let node = Node::with(|policy| {
        policy.limits.associations_per_caller = 1;
        policy.limits.associations_per_address = 2;
    })
    .await;
    let mut first = asked(&node, "A").await;
    assert_eq!(first.hear().await.kind, 2);
    asked(&node, "A").await.hear_reject(2, 3, 2).await;
    refused(&node, RefusalCause::AssociationsOfCaller).await;
    let mut second = asked(&node, "B").await;
    assert_eq!(second.hear().await.kind, 2);
    asked(&node, "C").await.hear_reject(2, 3, 2).await;
    refused(&node, RefusalCause::AssociationsOfAddress).await;
    let mut elsewhere = from_elsewhere(&node).await;
    elsewhere.send(&Request { calling: "C", ..Request::usual() }.encode()).await;
    assert_eq!(elsewhere.hear().await.kind, 2, "another address is not touched");
    first.send(&release()).await;
    assert_eq!(first.hear().await.kind, 6);
    assert_eq!(asked(&node, "A").await.hear().await.kind, 2, "the place is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_connections() {
    let node = Node::with(|policy| policy.limits.connections_per_address = 3).await;
    let _idle =
        [Peer::connect(node.address).await, Peer::connect(node.address).await, Peer::connect(node.address).await];
    Peer::connect(node.address).await.hear_end().await;
    refused(&node, RefusalCause::ConnectionsOfAddress).await;
    let mut elsewhere = from_elsewhere(&node).await;
    elsewhere.send(&Request::usual().encode()).await;
    assert_eq!(elsewhere.hear().await.kind, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_requests_and_an_overloaded_node_are_congestion() {
    let node = Node::with(|policy| policy.limits.requests_per_minute = 3).await;
    for _ in 0..3 {
        assert_eq!(asked(&node, "A").await.hear().await.kind, 2);
    }
    asked(&node, "A").await.hear_reject(2, 3, 1).await;
    refused(&node, RefusalCause::RateOfAddress).await;
    let mut elsewhere = from_elsewhere(&node).await;
    elsewhere.send(&Request::usual().encode()).await;
    assert_eq!(elsewhere.hear().await.kind, 2);

    let node = Node::start().await;
    *node.memory.congested.lock().unwrap() = true;
    asked(&node, "A").await.hear_reject(2, 3, 1).await;
    refused(&node, RefusalCause::Congestion).await;
    *node.memory.congested.lock().unwrap() = false;
    assert_eq!(asked(&node, "A").await.hear().await.kind, 2, "it recovers without a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_caller_has_its_own_rate_and_number() {
    let node = Node::with(|policy| {
        policy.callers = CallerRule::Listed(vec![
            Caller { per_minute: Some(2), ..caller("OFTEN") },
            Caller { associations: Some(1), ..caller("MANY") },
        ]);
    })
    .await;
    for _ in 0..2 {
        assert_eq!(asked(&node, "OFTEN").await.hear().await.kind, 2);
    }
    asked(&node, "OFTEN").await.hear_reject(2, 3, 1).await;
    refused(&node, RefusalCause::RateOfCaller).await;
    let mut one = asked(&node, "MANY").await;
    assert_eq!(one.hear().await.kind, 2);
    asked(&node, "MANY").await.hear_reject(2, 3, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_the_caller_may_not_send_is_refused_by_its_context() {
    let node = Node::with(|policy| {
        let classes = Some(vec![Uid::parse(DX).unwrap()]);
        policy.callers = CallerRule::Listed(vec![Caller { classes, ..caller("PEER") }]);
    })
    .await;
    let mut peer = asked(&node, "PEER").await;
    let said = peer.hear().await;
    assert_eq!(said.kind, 2);
    // Results: context 1 is CR, refused by the user (1); 3 is DX; 5 is Verification, always there.
    let results: Vec<_> = said.body.windows(8).filter(|w| w[..2] == [0x21, 0]).map(|w| (w[4], w[6])).collect();
    assert_eq!(results, [(1, 1), (3, 0), (5, 0)]);
    node.observed(|c| matches!(c, AssociationChange::Accepted { excluded: 1, contexts: (2, 3), .. })).await;
    peer.send(&p_data(&[pdv(5, 3, &request(0x0030, 1, 0x0101))])).await;
    assert_eq!(peer.hear_response().await, (1, 0));
    peer.send(&p_data(&[pdv(1, 3, &store(2, CR, "1.2.3"))])).await;
    peer.hear_abort(2, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pacs_that_proposes_everything_is_heard_and_no_more() {
    let node = Node::start().await;
    const LONG: &str = "1.2.840.10008.5.1.4.1.1.1234567890.1234567890.1234567890.1234567";
    assert_eq!(LONG.len(), 64);
    let contexts = |syntaxes: usize| {
        (0..128_u8).map(|n| (2 * n + 1, LONG, [vec![LONG; syntaxes - 1], vec![EXPLICIT]].concat())).collect()
    };
    let full = Request { contexts: contexts(20), ..Request::usual() }.encode();
    assert!(full.len() > 170_000, "{}", full.len());
    let mut peer = Peer::connect(node.address).await;
    peer.send(&full).await;
    assert_eq!(peer.hear().await.kind, 2);
    peer.send(&release()).await;
    assert_eq!(peer.hear().await.kind, 6);
    let beyond = Request { contexts: contexts(40), ..Request::usual() }.encode();
    let mut peer = Peer::connect(node.address).await;
    peer.send(&beyond).await;
    peer.hear_abort(2, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_syntax_of_each_context_is_taken() {
    let node = Node::start().await;
    let mut request = Request::usual();
    request.contexts = vec![
        (1, CR, vec!["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", IMPLICIT]),
        (3, DX, vec!["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"]),
        (5, VERIFICATION, vec!["1.2.840.10008.1.2.2", IMPLICIT, EXPLICIT]),
    ];
    let mut peer = Peer::connect(node.address).await;
    peer.send(&request.encode()).await;
    let body = peer.hear().await.body;
    let chosen: Vec<_> = body
        .windows(4)
        .enumerate()
        .filter(|(_, w)| w[..3] == [0x40, 0, 0])
        .map(|(at, w)| String::from_utf8(body[at + 4..at + 4 + usize::from(w[3])].to_vec()).unwrap())
        .collect();
    assert_eq!(chosen, [IMPLICIT, "1.2.840.10008.1.2.4.90", EXPLICIT]);
}

/// One byte now and then, each time before the stall timer: hours, without a least rate.
#[tokio::test(flavor = "multi_thread")]
async fn a_drip_inside_a_message_is_too_slow_and_a_slow_line_is_not() {
    let node = Node::with(|policy| {
        policy.limits.stall = Duration::from_secs(5);
        policy.limits.rate_window = Duration::from_millis(500);
        policy.limits.least_rate = 200;
    })
    .await;
    let whole = p_data(&[pdv(1, 3, &store(1, CR, "1.2.3")), pdv(1, 0, &[1; 5_000])]);
    // In the PDU header, in the command, in the data set, and between two PDUs of a message.
    for cut in [2, 60, 300, whole.len()] {
        let mut peer = Peer::associated(node.address).await;
        peer.send(&whole[..cut]).await;
        let (begin, mut at) = (Instant::now(), cut);
        let rest = [whole.clone(), p_data(&[pdv(1, 0, &[1; 5_000])])].concat();
        let said = loop {
            peer.send(&rest[at..=at]).await;
            at += 1;
            let mut head = [0; 10];
            if let Ok(read) = tokio::time::timeout(Duration::from_millis(60), peer.0.read_exact(&mut head)).await {
                break read.map(|_| head);
            }
            assert!(begin.elapsed() < Duration::from_secs(4), "cut {cut}: it goes on");
        };
        assert_eq!(said.unwrap(), [7, 0, 0, 0, 0, 4, 0, 0, 2, 0], "cut {cut}");
        node.observed(|change| *change == AssociationChange::Aborted(AbortCause::TooSlow)).await;
        node.memory.events.lock().unwrap().clear();
    }
    // Slow, but at several times the least rate over several windows.
    let mut slow = Peer::associated(node.address).await;
    slow.send(&p_data(&[pdv(1, 3, &store(1, CR, "1.2.3"))])).await;
    for piece in p_data(&[pdv(1, 2, &[1; 10_000])]).chunks(250) {
        slow.send(piece).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    assert_eq!(slow.hear_response().await, (1, 0));
    // Idle between messages is another timer's business.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(slow.store(2, b"data").await, 0);
    node.spool_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_takes_its_answers_byte_by_byte_is_left() {
    let node = Node::with(|policy| policy.limits.stall = Duration::from_millis(500)).await;
    let mut peer = Peer::associated(node.address).await;
    let echo = p_data(&[pdv(5, 3, &request(0x0030, 1, 0x0101))]).repeat(1000);
    let (mut reading, mut writing) = peer.0.split();
    let begin = Instant::now();
    let drip = async {
        loop {
            let mut byte = [0];
            if reading.read_exact(&mut byte).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Answers fill the buffers of both sides; then ours cannot be sent, and nothing more is read.
    let flood = async { while tokio::io::AsyncWriteExt::write_all(&mut writing, &echo).await.is_ok() {} };
    tokio::select! {
        () = drip => {}
        () = flood => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => {}
    }
    assert!(begin.elapsed() < Duration::from_secs(25), "it still listens");
    node.observed(|change| matches!(change, AssociationChange::Aborted(AbortCause::TimedOut))).await;
}
