//! A folder as a destination: one file for each result, whole or not there at all.
//!
//! The folder itself must be there: one that is missing is a share that is not mounted, and files
//! written below its mount point would be lost to everybody.

use centinela_domain::uid::Uid;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is there, synced, and was read back equal.
    Yes,
    /// Another file has its name; it stays as it is.
    Other,
    /// It could not be written now.
    Later(String),
}

/// Writes `FOLDER/study/instance.dcm`. Both are UIDs: digits and dots, so no path can hide in them.
#[must_use]
pub fn keep(folder: &Path, study: &str, instance: &str, part10: &[u8]) -> Kept {
    match write(folder, study, instance, part10) {
        Ok(kept) => kept,
        Err(error) => Kept::Later(match error.kind() {
            ErrorKind::NotFound => "the folder is not there: is its share mounted?".to_owned(),
            ErrorKind::PermissionDenied => "we may not write into the folder".to_owned(),
            ErrorKind::StorageFull => "the disk of the folder is full".to_owned(),
            ErrorKind::ReadOnlyFilesystem => "the folder can only be read".to_owned(),
            _ => format!("the folder cannot be written: {error}"),
        }),
    }
}

fn write(folder: &Path, study: &str, instance: &str, part10: &[u8]) -> std::io::Result<Kept> {
    // Not even the padding that a data set may have.
    let is_uid = |text: &str| Uid::parse(text).is_ok_and(|uid| uid.as_str() == text);
    if !is_uid(study) || !is_uid(instance) {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "a name that is no UID"));
    }
    let inside = folder.join(study);
    match fs::create_dir(&inside) {
        Ok(()) => File::open(folder)?.sync_all()?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Whoever may write into the share could lead us elsewhere by a link.
            if !fs::symlink_metadata(&inside)?.is_dir() {
                return Ok(Kept::Other);
            }
        }
        Err(error) => return Err(error),
    }
    let place = inside.join(format!("{instance}.dcm"));
    match fs::symlink_metadata(&place) {
        // A link or a pipe is none of ours, and a pipe would be waited for.
        Ok(there) if !there.is_file() => return Ok(Kept::Other),
        Ok(_) => return Ok(if fs::read(&place)? == part10 { Kept::Yes } else { Kept::Other }),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Hidden, so that nobody takes it for whole; the same name again after an interruption.
    let unfinished = inside.join(format!(".{instance}.part"));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // A new file: never what somebody laid there.
    let mut file = OpenOptions::new().write(true).create_new(true).open(&unfinished)?;
    let written = file.write_all(part10).and_then(|()| file.sync_all()).and_then(|()| fs::read(&unfinished));
    match written {
        Ok(read) if read == part10 => {}
        otherwise => {
            let _ = fs::remove_file(&unfinished);
            otherwise?;
            return Ok(Kept::Later("what was written reads back otherwise".to_owned()));
        }
    }
    fs::rename(&unfinished, &place)?;
    match File::open(&inside).and_then(|inside| inside.sync_all()) {
        // Whoever waits for files there may have taken it, and its folder, already.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Kept::Yes),
        other => other.map(|()| Kept::Yes),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let keep = |bytes: &[u8]| keep(folder.path(), "1.2", "1.2.3", bytes);
        assert_eq!(keep(b"one"), Kept::Yes);
        assert_eq!(keep(b"one"), Kept::Yes, "a repetition finds its own");
        assert_eq!(keep(b"two"), Kept::Other);
        assert_eq!(fs::read(folder.path().join("1.2/1.2.3.dcm")).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path().join("1.2")).unwrap().count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn an_interrupted_file_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("1.2")).unwrap();
        fs::write(folder.path().join("1.2/.1.2.3.part"), b"half of somethi").unwrap();
        assert_eq!(keep(folder.path(), "1.2", "1.2.3", b"whole"), Kept::Yes);
        assert_eq!(fs::read(folder.path().join("1.2/1.2.3.dcm")).unwrap(), b"whole");
    }

    #[test]
    fn a_missing_folder_is_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("share");
        assert!(matches!(keep(&missing, "1.2", "1.2.3", b"x"), Kept::Later(why) if why.contains("mounted")));
        assert!(!missing.exists());
    }

    #[test]
    fn a_name_that_is_no_uid_goes_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        for (study, instance) in
            [("..", "1"), ("1.2", "../../x"), ("1.2", ""), ("/etc", "1"), ("1.2", "1..2"), ("1\0", "1")]
        {
            assert!(matches!(keep(folder.path(), study, instance, b"x"), Kept::Later(_)), "{study} {instance}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
