//! Why weights are not imported. Each message names the file's part, the class, the tensor or the flag, and what to do.

use crate::package::PackageError;
use std::path::PathBuf;

/// Weights that do not become a package.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The container is damaged, too large, or of a kind that is not read here.
    #[error("{0}")]
    Container(String),
    /// The pickle inside a torch file is damaged or too large.
    #[error(
        "byte {offset} of the pickle: {problem}; nothing of it was executed; save the weights again with torch.save"
    )]
    Pickle {
        /// Where in the pickle.
        offset: usize,
        /// What is wrong.
        problem: String,
    },
    /// The pickle wants a class or function that is not on the list.
    #[error(
        "the pickle names {class:?}, which is not among the classes that weights need; nothing of it was executed. If you \
         trust the file, load it with torch and save only `model.state_dict()`, best as safetensors"
    )]
    Class {
        /// Module and name.
        class: String,
    },
    /// A tensor is missing, superfluous or not as it should be.
    #[error("tensor {tensor}: {problem}")]
    Tensor {
        /// Its name, as the file spells it or as the network wants it.
        tensor: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A flag is missing or contradicts the weights.
    #[error("{flag}: {problem}")]
    Flag {
        /// The flag.
        flag: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The package that came out is refused.
    #[error(transparent)]
    Package(#[from] PackageError),
}

impl ImportError {
    pub(super) fn tensor(tensor: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Tensor { tensor: tensor.into(), problem: problem.into() }
    }

    pub(super) fn flag(flag: &'static str, problem: impl Into<String>) -> Self {
        Self::Flag { flag, problem: problem.into() }
    }

    pub(super) fn container(problem: impl Into<String>) -> Self {
        Self::Container(problem.into())
    }
}
