//! The manifest of a model package: what the network is, what it wants, when it says yes.

pub use crate::calibration::Calibration;

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why a manifest is refused. Each message names the key and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ManifestError {
    /// Not TOML, an unknown or missing key, or a value of the wrong kind.
    #[error("manifest.toml does not fit format 1: {0}")]
    Format(String),
    /// A label without an operating point.
    #[error(
        "manifest.toml: [[label]] {0:?} has no `threshold`: add its operating point, a calibrated probability \
         between 0 and 1; a model without thresholds is not used"
    )]
    NoThreshold(String),
    /// A value out of its range.
    #[error("manifest.toml: {key}: {problem}")]
    Value {
        /// The key, with its section.
        key: String,
        /// The rule.
        problem: String,
    },
}

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format of the package: 1.
    pub format: u32,
    /// Package name: lower-case letters, digits, hyphens.
    pub name: String,
    /// Package version.
    pub version: String,
    /// Human name; goes to Algorithm Name in the report.
    pub title: String,
    /// Who made the model.
    pub manufacturer: String,
    /// One sentence on what it is.
    pub summary: String,
    /// The network.
    pub architecture: Architecture,
    /// How a film becomes its input.
    pub input: Input,
    /// Whom it is made for.
    pub population: Population,
    /// Where the weights are.
    pub weights: Weights,
    /// From logits to probabilities.
    pub calibration: Calibration,
    /// What bfloat16 may cost; without it the model runs in single precision only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bf16: Option<Bf16>,
    /// The outputs, in the order of the classifier's rows.
    #[serde(rename = "label")]
    pub labels: Vec<Label>,
}

/// The gate for bfloat16, set by whoever compared both on films.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bf16 {
    /// Largest difference of a logit from the golden outputs.
    pub max_logit_difference: f64,
}

/// Shape of a DenseNet-BC with torchvision's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Which family.
    pub family: Family,
    /// Channels that each layer adds.
    pub growth_rate: usize,
    /// Layers of each dense block.
    pub block_config: Vec<usize>,
    /// Channels after the first convolution.
    pub init_features: usize,
    /// Bottleneck width in units of `growth_rate`.
    pub bn_size: usize,
    /// Channels of the input.
    pub in_channels: usize,
}

/// Families of networks that this program can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// DenseNet-BC (Huang et al., 2017).
    Densenet,
}

/// What the network wants to see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Side of the square input in pixels.
    pub size: u32,
    /// Which preprocessing chain.
    pub chain: Chain,
    /// Mean of each channel, on grey values from 0 to 1; only where [`Chain::normalises`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f32>,
    /// Standard deviation of each channel; only where [`Chain::normalises`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub std: Vec<f32>,
}

/// Ways from a film to the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chain {
    /// As displayed by its window, padded to a square, resized by the triangle filter.
    Window,
    /// As torchxrayvision reads a film: stored values to -1024 to 1024, centre square, scikit-image's resize.
    Torchxrayvision,
    /// As torchvision prepares for ImageNet's networks: as displayed, shorter side to 8/7 of the size, centre square,
    /// three equal channels, mean and deviation of each.
    Imagenet,
}

impl Chain {
    /// Whether the chain takes `mean` and `std` from the manifest.
    #[must_use]
    pub fn normalises(self) -> bool {
        self != Self::Torchxrayvision
    }

    /// How many channels it makes; none = as many as the network has.
    #[must_use]
    pub fn channels(self) -> Option<usize> {
        match self {
            Self::Window => None,
            Self::Torchxrayvision => Some(1),
            Self::Imagenet => Some(3),
        }
    }

    /// The name in the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Torchxrayvision => "torchxrayvision",
            Self::Imagenet => "imagenet",
        }
    }
}

/// Ages that the model was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// Youngest age in years, inclusive.
    pub age_min: u16,
    /// Oldest age in years, inclusive.
    pub age_max: u16,
}

/// The weights file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// File name inside the package.
    pub file: String,
    /// SHA-256 of the file, lower-case hex.
    pub sha256: String,
}

/// One output of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// A name of the findings table; empty where the output was not trained.
    pub name: String,
    /// Operating point on the calibrated probability; `nan` where the label is not to be reported.
    /// Checked to be there, for the sake of the message; read it with [`Label::threshold`].
    threshold: Option<f32>,
    /// Contour level as a fraction of the map's maximum; none = no regions for this label.
    pub region: Option<f32>,
}

impl Label {
    /// A label; a threshold that is not a number keeps it out of results.
    #[must_use]
    pub fn new(name: &str, threshold: f32, region: Option<f32>) -> Self {
        Self { name: name.to_owned(), threshold: Some(threshold), region }
    }

    /// Whether it appears in results. Outputs without training do not: their score says nothing.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        !self.name.is_empty() && !self.threshold.is_some_and(f32::is_nan)
    }

    /// Operating point on the calibrated probability, 0 to 1.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        // Never reached without one (see `Manifest::parse`); above 1 nothing would be present.
        self.threshold.unwrap_or(f32::INFINITY)
    }
}

