//! TLS between our own requestor and acceptor, and peers that stall in the handshake. How foreign
//! tools fare is tested on the whole program.

use crate::node::Memory;
use crate::peer::{CR, EXPLICIT};
use centinela_domain::ae::AeTitle;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{
    AbortCause, AcceptorFiles, AssociationChange, CalledRule, CallerRule, ClientCertificates, ConnectorFiles, Limits,
    Listener, Policy, ProposedContext, RefusalCause, Remote, RequestError, Requestor, RequestorOptions, Security,
    TlsAcceptor, TlsConnector, TlsRefusal, serve_all,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// A plain and a secure listener of one acceptor.
struct Both {
    plain: SocketAddr,
    secure: SocketAddr,
    memory: Arc<Memory>,
    stop: CancellationToken,
    folder: TempDir,
}

impl Both {
    async fn start(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/scripts/certificates.sh");
        let made = Command::new(script).arg(folder.path()).output().expect("needs bash and openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let file = |name: &str| folder.path().join(name);
        let acceptor = TlsAcceptor::load(AcceptorFiles {
            certificate: file("node.pem"),
            key: file("node.key"),
            clients: ClientCertificates::Required,
            authorities: Some(file("ca.pem")),
            revocations: vec![file("ca.crl.der")],
            revocations_must_be_current: true,
        });
        let policy = Policy {
            ae_title: AeTitle::parse("NODE").unwrap(),
            called: CalledRule::Own,
            callers: CallerRule::Any,
            accept_any_abstract_syntax: true,
            commitment: true,
            spool: folder.path().join("spool"),
            direct_io: true,
            limits,
            implementation_class_uid: Uid::parse("2.25.4711").unwrap(),
            implementation_version: "CENTINELA_TEST".to_owned(),
            drain_timeout: Duration::from_secs(5),
            security: Security::default(),
        };
        let bind = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (plain, secure) = (bind().await, bind().await);
        let addresses = (plain.local_addr().unwrap(), secure.local_addr().unwrap());
        let listeners = vec![plain.into(), Listener { tcp: secure, tls: Some(acceptor.unwrap()) }];
        let (memory, stop) = (Arc::new(Memory::default()), CancellationToken::new());
        tokio::spawn(serve_all(listeners, Arc::new(policy), memory.clone(), stop.clone()));
        Self { plain: addresses.0, secure: addresses.1, memory, stop, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn call(&self, address: SocketAddr, own: Option<&str>) -> Result<Requestor, RequestError> {
        let files = ConnectorFiles {
            authorities: self.file("ca.pem"),
            own: own.map(|own| (self.file(&format!("{own}.pem")), self.file(&format!("{own}.key")))),
            server_name: None,
        };
        let tls = (address == self.secure).then(|| TlsConnector::load(files).unwrap());
        let ae_title = AeTitle::parse("NODE").unwrap();
        let remote = Remote { ae_title, host: "127.0.0.1".into(), port: address.port(), tls };
        let options = RequestorOptions {
            calling: AeTitle::parse("CALLER").unwrap(),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(20),
            max_pdu: 16_384,
            implementation_class_uid: Uid::parse("2.25.1").unwrap(),
            implementation_version: "TEST".to_owned(),
        };
        let context = ProposedContext::new(Uid::parse(CR).unwrap(), vec![Uid::parse(EXPLICIT).unwrap()]);
        Requestor::open(&remote, &options, &[ProposedContext::verification(), context]).await
    }

    /// Waits until this was told.
    async fn told(&self, wanted: AssociationChange) {
        for _ in 0..500 {
            if self.memory.events.lock().unwrap().contains(&wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{wanted:?} was not told; only {:?}", self.memory.events.lock().unwrap());
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_all_sizes_come_through_whole_beside_the_plain_listener() {
    let node = Both::start(Limits::default()).await;
    let large: Vec<u8> = (0..3_000_002).map(|i| (i % 251) as u8).collect();
    let [class, syntax] = [CR, EXPLICIT].map(|uid| Uid::parse(uid).unwrap());
    for (address, name) in [(node.secure, "1.2.1"), (node.plain, "1.2.2")] {
        let mut requestor = node.call(address, Some("CR1")).await.unwrap();
        assert_eq!(requestor.echo().await.unwrap(), DimseStatus::SUCCESS);
        for (n, data) in [&large[..], &large[..16_384], b""].into_iter().enumerate() {
            let instance = Uid::parse(&format!("{name}.{n}")).unwrap();
            assert_eq!(requestor.store(&class, &instance, &syntax, data).await.unwrap(), DimseStatus::SUCCESS);
            let kept = node.memory.kept.lock().unwrap();
            assert!(kept.last().unwrap().data_set() == data, "{instance} is whole");
        }
        requestor.release().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_requestor_says_what_the_acceptor_did_not_like() {
    let node = Both::start(Limits::default()).await;
    for (own, alert, refusal) in [
        (None, 116, TlsRefusal::NoCertificate),
        (Some("foreign"), 48, TlsRefusal::UnknownIssuer),
        (Some("expired"), 45, TlsRefusal::Expired),
        (Some("revoked"), 44, TlsRefusal::Revoked),
    ] {
        let error = node.call(node.secure, own).await.unwrap_err();
        let said = matches!(&error, RequestError::Tls { refusal: TlsRefusal::PeerAlert(n), .. } if *n == alert);
        assert!(said, "{own:?}: {error}");
        let cause = RefusalCause::Tls(refusal);
        node.told(AssociationChange::Refused { cause, claimed: String::new() }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_handshake_and_a_silent_association_end_by_one_artim() {
    let artim = Duration::from_millis(700);
    let node = Both::start(Limits { artim, ..Limits::default() }).await;
    // Nothing at all, and a ClientHello that does not go on.
    for bytes in [&b""[..], b"\x16\x03\x01\x02\0\x01\0"] {
        let begin = Instant::now();
        let mut stream = TcpStream::connect(node.secure).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.expect("it is closed");
        assert!(begin.elapsed() >= artim, "it had its time");
    }
    node.told(AssociationChange::Aborted(AbortCause::TimedOut)).await;
    assert!(node.call(node.secure, Some("CR1")).await.is_ok(), "others are served");
}
