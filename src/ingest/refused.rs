//! Refused calls as events: who was not let in, from where and why.
//!
//! A scanner on the network can be refused a thousand times a second. The first refusal of an
//! address for a reason becomes an event at once; further ones are counted and become one event a
//! minute. However many addresses there are, the table of them is bounded.

use crate::app::App;
use crate::store::events::{self, EventKind};
use anyhow::Result;
use centinela_scp::RefusalCause;
use serde_json::json;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One event for each address and reason in this time, after the first.
const QUIET: Duration = Duration::from_secs(60);
/// So many pairs of address and reason are told apart; the rest counts under 0.0.0.0.
const MOST_KEYS: usize = 512;

type Key = (IpAddr, RefusalCause);

/// Refusals that are not yet events.
#[derive(Debug, Default)]
pub struct RefusedCalls {
    tallies: Mutex<HashMap<Key, Tally>>,
    first: Notify,
}

#[derive(Debug)]
struct Tally {
    /// The title of the first call that is not yet an event, made harmless.
    claimed: String,
    count: u64,
    /// When the next event may be written.
    due: Instant,
}

impl RefusedCalls {
    fn tallies(&self) -> MutexGuard<'_, HashMap<Key, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one. True if it is the first in a while, and so worth a line in the log.
    pub fn note(&self, peer: IpAddr, cause: RefusalCause, claimed: &str, now: Instant) -> bool {
        let mut tallies = self.tallies();
        let mut key = (peer.to_canonical(), cause);
        if tallies.len() >= MOST_KEYS && !tallies.contains_key(&key) {
            key.0 = Ipv4Addr::UNSPECIFIED.into();
        }
        let mut first = false;
        let tally = tallies.entry(key).or_insert_with(|| {
            first = true;
            Tally { claimed: String::new(), count: 0, due: now }
        });
        if tally.count == 0 {
            claimed.clone_into(&mut tally.claimed);
        }
        tally.count += 1;
        drop(tallies);
        if first {
            self.first.notify_one();
        }
        first
    }

    /// Takes what is due; with `all` also what is not.
    fn take(&self, now: Instant, all: bool) -> Vec<(Key, String, u64)> {
        let mut due = Vec::new();
        self.tallies().retain(|key, tally| {
            if tally.due > now && !all {
                return true;
            }
            if tally.count == 0 {
                return false;
            }
            due.push((*key, std::mem::take(&mut tally.claimed), std::mem::take(&mut tally.count)));
            tally.due = now + QUIET;
            true
        });
        due
    }

    /// Gives back what could not be written.
    fn untake(&self, calls: Vec<(Key, String, u64)>) {
        let mut tallies = self.tallies();
        for (key, claimed, count) in calls {
            if let Some(tally) = tallies.get_mut(&key) {
                tally.count += count;
                tally.claimed = claimed;
            }
        }
    }
}

/// Writes events until `stop`, then what is left.
///
/// # Errors
/// Never: what cannot be written is kept and tried again.
pub async fn run(app: Arc<App>, calls: Arc<RefusedCalls>, stop: CancellationToken) -> Result<()> {
    loop {
        let stopping = tokio::select! {
            () = stop.cancelled() => true,
            () = calls.first.notified() => false,
            () = tokio::time::sleep(Duration::from_secs(1)) => false,
        };
        let due = calls.take(Instant::now(), stopping);
        if !due.is_empty()
            && let Err(error) = write(&app, &due).await
        {
            tracing::warn!("refused calls cannot be written yet: {error:#}");
            calls.untake(due);
        }
        if stopping {
            return Ok(());
        }
    }
}

async fn write(app: &App, due: &[(Key, String, u64)]) -> Result<()> {
    let mut tx = app.db.write().await?;
    for ((address, cause), claimed, count) in due {
        let detail = json!({
            "reason": cause.code(),
            "answer": cause.rejection().map(|rejection| rejection.code()),
            "calling": claimed,
            "address": address.to_string(),
            "count": count,
        });
        events::append(&mut tx, app.clock.now(), None, None, EventKind::CallRefused, detail).await?;
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u16) -> IpAddr {
        let [a, b] = last.to_be_bytes();
        Ipv4Addr::new(10, 0, a, b).into()
    }

    #[test]
    fn a_flood_becomes_two_events_a_minute() {
        let (calls, begin) = (RefusedCalls::default(), Instant::now());
        let note = |after: u64| {
            calls.note(ip(1), RefusalCause::UnknownCaller, "SCANNER", begin + Duration::from_millis(after))
        };
        assert!(note(0), "the first is told at once");
        let take = |after: u64| calls.take(begin + Duration::from_millis(after), false);
        let key = (ip(1), RefusalCause::UnknownCaller);
        assert_eq!(take(0), [(key, "SCANNER".to_owned(), 1)]);
        for after in 1..1000 {
            assert!(!note(after));
            assert!(take(after).is_empty());
        }
        assert!(calls.note(ip(1), RefusalCause::CalledTitle, "", begin), "another reason is another event");
        assert_eq!(take(60_000).iter().map(|(_, _, count)| count).sum::<u64>(), 999 + 1);
        // After a quiet minute nothing is remembered.
        assert!(take(120_001).is_empty() && calls.tallies().is_empty());
    }

    #[test]
    fn many_addresses_share_the_rest_and_nothing_is_lost() {
        let (calls, now) = (RefusedCalls::default(), Instant::now());
        for n in 0..2000 {
            calls.note(ip(n), RefusalCause::Network, "X", now);
        }
        let due = calls.take(now, false);
        assert_eq!(due.len(), MOST_KEYS + 1);
        assert_eq!(due.iter().map(|(_, _, count)| count).sum::<u64>(), 2000);
        calls.untake(due);
        assert_eq!(calls.take(now, true).iter().map(|(_, _, count)| count).sum::<u64>(), 2000);
    }
}
