//! The report behind a commitment: N-EVENT-REPORT on the association that is still open, else on a
//! new one to the peer of that AE title (PS3.4 section J.3.3).

use crate::app::App;
use crate::calling;
use crate::failpoint;
use crate::store::commitments::{self, AttemptRecord, CommitmentRow};
use crate::store::events::{self, EventKind};
use crate::wall;
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::commitment::{FailureReason, Heard, Reference, Report};
use centinela_domain::delivery::next_attempt;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, RequestError, Requestor};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;

/// The association may first have to finish a large film.
const SAME_ASSOCIATION: Duration = Duration::from_secs(120);

/// How an attempt to report ended.
enum Told {
    /// The peer answered.
    Answered { status: DimseStatus, same_association: bool },
    /// The peer could not be told now.
    Away(RequestError),
    /// The association has ended and ae-titles.toml has no address for the peer.
    NoAddress,
    /// The peer rests until then, as ae-titles.toml wants it.
    Rests(UnixMs),
    /// The peer has an address, and something of ours is missing to call it.
    Unready(String),
}

/// Reports one transaction and records what came of it.
///
/// # Errors
/// If rows cannot be read or written.
pub async fn run(app: &App, row: &CommitmentRow) -> Result<()> {
    let report = load(app, row).await?;
    let told = tell(app, row, &report).await;
    failpoint::hit("commitment.told");
    record(app, row, &report, &told).await
}

async fn load(app: &App, row: &CommitmentRow) -> Result<Report> {
    let mut tx = app.db.read().await?;
    let references = commitments::references(&mut tx, &row.id).await?;
    let transaction = Uid::parse(&row.transaction_uid)?;
    let mut report = Report { transaction, committed: Vec::new(), failed: Vec::new() };
    for row in references {
        let reference =
            Reference { sop_class: Uid::parse(&row.sop_class)?, sop_instance: Uid::parse(&row.sop_instance)? };
        // Without an outcome nothing is promised.
        match row.outcome.map(u16::try_from) {
            Some(Ok(0)) => report.committed.push(reference),
            Some(Ok(reason)) => report.failed.push((reference, FailureReason(reason))),
            _ => report.failed.push((reference, FailureReason::PROCESSING_FAILURE)),
        }
    }
    Ok(report)
}

async fn tell(app: &App, row: &CommitmentRow, report: &Report) -> Told {
    let mut answered = None;
    if let Some(channel) = app.channels.get(&row.association)
        && let Ok(Ok(status)) = timeout(SAME_ASSOCIATION, channel.report(report)).await
    {
        answered = Some(status);
    }
    let mut known = app.config.peers.peers.iter().filter(|peer| peer.is_titled(&row.calling));
    let peer = known.find(|peer| peer.host.is_some() && peer.port.is_some());
    let peer = match (answered, peer) {
        // Who refuses it here may want it where it waits for calls.
        (Some(status), Some(peer)) if Heard::of(status) == Heard::Refused => peer,
        (Some(status), _) => return Told::Answered { status, same_association: true },
        (None, Some(peer)) => peer,
        (None, None) => return Told::NoAddress,
    };
    if let Some(until) = peer.resting_until(app.clock.now()) {
        return Told::Rests(until);
    }
    let remote = match calling::remote(peer) {
        Ok(remote) => remote,
        Err(error) => return Told::Unready(error.to_string()),
    };
    let called = async {
        let options = calling::requestor_options(&app.config);
        let mut requestor = Requestor::open(&remote, &options, &[ProposedContext::commitment()]).await?;
        let status = requestor.report(report).await?;
        requestor.release().await;
        Ok(status)
    };
    match called.await {
        Ok(status) => Told::Answered { status, same_association: false },
        Err(error) => Told::Away(error),
    }
}

async fn record(app: &App, row: &CommitmentRow, report: &Report, told: &Told) -> Result<()> {
    let (now, attempt) = (app.clock.now(), row.attempts + 1);
    let later = match told {
        Told::Rests(until) => *until,
        _ => next_attempt(now, attempt, rand::random()),
    };
    let heard = match told {
        Told::Answered { status, .. } => Heard::of(*status),
        Told::Away(RequestError::NoPresentationContext { .. }) => Heard::Refused,
        Told::Away(_) | Told::NoAddress | Told::Rests(_) | Told::Unready(_) => Heard::Later,
    };
    let (state, kind) = match (heard, told) {
        (Heard::Taken, _) => ("reported", EventKind::CommitmentReported),
        (Heard::Refused, _) => ("refused", EventKind::CommitmentRefused),
        (Heard::Later, Told::NoAddress) => ("undeliverable", EventKind::CommitmentUndeliverable),
        (Heard::Later, _) => ("reporting", EventKind::CommitmentDelayed),
    };
    let (status, error, same) = match told {
        Told::Answered { status, same_association } if status.0 == 0 => (Some(status.0), None, *same_association),
        Told::Answered { status, same_association } => {
            (Some(status.0), Some(format!("{} answered {status}", row.calling)), *same_association)
        }
        Told::Away(error) => (None, Some(error.to_string()), false),
        Told::Rests(until) => (None, Some(format!("it rests until {}", wall::time_of_day(*until))), false),
        Told::Unready(error) => (None, Some(error.clone()), false),
        Told::NoAddress => {
            let text = "its association has ended, and ae-titles.toml has no peer of this AE title with host and port";
            (None, Some(text.to_owned()), false)
        }
    };
    // A peer that is away for days must not fill the feed: 1st, 2nd, 4th, 8th ... attempt.
    let in_feed = kind != EventKind::CommitmentDelayed || attempt.count_ones() == 1;
    let mut tx = app.db.write().await?;
    let record = AttemptRecord { state, next_at: later, status, error: error.as_deref() };
    if !commitments::attempted(&mut tx, row, &record, now).await? {
        return Ok(());
    }
    if state == "reporting" {
        commitments::defer(&mut tx, &row.calling, later).await?;
    }
    if in_feed {
        let detail = json!({
            "commitment": row.id, "transaction": row.transaction_uid, "calling": row.calling, "attempt": attempt,
            "committed": report.committed.len(), "failed": report.failed.len(), "same_association": same,
            "status": status.map(|s| format!("0x{s:04X}")), "error": error,
        });
        events::append(&mut tx, now, None, None, kind, detail).await?;
    }
    tx.commit().await?;
    match kind {
        EventKind::CommitmentReported => {
            tracing::info!(commitment = row.id, calling = row.calling, same, "commitment reported")
        }
        _ if in_feed => tracing::warn!(commitment = row.id, calling = row.calling, error, "{}", kind.as_str()),
        _ => {}
    }
    Ok(())
}
