//! Bytes: received instances, pictures and result objects, by key.
//!
//! A key names its bytes for ever: it is derived from what is stored, so storing again is harmless
//! and nothing is ever overwritten with something else.

mod digest;
mod folders;
mod fs;
mod mount;
mod orphans;

use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::calendar::civil;
use std::fs::File;
use std::path::Path;

pub use fs::{FsBlobs, first_bytes};

/// Where bytes live. A closed set: object storage joins here.
#[derive(Debug, Clone)]
pub enum Blobs {
    /// Files below the data directory.
    Fs(FsBlobs),
}

impl Blobs {
    /// Gives a spooled file its key and makes its bytes durable; the key is durable after
    /// [`Blobs::sync_names`]. Many at once share the commits of the file system's journal. Blocks its thread.
    ///
    /// # Errors
    /// If the file system refuses. What the key held before is still there, or the same bytes.
    pub fn adopt(&self, key: &str, spooled: &Path, file: &File) -> Result<()> {
        let Self::Fs(fs) = self;
        fs.adopt(key, spooled, file)
    }

    /// Makes keys durable whose files were adopted: one fsync for each folder, unless the file system
    /// writes the name with the file.
    ///
    /// # Errors
    /// If the file system refuses; then none of the keys may be relied on.
    pub async fn sync_names(&self, keys: Vec<String>) -> Result<()> {
        let Self::Fs(fs) = self;
        if fs.names_go_with_files() {
            return Ok(());
        }
        let fs = fs.clone();
        tokio::task::spawn_blocking(move || fs.sync_names(keys.iter().map(String::as_str))).await?
    }

    /// Makes bytes durable under a key.
    ///
    /// # Errors
    /// If the file system refuses.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        let Self::Fs(fs) = self;
        let (fs, key) = (fs.clone(), key.to_owned());
        tokio::task::spawn_blocking(move || fs.put(&key, &bytes)).await?
    }

    /// Reads the bytes of a key.
    ///
    /// # Errors
    /// If there are none or they cannot be read.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>> {
        let Self::Fs(fs) = self;
        let (fs, key) = (fs.clone(), key.to_owned());
        tokio::task::spawn_blocking(move || fs.get(&key)).await?
    }

    /// Reads at most the first `most` bytes of a key, and whether these are all.
    ///
    /// # Errors
    /// If there are none or they cannot be read.
    pub async fn start(&self, key: &str, most: usize) -> Result<(Vec<u8>, bool)> {
        let Self::Fs(fs) = self;
        let (fs, key) = (fs.clone(), key.to_owned());
        tokio::task::spawn_blocking(move || fs.start(&key, most)).await?
    }

    /// Reads the file of a key back from the disk and compares the digest of its data set, which ends
    /// with the file. The head before it names the last sender, so its length is nobody's promise.
    /// `offset_of` finds the data set in the first bytes of the file. Blocks: call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn verify(&self, key: &str, digest: &str, offset_of: impl FnOnce(&[u8]) -> Result<u64>) -> Result<()> {
        let Self::Fs(fs) = self;
        fs.verify(key, digest, offset_of)
    }

    /// Whether there are bytes under a key.
    ///
    /// # Errors
    /// If the file system does not tell.
    pub fn has(&self, key: &str) -> Result<bool> {
        let Self::Fs(fs) = self;
        fs.has(key)
    }

    /// Deletes the bytes of a key; nothing there is no error.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn remove(&self, key: &str) -> Result<()> {
        let Self::Fs(fs) = self;
        fs.remove(key)
    }

    /// Removes empty folders of hours before the one of `before`, which must be long over.
    ///
    /// # Errors
    /// If the file system does not tell what is there.
    pub fn prune(&self, room: &str, before: UnixMs) -> Result<usize> {
        let Self::Fs(fs) = self;
        fs.prune(room, &folder_of_hour(before))
    }

    /// Free bytes where new ones would go.
    ///
    /// # Errors
    /// If the file system does not tell.
    pub fn free_bytes(&self) -> Result<u64> {
        let Self::Fs(fs) = self;
        fs.free_bytes()
    }

    /// Writes, reads and removes a probe: can this process use the place at all?
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn probe(&self) -> Result<()> {
        let Self::Fs(fs) = self;
        fs.probe()
    }
}

/// A key below `room`: two characters of fan-out, then the name.
#[must_use]
pub fn key(room: &str, digest: &str, extension: &str) -> String {
    format!("{room}/{}/{digest}.{extension}", digest.get(..2).unwrap_or("xx"))
}

/// A key for a received instance: one folder for each hour (UTC), so that instances which arrive together
/// share the fsync of their folder.
#[must_use]
pub fn key_of_hour(room: &str, now: UnixMs, digest: &str, extension: &str) -> String {
    format!("{room}/{}/{digest}.{extension}", folder_of_hour(now))
}

/// The folder of an hour; earlier hours sort before later ones.
fn folder_of_hour(now: UnixMs) -> String {
    let hours = now.div_euclid(3_600_000);
    let (year, month, day) = civil(hours.div_euclid(24));
    format!("{year:04}{month:02}{day:02}-{:02}", hours.rem_euclid(24))
}

/// Whether the path lies on the same file system as the blobs is the caller's business; here only
/// the name is checked, so that no key can leave the root.
fn is_safe(key: &str) -> bool {
    !key.is_empty() && Path::new(key).components().all(|c| matches!(c, std::path::Component::Normal(_)))
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
