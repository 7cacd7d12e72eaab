//! The ways back to peers whose association is still open: the one thing about a commitment that is
//! no row, because it ends with the process.

use centinela_scp::ReportChannel;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Open associations on which commitment was asked for, by their identifier.
#[derive(Debug, Default)]
pub struct Channels(Mutex<HashMap<String, ReportChannel>>);

impl Channels {
    /// Remembers the way back; forgets associations that have ended.
    pub fn put(&self, association: String, channel: ReportChannel) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, channel| !channel.is_closed());
        open.insert(association, channel);
    }

    /// The way back on an association, if it is open.
    #[must_use]
    pub fn get(&self, association: &str) -> Option<ReportChannel> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(association).filter(|channel| !channel.is_closed()).cloned()
    }
}
