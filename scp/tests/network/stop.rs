//! Stopping: open associations end well if they can, and are aborted if they cannot.

use crate::node::Node;
use crate::peer::{CR, Peer, p_data, pdv, release, store};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transfer_finishes_before_the_node_stops() {
    let node = Node::start().await;
    let idle = Peer::connect(node.address).await;
    let mut peer = Peer::associated(node.address).await;
    peer.send(&p_data(&[pdv(1, 3, &store(1, CR, "1.2.3")), pdv(1, 0, b"half")])).await;
    node.stop.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(TcpStream::connect(node.address).await.is_err(), "still accepting");
    peer.send(&p_data(&[pdv(1, 2, b"more")])).await;
    assert_eq!(peer.hear_response().await, (1, 0));
    peer.send(&release()).await;
    assert_eq!(peer.hear().await.kind, 6);
    drop((peer, idle));
    tokio::time::timeout(Duration::from_secs(3), node.task).await.unwrap().unwrap().unwrap();
    assert_eq!(node.memory.kept.lock().unwrap()[0].data_set(), b"halfmore");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_in_time_is_aborted() {
    let node = Node::with(|policy| policy.drain_timeout = Duration::from_millis(300)).await;
    let mut idle = Peer::associated(node.address).await;
    let mut busy = Peer::associated(node.address).await;
    busy.send(&p_data(&[pdv(1, 3, &store(1, CR, "1.2.3")), pdv(1, 0, b"half")])).await;
    let start = Instant::now();
    node.stop.cancel();
    idle.hear_abort(2, 0).await;
    busy.hear_abort(2, 0).await;
    tokio::time::timeout(Duration::from_secs(5), node.task).await.unwrap().unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(node.memory.kept.lock().unwrap().len(), 0);
}
