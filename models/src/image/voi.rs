//! Values of interest: LUT and window (PS3.3 C.11.2), to grey between 0 and 1.

use super::lut::{Modality, Table};
use super::{Note, PixelLayout};
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemDicomObject;

/// How a value becomes grey.
#[derive(Debug, Clone, PartialEq)]
pub enum Voi {
    /// VOI LUT Sequence, first item: outputs already divided by the table's full scale.
    Table(Table),
    /// Window with function LINEAR (C.11.2.1.2.1), the default; width at least 1.
    Linear {
        /// Window Center.
        center: f64,
        /// Window Width.
        width: f64,
    },
    /// Window with function LINEAR_EXACT (C.11.2.1.3.2).
    LinearExact {
        /// Window Center.
        center: f64,
        /// Window Width.
        width: f64,
    },
    /// Window with function SIGMOID (C.11.2.1.3.1).
    Sigmoid {
        /// Window Center.
        center: f64,
        /// Window Width.
        width: f64,
    },
    /// No VOI in the header: straight from `low` (0) to `high` (1).
    Range {
        /// Value shown black.
        low: f64,
        /// Value shown white.
        high: f64,
    },
}

impl Voi {
    /// Reads the first VOI LUT, else the first window, else takes the range from the pixels.
    pub(super) fn read(
        dataset: &InMemDicomObject,
        layout: &PixelLayout,
        modality: &Modality,
        table: &[f32],
        pixels: &[f32],
        notes: &mut Vec<Note>,
    ) -> Self {
        // After a modality table or without sign the inputs are never negative.
        let signed = match modality {
            Modality::Table(_) => false,
            Modality::Linear { .. } => layout.signed || table.iter().any(|&v| v < 0.0),
        };
        match Table::read(dataset, tags::VOILUT_SEQUENCE, signed) {
            Ok(Some(lut)) => return Self::Table(full_scale(lut, notes)),
            Ok(None) => {}
            Err(()) => notes.push(Note::VoiLutIgnored),
        }
        match window(dataset) {
            Ok(Some(window)) => return window,
            Ok(None) => {}
            Err(()) => notes.push(Note::WindowIgnored),
        }
        notes.push(Note::NoVoi);
        let (low, high) = if layout.bits_stored <= 8 { extremes(table) } else { percentiles(pixels) };
        Self::Range { low: f64::from(low), high: f64::from(high) }
    }

    /// Applies it to all values, then `finish` to each grey value.
    pub fn map(&self, values: &[f32], finish: impl Fn(f32) -> f32) -> Vec<f32> {
        let each = |f: &dyn Fn(f32) -> f32| values.iter().map(|&v| finish(f(v))).collect();
        // One clamped straight line for all three linear kinds, so that the loop stays simple.
        let line = |low: f64, high: f64| {
            let scale = 1.0 / (high - low);
            values.iter().map(|&v| finish(((f64::from(v) - low) * scale).clamp(0.0, 1.0) as f32)).collect()
        };
        let step = |at: f64| values.iter().map(|&v| finish(if f64::from(v) > at { 1.0 } else { 0.0 })).collect();
        match *self {
            Self::Table(ref table) => each(&|v| table.get(v.round() as i32)),
            Self::Linear { center, width } => {
                // Black up to c - 0.5 - (w-1)/2, white above c - 0.5 + (w-1)/2.
                let (middle, half) = (center - 0.5, (width - 1.0) / 2.0);
                if half > 0.0 { line(middle - half, middle + half) } else { step(middle) }
            }
            Self::LinearExact { center, width } => line(center - width / 2.0, center + width / 2.0),
            Self::Sigmoid { center, width } => {
                each(&|v| (1.0 / (1.0 + (-4.0 * (f64::from(v) - center) / width).exp())) as f32)
            }
            Self::Range { low, high } if high > low => line(low, high),
            // A blank film: one value, shown black.
            Self::Range { .. } => each(&|_| 0.0),
        }
    }
}

/// Divides by what the descriptor declares; by the table's own power of two where it declares more
/// than twice that (known of CR readers, and the film would be dark).
fn full_scale(mut table: Table, notes: &mut Vec<Note>) -> Table {
    let scale = |bits: u32| ((1_u32 << bits) - 1) as f32;
    let most = table.values.iter().fold(0.0_f32, |a, &b| a.max(b));
    let used = (1..=16).find(|&bits| scale(bits) >= most).unwrap_or(16);
    let declared = u32::from(table.bits);
    if used < declared && most > 0.0 {
        notes.push(Note::VoiLutNarrow);
    }
    // `used` also covers entries above the declared range: never brighter than white.
    let full = scale(if most > 0.0 { used } else { declared });
    table.values.iter_mut().for_each(|v| *v /= full);
    table
}

