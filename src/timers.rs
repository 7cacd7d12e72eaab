//! Timers are columns. Where the machine's clock is set back, what waits would wait for as much longer: a study for
//! its end, a result for its next attempt. This role sees the step and brings the timers nearer by it.

use crate::app::App;
use crate::store::timers;
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// A smaller step back is waited for.
const STEP_MS: i64 = 1_000;

/// Looks at the clock until stopped.
///
/// # Errors
/// Never: a failing database is logged and asked again.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    // The clock may have been set back while nobody was here: the feed knows when it last was.
    let mut last = None;
    loop {
        match look(&app, last).await {
            Ok(now) => last = Some(now),
            Err(error) => tracing::error!("timers could not be looked after: {error:#}"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// One look, `last` being the time of the look before; gives the time of this one.
async fn look(app: &App, last: Option<i64>) -> Result<i64> {
    let now = app.clock.now();
    let last = match last {
        Some(last) => last,
        None => {
            let mut tx = app.db.read().await?;
            timers::last_seen(&mut tx).await?.unwrap_or(now)
        }
    };
    let back = last - now;
    if back > STEP_MS {
        let mut tx = app.db.write().await?;
        let moved = timers::bring_nearer(&mut tx, now, back).await?;
        tx.commit().await?;
        tracing::warn!(seconds = back / 1_000, moved, "the clock was set back: what waits was brought nearer");
        app.work.ring();
        app.outbox.ring();
    }
    Ok(now)
}
