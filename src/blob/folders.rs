//! Folders of blobs and how their entries become durable: one fsync serves everybody who waits for the
//! same folder.

use anyhow::{Context as _, Result, bail};
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// The folders below a root that this process has used.
#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    /// Those whose own entries this process has made durable.
    known: Mutex<HashMap<PathBuf, Arc<Folder>>>,
}

/// One folder.
#[derive(Debug, Default)]
struct Folder {
    turns: Mutex<Turns>,
    ended: Condvar,
}

/// Whose turn it is.
#[derive(Debug, Default)]
struct Turns {
    /// Those who ask now share this one.
    gathering: Arc<Turn>,
    /// An earlier one runs.
    running: bool,
}

/// One fsync, and how it ended.
type Turn = OnceLock<Result<(), String>>;

impl Folders {
    pub(super) fn below(root: PathBuf) -> Self {
        Self { root, known: Mutex::default() }
    }

    /// Makes a folder and, once, its own entry durable. Others wait meanwhile: a folder that is there
    /// may not be durable yet, and what lies in it is only as durable as the folder.
    pub(super) fn make(&self, folder: &Path) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(folder) && folder.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(folder).with_context(|| format!("make directory {}", folder.display()))?;
        let mut parent = folder.parent();
        while let Some(dir) = parent.filter(|d| d.starts_with(&self.root)) {
            fsync(dir)?;
            parent = dir.parent();
        }
        known.entry(folder.to_owned()).or_default();
        Ok(())
    }

    /// Returns once the present entries of a folder that was made here are durable.
    pub(super) fn sync(&self, folder: &Path) -> Result<()> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(folder).map(Arc::clone);
        match known {
            Some(shared) => shared.sync(|| fsync(folder)),
            None => fsync(folder),
        }
    }
}

impl Folder {
    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an fsync that begins from now on; whoever finds none running runs it for all.
    fn sync(&self, fsync: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut turns = self.lock();
        let mine = Arc::clone(&turns.gathering);
        while turns.running && mine.get().is_none() {
            turns = self.ended.wait(turns).unwrap_or_else(PoisonError::into_inner);
        }
        if mine.get().is_none() {
            *turns = Turns { gathering: Arc::default(), running: true };
            drop(turns);
            let _ = mine.set(fsync().map_err(|error| format!("{error:#}")));
            self.lock().running = false;
            self.ended.notify_all();
        }
        match mine.get() {
            Some(Err(why)) => bail!("{why}"),
            _ => Ok(()),
        }
    }
}

fn fsync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|dir| dir.sync_all()).with_context(|| format!("fsync directory {}", folder.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn who_asks_during_an_fsync_waits_for_the_next_and_shares_its_fate() {
        let folder = Folder::default();
        let calls = AtomicUsize::new(0);
        let (begun, has_begun) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                folder.sync(move || {
                    begun.send(()).unwrap();
                    may_go.recv().unwrap();
                    Ok(())
                })
            });
            has_begun.recv().unwrap();
            let ask = || {
                folder.sync(|| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    bail!("the disk is gone")
                })
            };
            let others: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            // Until all of them wait.
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(calls.load(Ordering::SeqCst), 0, "the first still runs");
            go.send(()).unwrap();
            first.join().unwrap().unwrap();
            for other in others {
                assert_eq!(other.join().unwrap().unwrap_err().to_string(), "the disk is gone");
            }
        });
        assert_eq!(calls.load(Ordering::SeqCst), 1, "one for all eight");
        folder.sync(|| Ok(())).unwrap();
    }

    #[test]
    fn a_folder_is_made_and_synced() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::below(dir.path().to_owned());
        let folder = dir.path().join("a/b");
        assert!(folders.sync(&folder).is_err(), "there is none");
        folders.make(&folder).unwrap();
        folders.make(&folder).unwrap();
        folders.sync(&folder).unwrap();
        fs::remove_dir(&folder).unwrap();
        folders.make(&folder).unwrap();
        assert!(folder.is_dir(), "made again");
    }
}
