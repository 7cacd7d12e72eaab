//! Accepting connections: one task for each, bounded in number, drained on stop.

use crate::admission::{Admission, ConnectionPlace};
use crate::association::{Association, cause_of};
use crate::handler::{AbortCause, AssociationChange, AssociationId, StoreHandler};
use crate::policy::Policy;
use crate::rejection::RefusalCause;
use crate::spool::Blocks;
use crate::state::Event;
use crate::tls::{TlsAcceptor, TlsRefusal, Transport};
use crate::wire::{AbortReason, Wire};
use socket2::{SockRef, TcpKeepalive};
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

/// After the drain, what still runs in the handler may take so long.
const LAST_GRACE: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which means that we lack file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Between two log lines on that.
const ACCEPT_SILENCE: Duration = Duration::from_secs(10);
/// Between two keepalive probes that are not answered.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// A place where peers connect.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub tcp: TcpListener,
    /// Speaks TLS there; `None` for plain DICOM.
    pub tls: Option<TlsAcceptor>,
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp, tls: None }
    }
}

/// As [`serve_all`], on one plain listener.
///
/// # Errors
/// As [`serve_all`].
pub async fn serve<H: StoreHandler>(
    listener: TcpListener,
    policy: Arc<Policy>,
    handler: Arc<H>,
    stop: CancellationToken,
) -> io::Result<()> {
    serve_all(vec![listener.into()], policy, handler, stop).await
}

/// Serves associations on all `listeners`, with the limits in common, until `stop`; then accepts no
/// more, lets open associations finish up to `policy.drain_timeout`, and aborts the rest.
///
/// # Errors
/// Only if the spool directory cannot be made. A failed accept is logged and tried again.
pub async fn serve_all<H: StoreHandler>(
    listeners: Vec<Listener>,
    policy: Arc<Policy>,
    handler: Arc<H>,
    stop: CancellationToken,
) -> io::Result<()> {
    tokio::fs::create_dir_all(&policy.spool).await?;
    let blocks = Arc::new(Blocks::default());
    let admission = Admission::new(&policy.limits);
    let mut troubles = Troubles::default();
    let halt = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut turn = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = next_connection(&listeners, turn) => accepted,
        };
        turn = turn.wrapping_add(1);
        let (stream, peer, tls) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                troubles.tell(&error);
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => continue,
                }
            }
        };
        let association = Association {
            policy: policy.clone(),
            handler: handler.clone(),
            id: AssociationId(Uuid::new_v4()),
            peer,
            opening: policy.limits.artim,
            secured: None,
            calling: None,
            called: None,
            blocks: blocks.clone(),
            admission: admission.clone(),
            halt: halt.clone(),
        };
        match admission.connect(peer.ip()) {
            // A connection that has not yet asked for an association need not be drained.
            Ok(place) => drop(connections.spawn(attend(association, stream, tls, stop.clone(), place))),
            Err(cause) => association.tell(AssociationChange::Refused { cause, claimed: String::new() }),
        }
    }
    drop(listeners);
    drain(connections, &policy, &halt).await;
    Ok(())
}

/// The next connection on any of the listeners; each is the first to be asked in its turn, so that
/// a flood on one leaves the others open.
async fn next_connection(
    listeners: &[Listener],
    turn: usize,
) -> io::Result<(TcpStream, SocketAddr, Option<TlsAcceptor>)> {
    let poll = |context: &mut Context<'_>| {
        for n in 0..listeners.len() {
            let listener = &listeners[turn.wrapping_add(n) % listeners.len()];
            if let Poll::Ready(accepted) = listener.tcp.poll_accept(context) {
                return Poll::Ready(accepted.map(|(stream, peer)| (stream, peer, listener.tls.clone())));
            }
        }
        Poll::Pending
    };
    std::future::poll_fn(poll).await
}

