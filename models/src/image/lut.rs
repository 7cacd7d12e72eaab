//! Modality transform (PS3.3 C.11.1) and lookup tables (LUT Descriptor and LUT Data, C.11.1.1).

use super::{Note, PixelLayout};
use dicom_core::header::{HasLength, VR};
use dicom_core::{DataElement, Tag};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemDicomObject as Dataset;

/// A lookup table: `values[0]` belongs to input `first`; inputs beyond the ends take the end's value.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Input of the first entry.
    pub first: i32,
    /// Output of each entry, at least one.
    pub values: Vec<f32>,
    /// Bits of one entry as declared: 8 to 16.
    pub bits: u16,
}

impl Table {
    /// Reads the first item of a LUT sequence. `Err(())` where it exists but is malformed.
    pub(super) fn read(dataset: &Dataset, sequence: Tag, signed_input: bool) -> Result<Option<Self>, ()> {
        let Some(item) = dataset.get(sequence).and_then(|e| e.items()).and_then(|items| items.first()) else {
            return Ok(None);
        };
        Self::from_item(item, signed_input).map(Some).ok_or(())
    }

    fn from_item(item: &InMemDicomObject, signed_input: bool) -> Option<Self> {
        let descriptor = item.get(tags::LUT_DESCRIPTOR)?;
        let field = descriptor.to_multi_int::<i32>().ok()?;
        let &[count, first, bits] = field.as_slice() else { return None };
        // The VR is US or SS: the count is always unsigned and 0 means 65536; the first input is
        // signed where the inputs are, whatever the VR of an implicit file came out as.
        let count = match count & 0xffff {
            0 => 65_536,
            n => n as usize,
        };
        let first = if signed_input || descriptor.vr() == VR::SS {
            i32::from((first & 0xffff) as u16 as i16)
        } else {
            first & 0xffff
        };
        let bits = u16::try_from(bits & 0xffff).ok().filter(|bits| (1..=16).contains(bits))?;
        let values = entries(item.get(tags::LUT_DATA)?, count, bits)?;
        Some(Self { first, values, bits })
    }

    /// The output for an input.
    #[must_use]
    pub fn get(&self, input: i32) -> f32 {
        let last = self.values.len() - 1;
        let at = (i64::from(input) - i64::from(self.first)).clamp(0, last as i64);
        self.values[at as usize]
    }
}

/// LUT Data: one 16-bit word for each entry, or for 8-bit entries two packed in a word.
fn entries(data: &DataElement<InMemDicomObject>, count: usize, bits: u16) -> Option<Vec<f32>> {
    if data.value().length().get().is_some_and(|bytes| bytes as usize > 2 * 65_536) {
        return None;
    }
    let bytes = data.value().to_bytes().ok()?;
    if bits <= 8 && bytes.len() < 2 * count && bytes.len() >= count {
        return Some(bytes[..count].iter().map(|&b| f32::from(b)).collect());
    }
    let words = bytes.get(..2 * count)?.chunks_exact(2);
    Some(words.map(|w| f32::from(u16::from_le_bytes([w[0], w[1]]))).collect())
}

/// From stored values to the modality's units.
#[derive(Debug, Clone, PartialEq)]
pub enum Modality {
    /// Modality LUT Sequence.
    Table(Table),
    /// Rescale Slope and Intercept; 1 and 0 where there are none.
    Linear {
        /// Rescale Slope.
        slope: f64,
        /// Rescale Intercept.
        intercept: f64,
    },
}

impl Modality {
    pub(super) fn read(dataset: &Dataset, layout: &PixelLayout, notes: &mut Vec<Note>) -> Self {
        match Table::read(dataset, tags::MODALITY_LUT_SEQUENCE, layout.signed) {
            Ok(Some(table)) => return Self::Table(table),
            Ok(None) => {}
            Err(()) => notes.push(Note::ModalityLutIgnored),
        }
        let number = |tag| dataset.get(tag).map(|e| e.to_float64().ok().filter(|v| v.is_finite()));
        let slope = number(tags::RESCALE_SLOPE);
        let intercept = number(tags::RESCALE_INTERCEPT);
        match (slope.unwrap_or(Some(1.0)), intercept.unwrap_or(Some(0.0))) {
            (Some(slope), Some(intercept)) if slope != 0.0 => Self::Linear { slope, intercept },
            _ => {
                notes.push(Note::RescaleIgnored);
                Self::Linear { slope: 1.0, intercept: 0.0 }
            }
        }
    }

    /// The value of a stored value.
    #[must_use]
    pub fn apply(&self, stored: i32) -> f32 {
        match self {
            Self::Table(table) => table.get(stored),
            Self::Linear { slope, intercept } => (f64::from(stored) * slope + intercept) as f32,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use dicom_core::value::DataSetSequence;
    use dicom_core::{PrimitiveValue, smallvec::smallvec};

    fn with_lut(descriptor: PrimitiveValue, vr: VR, data: PrimitiveValue, data_vr: VR) -> Dataset {
        let item = InMemDicomObject::from_element_iter([
            DataElement::new(tags::LUT_DESCRIPTOR, vr, descriptor),
            DataElement::new(tags::LUT_DATA, data_vr, data),
        ]);
        InMemDicomObject::from_element_iter([DataElement::new(
            tags::VOILUT_SEQUENCE,
            VR::SQ,
            DataSetSequence::from(vec![item]),
        )])
    }

    fn read(dataset: &Dataset, signed: bool) -> Result<Option<Table>, ()> {
        Table::read(dataset, tags::VOILUT_SEQUENCE, signed)
    }

    #[test]
    fn words_and_clamping() {
        let data = PrimitiveValue::U16(smallvec![5, 7, 4095]);
        let set = with_lut(PrimitiveValue::U16(smallvec![3, 100, 12]), VR::US, data, VR::US);
        let table = read(&set, false).unwrap().unwrap();
        assert_eq!([0, 100, 101, 102, 9999].map(|x| table.get(x)), [5.0, 5.0, 7.0, 4095.0, 4095.0]);
    }

    #[test]
    fn zero_entries_mean_65536_and_first_is_signed_where_inputs_are() {
        let data: Vec<u16> = (0..=65_535).collect();
        let set =
            with_lut(PrimitiveValue::U16(smallvec![0, 0x8000, 16]), VR::US, PrimitiveValue::U16(data.into()), VR::OW);
        let table = read(&set, true).unwrap().unwrap();
        assert_eq!((table.first, table.values.len()), (-32_768, 65_536));
        assert_eq!(table.get(0), 32_768.0);
        assert_eq!(read(&set, false).unwrap().unwrap().first, 32_768);
    }

    #[test]
    fn eight_bit_entries_are_packed_or_in_words() {
        let descriptor = || PrimitiveValue::U16(smallvec![3, 0, 8]);
        let packed = with_lut(descriptor(), VR::US, PrimitiveValue::U8(smallvec![1, 2, 3, 0]), VR::OW);
        let words = with_lut(descriptor(), VR::US, PrimitiveValue::U16(smallvec![1, 2, 3]), VR::US);
        for set in [packed, words] {
            assert_eq!(read(&set, false).unwrap().unwrap().values, [1.0, 2.0, 3.0]);
        }
    }

    #[test]
    fn short_data_is_malformed_and_no_sequence_is_none() {
        let data = PrimitiveValue::U16(smallvec![1, 2]);
        let set = with_lut(PrimitiveValue::U16(smallvec![3, 0, 12]), VR::US, data, VR::US);
        assert_eq!(read(&set, false), Err(()));
        assert_eq!(read(&InMemDicomObject::new_empty(), false), Ok(None));
    }
}
