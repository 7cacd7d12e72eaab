//! Accepting connections: one task for each, bounded in number, drained on stop.

use crate::association::{Association, cause_of};
use crate::handler::{AbortCause, AssociationChange, AssociationId, StoreHandler};
use crate::policy::Policy;
use crate::wire::{AbortReason, Wire};
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

/// After the drain, what still runs in the handler may take so long.
const LAST_GRACE: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which means that we lack file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    let places = Arc::new(Semaphore::new(policy.limits.associations));
    let halt = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut failed: u64 = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => {
                failed = 0;
                accepted
            }
            Err(error) => {
                failed += 1;
                // Without descriptors it fails ten times a second: the first, second, fourth ... time is told.
                if failed.is_power_of_two() {
                    warn!(%error, failed, "cannot accept a DICOM connection");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let association = Association {
            policy: policy.clone(),
            handler: handler.clone(),
            id: AssociationId(Uuid::new_v4()),
            peer,
            calling: None,
            called: None,
            places: places.clone(),
            halt: halt.clone(),
        };
        if connections.len() >= policy.limits.connections {
            association.tell(AssociationChange::Aborted(AbortCause::TooManyConnections));
            continue;
        }
        // A connection that has not yet asked for an association need not be drained.
        connections.spawn(attend(association, stream, stop.clone()));
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

/// One connection from accept to close. Whatever happens in it stays in it.
async fn attend<H: StoreHandler>(mut association: Association<H>, stream: TcpStream, stop: CancellationToken) {
    let limits = association.policy.limits.clone();
    if let Err(error) = stream.set_nodelay(true) {
        warn!(%error, peer = %association.peer, "cannot set TCP_NODELAY");
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
        Ok(Err(fault)) => cause_of(&fault),
        Err(panic) => {
            log_panic(panic.as_ref(), association.id, association.peer);
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
