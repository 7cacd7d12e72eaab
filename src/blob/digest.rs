//! Reading bytes back from the disk and comparing their digest, in constant memory.

use super::hex;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// Bytes read at once.
const BLOCK: usize = 256 << 10;

/// Whether the file from `offset` to its end has the digest that its row gives: hexadecimal, after
/// the name of its algorithm and a colon, or alone for SHA-256.
///
/// # Errors
/// If the file cannot be read, or the algorithm is unknown to this version.
pub fn matches(mut file: &File, offset: u64, expected: &str) -> io::Result<bool> {
    let ("sha256", expected) = expected.split_once(':').unwrap_or(("sha256", expected)) else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "a digest of an unknown algorithm"));
    };
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
        let digest = hex(&Sha256::digest(&data));
        assert!(matches(&file, 4, &digest).unwrap());
        assert!(matches(&file, 4, &format!("sha256:{digest}")).unwrap());
        assert!(!matches(&file, 3, &digest).unwrap());
        assert!(matches(&file, 4, &format!("md5:{digest}")).is_err());
    }
}
