//! The header of a spooled instance, read from as few of its bytes as it needs.

use super::error::IngestError;
use centinela_domain::evidence::SourceImage;
use centinela_domain::header::{self, HeaderError};
use centinela_domain::scan::ScanError;
use centinela_scp::Spooled;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

/// Headers are small; only odd ones need a second look at more of the file. Behind the last limit a
/// header counts as damaged: no sender puts the identifiers of an instance there.
const LIMITS: [u64; 3] = [512 << 10, 4 << 20, 32 << 20];

/// Reads the header: mostly from the bytes that are still in memory.
pub(super) async fn read(spooled: &Spooled) -> Result<SourceImage, IngestError> {
    let whole = spooled.head.len() as u64 == spooled.bytes;
    match judge(&spooled.head, whole) {
        Some(read) => read.map_err(IngestError::Header),
        None => {
            let path = spooled.path.clone();
            let read = tokio::task::spawn_blocking(move || from_file(path));
            read.await.map_err(|e| IngestError::Database(e.into()))?
        }
    }
}

fn from_file(path: PathBuf) -> Result<SourceImage, IngestError> {
    let mut file = File::open(path).map_err(|e| IngestError::Blob(e.into()))?;
    let mut bytes = Vec::new();
    for limit in LIMITS {
        let missing = limit - bytes.len() as u64;
        let got = (&mut file).take(missing).read_to_end(&mut bytes).map_err(|e| IngestError::Blob(e.into()))?;
        let last = (got as u64) < missing || LIMITS.last() == Some(&limit);
        if let Some(read) = judge(&bytes, last) {
            return read.map_err(IngestError::Header);
        }
    }
    Err(IngestError::Mismatch)
}

/// The header in the first bytes of a file, or `None` if more of them could say more.
fn judge(bytes: &[u8], last: bool) -> Option<Result<SourceImage, HeaderError>> {
    match header::read_damaged(bytes) {
        Ok((source, damage)) if last || source.header.has_pixels || damage.is_none() => Some(Ok(source)),
        Ok(_) => None,
        // Only what was cut off, or cannot be inflated because it was, may look better with more.
        Err(HeaderError::Scan(ScanError::Truncated(_) | ScanError::Inflate)) if !last => None,
        Err(error) => Some(Err(error)),
    }
}
