//! Faults of the machine: a call that fails, a file system that may not be written, no file descriptors.
//! The sender is told, nothing half stays, and the node goes on without a restart.

use crate::harness::films::{Film, studies};
use crate::harness::halting::HaltingPush;
use crate::harness::kept::{assert_kept, blob_of, blobs, part, unfinished};
use crate::harness::modality::{must_push, push};
use crate::harness::node::{Home, Node};
use crate::harness::strace::Strace;
use crate::harness::tools::must;
use centinela_domain::status::DimseStatus;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn receiver() -> Home {
    Home::new(&[]).set("CENTINELA__ANALYZE__ENABLED", "false").set("CENTINELA__STORAGE__MIN_FREE", "0")
}

/// Nothing of a refused film stays; sent again it is kept, by the same process.
fn assert_recovers(home: &Home, node: Node<'_>, films: &[Film]) {
    assert_eq!(unfinished(home), Vec::<String>::new());
    for film in films {
        must_push(node.dicom, film);
    }
    node.stop();
    assert_kept(home, films);
}

#[test]
fn a_write_that_fails_refuses_the_film_and_leaves_nothing() {
    for error in ["EIO", "ENOSPC"] {
        // Early and late among the writes of one film.
        for sent in [700_000, 1_300_000] {
            let home = receiver();
            let films = studies(home.dir.path(), 1, 1000);
            let node = home.start();
            let mut push = HaltingPush::begin(node.dicom, &films[0], sent).unwrap();
            let path = part(&home);
            let strace = Strace::inject(node.pid(), &format!("write,pwrite64,writev,pwritev:error={error}"), &path);
            assert_eq!(push.finish().unwrap(), 0xA700, "{error} after {sent} bytes");
            assert!(strace.detach().contains("(INJECTED)"), "no write failed");
            assert_eq!(blobs(&home), Vec::<PathBuf>::new());
            assert_recovers(&home, node, &films);
        }
    }
}

#[test]
fn a_file_whose_sync_failed_once_is_never_trusted() {
    let home = receiver();
    let films = studies(home.dir.path(), 1, 1000);
    let node = home.start();
    let mut push = HaltingPush::begin(node.dicom, &films[0], 600_000).unwrap();
    let blob = home.data().join(blob_of(&films[0]));
    let strace = Strace::inject(node.pid(), "fdatasync,fsync:error=EIO:when=1", &blob);
    assert_eq!(push.finish().unwrap(), 0xA700);
    let calls = strace.detach();
    // A second fsync of the same file may succeed although the kernel has dropped its pages.
    assert_eq!(calls.lines().filter(|l| l.contains("sync(")).count(), 1, "synced again:\n{calls}");
    assert_eq!(blobs(&home), Vec::<PathBuf>::new(), "the bad file was taken over");
    assert_recovers(&home, node, &films);
}

#[test]
fn a_database_that_cannot_write_refuses_the_film() {
    for inject in ["fsync,fdatasync:error=EIO", "pwrite64,write:error=ENOSPC", "pwrite64,write:error=EROFS"] {
        let home = receiver();
        let films = studies(home.dir.path(), 2, 640);
        let node = home.start();
        must_push(node.dicom, &films[0]);
        let strace = Strace::inject(node.pid(), inject, &home.data().join("centinela.db-wal"));
        assert_eq!(push(node.dicom, &films[1]).unwrap(), DimseStatus::OUT_OF_RESOURCES, "{inject}");
        assert!(strace.detach().contains("(INJECTED)"), "{inject}: no call failed");
        assert_recovers(&home, node, &films);
    }
}

/// A folder that cannot be written, though the processes that use it were already running.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn over(folder: &Path) -> Self {
        let path = folder.to_str().unwrap();
        must("mount", &["--bind", path, path]);
        let guard = Self(folder.to_owned());
        must("mount", &["-o", "remount,bind,ro", path]);
        guard
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        must("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

#[test]
fn a_read_only_file_system_refuses_every_film_until_it_is_writable_again() {
    for folder in ["spool", "blobs"] {
        let home = receiver();
        let films = studies(home.dir.path(), 2, 640);
        let node = home.start();
        must_push(node.dicom, &films[0]);
        let kept = blobs(&home);
        let read_only = ReadOnly::over(&home.data().join(folder));
        for _ in 0..5 {
            assert_eq!(push(node.dicom, &films[1]).unwrap(), DimseStatus::OUT_OF_RESOURCES, "{folder} is read-only");
        }
        drop(read_only);
        assert_eq!(blobs(&home), kept);
        assert_recovers(&home, node, &films);
    }
}

#[test]
fn without_file_descriptors_the_node_refuses_waits_and_goes_on() {
    let home = receiver();
    let films = studies(home.dir.path(), 2, 640);
    let node = home.start();
    must_push(node.dicom, &films[0]);
    let open = HaltingPush::open(node.dicom, &films[1]).unwrap();
    let limit = |soft: &str| {
        must("prlimit", &["--pid", &node.pid().to_string(), &format!("--nofile={soft}:")]);
    };
    let before = fs::read_to_string(format!("/proc/{}/limits", node.pid())).unwrap();
    let before = before.lines().find(|l| l.starts_with("Max open files")).unwrap().split_whitespace().nth(3).unwrap();
    // All numbers below 3 are taken, so no new one can be had; the open ones stay.
    limit("3");
    let mut refused = HaltingPush::begin_on(open, &films[1], 0).unwrap();
    let answered = refused.finish();
    // Connections that cannot be accepted now wait in the queue of the kernel.
    let (lines, ticks, begin) = (home.logs().lines().count(), cpu(node.pid()), Instant::now());
    let late = {
        let (port, film) = (node.dicom, films[1].clone());
        std::thread::spawn(move || HaltingPush::open(port, &film))
    };
    std::thread::sleep(Duration::from_secs(4));
    let (lines, ticks) = (home.logs().lines().count() - lines, cpu(node.pid()) - ticks);
    let waits = !late.is_finished();
    limit(before);
    assert!(waits, "there was a descriptor after all");
    drop(refused);
    assert_eq!(answered.unwrap(), 0xA700, "no descriptor for the spool file");
    late.join().unwrap().expect("the waiting connection is served");
    println!("no descriptors for {} s: {lines} log lines, {ticks} ticks of CPU", begin.elapsed().as_secs());
    assert!(lines <= 20, "{lines} log lines in 4 s:\n{}", home.logs());
    assert!(ticks <= 100, "{ticks} ticks of CPU in 4 s: the node spins");
    assert_recovers(&home, node, &films);
}

/// CPU time of a process so far, in ticks of 10 ms.
fn cpu(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
