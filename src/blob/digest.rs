//! Reading bytes back from the disk and comparing their digest, in constant memory.

use super::hex;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// Bytes read at once.
const BLOCK: usize = 256 << 10;

/// Whether the file from `offset` to its end has the digest that its row gives: the name of its
/// algorithm, a colon, and hexadecimal.
///
/// # Errors
/// If the file cannot be read, or the algorithm is unknown to this version.
pub fn matches(mut file: &File, offset: u64, expected: &str) -> io::Result<bool> {
    let unknown = || io::Error::new(io::ErrorKind::Unsupported, "a digest of an unknown algorithm");
    let (algorithm, expected) = expected.split_once(':').ok_or_else(unknown)?;
    // What the page cache holds clean is dropped first, so that the answer is the disk's.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    file.seek(SeekFrom::Start(offset))?;
    let found = match algorithm {
        "blake3" => {
            let mut hasher = blake3::Hasher::new();
            blocks(file, |block| {
                hasher.update(block);
            })?;
            hasher.finalize().to_hex().to_string()
        }
        // Rows of version 0.1.0.
        "sha256" => {
            let mut hasher = Sha256::new();
            blocks(file, |block| hasher.update(block))?;
            hex(&hasher.finalize())
        }
        _ => return Err(unknown()),
    };
    Ok(found == expected)
}

/// The rest of the file, block by block.
fn blocks(mut file: &File, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(()),
            count => each(&block[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_digest_is_of_the_data_set_alone_and_names_its_algorithm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film");
        // Longer than a block, and not a multiple of it.
        let data: Vec<u8> = (0..BLOCK * 2 + 7).map(|n| n as u8).collect();
        std::fs::write(&path, [b"head".as_slice(), &data].concat()).unwrap();
        let file = File::open(&path).unwrap();
        for digest in [format!("blake3:{}", blake3::hash(&data)), format!("sha256:{}", hex(&Sha256::digest(&data)))] {
            assert!(matches(&file, 4, &digest).unwrap(), "{digest}");
            assert!(!matches(&file, 3, &digest).unwrap(), "{digest}");
        }
        assert!(matches(&file, 4, "md5:00").is_err());
        assert!(matches(&file, 4, "00").is_err());
    }
}
