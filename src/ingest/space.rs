//! Free space as the receiver sees it: asked of the file system at most once a second, however many
//! associations and instances come.

use crate::blob::Blobs;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An answer of the file system is good for so long.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The last answer.
#[derive(Debug, Default)]
pub(super) struct FreeSpace {
    seen: Mutex<Option<(Instant, Option<u64>)>>,
}

impl FreeSpace {
    /// Free bytes; `None` if the file system does not tell.
    pub(super) fn bytes(&self, blobs: &Blobs) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, free)) = *seen
            && at.elapsed() < GOOD_FOR
        {
            return free;
        }
        let free = match blobs.free_bytes() {
            Ok(free) => Some(free),
            Err(error) => {
                tracing::error!(%error, "free space is unknown");
                None
            }
        };
        *seen = Some((Instant::now(), free));
        free
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::blob::FsBlobs;

    #[test]
    fn the_file_system_is_not_asked_again_within_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::Fs(FsBlobs::open(dir.path().join("blobs"), dir.path().join("spool")).unwrap());
        let space = FreeSpace::default();
        assert!(space.bytes(&blobs).unwrap() > 0);
        std::fs::remove_dir_all(dir.path().join("blobs")).unwrap();
        assert!(space.bytes(&blobs).is_some(), "the answer is a second old at most");
        std::thread::sleep(GOOD_FOR + Duration::from_millis(50));
        assert_eq!(space.bytes(&blobs), None, "now it was asked, and cannot tell");
    }
}
