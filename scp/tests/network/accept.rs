//! Who is let in and with which contexts (PS3.8 sections 9.3.2 to 9.3.4).

use crate::node::Node;
use crate::peer::{CR, DX, EXPLICIT, IMPLICIT, Peer, Request, Said, release};
use centinela_domain::ae::AeTitle;
use centinela_scp::{AssociationChange, Caller, CallerRule, RefusalCause};

async fn answer(node: &Node, request: Request) -> Peer {
    let mut peer = Peer::connect(node.address).await;
    peer.send(&request.encode()).await;
    peer
}

/// Context identifier, result and transfer syntax of each result item.
fn results(said: &Said) -> Vec<(u8, u8, String)> {
    assert_eq!(said.kind, 2, "{said:?}");
    let mut results = Vec::new();
    let mut rest = &said.body[68..];
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let item = &rest[4..4 + length];
        if rest[0] == 0x21 {
            let syntax = String::from_utf8(item[8..].to_vec()).unwrap();
            results.push((item[0], item[2], syntax));
        }
        rest = &rest[4 + length..];
    }
    results
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_are_answered_one_by_one_and_the_peer_is_known() {
    let node = Node::start().await;
    let mut request = Request::usual();
    request.contexts = vec![
        (1, CR, vec!["1.2.840.10008.1.2.4.80", EXPLICIT]),
        (7, "1.3.12.2.1107.5.9.1", vec![IMPLICIT]),
        (9, "1.2.840.10008.5.1.4.1.2.2.1", vec![IMPLICIT]),
        (255, DX, vec!["not a uid", "1.2.840.10008.1.2.2"]),
        (11, DX, vec!["not a uid"]),
        (13, DX, vec![]),
    ];
    let mut peer = answer(&node, request).await;
    let said = peer.hear().await;
    let results = results(&said);
    let brief: Vec<_> = results.iter().map(|(id, result, _)| (*id, *result)).collect();
    assert_eq!(brief, [(1, 0), (7, 0), (9, 3), (255, 0), (11, 4), (13, 4)]);
    assert_eq!(results[0].2, EXPLICIT, "our preference, not the requestor's order");
    assert_eq!(results[3].2, "1.2.840.10008.1.2.2");
    let text = String::from_utf8_lossy(&said.body).into_owned();
    assert!(text.contains("2.25.4711") && text.contains("CENTINELA_TEST"), "our identity");
    let accepted = node.observed(|c| matches!(c, AssociationChange::Accepted { .. })).await;
    let AssociationChange::Accepted { implementation_version, contexts, .. } = accepted else { unreachable!() };
    assert_eq!(implementation_version.as_deref(), Some("SCRIPTED"));
    assert_eq!(contexts, (3, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn private_classes_can_be_refused() {
    let node = Node::with(|policy| policy.accept_any_abstract_syntax = false).await;
    let mut request = Request::usual();
    request.contexts = vec![(1, "1.3.12.2.1107.5.9.1", vec![IMPLICIT]), (3, CR, vec![IMPLICIT])];
    let said = answer(&node, request).await.hear().await;
    let brief: Vec<_> = results(&said).iter().map(|(id, result, _)| (*id, *result)).collect();
    assert_eq!(brief, [(1, 3), (3, 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_wrong_addressees_are_rejected() {
    let node = Node::with(|policy| {
        let caller = |title: &str, host: &str| Caller {
            networks: vec![host.parse().unwrap()],
            ..Caller::new(AeTitle::parse(title).unwrap())
        };
        policy.callers = CallerRule::Listed(vec![caller("PEER", "127.0.0.1"), caller("FAR", "192.0.2.1")]);
    })
    .await;
    Peer::associated(node.address).await.send(&release()).await;
    let stranger = Request { calling: "STRANGER", ..Request::usual() };
    answer(&node, stranger).await.hear_reject(1, 1, 3).await;
    let elsewhere = Request { calling: "FAR", ..Request::usual() };
    answer(&node, elsewhere).await.hear_reject(1, 1, 3).await;
    let nobody = Request { calling: "", ..Request::usual() };
    answer(&node, nobody).await.hear_reject(1, 1, 3).await;
    let other = Request { called: "node", ..Request::usual() };
    answer(&node, other).await.hear_reject(1, 1, 7).await;
    let mut heard = Vec::new();
    for change in node.memory.events.lock().unwrap().iter() {
        if let AssociationChange::Refused { cause, claimed } = change {
            heard.push((*cause, claimed.clone()));
        }
    }
    let wanted = [
        (RefusalCause::UnknownCaller, "STRANGER"),
        (RefusalCause::Network, "FAR"),
        (RefusalCause::UnknownCaller, ""),
        (RefusalCause::CalledTitle, "PEER"),
    ];
    assert_eq!(heard, wanted.map(|(cause, claimed)| (cause, claimed.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_another_world_is_rejected() {
    let node = Node::start().await;
    let version = Request { version: 2, ..Request::usual() };
    answer(&node, version).await.hear_reject(1, 2, 2).await;
    let context = Request { application_context: "1.2.3", ..Request::usual() };
    answer(&node, context).await.hear_reject(1, 1, 2).await;
    let nothing = Request { contexts: Vec::new(), ..Request::usual() };
    answer(&node, nothing).await.hear_reject(1, 2, 1).await;
    for tiny in [1, 4, 1017] {
        let request = Request { max_length: tiny, ..Request::usual() };
        answer(&node, request).await.hear_reject(1, 2, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_fit_the_smallest_peer_and_zero_means_no_limit() {
    let node = Node::start().await;
    for max_length in [1018, 0] {
        let mut peer = answer(&node, Request { max_length, ..Request::usual() }).await;
        assert_eq!(peer.hear().await.kind, 2);
        assert_eq!(peer.store(1, b"data").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_128_contexts_or_one_twice_are_rejected() {
    let node = Node::start().await;
    let odd = |count: usize| (0..count).map(|i| (((2 * i + 1) % 256) as u8, CR, vec![IMPLICIT]));
    let full = Request { contexts: odd(128).collect(), ..Request::usual() };
    assert_eq!(results(&answer(&node, full).await.hear().await).len(), 128);
    let many = Request { contexts: odd(200).collect(), ..Request::usual() };
    answer(&node, many).await.hear_reject(1, 2, 1).await;
    let even = Request { contexts: vec![(2, CR, vec![IMPLICIT])], ..Request::usual() };
    answer(&node, even).await.hear_reject(1, 2, 1).await;
}
