//! When peers last called us: proof for an administrator that a PACS reaches this node.
//!
//! Only titles of ae-titles.toml are noted, so the table is bounded; a busy caller costs one write in
//! `QUIET`, however many associations it opens.

use crate::app::App;
use crate::store::heard::{self, HeardRow};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::ae::AeTitle;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One write for each title in so many milliseconds, after the first.
const QUIET: i64 = 5_000;

/// Calls that are not yet rows.
#[derive(Debug, Default)]
pub struct Heard {
    calls: Mutex<HashMap<AeTitle, Call>>,
    first: Notify,
}

#[derive(Debug)]
struct Call {
    at: UnixMs,
    from: IpAddr,
    written: bool,
    /// When the row may be written next.
    due: UnixMs,
}

impl Heard {
    fn calls(&self) -> MutexGuard<'_, HashMap<AeTitle, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call of a known peer.
    pub fn note(&self, title: &AeTitle, from: IpAddr, now: UnixMs) {
        let mut calls = self.calls();
        let known = calls.entry(title.clone()).or_insert(Call { at: now, from, written: true, due: now });
        (known.at, known.from, known.written) = (now, from.to_canonical(), false);
        if known.due <= now {
            self.first.notify_one();
        }
    }

    /// Takes what is due; with `all` also what is not.
    fn take(&self, now: UnixMs, all: bool) -> Vec<HeardRow> {
        let mut due = Vec::new();
        for (title, call) in self.calls().iter_mut().filter(|(_, call)| !call.written && (all || call.due <= now)) {
            (call.written, call.due) = (true, now + QUIET);
            due.push(HeardRow { ae_title: title.to_string(), at: call.at, address: call.from.to_string() });
        }
        due
    }
}

/// Writes rows until `stop`, then what is left.
///
/// # Errors
/// Never: what cannot be written is of no use later.
pub async fn run(app: Arc<App>, calls: Arc<Heard>, stop: CancellationToken) -> Result<()> {
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = calls.first.notified() => false,
            () = tokio::time::sleep(Duration::from_secs(1)) => false,
        };
        let due = calls.take(app.clock.now(), stopping);
        if !due.is_empty()
            && let Err(error) = write(&app, &due).await
        {
            tracing::warn!("the last calls of peers cannot be written: {error:#}");
        }
        if stopping {
            return Ok(());
        }
    }
}

async fn write(app: &App, due: &[HeardRow]) -> Result<()> {
    let mut tx = app.db.write().await?;
    for row in due {
        heard::note(&mut tx, row).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn the_first_call_is_written_at_once_and_a_busy_caller_seldom() {
        let (heard, title) = (Heard::default(), AeTitle::parse("PACS").unwrap());
        let from = |last: u8| IpAddr::from([10, 0, 0, last]);
        heard.note(&title, from(1), 1_000);
        let row = HeardRow { ae_title: "PACS".into(), at: 1_000, address: "10.0.0.1".into() };
        assert_eq!(heard.take(1_000, false), [row]);
        for at in 1_001..1_100 {
            heard.note(&title, from(2), at);
            assert!(heard.take(at, false).is_empty());
        }
        let last = HeardRow { ae_title: "PACS".into(), at: 1_099, address: "10.0.0.2".into() };
        assert_eq!(heard.take(1_000 + QUIET, false), std::slice::from_ref(&last));
        assert!(heard.take(1_000 + 2 * QUIET, true).is_empty(), "written once");
        heard.note(&title, from(2), 1_099);
        assert_eq!(heard.take(1_100, true), [last], "at the end all is written");
    }
}
