//! What is sent is what is kept, however it is cut into fragments (PS3.7 9.1.1, PS3.8 annex E).

use crate::node::Node;
use crate::peer::{CR, DX, EXPLICIT, JPEG_2000, Peer, p_data, pdv, release, request, store};
use centinela_domain::status::DimseStatus;
use centinela_scp::{AssociationChange, Priority, part10_parts};

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7919 % 253) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_set_is_kept_byte_for_byte_in_a_part_10_file() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    let data = noise(700_001);
    peer.send(&p_data(&[pdv(1, 3, &store(7, CR, "1.2.3.4"))])).await;
    let mut pieces = data.chunks(100_000).peekable();
    while let Some(piece) = pieces.next() {
        peer.send(&p_data(&[pdv(1, if pieces.peek().is_none() { 2 } else { 0 }, piece)])).await;
    }
    assert_eq!(peer.hear_response().await, (7, 0));
    peer.send(&release()).await;
    assert_eq!(peer.hear().await.kind, 6);
    let kept = &node.kept()[0];
    assert!(kept.data_set() == data);
    assert_eq!(kept.file_bytes, kept.file.len() as u64);
    let (class, instance, syntax, offset) = part10_parts(&kept.file).unwrap();
    assert_eq!((class.as_str(), instance.as_str(), syntax.as_str()), (CR, "1.2.3.4", EXPLICIT));
    assert_eq!(offset, kept.dataset_offset);
    assert!(kept.file[..128].iter().all(|byte| *byte == 0));
    assert_eq!(kept.request.calling.as_str(), "PEER");
    assert_eq!(kept.request.priority, Priority::High);
    assert_eq!(kept.digest.len(), 64);
    node.observed(|change| *change == AssociationChange::Released).await;
    node.spool_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_set_may_be_split_over_values_and_pdus() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    let command = store(9, CR, "1.2.3");
    peer.send(&p_data(&[pdv(1, 1, &command[..10]), pdv(1, 1, &command[10..11])])).await;
    peer.send(&p_data(&[pdv(1, 3, &command[11..]), pdv(1, 2, b"DATA")])).await;
    assert_eq!(peer.hear_response().await, (9, 0));
    assert_eq!(node.kept()[0].data_set(), b"DATA");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_may_come_alone() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    let bytes = p_data(&[pdv(1, 3, &store(2, CR, "1.2.3")), pdv(1, 0, b"AB"), pdv(1, 2, b"CD")]);
    for byte in bytes {
        peer.send(&[byte]).await;
    }
    assert_eq!(peer.hear_response().await, (2, 0));
    assert_eq!(node.kept()[0].data_set(), b"ABCD");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_value_does_not_end_a_data_set() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    peer.send(&p_data(&[pdv(1, 3, &store(1, CR, "1.2.3"))])).await;
    peer.send(&p_data(&[pdv(1, 0, b"AAAA"), pdv(1, 0, b"")])).await;
    peer.send(&p_data(&[pdv(1, 0, b"")])).await;
    peer.send(&p_data(&[pdv(1, 0, b"BBBB")])).await;
    peer.send(&p_data(&[pdv(1, 2, b"")])).await;
    assert_eq!(peer.hear_response().await, (1, 0));
    assert_eq!(node.kept()[0].data_set(), b"AAAABBBB");
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_alternate_and_a_pdu_may_hold_the_end_and_the_next_beginning() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    peer.send(&p_data(&[
        pdv(1, 3, &store(1, CR, "1.2.1")),
        pdv(1, 2, b"first."),
        pdv(3, 3, &store(2, DX, "1.2.2")),
        pdv(3, 2, b"second instance"),
        pdv(5, 3, &request(0x0030, 3, 0x0101)),
        pdv(1, 3, &store(4, CR, "1.2.4")),
        pdv(1, 2, b"third."),
    ]))
    .await;
    for id in 1..=4 {
        assert_eq!(peer.hear_response().await, (id, 0));
    }
    let kept = node.kept();
    let seen: Vec<_> =
        kept.iter().map(|k| (k.request.transfer_syntax.as_str(), k.request.sop_instance.as_str())).collect();
    assert_eq!(seen, [(EXPLICIT, "1.2.1"), (JPEG_2000, "1.2.2"), (EXPLICIT, "1.2.4")]);
    assert_eq!(kept[1].data_set(), b"second instance");
    assert_eq!(part10_parts(&kept[1].file).unwrap().2.as_str(), JPEG_2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_instance_is_consumed_and_the_association_goes_on() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    *node.memory.refuse.lock().unwrap() = Some(DimseStatus::OUT_OF_RESOURCES);
    assert_eq!(peer.store(1, &noise(90_000)).await, 0xA700);
    *node.memory.refuse.lock().unwrap() = None;
    *node.memory.answer.lock().unwrap() = Some(DimseStatus::DUPLICATE_SOP_INSTANCE);
    assert_eq!(peer.store(2, b"data").await, 0x0111);
    assert_eq!(node.kept().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_cannot_be_written_is_out_of_resources_until_it_can() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    std::fs::remove_dir(&node.spool).unwrap();
    assert_eq!(peer.store(1, &noise(120_000)).await, 0xA700);
    std::fs::create_dir(&node.spool).unwrap();
    assert_eq!(peer.store(2, b"data").await, 0);
    assert_eq!(node.kept().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_fit_gets_its_status() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    let cases = [
        (1, store(11, CR, "../../../tmp/evil"), 0x0117),
        (1, store(12, DX, "1.2.3"), 0x0122),
        (1, store(13, "no class", "1.2.3"), 0x0122),
        (5, store(14, "1.2.840.10008.1.1", "1.2.3"), 0x0122),
        (1, request(0x0001, 15, 0), 0x0212),
    ];
    for (context, command, expected) in cases {
        peer.send(&p_data(&[pdv(context, 3, &command), pdv(context, 2, b"data")])).await;
        assert_eq!(peer.hear_response().await.1, expected);
    }
    // C-STORE-RQ that says that no data set follows.
    peer.send(&p_data(&[pdv(1, 3, &request(0x0001, 16, 0x0101))])).await;
    assert_eq!(peer.hear_response().await, (16, 0x0212));
    assert_eq!(peer.store(17, b"data").await, 0);
    assert_eq!(node.kept().len(), 1);
    node.spool_is_empty().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_requests_are_answered_with_their_message_id() {
    let node = Node::start().await;
    let mut peer = Peer::associated(node.address).await;
    peer.send(&p_data(&[pdv(5, 3, &request(0x0030, 4711, 0x0101))])).await;
    assert_eq!(peer.hear_response().await, (4711, 0));
    // N-ACTION with a data set, then C-CANCEL, which has no response.
    peer.send(&p_data(&[pdv(1, 3, &request(0x0130, 5, 0)), pdv(1, 2, b"data")])).await;
    assert_eq!(peer.hear_response().await, (5, 0x0211));
    peer.send(&p_data(&[pdv(1, 3, &request(0x0FFF, 6, 0x0101))])).await;
    peer.send(&p_data(&[pdv(5, 3, &request(0x0030, 7, 0x0101))])).await;
    assert_eq!(peer.hear_response().await, (7, 0));
}
