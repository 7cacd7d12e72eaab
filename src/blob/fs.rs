//! Blobs as files: temporary name, rename, fsync, and the directory's where the file's does not take the
//! name along.

use super::folders::Folders;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The head of a received instance: preamble and file meta information of our own.
const HEAD: u64 = 4_096;

/// Files below a root directory.
#[derive(Debug, Clone)]
pub struct FsBlobs {
    pub(super) root: PathBuf,
    temporary: PathBuf,
    folders: Arc<Folders>,
    /// An fsync of a file takes its name along.
    names_go_with_files: bool,
}

impl FsBlobs {
    /// Uses `root` for blobs and `temporary`, on the same file system, for unfinished files.
    ///
    /// # Errors
    /// If a directory cannot be made.
    pub fn open(root: PathBuf, temporary: PathBuf) -> Result<Self> {
        for dir in [&root, &temporary] {
            fs::create_dir_all(dir).with_context(|| format!("make directory {}", dir.display()))?;
        }
        let folders = Arc::new(Folders::below(root.clone()));
        Ok(Self { folders, names_go_with_files: super::mount::names_go_with_files(&root), root, temporary })
    }

    pub(super) const fn names_go_with_files(&self) -> bool {
        self.names_go_with_files
    }

    pub(super) fn path(&self, key: &str) -> Result<PathBuf> {
        ensure!(super::is_safe(key), "blob key {key:?} is not a plain relative path");
        Ok(self.root.join(key))
    }

    pub(super) fn adopt(&self, key: &str, spooled: &Path, file: &File) -> Result<()> {
        let target = self.path(key)?;
        let folder = target.parent().context("blob key without folder")?;
        self.folders.make(folder)?;
        let synced = || {
            let done = if self.names_go_with_files { file.sync_all() } else { file.sync_data() };
            done.with_context(|| format!("fsync {}", spooled.display()))
        };
        // Renamed first, so that one commit of the journal takes both the bytes and the name. What is
        // there already may be vouched for: only whole bytes may take its place.
        if rename_where_nothing_is(spooled, &target)? {
            return synced().inspect_err(|_| {
                // Another film of the same bytes may have come, and been kept, meanwhile.
                let ours = |found: fs::Metadata| file.metadata().is_ok_and(|own| own.ino() == found.ino());
                if fs::metadata(&target).is_ok_and(ours) {
                    let _ = fs::remove_file(&target);
                }
            });
        }
        synced()?;
        fs::rename(spooled, &target).with_context(|| format!("rename to {}", target.display()))?;
        if self.names_go_with_files { synced() } else { Ok(()) }
    }

    pub(super) fn sync_names<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Result<()> {
        if self.names_go_with_files {
            return Ok(());
        }
        let paths = keys.into_iter().map(|key| self.path(key)).collect::<Result<Vec<_>>>()?;
        let folders: BTreeSet<_> = paths.iter().filter_map(|path| path.parent()).collect();
        folders.into_iter().try_for_each(|folder| self.folders.sync(folder))
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let name = self.temporary.join(format!("{}.put", uuid::Uuid::new_v4()));
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).open(&name)?;
            file.write_all(bytes)?;
            Ok::<_, std::io::Error>(file)
        })()
        .with_context(|| format!("write {}", name.display()));
        let done = written.and_then(|file| self.adopt(key, &name, &file)).and_then(|()| self.sync_names([key]));
        if done.is_err() {
            // The rest of a failed write must not eat the space that is missing already.
            let _ = fs::remove_file(&name);
        }
        done
    }

    pub(super) fn get(&self, key: &str) -> Result<Vec<u8>> {
        let path = self.path(key)?;
        fs::read(&path).with_context(|| format!("read {}", path.display()))
    }

    pub(super) fn start(&self, key: &str, most: usize) -> Result<(Vec<u8>, bool)> {
        let path = self.path(key)?;
        first_bytes(&path, most).with_context(|| format!("read {}", path.display()))
    }

    pub(super) fn verify(&self, key: &str, digest: &str, offset_of: impl FnOnce(&[u8]) -> Result<u64>) -> Result<()> {
        let path = self.path(key)?;
        let named = || format!("read {}", path.display());
        let file = File::open(&path).with_context(named)?;
        let mut head = Vec::new();
        (&file).take(HEAD).read_to_end(&mut head).with_context(named)?;
        ensure!(head.iter().take(128).all(|b| *b == 0), "the preamble of {} was changed", path.display());
        let offset = offset_of(&head).with_context(|| format!("read the head of {}", path.display()))?;
        let same = super::digest::matches(&file, offset, digest).with_context(named)?;
        ensure!(same, "the digest of {} differs from its row's", path.display());
        Ok(())
    }

    pub(super) fn has(&self, key: &str) -> Result<bool> {
        let path = self.path(key)?;
        path.try_exists().with_context(|| format!("look for {}", path.display()))
    }

    pub(super) fn remove(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("delete {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn free_bytes(&self) -> Result<u64> {
        Self::free_below(&self.root)
    }

    /// Free bytes on the file system of a folder.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn free_below(folder: &Path) -> Result<u64> {
        let stat = rustix::fs::statvfs(folder).with_context(|| format!("statvfs {}", folder.display()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    pub(super) fn probe(&self) -> Result<()> {
        let key = super::key("probe", &uuid::Uuid::new_v4().simple().to_string(), "txt");
        self.put(&key, b"probe")?;
        ensure!(self.get(&key)? == b"probe", "{} does not give back what was written", self.root.display());
        let path = self.path(&key)?;
        fs::remove_file(&path)?;
        if let Some(folder) = path.parent() {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    /// Removes unfinished files of an earlier process; returns how many.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn sweep(&self) -> Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.temporary)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "part" || e == "put") {
                fs::remove_file(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// At most the first `most` bytes of a file, and whether these are all.
pub fn first_bytes(path: &Path, most: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(most.min(usize::try_from(size).unwrap_or(most)));
    file.take(most as u64).read_to_end(&mut bytes)?;
    let whole = bytes.len() as u64 == size;
    Ok((bytes, whole))
}

/// Gives a file its new name unless a file has it; false if one has, or the file system cannot tell.
fn rename_where_nothing_is(from: &Path, to: &Path) -> Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("rename to {}", to.display())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn put_get_and_keys_that_leave_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = FsBlobs::open(dir.path().join("blobs"), dir.path().join("spool")).unwrap();
        blobs.put("results/ab/abc.dcm", b"bytes").unwrap();
        assert_eq!(blobs.get("results/ab/abc.dcm").unwrap(), b"bytes");
        assert_eq!(blobs.start("results/ab/abc.dcm", 3).unwrap(), (b"byt".to_vec(), false));
        assert_eq!(blobs.start("results/ab/abc.dcm", 5).unwrap(), (b"bytes".to_vec(), true));
        assert!(blobs.put("../outside", b"x").is_err());
        assert!(blobs.get("/etc/hostname").is_err());
        assert!(blobs.free_bytes().unwrap() > 0);
        blobs.probe().unwrap();
        assert!(blobs.has("results/ab/abc.dcm").unwrap());
        blobs.remove("results/ab/abc.dcm").unwrap();
        blobs.remove("results/ab/abc.dcm").unwrap();
        assert!(!blobs.has("results/ab/abc.dcm").unwrap());
        fs::write(dir.path().join("spool/dead.part"), b"half").unwrap();
        assert_eq!(blobs.sweep().unwrap(), 1);
    }
}
