//! Which file a row means: its path below the folder, or, as in NIH's numbered folders, the only
//! file of that name.

use anyhow::{Context as _, Result, bail};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// The files below a folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    by_name: HashMap<String, Vec<PathBuf>>,
    count: usize,
}

/// Why a row has no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFile {
    /// There is none.
    Missing,
    /// There are several of that name.
    Several,
}

impl Folder {
    /// Looks at all files below the folder.
    ///
    /// # Errors
    /// If it cannot be read, or is no folder.
    pub fn open(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            bail!("{}: no such folder", root.display());
        }
        let mut folder = Self { root: root.to_owned(), by_name: HashMap::new(), count: 0 };
        let mut open = vec![root.to_owned()];
        while let Some(next) = open.pop() {
            let entries = std::fs::read_dir(&next).with_context(|| format!("read folder {}", next.display()))?;
            for entry in entries {
                let entry = entry.with_context(|| format!("read folder {}", next.display()))?;
                let path = entry.path();
                // Links below a folder may lead round in a circle.
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                } else if path.is_file() {
                    folder.count += 1;
                    folder.by_name.entry(entry.file_name().to_string_lossy().into_owned()).or_default().push(path);
                }
            }
        }
        Ok(folder)
    }

    /// Files in all.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The file that a table names.
    ///
    /// # Errors
    /// [`NoFile`].
    pub fn find(&self, named: &str) -> Result<PathBuf, NoFile> {
        let path = Path::new(named);
        // Never out of the folder.
        if path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            let below = self.root.join(path);
            if !named.is_empty() && below.is_file() {
                return Ok(below);
            }
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        match self.by_name.get(&name).map(Vec::as_slice) {
            None | Some([]) => Err(NoFile::Missing),
            Some([only]) => Ok(only.clone()),
            Some(_) => Err(NoFile::Several),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn by_path_then_by_name_and_never_outside() {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path().join("films");
        for path in
            ["films/images_001/a.png", "films/images_002/b.png", "films/images_001/b.png", "films/c.png", "z.png"]
        {
            let path = keep.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let folder = Folder::open(&root).unwrap();
        assert_eq!(folder.count(), 4);
        assert_eq!(folder.find("a.png"), Ok(root.join("images_001/a.png")));
        assert_eq!(folder.find("images_002/b.png"), Ok(root.join("images_002/b.png")));
        assert_eq!(folder.find("elsewhere/c.png"), Ok(root.join("c.png")));
        assert_eq!(folder.find("b.png"), Err(NoFile::Several));
        for none in ["d.png", "", "..", "../z.png", "/etc/passwd", "z.png"] {
            assert_eq!(folder.find(none), Err(NoFile::Missing), "{none}");
        }
        assert!(Folder::open(&root.join("nowhere")).unwrap_err().to_string().contains("nowhere"));
    }
}
