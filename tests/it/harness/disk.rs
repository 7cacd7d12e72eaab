//! A small file system of its own, which really fills up, and whose folders have to be synced.

use super::tools::run;
use std::fs;
use std::path::{Path, PathBuf};

/// Unmounted when dropped.
pub struct SmallDisk(pub PathBuf);

impl SmallDisk {
    pub fn mount(folder: &Path, bytes: u64) -> Self {
        fs::create_dir_all(folder).unwrap();
        let size = format!("size={bytes}");
        let done = run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", folder.to_str().unwrap()]);
        assert!(done.status.success(), "mounting a tmpfs needs root: run `make test` as root or with sudo");
        Self(folder.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}
