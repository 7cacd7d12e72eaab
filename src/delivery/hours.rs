//! When a destination is called and how much it gets, as ae-titles.toml wants it: parts of the day in which it rests,
//! and objects in a minute. Until when it rests is a column, what it got within the last minute are rows.

use crate::app::App;
use crate::config::Peer;
use crate::store::destinations::{self, DestinationRow};
use crate::store::handovers;
use crate::wall;
use anyhow::Result;

/// Whether the destination rests now; its row is kept honest.
///
/// # Errors
/// If the row cannot be written.
pub async fn rests(app: &App, peer: &Peer, row: Option<&DestinationRow>) -> Result<bool> {
    let until = peer.resting_until(app.clock.now());
    if row.and_then(|row| row.rests_until) != until {
        let mut tx = app.db.write().await?;
        destinations::set_rest(&mut tx, &peer.name, until).await?;
        tx.commit().await?;
        match until {
            Some(until) => tracing::info!(peer = peer.name, until = wall::time_of_day(until), "the destination rests"),
            None => tracing::info!(peer = peer.name, "the rest of the destination is over"),
        }
    }
    Ok(until.is_some())
}

/// How many objects may be sent to the destination now.
///
/// # Errors
/// If rows cannot be read.
pub async fn room(app: &App, peer: &Peer) -> Result<i64> {
    let Some(rate) = peer.rate() else { return Ok(i64::MAX) };
    let mut tx = app.db.read().await?;
    let sent = handovers::sent(&mut tx, &peer.name, app.clock.now()).await?;
    Ok(i64::from(rate.room(&sent)))
}
