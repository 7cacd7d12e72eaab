//! Tensor names as torchvision spells them today, whatever wrapper or version wrote them.

use super::error::ImportError;
use super::state::Tensors;

/// Names of wrappers before the network's own: DataParallel, CheXNet's class, Lightning, and what people choose.
const WRAPPERS: [&str; 8] =
    ["module.", "densenet121.", "densenet169.", "densenet201.", "densenet.", "model.", "backbone.", "encoder."];
/// torchxrayvision's operating points, which a checkpoint holds only if they were set by hand.
pub(super) const OPERATING_POINTS: &str = "op_threshs";

/// The name of today.
fn plain(name: &str) -> String {
    let mut rest = name;
    while let Some(shorter) = WRAPPERS.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
        rest = shorter;
    }
    // A Linear in a Sequential with its Sigmoid.
    if let Some(parameter) = rest.strip_prefix("classifier.0.") {
        return format!("classifier.{parameter}");
    }
    // denselayer1.norm.1.weight: before torchvision 0.2.1 dots separated the number.
    let Some(layer) = rest.find(".denselayer") else { return rest.to_owned() };
    let (start, end) = rest.split_at(layer);
    let mut end = end.to_owned();
    for part in ["norm", "conv", "relu"] {
        for number in ["1", "2"] {
            end = end.replace(&format!(".{part}.{number}."), &format!(".{part}{number}."));
        }
    }
    format!("{start}{end}")
}

/// Renames all; two that come out alike are an error.
///
/// # Errors
/// [`ImportError::Tensor`].
pub(super) fn rename(tensors: Tensors) -> Result<Tensors, ImportError> {
    let mut renamed = Tensors::new();
    for (name, tensor) in tensors {
        let new = plain(&name);
        if renamed.insert(new.clone(), tensor).is_some() {
            let problem = format!("becomes {new}, and another one does too: save the state_dict of one network only");
            return Err(ImportError::tensor(name, problem));
        }
    }
    Ok(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_and_old_spellings_go() {
        for (old, new) in [
            ("features.conv0.weight", "features.conv0.weight"),
            (
                "module.densenet121.features.denseblock1.denselayer6.norm.1.running_mean",
                "features.denseblock1.denselayer6.norm1.running_mean",
            ),
            (
                "module.densenet121.features.denseblock4.denselayer16.conv.2.weight",
                "features.denseblock4.denselayer16.conv2.weight",
            ),
            ("densenet121.classifier.0.bias", "classifier.bias"),
            ("model.module.classifier.weight", "classifier.weight"),
            ("features.transition1.norm.weight", "features.transition1.norm.weight"),
            ("features.transition1.conv.weight", "features.transition1.conv.weight"),
            ("op_threshs", "op_threshs"),
        ] {
            assert_eq!(plain(old), new);
        }
    }
}
