//! `deliver = "auto"`: the destination's own loop asks it what it takes, before the first delivery, once in
//! `[delivery] probe_every`, after its entry changed and when it refuses what it took before.

use super::breaker::{self, Trouble};
use super::{remote, requestor_options};
use crate::app::App;
use crate::config::Peer;
use crate::probing::{self, Cause, Probe};
use crate::store::probes;
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::deliver::Deliver;
use centinela_domain::delivery::next_attempt;
use tokio_util::sync::CancellationToken;

/// When a destination is to be asked again.
#[derive(Debug, Default)]
pub struct Watch {
    /// After an answer that names nothing: not before.
    not_before: UnixMs,
    /// It refused what it took before.
    pub doubtful: bool,
}

impl Watch {
    /// Asks the destination if that is due. True if it is known what it gets; until then its deliveries wait.
    ///
    /// # Errors
    /// If rows cannot be read or written.
    pub async fn keep(&mut self, app: &App, peer: &Peer, stop: &CancellationToken) -> Result<bool> {
        if peer.deliver != Deliver::Auto {
            return Ok(true);
        }
        let row = {
            let mut tx = app.db.read().await?;
            probes::find(&mut tx, &peer.name).await?
        };
        let known = probing::kinds(&app.config, peer, row.as_ref())?.is_some();
        let now = app.clock.now();
        let age = row.and_then(|row| row.answered_at).map_or(i64::MAX, |at| now.saturating_sub(at));
        let every = i64::try_from(app.config.settings.delivery.probe_every)?.saturating_mul(1_000);
        if now < self.not_before || (known && !self.doubtful && age < every) {
            return Ok(known);
        }
        tokio::select! {
            () = stop.cancelled() => Ok(false),
            known = self.ask(app, peer) => known,
        }
    }

    async fn ask(&mut self, app: &App, peer: &Peer) -> Result<bool> {
        let asked = probing::ask(&remote(peer)?, &requestor_options(&app.config)).await;
        let now = app.clock.now();
        let (ability, implementation);
        let (probe, trouble) = match asked {
            Ok((requestor, takes)) => {
                (ability, implementation) = (takes, probing::implementation(requestor.answer()));
                requestor.release().await;
                (Probe::Answered(&ability, implementation), None)
            }
            Err(error) => (Probe::Failed(Cause::of(&error).code(), error.to_string()), Some(Trouble::away(&error))),
        };
        let mut tx = app.db.write().await?;
        let row = probing::record(&mut tx, &app.config, peer, probe, now).await?;
        match &trouble {
            None => breaker::answered(&mut tx, app, peer).await?,
            Some(trouble) => breaker::unanswered(&mut tx, app, peer, trouble).await?,
        }
        tx.commit().await?;
        if row.failures == 0 {
            tracing::info!(peer = peer.name, implementation = row.implementation, "asked what it takes");
            *self = Self::default();
        } else {
            let (cause, error) = (&row.outcome, row.error.as_deref());
            if row.failures.count_ones() == 1 {
                tracing::warn!(peer = peer.name, cause, error, "it could not be asked what it takes");
            }
            if trouble.is_none() {
                self.not_before = next_attempt(now, row.failures, rand::random());
            }
        }
        // Where it could not be had, nothing is sent, whatever is known of it.
        Ok(trouble.is_none() && probing::kinds(&app.config, peer, Some(&row))?.is_some())
    }
}
