//! Files that a dead process left between rename and commit, whole or not, named by no row.
//!
//! Nobody was told of them, so their senders send again. They are set aside rather than removed: should
//! somebody have put back an older database, they are films that were answered with success.

use super::FsBlobs;
use anyhow::{Context as _, Result};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Below the data directory.
const ASIDE: &str = "unclaimed";
/// How long a file stays there.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A file waits for its row for milliseconds. What is older than this, counted back from the last
/// change, is not looked at.
const WINDOW: Duration = Duration::from_secs(600);

impl FsBlobs {
    /// Keys of a room whose files came at the end of the last run, and when the first of them can
    /// have come. Folders that did not change then are not read.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub fn latest(&self, room: &str) -> Result<(Vec<String>, SystemTime)> {
        let mut folders = Vec::new();
        for entry in list(&self.root.join(room))? {
            folders.push((entry.metadata()?.modified()?, entry.path()));
        }
        let newest = folders.iter().map(|(changed, _)| *changed).max().unwrap_or(SystemTime::UNIX_EPOCH);
        let since = newest.checked_sub(WINDOW).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut keys = Vec::new();
        for (_, folder) in folders.into_iter().filter(|(changed, _)| *changed >= since) {
            for entry in list(&folder)? {
                if entry.metadata()?.modified()? >= since
                    && let Ok(key) = entry.path().strip_prefix(&self.root)
                {
                    keys.extend(key.to_str().map(str::to_owned));
                }
            }
        }
        Ok((keys, since))
    }

    /// Moves the file of a key out of the blobs.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn set_aside(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        let aside = self.aside();
        fs::create_dir_all(&aside).with_context(|| format!("make directory {}", aside.display()))?;
        let name = path.file_name().context("blob key without name")?;
        fs::rename(&path, aside.join(name)).with_context(|| format!("move {} to {}", path.display(), aside.display()))
    }

    /// Removes what was set aside a week ago; returns how many.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub fn forget(&self, now: SystemTime) -> Result<usize> {
        let mut removed = 0;
        for entry in list(&self.aside())? {
            if now.duration_since(entry.metadata()?.modified()?).is_ok_and(|age| age > KEPT) {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes the folders of a room whose name sorts before `name` and that are empty: folders of hours
    /// that are long over, in which nobody writes any more; returns how many.
    ///
    /// # Errors
    /// If the room cannot be read.
    pub(super) fn prune(&self, room: &str, name: &str) -> Result<usize> {
        let folders = list(&self.root.join(room))?.into_iter();
        let over = folders.filter(|folder| folder.file_name().as_os_str() < OsStr::new(name));
        Ok(over.filter(|folder| fs::remove_dir(folder.path()).is_ok()).count())
    }

    fn aside(&self) -> std::path::PathBuf {
        self.root.with_file_name(ASIDE)
    }
}

/// The entries of a folder; none if it does not exist.
fn list(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    let read = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other,
    };
    read.and_then(Iterator::collect).with_context(|| format!("read directory {}", folder.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn age(path: &Path, age: Duration) {
        fs::File::open(path)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30) - age)
            .unwrap();
    }

    #[test]
    fn only_the_end_of_the_last_run_is_looked_at_and_a_week_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FsBlobs::open(dir.path().join("blobs"), dir.path().join("spool")).unwrap();
        assert_eq!(blobs.latest("instances").unwrap().0, Vec::<String>::new());
        let hours = |n: u64| Duration::from_secs(3600 * n);
        for (key, old) in [("ab/abc.dcm", 0), ("ab/abd.dcm", 2), ("cd/cde.dcm", 3)] {
            blobs.put(&format!("instances/{key}"), b"film").unwrap();
            age(&dir.path().join("blobs/instances").join(key), hours(old));
        }
        age(&dir.path().join("blobs/instances/ab"), hours(0));
        age(&dir.path().join("blobs/instances/cd"), hours(3));
        let (keys, since) = blobs.latest("instances").unwrap();
        assert_eq!(keys, ["instances/ab/abc.dcm"]);
        assert!(since < SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30));
        blobs.set_aside(&keys[0]).unwrap();
        assert!(blobs.get(&keys[0]).is_err());
        let aside = dir.path().join("unclaimed/abc.dcm");
        assert_eq!(fs::read(&aside).unwrap(), b"film");
        let then = fs::metadata(&aside).unwrap().modified().unwrap();
        assert_eq!(blobs.forget(then + hours(24)).unwrap(), 0);
        assert_eq!(blobs.forget(then + hours(24 * 8)).unwrap(), 1);
        assert!(!aside.exists());
        // "ab" holds a film still; "cd" is emptied, but not over before "cd".
        blobs.remove("instances/cd/cde.dcm").unwrap();
        assert_eq!(blobs.prune("instances", "cd").unwrap(), 0);
        assert_eq!(blobs.prune("instances", "zz").unwrap(), 1);
        assert!(blobs.has("instances/ab/abd.dcm").unwrap());
        assert!(!dir.path().join("blobs/instances/cd").exists());
    }
}
