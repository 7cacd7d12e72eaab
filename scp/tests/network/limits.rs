//! Limits of number, size and time (PS3.8 section 9.1.5 and our own).

use crate::node::Node;
use crate::peer::{CR, Peer, Request, p_data, pdu, pdv, release, request, store};
use centinela_scp::{AbortCause, AssociationChange, RefusalCause};
use std::time::{Duration, Instant};

async fn refused(node: &Node, wanted: RefusalCause) {
    node.observed(|change| matches!(change, AssociationChange::Refused { cause, .. } if *cause == wanted)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_association_too_many_is_rejected_for_now() {
    let node = Node::with(|policy| policy.limits.associations = 1).await;
    let mut first = Peer::associated(node.address).await;
    let mut second = Peer::connect(node.address).await;
    second.send(&Request::usual().encode()).await;
    second.hear_reject(2, 3, 2).await;
    refused(&node, RefusalCause::Associations).await;
    first.send(&release()).await;
    assert_eq!(first.hear().await.kind, 6);
    // The place is free as soon as the release is answered.
    Peer::associated(node.address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_take_no_place_and_one_too_many_is_closed() {
    let node = Node::with(|policy| {
        policy.limits.associations = 4;
        policy.limits.connections = 201;
        policy.limits.connections_per_address = 1000;
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(Peer::connect(node.address).await);
    }
    let start = Instant::now();
    let mut peer = Peer::associated(node.address).await;
    peer.send(&p_data(&[pdv(5, 3, &request(0x0030, 1, 0x0101))])).await;
    assert_eq!(peer.hear_response().await, (1, 0));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    Peer::connect(node.address).await.hear_end().await;
    refused(&node, RefusalCause::Connections).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dripped_request_ends_with_artim() {
    let node = Node::with(|policy| policy.limits.artim = Duration::from_millis(400)).await;
    let mut peer = Peer::connect(node.address).await;
    let start = Instant::now();
    for byte in &Request::usual().encode()[..12] {
        peer.send(&[*byte]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // AA-2: ARTIM in Sta2 closes without a word.
    peer.hear_end().await;
    assert!(start.elapsed() < Duration::from_secs(5));
    node.observed(|change| *change == AssociationChange::Aborted(AbortCause::TimedOut)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_between_and_inside_messages_is_aborted() {
    let node = Node::with(|policy| {
        policy.limits.idle = Duration::from_millis(300);
        policy.limits.stall = Duration::from_millis(300);
        policy.limits.artim = Duration::from_secs(2);
    })
    .await;
    let whole = p_data(&[pdv(1, 3, &store(1, CR, "1.2.3")), pdv(1, 0, &[1; 50_000])]);
    for cut in [0, 3, 9, 40, 1000, whole.len()] {
        let mut peer = Peer::associated(node.address).await;
        peer.send(&whole[..cut]).await;
        peer.hear_abort(2, 0).await;
    }
    node.spool_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_instance_is_refused_and_an_endless_one_ends() {
    let node = Node::with(|policy| policy.limits.instance_bytes = 100_000).await;
    let mut peer = Peer::associated(node.address).await;
    assert_eq!(peer.store(1, &[1; 100_000]).await, 0);
    peer.send(&p_data(&[pdv(1, 3, &store(2, CR, "1.2.3"))])).await;
    peer.send(&p_data(&[pdv(1, 0, &[1; 60_000])])).await;
    peer.send(&p_data(&[pdv(1, 2, &[1; 60_000])])).await;
    assert_eq!(peer.hear_response().await, (2, 0xA700));
    assert_eq!(peer.store(3, b"data").await, 0);
    peer.send(&p_data(&[pdv(1, 3, &store(4, CR, "1.2.3"))])).await;
    for _ in 0..40 {
        peer.send(&p_data(&[pdv(1, 0, &[1; 60_000])])).await;
    }
    peer.hear_abort(0, 0).await;
    assert_eq!(node.kept().len(), 2);
    node.spool_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_announced_pdu_length_is_enforced() {
    let node = Node::with(|policy| policy.limits.max_pdu = 4096).await;
    let mut fits = Peer::associated(node.address).await;
    assert_eq!(fits.store(1, &[1; 4096 - 6]).await, 0);
    fits.send(&pdu(4, &pdv(1, 2, &[1; 4096 - 5]))).await;
    fits.hear_abort(2, 6).await;
}
