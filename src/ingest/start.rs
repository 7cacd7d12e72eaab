//! Reading the header of a received file in bounded memory, whatever its size and whatever it
//! inflates to.

use super::error::IngestError;
use crate::blob::first_bytes;
use centinela_domain::evidence::SourceImage;
use centinela_domain::header::{self, HeaderError, START};
use centinela_domain::scan::Encoding;
use centinela_domain::uid::Uid;
use centinela_scp::Spooled;
use std::path::Path;
use tokio::sync::Semaphore;

/// Most headers end here.
const USUAL: usize = 256 << 10;
/// So many headers are read at once: more would only wait for the processor.
static READERS: Semaphore = Semaphore::const_new(4);
/// Of them so many may be long ones: each can take some 60 MiB for a moment.
static LONG_READERS: Semaphore = Semaphore::const_new(1);

/// Reads only as much of the file as the header needs, at most [`START`] bytes: mostly those that are
/// still in memory.
pub(super) async fn read_header(spooled: &Spooled, transfer_syntax: &Uid) -> Result<SourceImage, IngestError> {
    let whole = spooled.head.len() as u64 == spooled.bytes;
    let (_, deflated) = Encoding::of(transfer_syntax.as_str());
    // A few deflated bytes may become many: those wait for a reader.
    if !deflated && let Some(read) = judge(&spooled.head, whole, whole) {
        return read.map_err(IngestError::Header);
    }
    let path = spooled.path.as_path();
    // Neither semaphore is ever closed.
    let reader = READERS.acquire().await.map_err(|e| IngestError::Database(e.into()))?;
    if let Some(read) = read_up_to(path, USUAL).await? {
        return Ok(read);
    }
    drop(reader);
    let _long = LONG_READERS.acquire().await.map_err(|e| IngestError::Database(e.into()))?;
    read_up_to(path, START).await?.ok_or(IngestError::Mismatch)
}

/// The header, or `None` if more of the file might tell more.
async fn read_up_to(path: &Path, most: usize) -> Result<Option<SourceImage>, IngestError> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let (bytes, whole) = first_bytes(&path, most).map_err(|e| IngestError::Blob(e.into()))?;
        judge(&bytes, whole, whole || most == START).transpose().map_err(IngestError::Header)
    });
    read.await.map_err(|e| IngestError::Database(e.into()))?
}

/// The header in the first bytes of a file, which may be the whole of it, or `None` if more of them might
/// tell more; the `last` look must do.
fn judge(bytes: &[u8], whole: bool, last: bool) -> Option<Result<SourceImage, HeaderError>> {
    match header::read_start(bytes, whole) {
        Ok((source, damage)) if last || source.header.has_pixels || damage.is_none() => Some(Ok(source)),
        Err(error) if last => Some(Err(error)),
        _ => None,
    }
}
