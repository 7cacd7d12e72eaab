//! What a peer takes, context by context, and what speaks on a port where no association came about.

use crate::node::Node;
use crate::peer::{CR, EXPLICIT, IMPLICIT};
use centinela_domain::ability::ContextRefusal;
use centinela_domain::ae::AeTitle;
use centinela_domain::commitment::{Reference, Request};
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{Caller, CallerRule, ProposedContext, Remote, Requestor, RequestorOptions, Role, Speaks, sniff};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const COMMITMENT: &str = "1.2.840.10008.1.20.1";
const FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
const SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

fn remote(address: SocketAddr) -> Remote {
    let ae_title = AeTitle::parse("NODE").unwrap();
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

fn context(class: &str, syntax: &str) -> ProposedContext {
    ProposedContext::new(uid(class), vec![uid(syntax)])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_context_has_its_answer_and_the_peer_says_who_it_is() {
    let node = Node::with(|policy| {
        let may_send = Caller { classes: Some(vec![uid(CR)]), ..Caller::new(AeTitle::parse("CALLER").unwrap()) };
        policy.callers = CallerRule::Listed(vec![may_send]);
    })
    .await;
    let proposed = [
        context(CR, EXPLICIT),
        context(CR, "1.2.3.4"),
        context(SR, IMPLICIT),
        context(FIND, IMPLICIT),
        context(COMMITMENT, EXPLICIT),
        ProposedContext { role: Role::Scp, ..context(COMMITMENT, IMPLICIT) },
    ];
    let requestor = Requestor::negotiate(&remote(node.address), &options(), &proposed[..5]).await.unwrap();
    let answer = requestor.answer().clone();
    let said: Vec<_> = answer.contexts.iter().map(|c| (c.abstract_syntax.as_str(), c.answer.clone())).collect();
    assert_eq!(
        said,
        [
            (CR, Ok(uid(EXPLICIT))),
            (CR, Ok(uid("1.2.3.4"))),
            (SR, Err(ContextRefusal::User)),
            (FIND, Err(ContextRefusal::AbstractSyntax)),
            (COMMITMENT, Ok(uid(EXPLICIT))),
        ]
    );
    assert_eq!(answer.implementation_class_uid, Some(uid("2.25.4711")));
    assert_eq!(answer.implementation_version.as_deref(), Some("CENTINELA_TEST"));
    assert!(answer.max_pdu > 0);
    assert_eq!(requestor.peer_address(), node.address);
    assert!(requestor.own_address().ip().is_loopback() && requestor.own_address().port() > 0);
    requestor.release().await;

    // In the other role the peer may report on what it was asked.
    let requestor = Requestor::negotiate(&remote(node.address), &options(), &proposed[5..]).await.unwrap();
    assert_eq!(requestor.answer().contexts[0].answer, Ok(uid(IMPLICIT)));
    assert!(requestor.accepts(&uid(COMMITMENT), &uid(IMPLICIT)));
    requestor.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commitment_can_be_asked_for_in_both_encodings() {
    let node = Node::start().await;
    for (n, syntax) in [EXPLICIT, IMPLICIT].into_iter().enumerate() {
        let reference = Reference { sop_class: uid(SR), sop_instance: uid("1.2.3.9") };
        let request = Request { transaction: uid(&format!("1.2.7.{n}")), references: vec![reference] };
        let contexts = [context(COMMITMENT, syntax)];
        let mut requestor = Requestor::open(&remote(node.address), &options(), &contexts).await.unwrap();
        assert_eq!(requestor.ask_commitment(&request).await.unwrap(), DimseStatus::SUCCESS);
        requestor.release().await;
        let asked = node.memory.asked.lock().unwrap();
        assert_eq!((&asked[n].transaction, &asked[n].references), (&request.transaction, &request.references));
        assert_eq!(asked[n].calling.as_str(), "CALLER");
    }
}

/// A port that reads a little and writes this, on every connection; nothing for silence.
async fn port(answer: Option<&'static [u8]>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if let Some(bytes) = answer {
                let mut question = [0; 16];
                let _ = stream.read_exact(&mut question).await;
                let _ = stream.write_all(bytes).await;
            } else {
                open.push(stream);
            }
        }
    });
    address
}

async fn found(address: SocketAddr) -> Speaks {
    sniff(&remote(address), &options(), Duration::from_millis(500)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_speaks_on_a_port_is_recognized() {
    let node = Node::start().await;
    assert_eq!(found(node.address).await, Speaks::Dicom);
    assert_eq!(found(port(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await).await, Speaks::Http);
    assert_eq!(found(port(Some(b"\x15\x03\x01\0\x02\x02\x46")).await).await, Speaks::Tls);
    assert_eq!(found(port(Some(b"SSH-2.0-x\r\n")).await).await, Speaks::Ssh);
    assert_eq!(found(port(Some(b"220 hello\r\n")).await).await, Speaks::Other);
    assert_eq!(found(port(Some(b"")).await).await, Speaks::Closes);
    assert_eq!(found(port(None).await).await, Speaks::Silent);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(found(address).await, Speaks::Unreachable);
    // A JPEG 2000 context of a peer that closes after the handshake is no reason to call it something else.
}
