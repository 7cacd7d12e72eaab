//! Closes studies whose quiet period has passed. The timer is a column: a restart forgets nothing.

use crate::app::App;
use crate::failpoint;
use crate::store::events::{self, EventKind};
use crate::store::jobs::{self, JobKind, NewJob};
use crate::store::studies;
use anyhow::Result;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Looks for due studies until stopped.
///
/// # Errors
/// Never: a failing database is logged and asked again.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    loop {
        match close_due(&app).await {
            Ok(0) => {}
            Ok(_) => app.work.ring(),
            Err(error) => tracing::error!("studies could not be closed: {error:#}"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

/// Closes what is due now and enqueues its report in the same transaction.
async fn close_due(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    let closed = studies::close_due(&mut tx, now).await?;
    for row in &closed {
        let (study, revision) = (row.study_uid.as_str(), row.revision);
        let job = NewJob {
            kind: JobKind::Report,
            subject: study,
            study_uid: study,
            revision,
            urgency: row.urgency(),
            // Before the films of studies that came later: it is complete. A late film waits since it came.
            since: if revision == 1 { row.first_at } else { row.last_at },
        };
        jobs::enqueue(&mut tx, &job, now).await?;
        events::append(&mut tx, now, Some(study), None, EventKind::StudyClosed, json!({ "revision": revision }))
            .await?;
    }
    tx.commit().await?;
    if !closed.is_empty() {
        failpoint::hit("close.committed");
    }
    Ok(closed.len())
}
