//! The file that an instance is received into: a Part 10 file (PS3.10 section 7) whose data set is
//! the received bytes, verbatim.
//!
//! Writing and hashing happen on blocking threads, one block at a time per association, while the
//! next block fills.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::{JoinHandle, spawn_blocking};
use uuid::Uuid;

/// Bytes per write.
const BLOCK: usize = 256 * 1024;

/// A completely received instance. The file is written but not synced; dropping this value removes
/// it from the spool unless [`Spooled::keep`] was called.
#[derive(Debug)]
pub struct Spooled {
    /// Where the file is.
    pub path: PathBuf,
    /// Its write handle, at the end of the file.
    pub file: File,
    /// Size of the file.
    pub bytes: u64,
    /// Where the data set begins in the file.
    pub dataset_offset: u64,
    /// SHA-256 over the data set only, lower-case hexadecimal.
    pub sha256: String,
    unkept: RemoveOnDrop,
}

impl Spooled {
    /// The file now belongs to the caller (moved, or meant to stay): it is not removed any more.
    pub fn keep(&self) {
        self.unkept.kept.store(true, Ordering::Relaxed);
    }
}

/// Removes the file unless it was kept.
#[derive(Debug)]
struct RemoveOnDrop {
    path: PathBuf,
    kept: AtomicBool,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        if self.kept.load(Ordering::Relaxed) {
            return;
        }
        // A name is never used twice, so a file that was moved away is simply not found.
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove a spool file");
        }
    }
}

/// The open file; lives on blocking threads.
#[derive(Debug)]
struct Part {
    file: File,
    guard: RemoveOnDrop,
    hasher: Sha256,
    dataset_offset: u64,
    bytes: u64,
}

impl Part {
    fn create(path: PathBuf, header: &[u8]) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        let guard = RemoveOnDrop { path, kept: AtomicBool::new(false) };
        file.write_all(header)?;
        let bytes = header.len() as u64;
        Ok(Self { file, guard, hasher: Sha256::new(), dataset_offset: bytes, bytes })
    }

    fn append(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all(block)?;
        self.hasher.update(block);
        self.bytes += block.len() as u64;
        Ok(())
    }

    fn finish(self) -> Spooled {
        let sha256 = self.hasher.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Spooled {
            path: self.guard.path.clone(),
            file: self.file,
            bytes: self.bytes,
            dataset_offset: self.dataset_offset,
            sha256,
            unkept: self.guard,
        }
    }
}

/// The block being written, or the file waiting for the next one, with a spare buffer.
type Work = JoinHandle<io::Result<(Part, Vec<u8>)>>;

/// Takes the data set of one instance. After an I/O error the rest is ignored and
/// [`SpoolWriter::finish`] tells the error.
#[derive(Debug)]
pub(crate) struct SpoolWriter {
    buffer: Vec<u8>,
    work: io::Result<Work>,
}

impl SpoolWriter {
    /// Opens `<spool>/<uuid>.part`, which must not exist, and writes `header`.
    pub(crate) fn create(spool: &Path, header: Vec<u8>) -> Self {
        let path = spool.join(format!("{}.part", Uuid::new_v4()));
        let work = spawn_blocking(move || {
            let part = Part::create(path, &header)?;
            Ok((part, Vec::with_capacity(BLOCK)))
        });
        Self { buffer: Vec::with_capacity(BLOCK), work: Ok(work) }
    }

    /// Appends bytes of the data set.
    pub(crate) async fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.work.is_ok() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == BLOCK {
                self.flush().await;
            }
        }
    }

    /// Waits for the block before this one, then starts writing this one.
    async fn flush(&mut self) {
        let before = match &mut self.work {
            Ok(work) => work.await,
            Err(_) => return,
        };
        self.work = match before.map_err(io::Error::other).and_then(|done| done) {
            Ok((mut part, mut spare)) => {
                std::mem::swap(&mut self.buffer, &mut spare);
                Ok(spawn_blocking(move || {
                    part.append(&spare)?;
                    spare.clear();
                    Ok((part, spare))
                }))
            }
            Err(error) => Err(error),
        };
    }

    /// Writes what is left. The file is complete, not synced.
    pub(crate) async fn finish(mut self) -> io::Result<Spooled> {
        self.flush().await;
        let (part, _) = self.work?.await.map_err(io::Error::other)??;
        Ok(part.finish())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let path = std::env::temp_dir().join(format!("centinela-spool-{}", Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        path
    }

    #[tokio::test]
    async fn bytes_arrive_in_order_and_the_digest_is_theirs() {
        let folder = folder();
        let data: Vec<u8> = (0..BLOCK * 3 + 17).map(|i| (i * 31 % 251) as u8).collect();
        let mut writer = SpoolWriter::create(&folder, b"head".to_vec());
        for piece in data.chunks(10_007) {
            writer.push(piece).await;
        }
        let spooled = writer.finish().await.unwrap();
        let file = std::fs::read(&spooled.path).unwrap();
        assert_eq!(spooled.bytes, file.len() as u64);
        assert_eq!(&file[..4], b"head");
        assert!(file[spooled.dataset_offset as usize..] == data[..]);
        let digest = Sha256::digest(&data).iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(spooled.sha256, digest);
        drop(spooled);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_kept_file_stays_and_a_failure_is_told_at_the_end() {
        let folder = folder();
        let spooled = SpoolWriter::create(&folder, Vec::new()).finish().await.unwrap();
        spooled.keep();
        let path = spooled.path.clone();
        drop(spooled);
        assert!(path.exists());
        let mut broken = SpoolWriter::create(&folder.join("missing"), Vec::new());
        broken.push(&vec![1; BLOCK * 2 + 1]).await;
        assert_eq!(broken.finish().await.unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
