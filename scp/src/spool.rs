//! The file that an instance is received into: a Part 10 file (PS3.10 section 7) whose data set is
//! the received bytes, verbatim.
//!
//! Bytes are gathered in a block, which is written and hashed when it is full. Memory does not
//! depend on the size of the instance.

mod direct;

use direct::{ALIGN, Out};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::block_in_place;
use uuid::Uuid;

/// Bytes per write: a slice of 512 x 512 pixels with its header fits.
pub(crate) const BLOCK: usize = 576 * 1024;
/// Shorter instances are written through the page cache.
const SMALL: usize = 64 * 1024;
/// Empty blocks that are kept for the next instance, in all.
const SPARE_BLOCKS: usize = 32;
/// So many first bytes of the file stay in memory for whoever reads the header.
const HEAD: usize = 32 * 1024;

/// A completely received instance, part of which may still be in memory: [`Spooled::settle`] writes it.
/// Dropping this value removes the file from the spool unless [`Spooled::keep`] was called.
#[derive(Debug)]
pub struct Spooled {
    /// Where the file is once it is settled.
    pub path: PathBuf,
    /// Size of the file.
    pub bytes: u64,
    /// Where the data set begins in the file.
    pub dataset_offset: u64,
    /// BLAKE3 over the data set only.
    pub digest: blake3::Hash,
    rest: Option<Block>,
    part: Option<Part>,
    direct: bool,
}

