//! Peers that lie, stop or talk nonsense: each ends in A-ABORT or a close, and harms nobody else
//! (PS3.8 section 9.2, table 9-10).

use crate::node::Node;
use crate::peer::{CR, Peer, Request, command, p_data, pdu, pdv, release, request, store};
use centinela_scp::{AbortCause, AssociationChange};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// The node still serves others.
async fn still_serves(node: &Node) {
    let mut other = Peer::associated(node.address).await;
    other.send(&p_data(&[pdv(5, 3, &request(0x0030, 1, 0x0101))])).await;
    assert_eq!(other.hear_response().await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_is_told_off() {
    let node = Node::start().await;
    let mut peer = Peer::connect(node.address).await;
    peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    peer.send(&[0x5A; 4096]).await;
    peer.hear_abort(2, 1).await;
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_are_refused_by_the_header_alone() {
    let node = Node::start().await;
    let mut peer = Peer::connect(node.address).await;
    peer.send(b"\x01\0\xFF\xFF\xFF\xF0").await;
    peer.hear_abort(2, 6).await;
    for header in [b"\x04\0\xFF\xFF\xFF\xFF", b"\x04\0\0\x02\0\x01", b"\x04\0\0\0\0\x05"] {
        let mut peer = Peer::associated(node.address).await;
        peer.send(header).await;
        peer.hear_abort(2, 6).await;
    }
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_association_request_of_garbage_is_aborted() {
    let node = Node::start().await;
    let whole = Request::usual().encode();
    let mut peer = Peer::connect(node.address).await;
    peer.send(&pdu(1, &[0xFF; 60_000])).await;
    peer.hear_abort(2, 6).await;
    // Each cut, with a length that fits it: never a panic, never an acceptance of half a request.
    for cut in (6..whole.len() - 1).step_by(5) {
        let mut peer = Peer::connect(node.address).await;
        peer.send(&pdu(1, &whole[6..cut])).await;
        let said = peer.hear().await;
        assert!([3, 7, 2].contains(&said.kind), "cut {cut}: {said:?}");
    }
    let panics = AssociationChange::Aborted(AbortCause::Panic);
    assert!(!node.memory.events.lock().unwrap().contains(&panics));
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presentation_data_values_that_lie_are_aborted() {
    let node = Node::start().await;
    let too_long = b"\0\0\x10\0\x01\x03abcd".to_vec();
    let too_short = b"\0\0\0\x01\x01\x03".to_vec();
    let torn = [pdv(1, 1, b"ab"), b"\0\0\0".to_vec()].concat();
    let wraps = b"\xFF\xFF\xFF\xFF\x01\x03abcd".to_vec();
    for lie in [too_long, too_short, torn, wraps] {
        let mut peer = Peer::associated(node.address).await;
        peer.send(&pdu(4, &lie)).await;
        peer.hear_abort(2, 6).await;
    }
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pdus_out_of_place_are_aborted() {
    let node = Node::start().await;
    for (bytes, reason) in [
        (Request::usual().encode(), 2),
        (pdu(3, &[0, 1, 1, 1]), 2),
        (pdu(6, &[0; 4]), 2),
        (pdu(0x22, b"what?"), 1),
        (pdu(5, &[0; 8]), 6),
    ] {
        let mut peer = Peer::associated(node.address).await;
        peer.send(&bytes).await;
        peer.hear_abort(2, reason).await;
    }
    let mut early = Peer::connect(node.address).await;
    early.send(&p_data(&[pdv(1, 3, &store(1, CR, "1.2.3"))])).await;
    early.hear_abort(2, 2).await;
    for open in [pdv(1, 1, b""), pdv(1, 3, &store(1, CR, "1.2.3"))] {
        let mut peer = Peer::associated(node.address).await;
        peer.send(&[p_data(&[open]), release()].concat()).await;
        peer.hear_abort(2, 2).await;
    }
    node.spool_is_empty().await;
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_make_no_sense_are_aborted() {
    let node = Node::start().await;
    let huge: Vec<u8> = command(&[(0x0902, &[b'x'; 20_000])]);
    let store_it = store(1, CR, "1.2.3");
    for (bytes, source, reason) in [
        // A data set without a command; a context that nobody proposed.
        (p_data(&[pdv(1, 2, b"data")]), 0, 0),
        (p_data(&[pdv(77, 3, &store_it)]), 2, 6),
        // An element that claims 3 GB; no command set at all; one that is too long.
        (p_data(&[pdv(1, 3, b"\0\0\x02\0\0\0\0\xC0abcdefghijkl")]), 0, 0),
        (p_data(&[pdv(1, 3, b"")]), 0, 0),
        (p_data(&[pdv(1, 3, &huge)]), 0, 0),
        // A request without a Message ID; a response to nothing.
        (p_data(&[pdv(1, 3, &command(&[(0x0100, &[0x30, 0])]))]), 0, 0),
        (p_data(&[pdv(1, 3, &request(0x8001, 1, 0x0101))]), 0, 0),
        // A command on two contexts; a command, or another context, inside a data set.
        (p_data(&[pdv(1, 1, &store_it[..8]), pdv(3, 3, &store_it[8..])]), 0, 0),
        (p_data(&[pdv(1, 3, &store_it), pdv(1, 0, b"da"), pdv(1, 3, &store_it)]), 0, 0),
        (p_data(&[pdv(1, 3, &store_it), pdv(1, 0, b"da"), pdv(3, 2, b"ta")]), 0, 0),
    ] {
        let mut peer = Peer::associated(node.address).await;
        peer.send(&bytes).await;
        peer.hear_abort(source, reason).await;
    }
    assert_eq!(node.kept().len(), 0);
    node.spool_is_empty().await;
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_claims_3_gb_inside_a_data_set_is_only_bytes() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    let claim = b"\xE0\x7F\x10\0OW\0\0\0\0\0\xC0";
    assert_eq!(peer.store(1, claim).await, 0);
    assert_eq!(node.kept()[0].data_set(), claim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_leaves_inside_a_data_set_leaves_nothing() {
    let node = Node::start().await;
    for abort in [true, false] {
        let mut peer = Peer::associated(node.address).await;
        peer.send(&p_data(&[pdv(1, 3, &store(1, CR, "1.2.3"))])).await;
        for _ in 0..8 {
            peer.send(&p_data(&[pdv(1, 0, &[7; 100_000])])).await;
        }
        if abort {
            peer.send(&pdu(7, &[0, 0, 2, 1])).await;
            let cause = AssociationChange::Aborted(AbortCause::Peer(2, 1));
            node.observed(|change| *change == cause).await;
        } else {
            peer.0.shutdown().await.unwrap();
            let cause = AssociationChange::Aborted(AbortCause::ConnectionLost);
            node.observed(|change| *change == cause).await;
        }
    }
    node.spool_is_empty().await;
    assert_eq!(node.kept().len(), 0);
    still_serves(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_only_its_own_association() {
    let node = Node::start().await;
    let mut bystander = Peer::associated(node.address).await;
    let mut peer = Peer::associated(node.address).await;
    *node.memory.panic.lock().unwrap() = true;
    peer.send(&p_data(&[pdv(1, 3, &store(1, CR, "1.2.3")), pdv(1, 2, b"data")])).await;
    peer.hear_abort(2, 0).await;
    *node.memory.panic.lock().unwrap() = false;
    assert_eq!(bystander.store(2, b"data").await, 0);
    node.spool_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_does_not_close_after_release_is_closed_by_artim() {
    let node = Node::with(|policy| policy.limits.artim = Duration::from_millis(300)).await;
    let mut peer = Peer::associated(node.address).await;
    peer.send(&release()).await;
    assert_eq!(peer.hear().await.kind, 6);
    peer.hear_end().await;
}
