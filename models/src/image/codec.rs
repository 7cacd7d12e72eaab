//! From the stored bytes to raw samples, by transfer syntax (PS3.5 section 8, Annex A).
//!
//! Every decoder runs under `catch_unwind` after our own size checks: the streams are hostile and
//! some decoders are large. The JPEG and JPEG 2000 decoders are the ones behind dicom-pixeldata,
//! used directly: its adapters copy whatever size comes out into a buffer sized by the header and
//! refuse films that compress better than 64 to 1.

use super::source::{Pixels, Source};
use super::{Codes, ImageError, PixelLayout, jpeg2000, jpegls, rle};
use dicom_dictionary_std::uids;
use jpeg_decoder::{Decoder as JpegDecoder, Error as JpegError, PixelFormat};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Retired, and still in archives.
const EXPLICIT_VR_BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// Decodes the only frame. The result has exactly `layout.pixels()` samples.
pub(super) fn decode(source: &Source<'_>, layout: &PixelLayout) -> Result<Codes, ImageError> {
    let syntax = source.transfer_syntax.as_str();
    let unsupported = |detail| Err(ImageError::TransferSyntax { uid: syntax.to_owned(), detail });
    let high = layout.high_bit + 1 - layout.bits_stored;
    let (codec, shift, run): (_, _, Decoder) = match syntax {
        uids::IMPLICIT_VR_LITTLE_ENDIAN
        | uids::EXPLICIT_VR_LITTLE_ENDIAN
        | uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        | EXPLICIT_VR_BIG_ENDIAN => {
            return Ok(Codes { samples: native(source, layout)?, shift: high });
        }
        uids::RLE_LOSSLESS => ("RLE", high, |frame, layout| Ok(rle::decode(frame, layout)?)),
        uids::JPEG_BASELINE8_BIT | uids::JPEG_EXTENDED12_BIT | uids::JPEG_LOSSLESS | uids::JPEG_LOSSLESS_SV1 => {
            ("JPEG", 0, jpeg)
        }
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => {
            ("JPEG-LS", 0, |frame, layout| Ok(jpegls::decode(frame, layout)?))
        }
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => {
            ("JPEG 2000", 0, |frame, layout| Ok(jpeg2000::decode(frame, layout)?))
        }
        _ => return unsupported(""),
    };
    let Pixels::Encapsulated(fragments) = &source.pixels else {
        let problem = "compressed transfer syntax, but the pixel data is not encapsulated".to_owned();
        return Err(ImageError::Decode { codec, problem });
    };
    // One frame: all fragments belong to it, whatever the offset table says.
    let frame: Cow<'_, [u8]> = match fragments.as_slice() {
        [only] => Cow::Borrowed(&source.bytes[only.clone()]),
        several => Cow::Owned(several.iter().flat_map(|range| &source.bytes[range.clone()]).copied().collect()),
    };
    if frame.is_empty() {
        return Err(ImageError::Truncated { expected: 1, found: 0 });
    }
    let samples = match catch_unwind(AssertUnwindSafe(|| run(&frame, layout))) {
        Ok(Ok(samples)) => samples,
        Ok(Err(Problem::Image(error))) => return Err(error),
        Ok(Err(Problem::Unsupported(detail))) => return unsupported(detail),
        Err(_) => {
            return Err(ImageError::Decode { codec, problem: "the decoder gave up on a malformed stream".to_owned() });
        }
    };
    if samples.len() != layout.pixels() {
        return Err(ImageError::Decode { codec, problem: "the decoder gave another number of pixels".to_owned() });
    }
    Ok(Codes { samples, shift })
}

/// One frame's bytes to samples.
type Decoder = fn(&[u8], &PixelLayout) -> Result<Vec<u16>, Problem>;

/// What a decoder can say.
enum Problem {
    Image(ImageError),
    /// A variant of the transfer syntax that no decoder here knows.
    Unsupported(&'static str),
}

impl From<ImageError> for Problem {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

fn native(source: &Source<'_>, layout: &PixelLayout) -> Result<Vec<u16>, ImageError> {
    let Pixels::Native { value, big_endian, words } = &source.pixels else {
        let problem = "native transfer syntax, but the pixel data is encapsulated".to_owned();
        return Err(ImageError::Decode { codec: "native", problem });
    };
    let bytes = &source.bytes[value.clone()];
    let expected = layout.pixels() * layout.sample_bytes();
    if bytes.len() < expected {
        return Err(ImageError::Truncated { expected: expected as u64, found: bytes.len() as u64 });
    }
    let word: fn([u8; 2]) -> u16 = if *big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
    Ok(match layout.bits_allocated {
        // Two 8-bit samples share a word, the first in its less significant byte (PS3.5 A.3, 8.1.2).
        8 if *big_endian && *words => {
            let pairs = bytes.chunks(2).flat_map(|pair| pair.iter().rev());
            pairs.take(expected).map(|&b| u16::from(b)).collect()
        }
        8 => bytes[..expected].iter().map(|&b| u16::from(b)).collect(),
        _ => bytes[..expected].chunks_exact(2).map(|b| word([b[0], b[1]])).collect(),
    })
}

fn jpeg(frame: &[u8], layout: &PixelLayout) -> Result<Vec<u16>, Problem> {
    let wrong = |problem: String| Problem::Image(ImageError::Decode { codec: "JPEG", problem });
    let refused = |error| match error {
        JpegError::Unsupported(jpeg_decoder::UnsupportedFeature::SamplePrecision(12)) => {
            Problem::Unsupported(" with 12 bits per sample")
        }
        JpegError::Unsupported(_) => Problem::Unsupported(" in this variant of JPEG"),
        other => wrong(other.to_string()),
    };
    let mut decoder = JpegDecoder::new(frame);
    decoder.read_info().map_err(refused)?;
    let info = decoder.info().ok_or_else(|| wrong("no frame header".to_owned()))?;
    if (info.width, info.height) != (layout.columns, layout.rows) {
        return Err(wrong("its size is not Columns x Rows".to_owned()));
    }
    let bytes = match info.pixel_format {
        PixelFormat::L8 | PixelFormat::L16 => decoder.decode().map_err(refused)?,
        _ => return Err(wrong("more than one component".to_owned())),
    };
    Ok(match info.pixel_format {
        PixelFormat::L8 => bytes.iter().map(|&b| u16::from(b)).collect(),
        // The decoder gives words in the order of this machine.
        _ => bytes.chunks_exact(2).map(|b| u16::from_ne_bytes([b[0], b[1]])).collect(),
    })
}
