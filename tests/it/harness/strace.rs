//! Faults in system calls of a running node, by strace: a call fails, or the node dies in it.

use super::until;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// strace attached to a process; dropped, it lets go and the process runs on.
pub struct Strace {
    child: Child,
    log: PathBuf,
    _folder: TempDir,
}

impl Strace {
    /// Attaches to all threads of a process. `inject` as in strace(1), for example
    /// `fdatasync:error=EIO:when=1` (the count is kept for each thread); only calls that touch `path`.
    pub fn inject(pid: u32, inject: &str, path: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (log, said) = (folder.path().join("calls"), folder.path().join("said"));
        let calls = inject.split_once(':').map_or(inject, |(calls, _)| calls);
        let mut child = Command::new("strace")
            .args(["-f", "-p", &pid.to_string(), "-e", &format!("trace={calls}"), "-e", &format!("inject={inject}")])
            .arg("-P")
            .arg(path)
            .arg("-o")
            .arg(&log)
            .stdin(Stdio::null())
            .stderr(fs::File::create(&said).unwrap())
            .spawn()
            .unwrap_or_else(|e| {
                panic!("strace: {e}; install it: apt-get install -y strace (or run `make test` as root)")
            });
        until("strace is attached to every thread", || {
            if child.try_wait().unwrap().is_some() {
                panic!("strace ended: {}", fs::read_to_string(&said).unwrap());
            }
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            let traced = |task: &Path| {
                let status = fs::read_to_string(task.join("status")).unwrap_or_default();
                status.lines().any(|l| l == format!("TracerPid:\t{}", child.id()))
            };
            tasks.map(|t| t.unwrap().path()).all(|t| traced(&t)).then_some(())
        });
        Self { child, log, _folder: folder }
    }

    /// Lets go and tells the traced calls, one a line.
    pub fn detach(mut self) -> String {
        self.end();
        fs::read_to_string(&self.log).unwrap()
    }

    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // SIGINT makes strace detach; a SIGKILL would leave stopped threads behind.
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        self.end();
    }
}
