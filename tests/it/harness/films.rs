//! Films: the small fixtures of the tree and large phantoms made now.

use centinela_domain::header;
use centinela_phantom::{Spec, collection, write_dicom};
use std::fs;
use std::path::{Path, PathBuf};

/// A film as a file.
#[derive(Debug, Clone)]
pub struct Film {
    pub path: PathBuf,
    pub study: String,
    pub sop: String,
}

impl Film {
    /// Reads the identifiers of a file.
    pub fn of(path: &Path) -> Self {
        let (source, _) = header::read_damaged(&fs::read(path).unwrap()).unwrap();
        let header = source.header;
        Self { path: path.to_owned(), study: header.study.to_string(), sop: header.sop_instance.to_string() }
    }
}

/// A fixture of `tests/dicom-fixtures`, by name without ending.
pub fn fixture(name: &str) -> Film {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/dicom-fixtures/{name}.dcm"));
    assert!(path.exists(), "{} is missing; `cargo xtask fixtures` makes it", path.display());
    Film::of(&path)
}

/// Writes a film made from a specification.
pub fn write(folder: &Path, spec: &Spec) -> Film {
    let path = folder.join(format!("{}.dcm", spec.key));
    fs::write(&path, write_dicom(spec)).unwrap();
    Film::of(&path)
}

/// `count` studies of one film each, its long side in pixels.
pub fn studies(folder: &Path, count: u32, long_side: u16) -> Vec<Film> {
    collection(count, long_side).map(|spec| write(folder, &spec)).collect()
}
