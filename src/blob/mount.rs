//! What the file system below a folder promises of names.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Whether an fsync of a file makes the name that it got by a rename durable, too. ext4 and XFS write
/// the file's changed ctime in the transaction that holds the rename; ext4 without a journal syncs the
/// folders of a new entry. Others, and what cannot be told, have their folders synced.
pub(super) fn names_go_with_files(folder: &Path) -> bool {
    let Ok(folder) = fs::metadata(folder) else { return false };
    let (major, minor) = (rustix::fs::major(folder.dev()), rustix::fs::minor(folder.dev()));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    matches!(kind(&mounts, &format!("{major}:{minor}")), Some("ext4" | "xfs"))
}

/// The type of the file system on a device (proc_pid_mountinfo(5): the third field is the device, the
/// type follows the hyphen).
fn kind<'m>(mounts: &'m str, device: &str) -> Option<&'m str> {
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(device))?;
    line.split_once(" - ")?.1.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn the_type_is_that_of_the_device() {
        let mounts = "6 27 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                      31 6 0:28 / /tmp/a\\040b rw shared:5 master:2 - tmpfs tmpfs rw,size=9k\n\
                      32 6 8:17 /part /data rw - xfs /dev/sdb1 rw\n";
        assert_eq!(kind(mounts, "254:0"), Some("ext4"));
        assert_eq!(kind(mounts, "0:28"), Some("tmpfs"));
        assert_eq!(kind(mounts, "8:17"), Some("xfs"));
        assert_eq!(kind(mounts, "8:1"), None);
        assert_eq!(kind("broken", "8:1"), None);
    }
}
