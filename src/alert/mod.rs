//! Alerts: compares what the rows say with the limits, raises and clears, and has webhooks told.
//!
//! An alert is a row, and so is each call that tells of it: a restart forgets neither.

mod webhook;

use crate::app::App;
use crate::store::events::{self, EventKind};
use crate::store::{alerts, jobs};
use crate::wall;
use anyhow::Result;
use centinela_domain::alert::{AlertLimits, Facts, standing};
use centinela_domain::delivery::hours::awake_ms;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use webhook::signature;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// For how long work that was given up is an alert.
const GIVEN_UP_MS: i64 = 60 * 60 * 1_000;

/// Looks and tells until stopped.
///
/// # Errors
/// Never: a failing database is logged and asked again.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    let mut tellers = JoinSet::new();
    for hook in &app.config.settings.alerts.webhooks {
        tellers.spawn(webhook::tell(Arc::clone(&app), hook.clone(), stop.clone()));
    }
    while !stop.is_cancelled() {
        if let Err(error) = look(&app).await {
            tracing::error!("alerts could not be looked after: {error:#}");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    while tellers.join_next().await.is_some() {}
    Ok(())
}

/// One look: raises what stands newly, clears what does not stand any more.
///
/// # Errors
/// If rows cannot be read or written.
pub async fn look(app: &App) -> Result<()> {
    let now = app.clock.now();
    let facts = facts(app).await?;
    let stands = standing(&facts, &limits(app));
    let known = {
        let mut tx = app.db.read().await?;
        alerts::standing(&mut tx).await?
    };
    let same = |row: &alerts::AlertRow, alert: &centinela_domain::alert::Standing| {
        row.kind == alert.kind.as_str() && row.subject == alert.subject
    };
    let over: Vec<_> = known.iter().filter(|row| !stands.iter().any(|alert| same(row, alert))).collect();
    let changed = stands.iter().any(|alert| !known.iter().any(|row| same(row, alert) && row.text == alert.text));
    if over.is_empty() && !changed {
        return Ok(());
    }
    let hooks = &app.config.settings.alerts.webhooks;
    let mut tx = app.db.write().await?;
    for alert in &stands {
        if let Some(row) = known.iter().find(|row| same(row, alert)) {
            alerts::refresh(&mut tx, &row.id, &alert.text).await?;
            continue;
        }
        let Some(id) = alerts::raise(&mut tx, alert, now).await? else { continue };
        for hook in hooks {
            alerts::schedule_call(&mut tx, &id, &hook.name, false, now).await?;
        }
        let detail = json!({ "alert": alert.kind.as_str(), "subject": alert.subject, "text": alert.text });
        events::append(&mut tx, now, None, None, EventKind::AlertRaised, detail).await?;
        tracing::warn!(alert = alert.kind.as_str(), subject = alert.subject, "{}", alert.text);
    }
    for row in over {
        if alerts::clear(&mut tx, &row.id, now).await? {
            for hook in hooks {
                alerts::schedule_call(&mut tx, &row.id, &hook.name, true, now).await?;
            }
            let detail = json!({ "alert": row.kind, "subject": row.subject });
            events::append(&mut tx, now, None, None, EventKind::AlertCleared, detail).await?;
            tracing::info!(alert = row.kind, subject = row.subject, "alert cleared");
        }
    }
    tx.commit().await
}

async fn facts(app: &App) -> Result<Facts> {
    let now = app.clock.now();
    let mut tx = app.db.read().await?;
    let (given_up, quarantined) = alerts::troubles(&mut tx, now - GIVEN_UP_MS).await?;
    let oldest = jobs::oldest_waiting(&mut tx, now).await?;
    let mut queues = alerts::queues(&mut tx, now).await?;
    for queue in &mut queues {
        let rests = app.config.peers.named(&queue.destination).map_or(&[][..], |peer| &peer.rests);
        queue.rested_ms = queue.oldest_ms - awake_ms(rests, now - queue.oldest_ms, now, wall::minute_of_day);
    }
    Ok(Facts {
        queues,
        oldest_job_ms: oldest.map_or(0, |since| (now - since).max(0)),
        given_up,
        quarantined,
        free_bytes: app.blobs.free_bytes().ok(),
    })
}

fn limits(app: &App) -> AlertLimits {
    let settings = &app.config.settings;
    let ms = |minutes: f64| (minutes * 60_000.0) as i64;
    AlertLimits {
        undelivered_ms: ms(settings.alerts.undelivered_minutes),
        queued_ms: ms(settings.alerts.queued_minutes),
        free_bytes: settings.storage.low_space(),
    }
}
