//! Families of weights that are known by name: their labels, operating points, preprocessing and population.
//!
//! torchxrayvision: facts from the package torchxrayvision 1.5.7, `models.model_urls` (labels and `op_threshs`; an empty
//! label stands where its operating point is NaN). CheXNet: labels and transforms of github.com/arnoweng/CheXNet;
//! it publishes no operating points.

use crate::manifest::Chain;

const NAN: f32 = f32::NAN;

/// Which family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of torchxrayvision's weights")]
pub enum Family {
    All,
    Nih,
    Pc,
    Chex,
    MimicNb,
    MimicCh,
    Rsna,
    Chexnet,
}

/// What is known of a family.
pub(super) struct Known {
    pub name: &'static str,
    pub title: String,
    pub manufacturer: &'static str,
    pub labels: Vec<&'static str>,
    /// Operating points of `op_norm`; none where the family has none.
    pub points: Option<Vec<f32>>,
    pub chain: Chain,
    pub channels: usize,
    /// Which films it was trained on, for the card.
    pub trained_on: &'static str,
    /// Where all this is from, for the card.
    pub source: &'static str,
}

struct Xray {
    name: &'static str,
    trained_on: &'static str,
    points: [f32; 18],
}

/// The outputs of torchxrayvision's DenseNets; a family reports those that have an operating point.
const XRAY_LABELS: [&str; 18] = [
    "Atelectasis",
    "Consolidation",
    "Infiltration",
    "Pneumothorax",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Effusion",
    "Pneumonia",
    "Pleural_Thickening",
    "Cardiomegaly",
    "Nodule",
    "Mass",
    "Hernia",
    "Lung Lesion",
    "Fracture",
    "Lung Opacity",
    "Enlarged Cardiomediastinum",
];

const XRAY: [Xray; 7] = [
    Xray {
        name: "all",
        trained_on: "NIH ChestX-ray14, PadChest, CheXpert, MIMIC-CXR (CheXpert labels), Google, OpenI, RSNA",
        points: [
            0.07422872,
            0.038290843,
            0.09814756,
            0.0098118475,
            0.023601074,
            0.0022490358,
            0.010060724,
            0.103246614,
            0.056810737,
            0.026791653,
            0.050318155,
            0.023985857,
            0.01939503,
            0.042889766,
            0.053369623,
            0.035975814,
            0.20204692,
            0.05015312,
        ],
    },
    Xray {
        name: "nih",
        trained_on: "NIH ChestX-ray14",
        points: [
            0.039117552,
            0.0034529066,
            0.11396341,
            0.0057298196,
            0.00045666535,
            0.0018880932,
            0.012037827,
            0.038744126,
            0.0037213727,
            0.014730946,
            0.016149804,
            0.054241467,
            0.037198864,
            0.0004403434,
            NAN,
            NAN,
            NAN,
            NAN,
        ],
    },
    Xray {
        name: "pc",
        trained_on: "PadChest",
        points: [
            0.031012505,
            0.013347598,
            0.081435576,
            0.001262615,
            0.002587246,
            0.0035944257,
            0.0023071,
            0.055412333,
            0.044385884,
            0.042766232,
            0.043258056,
            0.037629247,
            0.005658899,
            0.0091741895,
            NAN,
            0.026507627,
            NAN,
            NAN,
        ],
    },
    Xray {
        name: "chex",
        trained_on: "CheXpert",
        points: [
            0.1988969, 0.05710573, NAN, 0.0531293, 0.1435217, NAN, NAN, 0.27212676, 0.07749717, NAN, 0.19712369, NAN,
            NAN, NAN, 0.09932402, 0.09273402, 0.3270967, 0.10888247,
        ],
    },
    Xray {
        name: "mimic_nb",
        trained_on: "MIMIC-CXR (NegBio labels)",
        points: [
            0.08558747,
            0.011884617,
            NAN,
            0.0040595434,
            0.010733786,
            NAN,
            NAN,
            0.118761964,
            0.022924708,
            NAN,
            0.06358637,
            NAN,
            NAN,
            NAN,
            0.022143636,
            0.017476924,
            0.1258702,
            0.014020768,
        ],
    },
    Xray {
        name: "mimic_ch",
        trained_on: "MIMIC-CXR (CheXpert labels)",
        points: [
            0.09121389,
            0.010573786,
            NAN,
            0.005023008,
            0.003698257,
            NAN,
            NAN,
            0.08001232,
            0.037242252,
            NAN,
            0.05006329,
            NAN,
            NAN,
            NAN,
            0.019866971,
            0.03823637,
            0.11303808,
            0.0069147074,
        ],
    },
    Xray {
        name: "rsna",
        trained_on: "RSNA Pneumonia Challenge (Kaggle)",
        points: [
            NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0.13486601, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0.13511065, NAN,
        ],
    },
];

const CHEXNET_LABELS: [&str; 14] = [
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
];

impl Family {
    pub(super) fn known(self) -> Known {
        let place = match self {
            Self::All => 0,
            Self::Nih => 1,
            Self::Pc => 2,
            Self::Chex => 3,
            Self::MimicNb => 4,
            Self::MimicCh => 5,
            Self::Rsna => 6,
            Self::Chexnet => return chexnet(),
        };
        let Xray { name, trained_on, points } = &XRAY[place];
        let labels = XRAY_LABELS.iter().zip(points).map(|(label, point)| if point.is_nan() { "" } else { label });
        Known {
            name,
            title: format!("torchxrayvision densenet121-res224-{name}"),
            manufacturer: "torchxrayvision",
            labels: labels.collect(),
            points: Some(points.to_vec()),
            chain: Chain::Torchxrayvision,
            channels: 1,
            trained_on,
            source: "the package torchxrayvision 1.5.7, models.model_urls; Cohen et al., arXiv 2002.02497",
        }
    }
}

fn chexnet() -> Known {
    Known {
        name: "chexnet",
        title: "CheXNet DenseNet-121".to_owned(),
        manufacturer: "CheXNet re-implementation",
        labels: CHEXNET_LABELS.to_vec(),
        points: None,
        chain: Chain::Imagenet,
        channels: 3,
        trained_on: "NIH ChestX-ray14",
        source: "github.com/arnoweng/CheXNet; Rajpurkar et al., arXiv 1711.05225",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use centinela_domain::code::Vocabulary;

    #[test]
    fn every_label_has_its_codes_and_every_named_one_its_point() {
        let count = |family: Family| {
            let known = family.known();
            for (n, label) in known.labels.iter().enumerate().filter(|(_, label)| !label.is_empty()) {
                assert!(Vocabulary::embedded().get(label).is_some(), "{label}");
                assert!(known.points.as_ref().is_none_or(|points| points[n] > 0.0 && points[n] < 1.0));
            }
            known.labels.iter().filter(|label| !label.is_empty()).count()
        };
        let families =
            [Family::All, Family::Nih, Family::Pc, Family::Chex, Family::MimicNb, Family::MimicCh, Family::Rsna];
        assert_eq!(families.map(count), [18, 14, 15, 11, 11, 11, 2]);
        assert_eq!(count(Family::Chexnet), 14);
    }

    #[test]
    fn points_are_those_of_the_toolkit() {
        assert_eq!(Family::All.known().points.map(|p| [p[0], p[17]]), Some([0.074_228_72, 0.050_153_12]));
        assert_eq!(Family::Rsna.known().points.map(|p| [p[8], p[16]]), Some([0.134_866_01, 0.135_110_65]));
        assert_eq!(Family::MimicCh.known().points.map(|p| p[17]), Some(0.006_914_707_4));
    }
}
