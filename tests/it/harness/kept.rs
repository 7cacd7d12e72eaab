//! What a node has kept, judged from outside: its database file and its blobs.

use super::films::Film;
use super::modality::must_push;
use super::node::Home;
use super::tools::{must, python, script};
use super::until;
use centinela_scp::part10_parts;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The data set of a Part 10 file: the bytes that were sent.
pub fn data_set(part10: &[u8]) -> &[u8] {
    let (.., offset) = part10_parts(part10).unwrap();
    &part10[offset..]
}

/// SOP Instance UID and blob key of every instance row.
fn rows(home: &Home) -> Vec<(String, String)> {
    let database = home.data().join("centinela.db");
    let rows = must(&python(), &[script("rows.py").to_str().unwrap(), database.to_str().unwrap()]);
    serde_json::from_str(&rows).unwrap()
}

/// Fails unless every film has exactly one row and its blob holds the data set that was sent.
pub fn assert_kept<'f>(home: &Home, films: impl IntoIterator<Item = &'f Film>) {
    let rows = rows(home);
    let mut blobs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (sop, blob) in &rows {
        blobs.entry(sop).or_default().push(blob);
    }
    for film in films {
        let [blob] = blobs.get(film.sop.as_str()).map(Vec::as_slice).unwrap_or_default() else {
            panic!("{} was answered 0000 and has not one row: {:?}", film.sop, blobs.get(film.sop.as_str()));
        };
        let stored = fs::read(home.data().join("blobs").join(blob)).unwrap_or_else(|e| panic!("{blob}: {e}"));
        let sent = fs::read(&film.path).unwrap();
        assert!(data_set(&stored) == data_set(&sent), "{} was kept with other bytes", film.sop);
    }
}

/// Names of unfinished files.
pub fn unfinished(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.data().join("spool")).unwrap();
    entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// The files of received instances.
pub fn blobs(home: &Home) -> Vec<PathBuf> {
    let folders = fs::read_dir(home.data().join("blobs/instances")).into_iter().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// The path below the data directory that the blob of a film has when it comes now, as another node
/// tells that takes it.
pub fn blob_of(film: &Film) -> PathBuf {
    let home = Home::new(&[]).set("CENTINELA__ANALYZE__ENABLED", "false").set("CENTINELA__STORAGE__MIN_FREE", "0");
    let node = home.start();
    must_push(node.dicom, film);
    node.stop();
    blobs(&home)[0].strip_prefix(home.data()).unwrap().to_owned()
}

/// Fails if a file is kept that no row names.
pub fn assert_no_orphans(home: &Home) {
    let root = home.data().join("blobs");
    let named: BTreeSet<PathBuf> = rows(home).into_iter().map(|(_, blob)| root.join(blob)).collect();
    let orphans: Vec<_> = blobs(home).into_iter().filter(|file| !named.contains(file)).collect();
    assert_eq!(orphans, Vec::<PathBuf>::new(), "files without rows");
}

/// Waits for the one spool file of a push that is under way.
pub fn part(home: &Home) -> PathBuf {
    until("a spool file appears", || match unfinished(home).as_slice() {
        [only] => Some(home.data().join("spool").join(only)),
        _ => None,
    })
}

/// Everything below a folder.
pub fn files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

/// Waits until there are so many files below a folder: what is one too many goes after the answer.
pub async fn files_come_to(folder: &Path, count: usize) {
    for _ in 0..1_000 {
        if files(folder) == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} files instead of {count}", files(folder));
}
