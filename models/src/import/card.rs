//! The card of an imported package: what is known, and plainly what is not.

use super::families::Known;
use crate::manifest::{Calibration, Manifest};
use std::fmt::Write as _;

/// Where the weights came from.
pub(super) struct Origin {
    /// File name.
    pub file: String,
    /// SHA-256 of that file.
    pub sha256: String,
    /// What kind of container.
    pub container: &'static str,
    /// Which network, as people call it.
    pub network: String,
    /// Its family.
    pub known: Option<Known>,
}

fn calibration(calibration: &Calibration) -> String {
    match calibration {
        Calibration::None => "none: probability = sigmoid(logit)".to_owned(),
        Calibration::Temperature { temperature } => format!("sigmoid(logit / {temperature})"),
        Calibration::OpNorm { .. } => {
            "`op_norm` of torchxrayvision: each label's operating point on sigmoid(logit) is moved to 0.5, so values of \
             different labels can be compared with 0.5, but they are no probabilities of disease"
                .to_owned()
        }
        Calibration::Platt { .. } => "sigmoid(a * logit + b) for each label".to_owned(),
        Calibration::Isotonic { .. } => "a monotone table for each label".to_owned(),
    }
}

/// The card.
pub(super) fn text(manifest: &Manifest, origin: &Origin, notes: &[String]) -> String {
    let mut card = format!("# {} {}\n\n", manifest.name, manifest.version);
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(
        card,
        "**Imported weights. Not validated by this import, not a medical device.** Nothing here says how well they read \
         films; test them on films of your own first.\n"
    );
    let (trained_on, source) = match &origin.known {
        Some(known) => (known.trained_on, known.source),
        None => ("not stated", "flags of the import"),
    };
    let _ = writeln!(card, "## What is known\n");
    let _ = writeln!(card, "- Network: {}, from the shapes of its tensors.", origin.network);
    let _ = writeln!(
        card,
        "- File: `{}`, {}, SHA-256 `{}`.",
        origin.file.replace('`', "'"),
        origin.container,
        origin.sha256
    );
    let _ =
        writeln!(card, "- Trained on: {trained_on}, if the file is what `--family` says; nothing in it proves that.");
    let _ = writeln!(card, "- Labels, calibration and preprocessing from: {source}.");
    let (input, ages) = (&manifest.input, manifest.population);
    let _ = writeln!(card, "- Input: chain `{}`, {} x {} pixels.", input.chain.name(), input.size, input.size);
    let _ = writeln!(card, "- Calibration: {}.", calibration(&manifest.calibration));
    let _ = writeln!(
        card,
        "- Ages {} to {}: a choice of this node, not a finding about the model.",
        ages.age_min, ages.age_max
    );
    let _ = writeln!(card, "\n| output | label | reported from | regions from |\n|---|---|---|---|");
    for (n, label) in manifest.labels.iter().enumerate() {
        let name = if label.name.is_empty() { "(not trained)" } else { &label.name };
        let point = if label.is_reported() { label.threshold().to_string() } else { "never".to_owned() };
        let region = label.region.map_or_else(|| "none".to_owned(), |level| format!("{level} of the map's maximum"));
        let _ = writeln!(card, "| {n} | {name} | {point} | {region} |");
    }
    if !notes.is_empty() {
        let _ = writeln!(card, "\n## Notes of the import\n");
        for note in notes {
            let _ = writeln!(card, "- {note}.");
        }
    }
    let _ = writeln!(
        card,
        "\n## What is not known\n\n\
         - Licence and terms of the weights: look where you got them, and write them here.\n\
         - Sensitivity, specificity and calibration on your films, your machines and your patients.\n\
         - Whether these weights read what the labels say. The golden outputs in `reference.json` were computed by this \
         program from these weights: they show later that nothing changed, not that anything is right."
    );
    card
}
