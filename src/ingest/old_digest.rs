//! Rows of version 0.1.0 hold SHA-256 digests. The same film sent again must meet its own row, so its
//! bytes are compared by that digest once, and the row gets the digest of today.

use super::error::IngestError;
use crate::app::App;
use crate::store::Tx;
use crate::store::instances::{self, InstanceRow};
use tokio::task::block_in_place;

/// The first row of a UID; with the digest of `row` if their bytes are the same by an older digest.
pub(super) async fn renewed(
    tx: &mut Tx,
    app: &App,
    row: &InstanceRow,
    mut first: InstanceRow,
) -> Result<InstanceRow, IngestError> {
    if first.digest.starts_with("blake3:") {
        return Ok(first);
    }
    let same = block_in_place(|| {
        app.blobs.verify(&row.blob, &first.digest, |head| Ok(centinela_scp::part10_parts(head)?.3 as u64))
    });
    if same.is_ok() {
        instances::renew_digest(tx, &first.sop_instance, &row.digest).await?;
        first.digest.clone_from(&row.digest);
    }
    Ok(first)
}
