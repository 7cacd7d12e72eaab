//! The classes and functions that a pickle of weights may name, and what each means here. Nothing is ever imported or
//! called: a name is looked up in this list and stands for one of a few fixed meanings, or the file is refused.

/// Element type of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    /// Integers and truth values of so many bytes: counters, never weights.
    Other(usize),
}

impl Element {
    /// Bytes of one.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Other(bytes) => bytes,
        }
    }
}

/// What a name on the list means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `set`.
    Set,
    /// `torch.Size`.
    Size,
    /// A view of a storage.
    RebuildTensor,
    /// A tensor with the mark of a parameter.
    RebuildParameter,
    /// Type of a storage.
    Storage(Element),
    /// A network module: its attributes are kept, its code is not known.
    Module {
        /// Batch norm, whose `eps` matters.
        norm: bool,
    },
    /// Something beside weights: whatever it makes is dropped.
    Inert,
}

/// Module paths of classes that are layers of a DenseNet.
const LAYERS: [(&str, &[&str]); 12] = [
    ("torchxrayvision.models", &["DenseNet", "_DenseBlock", "_DenseLayer", "_Transition"]),
    ("torchvision.models.densenet", &["DenseNet", "_DenseBlock", "_DenseLayer", "_Transition"]),
    ("torch.nn.modules.conv", &["Conv2d"]),
    ("torch.nn.modules.batchnorm", &["BatchNorm2d"]),
    ("torch.nn.modules.activation", &["ReLU", "Sigmoid"]),
    ("torch.nn.modules.pooling", &["AdaptiveAvgPool2d", "AvgPool2d", "MaxPool2d"]),
    ("torch.nn.modules.linear", &["Identity", "Linear"]),
    ("torch.nn.modules.dropout", &["Dropout"]),
    ("torch.nn.modules.flatten", &["Flatten"]),
    ("torch.nn.modules.container", &["ModuleDict", "ModuleList", "Sequential"]),
    ("torch.nn.parallel.data_parallel", &["DataParallel"]),
    ("torch.nn.parallel.distributed", &["DistributedDataParallel"]),
];

/// Names that training leaves beside the weights (scores, flags, devices, the back end of old modules).
const INERT: [(&str, &str); 13] = [
    ("_codecs", "encode"),
    ("argparse", "Namespace"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("torch", "device"),
    ("torch", "float16"),
    ("torch", "float32"),
    ("torch", "int64"),
    ("torch.nn.backends.thnn", "_get_thnn_function_backend"),
];

fn storage(name: &str) -> Option<Element> {
    Some(match name {
        "DoubleStorage" => Element::F64,
        "FloatStorage" => Element::F32,
        "HalfStorage" => Element::F16,
        "BFloat16Storage" => Element::Bf16,
        "LongStorage" => Element::Other(8),
        "IntStorage" => Element::Other(4),
        "ShortStorage" => Element::Other(2),
        "CharStorage" | "ByteStorage" | "BoolStorage" => Element::Other(1),
        _ => return None,
    })
}

impl Class {
    /// Looks a name up.
    pub fn find(module: &str, name: &str) -> Option<Self> {
        if LAYERS.iter().any(|(path, names)| *path == module && names.contains(&name)) {
            return Some(Self::Module { norm: name == "BatchNorm2d" });
        }
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("__builtin__" | "builtins", "set" | "frozenset") => Self::Set,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::RebuildParameter,
            // Files that were saved on a GPU by old versions name its storages.
            ("torch" | "torch.cuda", name) if storage(name).is_some() => Self::Storage(storage(name)?),
            (module, name) if INERT.contains(&(module, name)) => Self::Inert,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_on_the_list_mean_something() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("torch", "load"),
            ("torch.storage", "_load_from_bytes"),
            ("torch.nn.modules.conv", "Conv2d.__init__"),
            ("subprocess", "Popen"),
            ("", ""),
        ] {
            assert_eq!(Class::find(module, name), None, "{module}.{name}");
        }
        assert_eq!(Class::find("torch", "HalfStorage"), Some(Class::Storage(Element::F16)));
        assert_eq!(Class::find("torch.nn.modules.batchnorm", "BatchNorm2d"), Some(Class::Module { norm: true }));
    }
}