impl Manifest {
    /// The labels that appear in results, with their place among all outputs.
    pub fn reported(&self) -> impl Iterator<Item = (usize, &Label)> {
        self.labels.iter().enumerate().filter(|(_, label)| label.is_reported())
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|e| ManifestError::Format(e.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let rule = |good: bool, key: &str, problem: &str| match good {
            true => Ok(()),
            false => Err(ManifestError::Value { key: key.to_owned(), problem: problem.to_owned() }),
        };
        let shown = |text: &str| !text.is_empty() && text.len() <= 64 && !text.chars().any(char::is_control);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        rule(self.format == 1, "format", "only format 1 is known to this version")?;
        let name = shown(&self.name) && self.name.chars().all(plain);
        rule(name, "name", "use lower-case letters, digits, hyphens and dots")?;
        let version = shown(&self.version) && self.version.chars().all(|c| plain(c) || c == '+');
        rule(version, "version", "use digits, dots, lower-case letters and hyphens")?;
        rule(shown(&self.title), "title", "1 to 64 bytes are needed")?;
        rule(shown(&self.manufacturer), "manufacturer", "1 to 64 bytes are needed")?;

        let net = &self.architecture;
        let sane = |n: usize, most: usize| (1..=most).contains(&n);
        rule(sane(net.growth_rate, 256), "architecture.growth_rate", "must be 1 to 256")?;
        rule(sane(net.init_features, 512), "architecture.init_features", "must be 1 to 512")?;
        rule(sane(net.bn_size, 16), "architecture.bn_size", "must be 1 to 16")?;
        rule(sane(net.in_channels, 4), "architecture.in_channels", "must be 1 to 4")?;
        let blocks = sane(net.block_config.len(), 6) && net.block_config.iter().all(|&n| sane(n, 128));
        rule(blocks, "architecture.block_config", "must be 1 to 6 blocks of 1 to 128 layers")?;

        // Smaller and the last block has no pixels left; larger and one film takes minutes.
        rule((32..=2048).contains(&self.input.size), "input.size", "must be 32 to 2048")?;
        self.check_chain()?;
        let ages = self.population;
        rule(ages.age_min <= ages.age_max && ages.age_max <= 150, "population", "age_min to age_max is no range")?;
        let inside = !self.weights.file.is_empty() && !self.weights.file.contains(['/', '\\', '\0']);
        rule(inside && self.weights.file != "..", "weights.file", "must be the name of a file in the package folder")?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let digest = self.weights.sha256.len() == 64 && self.weights.sha256.chars().all(hex);
        rule(digest, "weights.sha256", "must be 64 lower-case hex digits")?;
        if let Some(bf16) = self.bf16 {
            let fits = bf16.max_logit_difference > 0.0 && bf16.max_logit_difference <= 1.0;
            rule(fits, "bf16.max_logit_difference", "must be above 0 and at most 1")?;
        }
        self.check_labels()?;
        let reported: Vec<bool> = self.labels.iter().map(Label::is_reported).collect();
        match self.calibration.problem(&reported) {
            Some((key, problem)) => Err(ManifestError::Value { key: key.to_owned(), problem }),
            None => Ok(()),
        }
    }

    fn check_chain(&self) -> Result<(), ManifestError> {
        let Input { chain, mean, std, .. } = &self.input;
        let fail = |key: &str, problem: String| Err(ManifestError::Value { key: key.to_owned(), problem });
        let channels = self.architecture.in_channels;
        if let Some(wanted) = chain.channels().filter(|&wanted| wanted != channels) {
            let name = chain.name();
            let problem = format!("chain {name:?} makes {wanted}: other weights need another chain");
            return fail("architecture.in_channels", problem);
        }
        if !chain.normalises() {
            let problem = format!("chain {:?} has its own scale: remove both keys", chain.name());
            return if mean.is_empty() && std.is_empty() { Ok(()) } else { fail("input.mean, input.std", problem) };
        }
        if [mean.len(), std.len()] != [channels; 2] {
            let problem = format!("chain {:?} needs one value for each input channel ({channels})", chain.name());
            return fail("input.mean, input.std", problem);
        }
        if !mean.iter().all(|v| v.is_finite()) {
            return fail("input.mean", "must be numbers".to_owned());
        }
        if !std.iter().all(|v| *v > 0.0 && v.is_finite()) {
            return fail("input.std", "must be above 0".to_owned());
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<(), ManifestError> {
        let fail = |key: String, problem: &str| Err(ManifestError::Value { key, problem: problem.to_owned() });
        if self.labels.is_empty() {
            return fail("label".to_owned(), "at least one [[label]] is needed");
        }
        let mut seen = BTreeSet::new();
        for label in &self.labels {
            let key = |name: &str| format!("label {:?}: {name}", label.name);
            if label.region.is_some_and(|level| !(level > 0.0 && level < 1.0)) {
                return fail(key("region"), "must be between 0 and 1, or left out");
            }
            if !label.name.is_empty() && !seen.insert(&label.name) {
                return fail(key("name"), "must be there once");
            }
            if !label.is_reported() {
                continue;
            }
            let Some(threshold) = label.threshold else {
                return Err(ManifestError::NoThreshold(label.name.clone()));
            };
            if !(threshold > 0.0 && threshold < 1.0) {
                return fail(key("threshold"), "must be between 0 and 1, or `nan` to keep the label out of results");
            }
        }
        if self.reported().next().is_none() {
            let problem = "none is reported: each has an empty name or `threshold = nan`; name and set at least one";
            return fail("label".to_owned(), problem);
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use super::*;

    pub(crate) const GOOD: &str = include_str!("../tests/data/tiny_manifest.toml");

    fn refusal(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        Manifest::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(manifest.labels[0].threshold(), 0.4);
        assert_eq!((manifest.labels[0].region, manifest.labels[1].region), (Some(0.5), None));
        assert_eq!(manifest.input.chain, Chain::Window);
    }

    #[test]
    fn a_manifest_without_thresholds_is_refused_with_the_remedy() {
        let message = refusal("threshold = 0.4\n", "");
        assert!(message.contains("\"Pneumonia\"") && message.contains("`threshold`") && message.contains("add"));
    }

    #[test]
    fn an_unknown_chain_or_key_or_family_is_refused() {
        assert!(refusal("\"window\"", "\"histogram\"").contains("histogram"));
        assert!(refusal("bn_size", "bn_sise").contains("bn_sise"));
        assert!(refusal("\"densenet\"", "\"resnet\"").contains("resnet"));
    }

    #[test]
    fn values_out_of_range_name_their_key() {
        for (from, to, key) in [
            ("threshold = 0.4", "threshold = 1.4", "threshold"),
            ("region = 0.5", "region = 0.0", "region"),
            ("format = 1", "format = 2", "format"),
            ("temperature = 1.5", "temperature = 0.0", "calibration.temperature"),
            ("mean = [0.5]", "mean = [0.5, 0.5]", "input.mean"),
            ("std = [0.25]", "std = [0.0]", "input.std"),
            ("file = \"w", "file = \"../w", "weights.file"),
            ("size = 64", "size = 16", "input.size"),
            ("age_min = 18", "age_min = 140", "population"),
            ("growth_rate = 4", "growth_rate = 0", "architecture.growth_rate"),
            ("[calibration]", "[bf16]\nmax_logit_difference = 0.0\n\n[calibration]", "bf16.max_logit_difference"),
            ("name = \"Edema\"", "name = \"Pneumonia\"", "Pneumonia"),
        ] {
            let message = refusal(from, to);
            assert!(message.contains(key), "{key}: {message}");
        }
    }

    #[test]
    fn chains_ask_for_their_own_keys_and_channels() {
        let bare = |chain: &str| {
            let text = GOOD.replace("mean = [0.5]\nstd = [0.25]\n", "");
            text.replace("\"window\"", &format!("\"{chain}\""))
        };
        let refusal = |text: &str| Manifest::parse(text).unwrap_err().to_string();
        let xray = Manifest::parse(&bare("torchxrayvision")).unwrap();
        assert_eq!((xray.input.chain, xray.input.mean.len()), (Chain::Torchxrayvision, 0));
        let message = refusal(&GOOD.replace("\"window\"", "\"torchxrayvision\""));
        assert!(message.contains("input.mean, input.std") && message.contains("remove"), "{message}");
        let message = refusal(&bare("window"));
        assert!(message.contains("input.mean, input.std") && message.contains("each input channel"), "{message}");
        let message = refusal(&bare("imagenet"));
        assert!(message.contains("architecture.in_channels") && message.contains("makes 3"), "{message}");
    }

    #[test]
    fn labels_without_name_or_threshold_are_not_reported_and_one_must_be() {
        let named = "name = \"Edema\"";
        let untrained = Manifest::parse(&GOOD.replace(named, "name = \"\"")).unwrap();
        assert_eq!(untrained.reported().map(|(n, l)| (n, l.name.as_str())).collect::<Vec<_>>(), [(0, "Pneumonia")]);
        let silent = Manifest::parse(&GOOD.replace("threshold = 0.4\n", "threshold = nan\n")).unwrap();
        assert_eq!(silent.reported().map(|(n, _)| n).collect::<Vec<_>>(), [1]);
        let text = GOOD.replace("threshold = 0.4\n", "threshold = nan\n").replace(named, "name = \"\"");
        let message = Manifest::parse(&text).unwrap_err().to_string();
        assert!(message.contains("none is reported"), "{message}");
    }
}
