//! A result's data set in the transfer syntax that the destination accepted.

use anyhow::{Context as _, Result, bail};
use centinela_domain::result::{RLE_LOSSLESS, uncompressed};
use centinela_domain::uid::Uid;
use dicom_dictionary_std::uids::{EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN};
use dicom_object::{FileDicomObject, InMemDicomObject};

/// What we offer for every result class, the preferred one first.
#[must_use]
pub fn offered() -> Vec<Uid> {
    [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN].iter().filter_map(|ts| Uid::parse(ts).ok()).collect()
}

/// The class whose pixels a site may have compressed.
pub const CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// In which syntaxes a stored result can be sent, the preferred one first: compressed only if it is.
#[must_use]
pub fn possible(part10: &[u8]) -> Vec<Uid> {
    let own = centinela_domain::scan::part10(part10).ok().map(|part| part.transfer_syntax);
    let own = own.filter(|syntax| syntax.as_str() == RLE_LOSSLESS).and_then(|syntax| Uid::parse(&syntax).ok());
    own.into_iter().chain(offered()).collect()
}

/// The data set of a Part 10 result, byte for byte, or written anew without compression or in Implicit VR Little
/// Endian.
///
/// # Errors
/// If the stored object is damaged or the syntax is not one of [`possible`].
pub fn dataset(part10: &[u8], syntax: &Uid) -> Result<Vec<u8>> {
    if syntax.as_str() == RLE_LOSSLESS && possible(part10).contains(syntax) {
        let part = centinela_domain::scan::part10(part10).context("read the stored result")?;
        return Ok(part.dataset.to_vec());
    }
    let part10 = &*uncompressed(part10)?;
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use dicom_core::value::PixelFragmentSequence;
    use dicom_core::{DataElement, PrimitiveValue, VR};
    use dicom_dictionary_std::tags;
    use dicom_object::FileMetaTableBuilder;

    /// A capture of one black pixel: three segments, each a run of one.
    fn capture() -> Vec<u8> {
        let mut frame = vec![0; 64];
        for (place, value) in [3_u32, 64, 66, 68].iter().enumerate() {
            frame[place * 4..][..4].copy_from_slice(&value.to_le_bytes());
        }
        frame.extend([0, 0, 0, 0, 0, 0]);
        let mut ds = InMemDicomObject::new_empty();
        for (tag, value) in [(tags::SAMPLES_PER_PIXEL, 3_u16), (tags::ROWS, 1), (tags::COLUMNS, 1)] {
            ds.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        let fragments = PixelFragmentSequence::new(Vec::<u32>::new(), vec![frame]);
        ds.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
        let meta = FileMetaTableBuilder::new()
            .media_storage_sop_class_uid(CAPTURE)
            .media_storage_sop_instance_uid("1.2.3")
            .transfer_syntax(RLE_LOSSLESS)
            .build()
            .unwrap();
        let mut bytes = Vec::new();
        ds.with_exact_meta(meta).write_all(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_compressed_capture_goes_as_it_is_or_without_compression() {
        let stored = capture();
        let syntaxes = possible(&stored);
        let words: Vec<&str> = syntaxes.iter().map(Uid::as_str).collect();
        assert_eq!(words, [RLE_LOSSLESS, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]);
        let [rle, explicit, implicit] = [0, 1, 2].map(|n: usize| dataset(&stored, &syntaxes[n]).unwrap());
        assert!(stored.ends_with(&rle));
        assert!(explicit.ends_with(b"\xe0\x7f\x10\x00OB\x00\x00\x04\x00\x00\x00\0\0\0\0"), "{explicit:?}");
        assert!(implicit.ends_with(b"\xe0\x7f\x10\x00\x04\x00\x00\x00\0\0\0\0"), "{implicit:?}");
        let plain = uncompressed(&stored).unwrap();
        assert_eq!(possible(&plain), offered());
        assert!(dataset(&plain, &syntaxes[0]).is_err(), "nothing is compressed on the way");
    }
}
