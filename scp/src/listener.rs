//! Accepting connections: one task for each, bounded in number, drained on stop.

use crate::admission::{Admission, ConnectionPlace};
use crate::association::{Association, cause_of};
use crate::handler::{AbortCause, AssociationChange, AssociationId, StoreHandler};
use crate::policy::Policy;
use crate::state::Event;
use crate::wire::{AbortReason, Wire};
use socket2::{SockRef, TcpKeepalive};
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
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

/// Serves associations on `listener` until `stop`; then accepts no more, lets open associations
/// finish up to `policy.drain_timeout`, and aborts the rest.
///
/// # Errors
/// Only if the spool directory cannot be made. A failed accept is logged and tried again.
pub async fn serve<H: StoreHandler>(
    listener: TcpListener,
    policy: Arc<Policy>,
    handler: Arc<H>,
    stop: CancellationToken,
) -> io::Result<()> {
    tokio::fs::create_dir_all(&policy.spool).await?;
    let admission = Admission::new(&policy.limits);
    let mut troubles = Troubles::default();
    let halt = CancellationToken::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
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
            calling: None,
            called: None,
            admission: admission.clone(),
            halt: halt.clone(),
        };
        match admission.connect(peer.ip()) {
            // A connection that has not yet asked for an association need not be drained.
            Ok(place) => drop(connections.spawn(attend(association, stream, stop.clone(), place))),
            Err(cause) => association.tell(AssociationChange::Refused { cause, claimed: String::new() }),
        }
    }
    drop(listener);
    drain(connections, &policy, &halt).await;
    Ok(())
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
    stop: CancellationToken,
    _place: ConnectionPlace,
) {
    let limits = association.policy.limits.clone();
    if let Err(error) = prepare(&stream, limits.keepalive) {
        warn!(%error, peer = %association.peer, "cannot set TCP_NODELAY and keepalive");
    }
    let mut wire = Wire::new(stream, limits.max_pdu, stop);
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
