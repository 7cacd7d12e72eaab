//! The file that an instance is received into: a Part 10 file (PS3.10 section 7) whose data set is
//! the received bytes, verbatim.
//!
//! Bytes are gathered in a block, which is written and hashed when it is full. Memory does not
//! depend on the size of the instance.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::task::block_in_place;
use uuid::Uuid;

/// Bytes per write.
pub(crate) const BLOCK: usize = 256 * 1024;
/// Empty blocks that are kept for the next instance, in all.
const SPARE_BLOCKS: usize = 32;
/// So many first bytes of the file stay in memory for whoever reads the header.
const HEAD: usize = 32 * 1024;

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
    /// BLAKE3 over the data set only.
    pub digest: blake3::Hash,
    /// The first bytes of the file, at most 32 KiB of them: mostly the whole header.
    pub head: Vec<u8>,
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

/// Empty blocks, shared by all associations, so that small instances do not pay for fresh memory.
#[derive(Debug, Default)]
pub(crate) struct Blocks(Mutex<Vec<Vec<u8>>>);

impl Blocks {
    fn take(&self) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(BLOCK))
    }

    fn give(&self, mut block: Vec<u8>) {
        block.clear();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if block.capacity() >= BLOCK && spare.len() < SPARE_BLOCKS {
            spare.push(block);
        }
    }
}

/// The open file.
#[derive(Debug)]
struct Part {
    file: File,
    guard: RemoveOnDrop,
    hasher: blake3::Hasher,
    /// Bytes before the data set, which are not hashed.
    header: usize,
    bytes: u64,
    head: Vec<u8>,
}

impl Part {
    fn create(path: PathBuf, header: usize) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        let guard = RemoveOnDrop { path, kept: AtomicBool::new(false) };
        Ok(Self { file, guard, hasher: blake3::Hasher::new(), header, bytes: 0, head: Vec::new() })
    }

    fn append(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all(block)?;
        let data = if self.bytes == 0 {
            self.head = block[..block.len().min(HEAD)].to_vec();
            &block[self.header..]
        } else {
            block
        };
        self.hasher.update(data);
        self.bytes += block.len() as u64;
        Ok(())
    }

    fn finish(self) -> Spooled {
        Spooled {
            path: self.guard.path.clone(),
            file: self.file,
            bytes: self.bytes,
            dataset_offset: self.header as u64,
            digest: self.hasher.finalize(),
            head: self.head,
            unkept: self.guard,
        }
    }
}

/// Takes the data set of one instance. After an I/O error the rest is ignored and
/// [`SpoolWriter::finish`] tells the error.
#[derive(Debug)]
pub(crate) struct SpoolWriter<'a> {
    blocks: &'a Blocks,
    block: Vec<u8>,
    path: PathBuf,
    header: usize,
    part: io::Result<Option<Part>>,
}

impl<'a> SpoolWriter<'a> {
    /// Will write `<spool>/<uuid>.part`, which must not exist, beginning with `header`, which is
    /// shorter than a block. The file is made with its first block.
    pub(crate) fn new(spool: &Path, header: &[u8], blocks: &'a Blocks) -> Self {
        let path = spool.join(format!("{}.part", Uuid::new_v4()));
        let mut block = blocks.take();
        block.extend_from_slice(header);
        Self { blocks, block, path, header: header.len(), part: Ok(None) }
    }

    /// Where the next bytes of the data set go: there is always room.
    pub(crate) const fn block(&mut self) -> &mut Vec<u8> {
        &mut self.block
    }

    /// To be called after each addition: writes a full block, on this thread, which the runtime
    /// replaces meanwhile: the bytes are still in this core's cache.
    pub(crate) fn added(&mut self) {
        if self.block.len() >= BLOCK {
            block_in_place(|| self.flush());
        }
    }

    fn flush(&mut self) {
        let written = match &mut self.part {
            Ok(Some(part)) => part.append(&self.block).map(|()| None),
            Ok(None) => Part::create(self.path.clone(), self.header).and_then(|mut part| {
                part.append(&self.block)?;
                Ok(Some(part))
            }),
            Err(_) => Ok(None),
        };
        match written {
            Ok(None) => {}
            new => self.part = new,
        }
        self.block.clear();
    }

    /// Writes what is left. The file is complete, not synced.
    pub(crate) fn finish(mut self) -> io::Result<Spooled> {
        block_in_place(|| self.flush());
        self.blocks.give(self.block);
        match self.part? {
            Some(part) => Ok(part.finish()),
            None => Err(io::Error::other("nothing was written")),
        }
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

    /// Adds as a socket would: some bytes at a time, never more than there is room for.
    fn push(writer: &mut SpoolWriter<'_>, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let block = writer.block();
            let room = block.capacity() - block.len();
            let (now, later) = bytes.split_at(bytes.len().min(10_007).min(room));
            block.extend_from_slice(now);
            bytes = later;
            writer.added();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bytes_arrive_in_order_and_the_digest_is_theirs() {
        let folder = folder();
        let data: Vec<u8> = (0..BLOCK * 3 + 17).map(|i| (i * 31 % 251) as u8).collect();
        let blocks = Blocks::default();
        let mut writer = SpoolWriter::new(&folder, b"head", &blocks);
        push(&mut writer, &data);
        let spooled = writer.finish().unwrap();
        let file = std::fs::read(&spooled.path).unwrap();
        assert_eq!(spooled.bytes, file.len() as u64);
        assert_eq!(&file[..4], b"head");
        assert!(file[spooled.dataset_offset as usize..] == data[..]);
        assert_eq!(spooled.digest, blake3::hash(&data));
        assert_eq!(spooled.head, file[..HEAD]);
        drop(spooled);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kept_file_stays_and_a_failure_is_told_at_the_end() {
        let folder = folder();
        let blocks = Blocks::default();
        let spooled = SpoolWriter::new(&folder, b"", &blocks).finish().unwrap();
        spooled.keep();
        let path = spooled.path.clone();
        drop(spooled);
        assert!(path.exists());
        let mut broken = SpoolWriter::new(&folder.join("missing"), b"", &blocks);
        push(&mut broken, &vec![1; BLOCK * 2 + 1]);
        assert_eq!(broken.finish().unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
