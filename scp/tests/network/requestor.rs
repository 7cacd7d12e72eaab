//! The requestor: against our own acceptor, and against scripted peers that misbehave.

use crate::node::Node;
use crate::peer::{CR, DX, EXPLICIT, IMPLICIT, JPEG_2000, command, p_data, pdu, pdv};
use centinela_domain::ae::AeTitle;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, Remote, RequestError, Requestor, RequestorOptions};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn remote(address: SocketAddr, title: &str) -> Remote {
    let ae_title = AeTitle::parse(title).unwrap();
    Remote { ae_title, host: address.ip().to_string(), port: address.port(), tls: None }
}

fn options() -> RequestorOptions {
    RequestorOptions {
        calling: AeTitle::parse("CALLER").unwrap(),
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(20),
        max_pdu: 16_384,
        implementation_class_uid: uid("2.25.1"),
        implementation_version: "TEST".to_owned(),
    }
}

fn contexts() -> Vec<ProposedContext> {
    let context =
        |class, syntaxes: &[&str]| ProposedContext::new(uid(class), syntaxes.iter().map(|s| uid(s)).collect());
    vec![ProposedContext::verification(), context(CR, &[EXPLICIT, IMPLICIT]), context(DX, &[JPEG_2000])]
}

async fn open(address: SocketAddr, title: &str) -> Result<Requestor, RequestError> {
    Requestor::open(&remote(address, title), &options(), &contexts()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_and_two_instances_of_different_syntax_in_one_association() {
    let node = Node::start().await;
    let mut requestor = open(node.address, "NODE").await.unwrap();
    assert_eq!(requestor.echo().await.unwrap(), DimseStatus::SUCCESS);
    let large: Vec<u8> = (0..900_003).map(|i| (i % 251) as u8).collect();
    let mut status = Vec::new();
    for (class, instance, syntax, data) in
        [(CR, "1.2.1", EXPLICIT, &large[..]), (DX, "1.2.2", JPEG_2000, &large[..131_066]), (CR, "1.2.3", EXPLICIT, b"")]
    {
        let stored = requestor.store(&uid(class), &uid(instance), &uid(syntax), data).await;
        status.push(stored.unwrap());
    }
    assert_eq!(status, [DimseStatus::SUCCESS; 3]);
    requestor.release().await;
    let kept = node.kept();
    assert!(kept[0].data_set() == large);
    assert!(kept[1].data_set() == &large[..131_066]);
    assert_eq!(kept[2].data_set(), b"");
    assert_eq!(kept[1].request.transfer_syntax, uid(JPEG_2000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_or_syntax_that_was_not_accepted_is_told_and_harms_nothing() {
    let node = Node::start().await;
    let mut requestor = open(node.address, "NODE").await.unwrap();
    assert!(requestor.accepts(&uid(CR), &uid(EXPLICIT)));
    assert!(!requestor.accepts(&uid(CR), &uid(IMPLICIT)), "the node took the first syntax");
    let refused = requestor.store(&uid(DX), &uid("1.2.3"), &uid(EXPLICIT), b"x").await;
    assert!(matches!(refused, Err(RequestError::NoPresentationContext { .. })));
    assert_eq!(requestor.echo().await.unwrap(), DimseStatus::SUCCESS);
    let find = [ProposedContext::new(uid("1.2.840.10008.5.1.4.1.2.2.1"), vec![uid(IMPLICIT)])];
    let none = Requestor::open(&remote(node.address, "NODE"), &options(), &find).await;
    assert!(matches!(none, Err(RequestError::NoPresentationContext { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejections_tell_whether_to_try_again() {
    let node = Node::with(|policy| policy.limits.associations = 0).await;
    let full = open(node.address, "NODE").await.unwrap_err();
    assert!(matches!(full, RequestError::RejectedTransient { .. }), "{full}");
    let wrong = open(node.address, "OTHER").await.unwrap_err();
    assert!(matches!(wrong, RequestError::RejectedPermanent { .. }));
    let text = wrong.to_string();
    assert!(text.contains("OTHER at 127.0.0.1:") && text.contains("1/1/7"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = open(address, "NODE").await.unwrap_err();
    assert!(matches!(error, RequestError::Unreachable { .. }), "{error}");
}

/// A-ASSOCIATE-AC for [`contexts`] with this maximum PDU length.
fn accept(max_length: u32, syntax: &str) -> Vec<u8> {
    let item = |kind: u8, body: &[u8]| [&[kind, 0], (body.len() as u16).to_be_bytes().as_slice(), body].concat();
    let mut body = vec![0; 68];
    body[1] = 1;
    body[4..36].fill(b' ');
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    for (id, syntax) in [(1, IMPLICIT), (3, syntax)] {
        let result = [&[id, 0, 0, 0], item(0x40, syntax.as_bytes()).as_slice()].concat();
        body.extend(item(0x21, &result));
    }
    body.extend(item(0x50, &item(0x51, &max_length.to_be_bytes())));
    pdu(2, &body)
}

async fn hear(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 6];
    stream.read_exact(&mut head).await.unwrap();
    let mut body = vec![0; u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize];
    stream.read_exact(&mut body).await.unwrap();
    (head[0], body)
}

/// A peer that reads one PDU for each script entry, then writes the entry; the last is kept open.
async fn scripted(script: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for answer in script {
            hear(&mut stream).await;
            stream.write_all(&answer).await.unwrap();
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    address
}

fn echo_response(id: u16, field: u16, status: u16) -> Vec<u8> {
    let set = command(&[
        (0x0100, &field.to_le_bytes()),
        (0x0120, &id.to_le_bytes()),
        (0x0800, &[1, 1]),
        (0x0900, &status.to_le_bytes()),
    ]);
    p_data(&[pdv(1, 1, &set[..5]), pdv(1, 3, &set[5..])])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_taken_in_pieces_and_only_for_its_request() {
    let address = scripted(vec![accept(0, EXPLICIT), echo_response(1, 0x8030, 0x0110)]).await;
    let mut requestor = open(address, "PEER").await.unwrap();
    assert_eq!(requestor.echo().await.unwrap(), DimseStatus::PROCESSING_FAILURE);
    for wrong in [
        echo_response(2, 0x8030, 0),
        echo_response(1, 0x8001, 0),
        p_data(&[pdv(1, 2, b"data")]),
        pdu(5, &[0; 4]),
        b"\x04\0\xFF\xFF\xFF\xFF".to_vec(),
    ] {
        let address = scripted(vec![accept(0, EXPLICIT), wrong]).await;
        let mut requestor = open(address, "PEER").await.unwrap();
        let error = requestor.echo().await.unwrap_err();
        assert!(matches!(error, RequestError::Protocol { .. }), "{error}");
        assert!(requestor.echo().await.is_err(), "a broken association is not used again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acceptance_that_makes_no_sense_is_refused() {
    for answer in [
        accept(0, JPEG_2000),
        accept(4, EXPLICIT),
        pdu(2, &[0; 20]),
        pdu(6, &[0; 4]),
        b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
        b"\x02\0\xFF\xFF\xFF\xF0".to_vec(),
    ] {
        let address = scripted(vec![answer]).await;
        let error = open(address, "PEER").await.unwrap_err();
        assert!(matches!(error, RequestError::Protocol { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_aborts_or_leaves_or_sleeps_is_named() {
    let address = scripted(vec![pdu(7, &[0, 0, 2, 1])]).await;
    let error = open(address, "PEER").await.unwrap_err();
    assert!(matches!(error, RequestError::Aborted { origin: 2, reason: 1, .. }), "{error}");

    // A peer that, like DCMTK, aborts on a data set of an odd length.
    let address = scripted(vec![accept(0, EXPLICIT), pdu(7, &[0, 0, 0, 0])]).await;
    let mut requestor = open(address, "PEER").await.unwrap();
    let error = requestor.store(&uid(CR), &uid("1.2.3"), &uid(EXPLICIT), b"odd").await.unwrap_err();
    assert!(matches!(error, RequestError::InvalidFile(_)) && error.to_string().contains("odd"), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { drop(listener.accept().await) });
    let error = open(address, "PEER").await.unwrap_err();
    assert!(matches!(error, RequestError::Lost { .. }), "{error}");

    let mut hurried = options();
    hurried.response_timeout = Duration::from_millis(300);
    let address = scripted(vec![Vec::new()]).await;
    let error = Requestor::open(&remote(address, "PEER"), &hurried, &contexts()).await;
    assert!(matches!(error, Err(RequestError::TimedOut { .. })));
    let address = scripted(vec![accept(0, EXPLICIT), Vec::new()]).await;
    let peer = remote(address, "PEER");
    let mut requestor = Requestor::open(&peer, &hurried, &contexts()).await.unwrap();
    let error = requestor.echo().await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { step: "C-ECHO", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peers_pdu_length_is_kept_and_a_peer_that_stops_reading_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        hear(&mut stream).await;
        stream.write_all(&accept(2001, EXPLICIT)).await.unwrap();
        let (mut longest, mut data) = (0, Vec::new());
        loop {
            let (kind, body) = hear(&mut stream).await;
            assert_eq!(kind, 4);
            longest = longest.max(body.len());
            if body[5] & 1 == 0 {
                data.extend_from_slice(&body[6..]);
            }
            if body[5] == 2 {
                return (longest, data, stream);
            }
        }
    });
    let mut hurried = options();
    hurried.response_timeout = Duration::from_millis(700);
    let to = remote(address, "PEER");
    let mut requestor = Requestor::open(&to, &hurried, &contexts()).await.unwrap();
    let data: Vec<u8> = (0..100_001).map(|i| (i % 241) as u8).collect();
    let silent = requestor.store(&uid(CR), &uid("1.2.3"), &uid(EXPLICIT), &data).await;
    assert!(matches!(silent, Err(RequestError::TimedOut { .. })));
    let (longest, received, _stream) = peer.await.unwrap();
    assert!(received == data);
    assert!((1990..=2001).contains(&longest), "{longest}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        hear(&mut stream).await;
        stream.write_all(&accept(0, EXPLICIT)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    let to = remote(address, "PEER");
    let mut requestor = Requestor::open(&to, &hurried, &contexts()).await.unwrap();
    let large = vec![0; 40_000_000];
    let error = requestor.store(&uid(CR), &uid("1.2.3"), &uid(EXPLICIT), &large).await;
    assert!(matches!(error, Err(RequestError::TimedOut { .. })));
}
