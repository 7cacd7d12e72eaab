//! Reading bytes back from the disk and comparing their digest, in constant memory.

use super::hex;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// Bytes read at once.
const BLOCK: usize = 256 << 10;

/// Whether the file from `offset` to its end has the digest that its row gives.
///
/// # Errors
/// If the file cannot be read.
pub fn matches(mut file: &File, offset: u64, expected: &str) -> io::Result<bool> {
    // What the page cache holds clean is dropped first, so that the answer is the disk's.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    file.seek(SeekFrom::Start(offset))?;
    let (mut hasher, mut block) = (Sha256::new(), vec![0; BLOCK]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(&hasher.finalize()) == expected),
            count => hasher.update(&block[..count]),
        }
    }
}
