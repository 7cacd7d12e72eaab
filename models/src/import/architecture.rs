//! Which DenseNet it is, from the shapes of its tensors; and that they can be weights at all.

use super::error::ImportError;
use super::state::Tensors;
use crate::manifest::{Architecture, Family};

const FIRST: &str = "features.conv0.weight";
const HEAD: &str = "classifier.weight";
/// Higher numbers than any DenseNet has, so that a name cannot make us count far.
const MOST_BLOCKS: usize = 6;
const MOST_LAYERS: usize = 128;

fn shape<'t>(tensors: &'t Tensors, name: &str, dimensions: usize) -> Result<&'t [usize], ImportError> {
    let missing = || {
        let held: Vec<_> = tensors.keys().take(3).map(String::as_str).collect();
        let (count, held) = (tensors.len(), held.join(", "));
        let problem = format!(
            "missing from the weights. The file has {count} tensors ({held}, ...); a DenseNet with torchvision's names is \
             wanted: save the state_dict of the whole classifier, or another network has to be asked for"
        );
        ImportError::tensor(name, problem)
    };
    let tensor = tensors.get(name).ok_or_else(missing)?;
    if tensor.shape.len() != dimensions || tensor.shape.contains(&0) {
        let problem = format!("has shape {:?}, {dimensions} dimensions are wanted: this is no DenseNet", tensor.shape);
        return Err(ImportError::tensor(name, problem));
    }
    Ok(&tensor.shape)
}

/// The architecture and the number of outputs. Whether every tensor is there and fits is found by building it.
///
/// # Errors
/// [`ImportError::Tensor`].
pub(super) fn detect(tensors: &Tensors) -> Result<(Architecture, usize), ImportError> {
    let first = shape(tensors, FIRST, 4)?;
    let (init_features, in_channels) = (first[0], first[1]);
    let mut block_config = Vec::new();
    for name in tensors.keys() {
        let Some((block, layer)) = place(name) else { continue };
        if !(1..=MOST_BLOCKS).contains(&block) || !(1..=MOST_LAYERS).contains(&layer) {
            return Err(ImportError::tensor(name, "no DenseNet has a layer of that number"));
        }
        if block_config.len() < block {
            block_config.resize(block, 0);
        }
        block_config[block - 1] = block_config[block - 1].max(layer);
    }
    let bottleneck = shape(tensors, "features.denseblock1.denselayer1.conv1.weight", 4)?[0];
    let growth_rate = shape(tensors, "features.denseblock1.denselayer1.conv2.weight", 4)?[0];
    let classes = shape(tensors, HEAD, 2)?[0];
    let architecture = Architecture {
        family: Family::Densenet,
        growth_rate,
        block_config,
        init_features,
        bn_size: (bottleneck / growth_rate).max(1),
        in_channels,
    };
    Ok((architecture, classes))
}

/// Numbers of block and layer in a tensor's name.
fn place(name: &str) -> Option<(usize, usize)> {
    let (block, rest) = name.strip_prefix("features.denseblock")?.split_once(".denselayer")?;
    Some((block.parse().ok()?, rest.split_once('.')?.0.parse().ok()?))
}

/// What people call it.
pub(super) fn title(net: &Architecture) -> String {
    let usual = net.growth_rate == 32 && net.init_features == 64 && net.bn_size == 4;
    match net.block_config.as_slice() {
        [6, 12, 24, 16] if usual => "DenseNet-121".to_owned(),
        [6, 12, 32, 32] if usual => "DenseNet-169".to_owned(),
        [6, 12, 48, 32] if usual => "DenseNet-201".to_owned(),
        blocks => format!("DenseNet-BC (growth {}, blocks {blocks:?})", net.growth_rate),
    }
}

/// Refuses weights that no training leaves behind.
///
/// # Errors
/// [`ImportError::Tensor`].
pub(super) fn plausible(tensors: &Tensors) -> Result<(), ImportError> {
    for (name, tensor) in tensors {
        if !tensor.is_finite() {
            let problem =
                "has a value that is not finite (NaN or infinite): take a checkpoint from before training went wrong";
            return Err(ImportError::tensor(name, problem));
        }
        // Offsets, means and scales may be zero, whole convolutions and heads are not.
        let filter = tensor.shape.len() > 1;
        if filter && tensor.is_zero() {
            let problem = "is all zeros, so the file was never filled or is damaged: copy it again";
            return Err(ImportError::tensor(name, problem));
        }
    }
    Ok(())
}
