//! The manifest of a model package: what the network is, what it wants, when it says yes.

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
    /// The outputs, in the order of the classifier's rows.
    #[serde(rename = "label")]
    pub labels: Vec<Label>,
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
    /// Mean of each channel, on grey values from 0 to 1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

/// Ways from a film to the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chain {
    /// As displayed by its window, padded to a square, resized by the triangle filter.
    Window,
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

/// From logit to calibrated probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Calibration {
    /// `sigmoid(logit)`.
    None,
    /// `sigmoid(logit / temperature)`.
    Temperature {
        /// Divisor of the logit, above 0.
        temperature: f64,
    },
}

impl Calibration {
    /// The calibrated probability of a logit.
    #[must_use]
    pub fn probability(self, logit: f32) -> f32 {
        let scaled = match self {
            Self::None => f64::from(logit),
            Self::Temperature { temperature } => f64::from(logit) / temperature,
        };
        (1.0 / (1.0 + (-scaled).exp())) as f32
    }
}

/// One output of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// A name of the findings table.
    pub name: String,
    /// Operating point on the calibrated probability. Checked to be there, for the sake of the
    /// message; read it with [`Label::threshold`].
    threshold: Option<f32>,
    /// Contour level as a fraction of the map's maximum; none = no regions for this label.
    pub region: Option<f32>,
}

impl Label {
    /// Operating point on the calibrated probability, 0 to 1.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        // Never reached without one (see `Manifest::parse`); above 1 nothing would be present.
        self.threshold.unwrap_or(f32::INFINITY)
    }
}

impl Manifest {
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
        let channels = [self.input.mean.len(), self.input.std.len()];
        rule(channels == [net.in_channels; 2], "input.mean, input.std", "need one value for each input channel")?;
        let finite = self.input.mean.iter().all(|v| v.is_finite());
        rule(finite && self.input.std.iter().all(|v| *v > 0.0 && v.is_finite()), "input.std", "must be above 0")?;
        let ages = self.population;
        rule(ages.age_min <= ages.age_max && ages.age_max <= 150, "population", "age_min to age_max is no range")?;
        let inside = !self.weights.file.is_empty() && !self.weights.file.contains(['/', '\\', '\0']);
        rule(inside && self.weights.file != "..", "weights.file", "must be the name of a file in the package folder")?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let digest = self.weights.sha256.len() == 64 && self.weights.sha256.chars().all(hex);
        rule(digest, "weights.sha256", "must be 64 lower-case hex digits")?;
        if let Calibration::Temperature { temperature } = self.calibration {
            rule(temperature > 0.0 && temperature.is_finite(), "calibration.temperature", "must be above 0")?;
        }
        self.check_labels()
    }

    fn check_labels(&self) -> Result<(), ManifestError> {
        let fail = |key: String, problem: &str| Err(ManifestError::Value { key, problem: problem.to_owned() });
        if self.labels.is_empty() {
            return fail("label".to_owned(), "at least one [[label]] is needed");
        }
        let mut seen = BTreeSet::new();
        for label in &self.labels {
            let key = |name: &str| format!("label {:?}: {name}", label.name);
            let Some(threshold) = label.threshold else {
                return Err(ManifestError::NoThreshold(label.name.clone()));
            };
            if !(threshold > 0.0 && threshold < 1.0) {
                return fail(key("threshold"), "must be between 0 and 1");
            }
            if label.region.is_some_and(|level| !(level > 0.0 && level < 1.0)) {
                return fail(key("region"), "must be between 0 and 1, or left out");
            }
            if label.name.is_empty() || !seen.insert(&label.name) {
                return fail(key("name"), "must be there once");
            }
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
            ("name = \"Edema\"", "name = \"Pneumonia\"", "Pneumonia"),
        ] {
            let message = refusal(from, to);
            assert!(message.contains(key), "{key}: {message}");
        }
    }

    #[test]
    fn temperature_softens() {
        let soft = Calibration::Temperature { temperature: 2.0 };
        assert!((Calibration::None.probability(2.0) - 0.880_797).abs() < 1e-6);
        assert!((soft.probability(2.0) - 0.731_059).abs() < 1e-6);
    }
}
