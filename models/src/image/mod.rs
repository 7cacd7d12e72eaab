//! A film as numbers: decoding, stored value, modality transform (PS3.3 C.7.6.3, C.11.1).
//!
//! Everything that arrives is hostile until checked: sizes are compared with a limit and with the
//! bytes at hand before anything of that size is allocated.

mod codec;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod jpeg2000;
mod jpegls;
mod layout;
mod lut;
mod rle;
mod source;
mod voi;

pub use error::ImageError;
pub use layout::PixelLayout;
pub use voi::Voi;

use centinela_domain::gate::PixelProblem;
use layout::Photometric;
use lut::Modality;

/// Something unusual about the film that a reader of the result may want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Photometric Interpretation and Presentation LUT Shape contradict each other.
    ContradictoryPresentation,
    /// Rescale Slope is zero or not a number: ignored.
    RescaleIgnored,
    /// The window has no usable centre, width or function: ignored.
    WindowIgnored,
    /// The Modality LUT Sequence is malformed: ignored.
    ModalityLutIgnored,
    /// The VOI LUT Sequence is malformed: ignored.
    VoiLutIgnored,
    /// The VOI LUT uses less than half of the range that its descriptor declares: scaled to its own.
    VoiLutNarrow,
    /// No VOI in the header: the grey range was taken from the pixels.
    NoVoi,
}

/// What the film holds before any transform of the header.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// Row by row: the Bits Stored of each sample, as bits.
    pub codes: Vec<u16>,
    /// Whether the highest of these bits is a sign.
    pub signed: bool,
    /// Photometric Interpretation MONOCHROME1.
    pub monochrome1: bool,
}

/// A decoded grey film.
#[derive(Clone, PartialEq)]
pub struct CxrImage {
    /// Row by row: stored values after mask, sign and modality transform.
    pub pixels: Vec<f32>,
    /// The same before the modality transform, for chains that want it so.
    pub stored: Stored,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How values become grey, 0 to 1, before inversion.
    pub voi: Voi,
    /// Whether low values are shown white (MONOCHROME1, or Presentation LUT Shape INVERSE).
    pub inverted: bool,
    /// Bits Stored.
    pub bits_stored: u16,
    /// What was unusual.
    pub notes: Vec<Note>,
}

// Pixels are long and may show a face: sizes only.
impl std::fmt::Debug for CxrImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CxrImage({}x{}, {} bits, {:?})", self.width, self.height, self.bits_stored, self.notes)
    }
}

impl CxrImage {
    /// Decodes a single-frame grey film from the bytes of a DICOM Part 10 file.
    ///
    /// # Errors
    /// [`ImageError`]; [`ImageError::reason`] gives the skip reason.
    pub fn decode(part10: &[u8]) -> Result<Self, ImageError> {
        let source = source::locate(part10)?;
        let layout = PixelLayout::read(&source.dataset)?;
        let codes = codec::decode(&source, &layout)?;
        let mut notes = Vec::new();
        let modality = Modality::read(&source.dataset, &layout, &mut notes);
        // All possible values once, instead of a transform per pixel.
        let table: Vec<f32> = (0..=layout.mask()).map(|code| modality.apply(layout.stored_value(code))).collect();
        let (shift, mask) = (codes.shift, layout.mask());
        let mut codes = codes.samples;
        codes.iter_mut().for_each(|code| *code = (*code >> shift) & mask);
        let pixels: Vec<f32> = codes.iter().map(|&code| table[usize::from(code)]).collect();
        if pixels.windows(2).all(|pair| pair[0] == pair[1]) {
            return Err(ImageError::pixels(PixelProblem::Uniform, "all pixels are the same"));
        }
        let voi = Voi::read(&source.dataset, &layout, &modality, &table, &pixels, &mut notes);
        let inverted = layout.inverted(&mut notes);
        let monochrome1 = layout.photometric == Photometric::Monochrome1;
        Ok(Self {
            pixels,
            stored: Stored { codes, signed: layout.signed, monochrome1 },
            width: u32::from(layout.columns),
            height: u32::from(layout.rows),
            voi,
            inverted,
            bits_stored: layout.bits_stored,
            notes,
        })
    }

    /// The grey value of every pixel, 0 to 1, bone white: VOI and inversion applied.
    #[must_use]
    pub fn gray(&self) -> Vec<f32> {
        let inverted = self.inverted;
        let finish = |v: f32| if inverted { 1.0 - v } else { v };
        self.voi.map(&self.pixels, finish)
    }
}

/// Raw samples as the decoder gave them, and where the stored bits sit in each.
struct Codes {
    samples: Vec<u16>,
    /// Bits to shift right (High Bit above Bits Stored - 1 in native data).
    shift: u16,
}

impl PixelLayout {
    /// Bone-white inversion. MONOCHROME1 means that the lowest value is shown white after the VOI
    /// (C.7.6.3.1.2); in DX, Presentation LUT Shape INVERSE states the same thing again
    /// (C.8.11.1), so the two together invert once. INVERSE beside MONOCHROME2 is a contradiction
    /// there; as in C.11.6 it inverts. MONOCHROME1 with IDENTITY: the mandatory attribute wins.
    fn inverted(&self, notes: &mut Vec<Note>) -> bool {
        let mono1 = self.photometric == Photometric::Monochrome1;
        if self.presentation_inverse.is_some_and(|inverse| inverse != mono1) {
            notes.push(Note::ContradictoryPresentation);
        }
        mono1 || self.presentation_inverse == Some(true)
    }
}
