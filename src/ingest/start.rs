//! Reading the header of a received file in bounded memory, whatever its size and whatever it
//! inflates to.

use super::error::IngestError;
use centinela_domain::evidence::SourceImage;
use centinela_domain::header::{self, START};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use tokio::sync::Semaphore;

/// Most headers end here.
const USUAL: usize = 256 << 10;
/// So many headers are read at once: more would only wait for the processor.
static READERS: Semaphore = Semaphore::const_new(4);
/// Of them so many may be long ones: each can take some 60 MiB for a moment.
static LONG_READERS: Semaphore = Semaphore::const_new(1);

/// Reads only as much of the file as the header needs, at most [`START`] bytes.
pub(super) async fn read_header(path: &Path) -> Result<SourceImage, IngestError> {
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
        let file = File::open(&path).map_err(|e| IngestError::Blob(e.into()))?;
        let size = file.metadata().map_err(|e| IngestError::Blob(e.into()))?.len();
        let mut bytes = Vec::with_capacity(most.min(usize::try_from(size).unwrap_or(most)));
        file.take(most as u64).read_to_end(&mut bytes).map_err(|e| IngestError::Blob(e.into()))?;
        let whole = bytes.len() as u64 == size;
        match header::read_start(&bytes, whole) {
            Ok((source, damage)) if whole || most == START || source.header.has_pixels || damage.is_none() => {
                Ok(Some(source))
            }
            Err(error) if whole || most == START => Err(IngestError::Header(error)),
            _ => Ok(None),
        }
    });
    read.await.map_err(|e| IngestError::Database(e.into()))?
}