fn window(dataset: &InMemDicomObject) -> Result<Option<Voi>, ()> {
    let first = |tag| dataset.get(tag).map(|e| e.to_multi_float64().ok().and_then(|v| v.first().copied()));
    let (center, width) = match (first(tags::WINDOW_CENTER), first(tags::WINDOW_WIDTH)) {
        (None, None) => return Ok(None),
        (Some(Some(center)), Some(Some(width))) if center.is_finite() && width.is_finite() => (center, width),
        // Present without a value says nothing; one of the two alone is malformed.
        (Some(None) | None, Some(None) | None) => return Ok(None),
        _ => return Err(()),
    };
    let function = super::layout::text(dataset, tags::VOILUT_FUNCTION);
    match function.as_deref() {
        None | Some("LINEAR") if width >= 1.0 => Ok(Some(Voi::Linear { center, width })),
        Some("LINEAR_EXACT") if width > 0.0 => Ok(Some(Voi::LinearExact { center, width })),
        Some("SIGMOID") if width > 0.0 => Ok(Some(Voi::Sigmoid { center, width })),
        _ => Err(()),
    }
}

fn extremes(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)))
}

/// The values at 0.5 % and 99.5 % of the sorted pixels (nearest rank).
fn percentiles(pixels: &[f32]) -> (f32, f32) {
    let mut sorted = pixels.to_vec();
    let last = sorted.len() - 1;
    let rank = |share: f64| (share * last as f64).round() as usize;
    let (_, &mut low, rest) = sorted.select_nth_unstable_by(rank(0.005), f32::total_cmp);
    let at = rank(0.995) - rank(0.005);
    let high = if at == 0 { low } else { *rest.select_nth_unstable_by(at - 1, f32::total_cmp).1 };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(voi: &Voi, values: &[f32]) -> Vec<f32> {
        voi.map(values, |v| v)
    }

    #[test]
    fn linear_follows_the_pseudo_code_of_the_standard() {
        // C.11.2.1.2.1's example: c=2048, w=4096 is the identity on 12 bits.
        let voi = Voi::Linear { center: 2048.0, width: 4096.0 };
        let got = grey(&voi, &[-5.0, 0.0, 2047.5, 4095.0, 5000.0]);
        assert_eq!(got, [0.0, 0.0, 0.5, 1.0, 1.0]);
        // c=2048, w=1: black up to 2047, white from 2048.
        let voi = Voi::Linear { center: 2048.0, width: 1.0 };
        assert_eq!(grey(&voi, &[2047.0, 2048.0]), [0.0, 1.0]);
    }

    #[test]
    fn linear_exact_and_sigmoid() {
        let voi = Voi::LinearExact { center: 2048.0, width: 4096.0 };
        assert_eq!(grey(&voi, &[0.0, 1024.0, 4096.0]), [0.0, 0.25, 1.0]);
        let voi = Voi::Sigmoid { center: 100.0, width: 40.0 };
        let got = grey(&voi, &[100.0, 110.0]);
        assert!((got[0] - 0.5).abs() < 1e-6 && (got[1] - 0.731_058_6).abs() < 1e-6, "{got:?}");
    }

    #[test]
    fn percentiles_cut_both_tails() {
        let pixels: Vec<f32> = (0..=1000).rev().map(|v| v as f32).collect();
        assert_eq!(percentiles(&pixels), (5.0, 995.0));
        assert_eq!(percentiles(&[7.0]), (7.0, 7.0));
        assert_eq!(grey(&Voi::Range { low: 7.0, high: 7.0 }, &[7.0]), [0.0]);
    }

    #[test]
    fn a_table_declared_too_wide_is_scaled_to_its_own_range() {
        let table = |bits, values: &[f32]| Table { first: 0, values: values.to_vec(), bits };
        let mut notes = Vec::new();
        assert_eq!(full_scale(table(12, &[0.0, 4095.0]), &mut notes).values, [0.0, 1.0]);
        assert!(notes.is_empty());
        assert_eq!(full_scale(table(16, &[0.0, 1023.0]), &mut notes).values, [0.0, 1.0]);
        assert_eq!(notes, [Note::VoiLutNarrow]);
    }
}
