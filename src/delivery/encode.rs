//! A result's data set in the transfer syntax that the destination accepted.

use anyhow::{Context as _, Result, bail};
use centinela_domain::uid::Uid;
use dicom_dictionary_std::uids::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use dicom_object::{FileDicomObject, InMemDicomObject};

/// What we offer for every result class, the preferred one first.
#[must_use]
pub fn offered() -> Vec<Uid> {
    [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN].iter().filter_map(|ts| Uid::parse(ts).ok()).collect()
}

/// The data set of a Part 10 result, byte for byte, or written anew in Implicit VR Little Endian.
///
/// # Errors
/// If the stored object is damaged or the syntax is not one of [`offered`].
pub fn dataset(part10: &[u8], syntax: &Uid) -> Result<Vec<u8>> {
    match syntax.as_str() {
        EXPLICIT_VR_LITTLE_ENDIAN => {
            let part = centinela_domain::scan::part10(part10).context("read the stored result")?;
            Ok(part.dataset.to_vec())
        }
        IMPLICIT_VR_LITTLE_ENDIAN => {
            let object: FileDicomObject<InMemDicomObject> =
                dicom_object::from_reader(part10).context("read the stored result")?;
            let mut bytes = Vec::with_capacity(part10.len());
            let syntax = dicom_transfer_syntax_registry::entries::IMPLICIT_VR_LITTLE_ENDIAN.erased();
            object
                .write_dataset_with_ts(&mut bytes, &syntax)
                .context("write the result in Implicit VR Little Endian")?;
            Ok(bytes)
        }
        other => bail!("transfer syntax {other} was never offered"),
    }
}
