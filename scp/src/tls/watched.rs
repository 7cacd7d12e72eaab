//! A value made from files, made anew when they change. A broken new file keeps the old value.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// What is wrong with a file of certificates, keys, revocation lists or users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", .path.display())]
pub struct CredentialError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it, and the remedy. Never its content.
    pub what: String,
}

impl CredentialError {
    /// Names the file and what is wrong.
    pub(crate) fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), what: what.into() }
    }
}

/// Tells whether a file is still the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

type Build<T> = Box<dyn Fn() -> Result<T, CredentialError> + Send + Sync>;

/// The value, its files and how to make it. Whoever took the value keeps what it took.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    build: Build<T>,
    current: RwLock<Arc<T>>,
    seen: Mutex<Vec<Option<Stamp>>>,
}

impl<T> Watched<T> {
    /// Makes the first value.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub(crate) fn load(
        files: Vec<PathBuf>,
        build: impl Fn() -> Result<T, CredentialError> + Send + Sync + 'static,
    ) -> Result<Self, CredentialError> {
        let seen = stamps(&files);
        let current = build()?;
        Ok(Self { files, build: Box::new(build), current: RwLock::new(Arc::new(current)), seen: Mutex::new(seen) })
    }

    /// The value of now.
    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the value anew if a file changed, or in any case with `force`. Tells whether it did.
    ///
    /// A failure is told once for each state of the files, unless forced.
    ///
    /// # Errors
    /// What is wrong with a file; the old value stays.
    pub(crate) fn reload(&self, force: bool) -> Result<bool, CredentialError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before the files are read: a change in between is met by the next call.
        let now = stamps(&self.files);
        if *seen == now && !force {
            return Ok(false);
        }
        *seen = now;
        let fresh = (self.build)()?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(true)
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some(Stamp { modified: found.modified().ok(), bytes: found.len(), inode: found.ino() })
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn number(path: PathBuf) -> Result<Watched<u32>, CredentialError> {
        Watched::load(vec![path.clone()], move || {
            let text = std::fs::read_to_string(&path).map_err(|_| CredentialError::new(&path, "cannot be read"))?;
            text.trim().parse().map_err(|_| CredentialError::new(&path, "is no number"))
        })
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_keeps_the_old_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let watched = number(path.clone()).unwrap();
        assert_eq!(watched.reload(false), Ok(false));
        std::fs::write(&path, "22").unwrap();
        let before = watched.current();
        assert_eq!(watched.reload(false), Ok(true));
        assert_eq!((*before, *watched.current()), (1, 22));
        std::fs::write(&path, "two").unwrap();
        assert_eq!(watched.reload(false).unwrap_err().what, "is no number");
        assert_eq!(*watched.current(), 22);
        assert_eq!(watched.reload(false), Ok(false), "told once");
        assert!(watched.reload(true).is_err(), "told again when asked");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watched.reload(false).unwrap_err().what, "cannot be read");
        std::fs::write(&path, "3").unwrap();
        assert_eq!(watched.reload(false), Ok(true));
        assert_eq!(*watched.current(), 3);
        assert!(number(folder.path().join("absent")).is_err());
    }
}
