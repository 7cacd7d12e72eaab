//! The Image Pixel module of a grey film (PS3.3 C.7.6.3), read and checked before any allocation.

use super::ImageError;
use centinela_domain::gate::{MAX_PIXELS, PixelProblem};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemDicomObject;

/// Which end of the value range is white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Photometric {
    /// Low is white.
    Monochrome1,
    /// High is white.
    Monochrome2,
}

/// How samples are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelLayout {
    /// Rows, not zero.
    pub rows: u16,
    /// Columns, not zero.
    pub columns: u16,
    /// Bits Allocated: 8 or 16.
    pub bits_allocated: u16,
    /// Bits Stored: 1 to Bits Allocated.
    pub bits_stored: u16,
    /// High Bit: Bits Stored - 1 to Bits Allocated - 1.
    pub high_bit: u16,
    /// Pixel Representation 1.
    pub signed: bool,
    /// Photometric Interpretation.
    pub(super) photometric: Photometric,
    /// Presentation LUT Shape: `Some(true)` INVERSE, `Some(false)` IDENTITY.
    pub presentation_inverse: Option<bool>,
}

pub(super) fn text(dataset: &InMemDicomObject, tag: Tag) -> Option<String> {
    let text = dataset.get(tag)?.to_str().ok()?.trim_matches(['\0', ' ']).to_owned();
    (!text.is_empty()).then_some(text)
}

fn count(dataset: &InMemDicomObject, tag: Tag) -> Option<u32> {
    dataset.get(tag)?.to_int::<u32>().ok()
}

impl PixelLayout {
    /// Reads and checks the attributes.
    ///
    /// # Errors
    /// [`ImageError::Pixels`] or [`ImageError::TooLarge`].
    pub fn read(dataset: &InMemDicomObject) -> Result<Self, ImageError> {
        let wrong = |problem, detail| Err(ImageError::pixels(problem, detail));
        let (Some(rows), Some(columns)) = (count(dataset, tags::ROWS), count(dataset, tags::COLUMNS)) else {
            return wrong(PixelProblem::NoSize, "Rows or Columns is missing or not a number");
        };
        if rows == 0 || columns == 0 {
            return wrong(PixelProblem::NoSize, "Rows or Columns is zero");
        }
        if u64::from(rows) * u64::from(columns) > MAX_PIXELS {
            return Err(ImageError::TooLarge { columns, rows, limit: MAX_PIXELS });
        }
        let (Ok(rows), Ok(columns)) = (u16::try_from(rows), u16::try_from(columns)) else {
            return wrong(PixelProblem::TooLarge, "Rows or Columns does not fit its VR");
        };
        if count(dataset, tags::SAMPLES_PER_PIXEL).unwrap_or(1) != 1 {
            return wrong(PixelProblem::Samples, "Samples per Pixel is not 1");
        }
        if count(dataset, tags::NUMBER_OF_FRAMES).unwrap_or(1) != 1 {
            return wrong(PixelProblem::Frames, "Number of Frames is not 1");
        }
        let photometric = match text(dataset, tags::PHOTOMETRIC_INTERPRETATION).as_deref() {
            Some("MONOCHROME1") => Photometric::Monochrome1,
            Some("MONOCHROME2") => Photometric::Monochrome2,
            _ => {
                let detail = "Photometric Interpretation is not MONOCHROME1 or MONOCHROME2";
                return wrong(PixelProblem::Photometric, detail);
            }
        };
        let bits_allocated @ (8 | 16) =
            count(dataset, tags::BITS_ALLOCATED).and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
        else {
            return wrong(PixelProblem::Bits, "Bits Allocated is not 8 or 16");
        };
        let allocated = u32::from(bits_allocated);
        let stored = count(dataset, tags::BITS_STORED).unwrap_or(allocated);
        let high = count(dataset, tags::HIGH_BIT).unwrap_or(stored.wrapping_sub(1));
        if stored == 0 || stored > allocated || high >= allocated || high + 1 < stored {
            return wrong(PixelProblem::Bits, "Bits Allocated, Bits Stored and High Bit contradict each other");
        }
        let presentation_inverse = match text(dataset, tags::PRESENTATION_LUT_SHAPE).as_deref() {
            Some("INVERSE") => Some(true),
            Some("IDENTITY") => Some(false),
            _ => None,
        };
        Ok(Self {
            rows,
            columns,
            bits_allocated,
            // Both are at most Bits Allocated.
            bits_stored: stored as u16,
            high_bit: high as u16,
            signed: count(dataset, tags::PIXEL_REPRESENTATION) == Some(1),
            photometric,
            presentation_inverse,
        })
    }

    /// Number of pixels.
    #[must_use]
    pub fn pixels(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// Bytes of one sample in native data.
    #[must_use]
    pub fn sample_bytes(&self) -> usize {
        usize::from(self.bits_allocated / 8)
    }

    /// The low `bits_stored` bits set.
    #[must_use]
    pub fn mask(&self) -> u16 {
        u16::MAX >> (16 - self.bits_stored)
    }

    /// The stored value of a masked code: sign extended where samples are signed.
    #[must_use]
    pub fn stored_value(&self, code: u16) -> i32 {
        let value = i32::from(code);
        if self.signed && code >> (self.bits_stored - 1) == 1 { value - (1 << self.bits_stored) } else { value }
    }
}
