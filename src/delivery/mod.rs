//! Delivery: one sender for each destination, so that a dead one never slows another.

mod breaker;
pub mod encode;
mod fit;
pub mod folder;
mod hours;
mod line;
mod probe;
mod record;
mod send;

use crate::app::App;
pub use crate::calling::{remote, requestor_options};
use crate::config::Peer;
use crate::failpoint;
use crate::store::deliveries::{self, DeliveryRow};
use crate::store::{destinations, handovers};
use anyhow::{Context as _, Result};
use centinela_scp::ProposedContext;
use line::Line;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Deliveries that are claimed at once.
const BATCH: i64 = 8;
/// Once the node stops, an object that is on its way gets so long; then it is sent again after the next start.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves every destination until stopped.
///
/// # Errors
/// If a destination's loop ends on its own.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    let mut tx = app.db.write().await?;
    destinations::ask_now(&mut tx, None, app.clock.now()).await?;
    tx.commit().await?;
    let mut destinations = tokio::task::JoinSet::new();
    let peers: Vec<Peer> = app.config.peers.destinations().cloned().collect();
    for peer in peers {
        destinations.spawn(Sender::new(Arc::clone(&app), peer, stop.clone()).serve());
    }
    destinations.spawn(async move {
        // Keeps the role alive in an installation without destinations.
        stop.cancelled().await;
        Ok(())
    });
    while let Some(ended) = destinations.join_next().await {
        ended.context("destination task")??;
    }
    Ok(())
}

/// Sends to one destination.
#[derive(Debug)]
struct Sender {
    app: Arc<App>,
    peer: Arc<Peer>,
    stop: CancellationToken,
    watch: probe::Watch,
    line: Option<Line>,
    /// What was needed so far, so that an association is rarely too narrow.
    contexts: Vec<ProposedContext>,
    /// Held by the one thread that writes into its folder: a share that hangs holds it for ever.
    writer: Arc<Semaphore>,
    /// Something failed in the middle of a batch: what was claimed and not recorded must be given back.
    owes: bool,
}

/// Whether a step found anything to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Worked,
    Idle,
}

impl Sender {
    fn new(app: Arc<App>, peer: Peer, stop: CancellationToken) -> Self {
        let writer = Arc::new(Semaphore::new(1));
        Self {
            app,
            peer: Arc::new(peer),
            stop,
            watch: probe::Watch::default(),
            line: None,
            contexts: Vec::new(),
            writer,
            owes: false,
        }
    }

    async fn serve(mut self) -> Result<()> {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            let overdue = async {
                stop.cancelled().await;
                tokio::time::sleep(DRAIN).await;
            };
            let step = tokio::select! {
                step = self.step() => step,
                () = overdue => {
                    tracing::warn!(peer = self.peer.name, "what was on its way is sent again after the next start");
                    self.line = None;
                    self.release().await.map(|()| Step::Idle)
                }
            };
            let pause = match step {
                Ok(Step::Worked) => continue,
                Ok(Step::Idle) => Duration::from_millis(500),
                Err(error) => {
                    tracing::error!(peer = self.peer.name, "deliveries could not be read or recorded: {error:#}");
                    self.owes = true;
                    Duration::from_secs(1)
                }
            };
            if self.line.as_ref().is_some_and(Line::is_idle) {
                self.hang_up().await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.app.outbox.wait(pause) => {}
            }
        }
        self.hang_up().await;
        Ok(())
    }

    async fn step(&mut self) -> Result<Step> {
        // Until the database can write again: a lease is long.
        if self.owes {
            self.release().await?;
            self.owes = false;
        }
        let (app, peer) = (Arc::clone(&self.app), Arc::clone(&self.peer));
        let row = {
            let mut tx = app.db.read().await?;
            destinations::find(&mut tx, &peer.name).await?
        };
        if hours::rests(&app, &peer, row.as_ref()).await? {
            self.hang_up().await;
            return Ok(Step::Idle);
        }
        if row.as_ref().is_some_and(destinations::DestinationRow::is_parked) {
            return Ok(Step::Idle);
        }
        let room = hours::room(&app, &peer).await?;
        if room == 0 {
            return Ok(Step::Idle);
        }
        let down = row.filter(|row| row.down_since.is_some());
        if let Some(row) = &down
            && (row.probe_at.is_some_and(|at| app.clock.now() < at) || !breaker::ask(&app, &peer).await?)
        {
            return Ok(Step::Idle);
        }
        // Until it is known what it takes, what is scheduled for it waits.
        if !self.watch.keep(&app, &peer, &self.stop).await? {
            return Ok(Step::Idle);
        }
        let batch = self.claim(BATCH.min(room), down.is_some()).await?;
        if batch.is_empty() {
            if down.is_none() {
                return Ok(Step::Idle);
            }
            let mut tx = app.db.write().await?;
            breaker::answered(&mut tx, &app, &peer).await?;
            tx.commit().await?;
            return Ok(Step::Worked);
        }
        failpoint::hit("delivery.claimed");
        self.send(batch).await?;
        Ok(Step::Worked)
    }

    /// Takes what can be sent; in an outage one object, of all that waits because of it.
    async fn claim(&self, limit: i64, down: bool) -> Result<Vec<DeliveryRow>> {
        let (app, peer) = (&self.app, &self.peer);
        let settings = &app.config.settings.delivery;
        // Long enough for the slowest peer that still answers in time.
        let seconds = settings.connect_timeout + settings.response_timeout * (BATCH as u64 + 1) + 30;
        let lease = i64::try_from(seconds * 1_000)?;
        let now = app.clock.now();
        let ready = down || {
            let mut tx = app.db.read().await?;
            deliveries::any_ready(&mut tx, &peer.name, now).await?
        };
        if !ready {
            return Ok(Vec::new());
        }
        let mut tx = app.db.write().await?;
        let batch = if down {
            deliveries::bring_forward(&mut tx, &peer.name, now).await?;
            deliveries::claim_probe(&mut tx, &peer.name, now, lease).await?
        } else {
            deliveries::claim(&mut tx, &peer.name, now, lease, limit).await?
        };
        if peer.rate().is_some() {
            handovers::begin(&mut tx, &peer.name, batch.iter().map(|row| row.id.as_str()), now).await?;
        }
        tx.commit().await?;
        Ok(batch)
    }

    /// Gives back what was claimed and not recorded.
    async fn release(&self) -> Result<()> {
        let mut tx = self.app.db.write().await?;
        deliveries::release(&mut tx, &self.peer.name).await?;
        handovers::end_all(&mut tx, Some(&self.peer.name), self.app.clock.now()).await?;
        tx.commit().await
    }

    /// Ends the association, if there is one.
    async fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            line.release().await;
        }
    }
}
