//! One colour for each present finding of a study, the same in presentation states, Secondary
//! Captures and segmentations (CIELab: PS3.3 C.10.7.1.1).

use super::canvas::Rgb;
use crate::evidence::StudyImage;
use crate::finding::Finding;

/// A colour, as screens and as DICOM have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tint {
    pub(super) rgb: Rgb,
    /// L*, a*, b* over the whole range of 16 bits, white as that of D50.
    pub(super) lab: [u16; 3],
}

/// Told apart on grey also by most colour-blind readers. The values in CIELab are written out, so that no
/// processor's arithmetic changes a byte; a test computes them.
const TINTS: [Tint; 6] = [
    Tint { rgb: [255, 200, 0], lab: [54_909, 35_517, 54_524] },
    Tint { rgb: [0, 205, 255], lab: [49_782, 25_084, 23_341] },
    Tint { rgb: [255, 120, 190], lab: [44_978, 47_746, 30_022] },
    Tint { rgb: [130, 245, 110], lab: [57_451, 19_281, 46_615] },
    Tint { rgb: [255, 140, 70], lab: [46_183, 43_407, 47_293] },
    Tint { rgb: [190, 160, 255], lab: [46_768, 39_560, 21_696] },
];

/// The calm white of notices.
pub(super) const NOTICE: Tint = Tint { rgb: [255, 255, 255], lab: [65_535, 32_897, 32_894] };

/// The colours of one study.
pub(super) struct Colors<'a>(Vec<&'a str>);

impl<'a> Colors<'a> {
    /// The strongest finding of the study comes first; from the seventh on colours come again.
    pub(super) fn of(images: &[&'a StudyImage]) -> Self {
        let mut labels: Vec<(&str, f32)> = Vec::new();
        for finding in images.iter().flat_map(|image| image.findings()).filter(|finding| finding.present) {
            let (label, probability) = (finding.code.label.as_str(), finding.probability);
            match labels.iter_mut().find(|(known, _)| *known == label) {
                Some((_, most)) => *most = most.max(probability),
                None => labels.push((label, probability)),
            }
        }
        // Stable: of equal ones the first of the manifest.
        labels.sort_by(|a, b| b.1.total_cmp(&a.1));
        Self(labels.into_iter().map(|(label, _)| label).collect())
    }

    /// The colour of a present finding.
    pub(super) fn get(&self, finding: &Finding) -> Option<Tint> {
        let place = self.0.iter().position(|label| *label == finding.code.label).filter(|_| finding.present)?;
        TINTS.get(place % TINTS.len()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sRGB to CIELab under D50, by way of linear light and Bradford's matrix.
    fn lab(rgb: Rgb) -> [f64; 3] {
        let [r, g, b] = rgb.map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        let curve = |t: f64| if t > 216.0 / 24_389.0 { t.cbrt() } else { (24_389.0 / 27.0 * t + 16.0) / 116.0 };
        let x = curve((0.436_074_7 * r + 0.385_064_9 * g + 0.143_080_4 * b) / 0.9642);
        let y = curve(0.222_504_5 * r + 0.716_878_6 * g + 0.060_616_9 * b);
        let z = curve((0.013_932_2 * r + 0.097_104_5 * g + 0.714_173_3 * b) / 0.8251);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn both_forms_of_a_colour_are_the_same() {
        for tint in TINTS.iter().chain([&NOTICE]) {
            let [l, a, b] = lab(tint.rgb);
            let want = [l / 100.0, (a + 128.0) / 255.0, (b + 128.0) / 255.0].map(|v| v * 65_535.0);
            for (want, got) in want.iter().zip(tint.lab) {
                assert!((want - f64::from(got)).abs() <= 1.0, "{:?}: {want:.1}, not {got}", tint.rgb);
            }
        }
    }
}