impl Spooled {
    /// The first bytes of the file: at least 32 KiB, mostly the whole header, or all that there are.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        match (&self.part, &self.rest) {
            (Some(part), _) => &part.head,
            (None, Some(rest)) => rest.bytes(),
            (None, None) => &[],
        }
    }

    /// Writes what is still in memory: after this the file is complete, but not synced. Gives its write
    /// handle. Blocks its thread.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn settle(&mut self) -> io::Result<&File> {
        if let Some(rest) = self.rest.take() {
            // After a failed write nothing is left to be written, and no file.
            self.part = Some(Part::write(self.part.take(), &self.path, self.direct, rest.bytes())?);
        }
        self.part.as_ref().map(|part| part.out.file()).ok_or_else(|| io::Error::other("an earlier write failed"))
    }

    /// The file now belongs to the caller (moved, or meant to stay): it is not removed any more.
    pub fn keep(&self) {
        if let Some(part) = &self.part {
            part.guard.kept.store(true, Ordering::Relaxed);
        }
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

/// Memory whose first page boundary begins the bytes, as writing around the page cache needs. Dropped,
/// it is used again.
#[derive(Debug)]
struct Block {
    /// Its capacity never changes, so the boundary stays.
    memory: Vec<u8>,
    start: usize,
    blocks: Arc<Blocks>,
}

impl Block {
    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    /// Forgets the first `count` bytes.
    fn drain(&mut self, count: usize) {
        self.memory.copy_within(self.start + count.., self.start);
        self.memory.truncate(self.memory.len() - count);
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut spare = self.blocks.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BLOCKS {
            self.memory.clear();
            spare.push(std::mem::take(&mut self.memory));
        }
    }
}

/// Memory of blocks, shared by all associations, so that small instances do not pay for fresh memory.
#[derive(Debug, Default)]
pub(crate) struct Blocks(Mutex<Vec<Vec<u8>>>);

impl Blocks {
    fn take(self: &Arc<Self>) -> Block {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = spare.unwrap_or_else(|| Vec::with_capacity(BLOCK + ALIGN));
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        memory.resize(start, 0);
        Block { memory, start, blocks: Arc::clone(self) }
    }
}

/// The open file.
#[derive(Debug)]
struct Part {
    out: Out,
    guard: RemoveOnDrop,
    head: Vec<u8>,
}

impl Part {
    fn create(path: PathBuf, direct: bool) -> io::Result<Self> {
        let out = Out::create(&path, direct)?;
        Ok(Self { out, guard: RemoveOnDrop { path, kept: AtomicBool::new(false) }, head: Vec::new() })
    }

    /// Appends to the file, which is made if there is none. On failure there is none.
    fn write(part: Option<Self>, path: &Path, direct: bool, block: &[u8]) -> io::Result<Self> {
        let mut part = match part {
            Some(part) => part,
            None => Self::create(path.to_owned(), direct && block.len() > SMALL)?,
        };
        if part.head.is_empty() {
            part.head = block[..block.len().min(HEAD)].to_vec();
        }
        part.out.append(block)?;
        Ok(part)
    }
}

/// Takes the data set of one instance. After an I/O error the rest is ignored and
/// [`SpoolWriter::finish`] tells the error.
#[derive(Debug)]
pub(crate) struct SpoolWriter {
    block: Block,
    path: PathBuf,
    /// Bytes before the data set, which are not hashed.
    header: usize,
    direct: bool,
    hasher: blake3::Hasher,
    /// Bytes that left the block.
    bytes: u64,
    part: io::Result<Option<Part>>,
}

impl SpoolWriter {
    /// Will write `<spool>/<uuid>.part`, which must not exist, beginning with `header`, which is
    /// shorter than a block. The file is made with its first block; with `direct`, most of it is written
    /// around the page cache.
    pub(crate) fn new(spool: &Path, header: &[u8], blocks: &Arc<Blocks>, direct: bool) -> Self {
        let path = spool.join(format!("{}.part", Uuid::new_v4()));
        let mut block = blocks.take();
        block.memory.extend_from_slice(header);
        let (header, hasher) = (header.len(), blake3::Hasher::new());
        Self { block, path, header, direct, hasher, bytes: 0, part: Ok(None) }
    }

    /// Where the next bytes of the data set go: there is always room.
    pub(crate) const fn block(&mut self) -> &mut Vec<u8> {
        &mut self.block.memory
    }

    /// To be called after each addition: writes a full block, on this thread, which the runtime
    /// replaces meanwhile: the bytes are still in this core's cache.
    pub(crate) fn added(&mut self) {
        if self.block.bytes().len() >= BLOCK {
            block_in_place(|| self.flush());
        }
    }

    /// Hashes the first `count` bytes of the block.
    fn hash(&mut self, count: usize) {
        let from = if self.bytes == 0 { self.header } else { 0 };
        self.hasher.update(&self.block.bytes()[from..count]);
        self.bytes += count as u64;
    }

    fn flush(&mut self) {
        self.hash(BLOCK);
        // After an error it stays, and the rest is ignored.
        if let Ok(part) = &mut self.part {
            self.part = Part::write(part.take(), &self.path, self.direct, &self.block.bytes()[..BLOCK]).map(Some);
        }
        self.block.drain(BLOCK);
    }

    /// The data set is complete. What is left in the block waits for [`Spooled::settle`], so that a
    /// small instance costs one visit to the disk.
    pub(crate) fn finish(mut self) -> io::Result<Spooled> {
        self.hash(self.block.bytes().len());
        let rest = if self.block.bytes().is_empty() { None } else { Some(self.block) };
        Ok(Spooled {
            path: self.path,
            bytes: self.bytes,
            dataset_offset: self.header as u64,
            digest: self.hasher.finalize(),
            rest,
            part: self.part?,
            direct: self.direct,
        })
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
    fn push(writer: &mut SpoolWriter, mut bytes: &[u8]) {
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
        let blocks = Arc::<Blocks>::default();
        for (size, direct) in [(BLOCK * 3 + 17, true), (BLOCK * 3 + 17, false), (SMALL + 1, true), (SMALL, true)] {
            written(&folder, &blocks, size, direct);
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    fn written(folder: &Path, blocks: &Arc<Blocks>, size: usize, direct: bool) {
        let data: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
        let mut writer = SpoolWriter::new(folder, b"head", blocks, direct);
        push(&mut writer, &data);
        let mut spooled = writer.finish().unwrap();
        assert!(spooled.head().len() >= HEAD);
        spooled.settle().unwrap();
        let file = std::fs::read(&spooled.path).unwrap();
        assert_eq!(spooled.bytes, file.len() as u64);
        assert_eq!(&file[..4], b"head");
        assert!(file[spooled.dataset_offset as usize..] == data[..]);
        assert_eq!(spooled.digest, blake3::hash(&data));
        assert_eq!(spooled.head()[..HEAD], file[..HEAD]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kept_file_stays_and_a_failure_is_told_at_the_end() {
        let folder = folder();
        let blocks = Arc::<Blocks>::default();
        let mut spooled = SpoolWriter::new(&folder, b"x", &blocks, true).finish().unwrap();
        spooled.settle().unwrap();
        spooled.keep();
        let path = spooled.path.clone();
        drop(spooled);
        assert!(path.exists());
        let mut broken = SpoolWriter::new(&folder.join("missing"), b"", &blocks, true);
        push(&mut broken, &vec![1; BLOCK * 2 + 1]);
        assert_eq!(broken.finish().unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
