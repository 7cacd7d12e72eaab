//! A minimal C-STORE receiver: keeps each instance as `<SOP Instance UID>.dcm` in a folder, synced
//! before success is answered (PS3.4 annex B). Usage: `receive PORT FOLDER [max associations]`,
//! and for DICOM TLS `--tls CERTIFICATE KEY [--ca CA]` behind it (PEM files; with --ca callers must
//! show a certificate).
#![expect(clippy::print_stdout, reason = "a command line program")]

use centinela_domain::ae::AeTitle;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{
    AcceptorFiles, AssociationEvent, CalledRule, CallerRule, ClientCertificates, Limits, Listener, Policy,
    ReceivedInstance, Security, StoreHandler, StoreRequest, TlsAcceptor,
};
use std::error::Error;
use std::fs::{File, rename};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

struct Folder(PathBuf);

impl StoreHandler for Folder {
    async fn admit(&self, _: &StoreRequest) -> Result<(), DimseStatus> {
        Ok(())
    }

    async fn store(&self, received: ReceivedInstance) -> DimseStatus {
        let folder = self.0.clone();
        let target = folder.join(format!("{}.dcm", received.request.sop_instance));
        let durable = tokio::task::spawn_blocking(move || {
            let mut spooled = received.spooled;
            spooled.settle()?.sync_data()?;
            rename(&spooled.path, &target)?;
            spooled.keep();
            File::open(&folder)?.sync_all()
        });
        match durable.await {
            Ok(Ok(())) => DimseStatus::SUCCESS,
            _ => DimseStatus::OUT_OF_RESOURCES,
        }
    }

    fn observe(&self, event: AssociationEvent) {
        println!("{} {:?} {:?}", event.peer, event.calling.map(String::from), event.change);
    }
}

/// Takes the options of TLS out of the arguments.
fn acceptor(arguments: &mut Vec<String>) -> Result<Option<TlsAcceptor>, Box<dyn Error>> {
    let Some(at) = arguments.iter().position(|argument| argument == "--tls") else { return Ok(None) };
    let mut options = arguments.split_off(at).into_iter().skip(1);
    let certificate = options.next().ok_or("CERTIFICATE is missing")?.into();
    let key = options.next().ok_or("KEY is missing")?.into();
    let authorities = match options.next().as_deref() {
        Some("--ca") => Some(options.next().ok_or("CA is missing")?.into()),
        _ => None,
    };
    let clients = if authorities.is_some() { ClientCertificates::Required } else { ClientCertificates::None };
    Ok(Some(TlsAcceptor::load(AcceptorFiles {
        certificate,
        key,
        clients,
        authorities,
        revocations: Vec::new(),
        revocations_must_be_current: false,
    })?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut all: Vec<String> = std::env::args().skip(1).collect();
    let tls = acceptor(&mut all)?;
    let mut arguments = all.into_iter();
    let port: u16 = arguments.next().ok_or("PORT is missing")?.parse()?;
    let folder = PathBuf::from(arguments.next().ok_or("FOLDER is missing")?);
    let mut limits = Limits::default();
    if let Some(most) = arguments.next() {
        limits.associations = most.parse()?;
    }
    let policy = Policy {
        ae_title: AeTitle::parse("RECEIVE")?,
        called: CalledRule::Any,
        callers: CallerRule::Any,
        accept_any_abstract_syntax: true,
        commitment: false,
        spool: folder.join("spool"),
        direct_io: true,
        limits,
        implementation_class_uid: Uid::derive(&["example", "receive"]),
        implementation_version: "RECEIVE".to_owned(),
        drain_timeout: Duration::from_secs(5),
        security: Security::default(),
    };
    let listener = Listener { tcp: tokio::net::TcpListener::bind(("127.0.0.1", port)).await?, tls };
    println!("listening port={}", listener.tcp.local_addr()?.port());
    let stop = CancellationToken::new();
    let signal = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            signal.cancel();
        }
    });
    centinela_scp::serve_all(vec![listener], Arc::new(policy), Arc::new(Folder(folder)), stop).await?;
    Ok(())
}
