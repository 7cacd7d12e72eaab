//! Films: the small fixtures of the tree and large phantoms made now.

use centinela_domain::header;
use centinela_phantom::{Film as Picture, Spec, collection, film, write_dicom, write_dicom_with};
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

/// Copies of a small film under SOP and Study Instance UIDs of their own.
pub fn copies(folder: &Path, count: u32) -> Vec<Film> {
    let model = fixture("lateral_only");
    let bytes = fs::read(&model.path).unwrap();
    let name = |uid: &str, n: u32| format!("{}{n:06}", &uid[..uid.len() - 6]);
    let copy = |n| {
        let (study, sop) = (name(&model.study, n), name(&model.sop, n));
        let path = folder.join(format!("copy-{n}.dcm"));
        let bytes = replaced(&replaced(&bytes, &model.study, &study), &model.sop, &sop);
        fs::write(&path, bytes).unwrap();
        let film = Film { path, study, sop };
        assert_eq!(Film::of(&film.path).sop, film.sop);
        film
    };
    (800_000..800_000 + count).map(copy).collect()
}

/// With every occurrence of a text replaced by one of the same length.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<_> =
        bytes.windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes()).map(|(n, _)| n).collect();
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// Films without end: headers of their own around a few pictures, which take most of the time to make.
pub struct Reel {
    pictures: Vec<Picture>,
    long_side: u16,
}

/// After so many the kinds, sizes and diseases of a collection come again.
const PICTURES: usize = 12;

impl Reel {
    /// Makes the pictures.
    pub fn new(long_side: u16) -> Self {
        let pictures = collection(PICTURES as u32, long_side).map(|spec| film(&spec)).collect();
        Self { pictures, long_side }
    }

    /// One film for each of so many studies, of other patients.
    pub fn studies(&self, count: u32) -> impl Iterator<Item = (Spec, Vec<u8>)> {
        let specs = collection(count, self.long_side).enumerate();
        specs.map(move |(n, spec)| {
            let bytes = self.film(n, &spec);
            (spec, bytes)
        })
    }

    /// The file of a film; `spec` is the `n`th of the collection, or another film of its study.
    pub fn film(&self, n: usize, spec: &Spec) -> Vec<u8> {
        write_dicom_with(spec, &self.pictures[n % PICTURES])
    }
}