async fn drain(mut connections: JoinSet<()>, policy: &Policy, halt: &CancellationToken) {
    async fn all(connections: &mut JoinSet<()>) {
        while connections.join_next().await.is_some() {}
    }
    if timeout(policy.drain_timeout, all(&mut connections)).await.is_err() {
        warn!(open = connections.len(), "aborting associations that did not end in time");
        halt.cancel();
        if timeout(LAST_GRACE, all(&mut connections)).await.is_err() {
            error!(open = connections.len(), "associations are still storing; giving them up");
            connections.shutdown().await;
        }
    }
}

/// Failed accepts, told once in a while: while file descriptors lack, each of ten a second fails.
#[derive(Default)]
struct Troubles {
    last: Option<Instant>,
    untold: u32,
}

impl Troubles {
    fn tell(&mut self, error: &io::Error) {
        if self.last.is_some_and(|last| last.elapsed() < ACCEPT_SILENCE) {
            self.untold += 1;
            return;
        }
        warn!(%error, more = self.untold, "cannot accept a DICOM connection; trying again");
        (self.last, self.untold) = (Some(Instant::now()), 0);
    }
}

/// No delay for small answers, and probes that find a peer that vanished without a word.
fn prepare(stream: &TcpStream, keepalive: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(keepalive).with_interval(KEEPALIVE_INTERVAL).with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

/// One connection from accept to close. Whatever happens in it stays in it.
async fn attend<H: StoreHandler>(
    mut association: Association<H>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
    _place: ConnectionPlace,
) {
    let limits = association.policy.limits.clone();
    if let Err(error) = prepare(&stream, limits.keepalive) {
        warn!(%error, peer = %association.peer, "cannot set TCP_NODELAY and keepalive");
    }
    let Some(transport) = secure(&mut association, stream, tls, &stop).await else { return };
    let mut wire = Wire::new(transport, limits.max_pdu, stop);
    let outcome = {
        let running = Box::pin(association.run(&mut wire));
        caught(running).await
    };
    let (cause, reason) = match outcome {
        Ok(Ok(_)) => {
            wire.linger(limits.artim).await;
            return;
        }
        Ok(Err(fault)) => {
            let (cause, reason) = cause_of(&fault);
            (cause, reason.filter(|_| wire.fail(&fault)))
        }
        Err(panic) => {
            log_panic(panic.as_ref(), association.id, association.peer);
            wire.step(Event::Abort);
            (AbortCause::Panic, Some(AbortReason::NotSpecified))
        }
    };
    association.tell(AssociationChange::Aborted(cause));
    if let Some(reason) = reason {
        wire.send_abort(reason).await;
        wire.linger(limits.artim).await;
    }
}

/// The TLS handshake, if there is to be one, inside ARTIM. `None`: it failed, or we stop.
async fn secure<H: StoreHandler>(
    association: &mut Association<H>,
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    stop: &CancellationToken,
) -> Option<Transport> {
    let Some(acceptor) = tls else { return Some(Transport::Plain(stream)) };
    let begin = Instant::now();
    let shaken = tokio::select! {
        shaken = acceptor.accept(stream, association.opening) => shaken,
        () = stop.cancelled() => return None,
    };
    match shaken {
        Ok((transport, secured)) => {
            association.secured = Some(secured);
            association.opening = association.opening.saturating_sub(begin.elapsed());
            Some(transport)
        }
        Err(refusal) => {
            // A peer that goes away, or says nothing, was not refused.
            association.tell(match refusal {
                TlsRefusal::ConnectionLost => AssociationChange::Aborted(AbortCause::ConnectionLost),
                TlsRefusal::TimedOut => AssociationChange::Aborted(AbortCause::TimedOut),
                other => AssociationChange::Refused { cause: RefusalCause::Tls(other), claimed: String::new() },
            });
            None
        }
    }
}

/// Runs a future to its end or to its panic.
async fn caught<F: Future>(mut running: Pin<Box<F>>) -> Result<F::Output, Box<dyn Any + Send>> {
    // The future is dropped after a panic, never polled again.
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn log_panic(panic: &(dyn Any + Send), association: AssociationId, peer: SocketAddr) {
    // Only literal messages: a formatted one may hold anything.
    let message = panic.downcast_ref::<&'static str>().copied().unwrap_or("(formatted message)");
    error!(%association, %peer, message, "an association panicked");
}
