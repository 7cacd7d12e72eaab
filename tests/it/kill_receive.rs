//! kill -9 while films arrive: in the system calls between the first byte and the answer, and at random
//! moments under load. What was answered 0000 is there once, byte for byte; nothing unfinished survives
//! the next start.

use crate::harness::disk::SmallDisk;
use crate::harness::films::{Film, copies, studies};
use crate::harness::halting::HaltingPush;
use crate::harness::kept::{assert_kept, assert_no_orphans, blob_of, blobs, part, unfinished};
use crate::harness::modality::{must_push, push, push_all};
use crate::harness::node::Home;
use crate::harness::strace::Strace;
use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const ASSOCIATIONS: usize = 4;

/// A node that only receives.
fn receiver() -> Home {
    Home::new(&[]).set("CENTINELA__ANALYZE__ENABLED", "false").set("CENTINELA__STORAGE__MIN_FREE", "0")
}

/// Where in the way of a film to its row the node dies.
enum Place {
    Spool,
    /// The film's blob.
    Blob,
    /// The folder of the blob, on a file system whose folders are synced.
    Folder,
    Journal,
}

#[test]
fn killed_in_every_kind_of_system_call_before_the_answer() {
    let places = [
        ("write,pwrite64,writev,pwritev", Place::Spool),
        ("fdatasync,fsync", Place::Blob),
        ("/^rename", Place::Spool),
        ("fsync,fdatasync", Place::Folder),
        ("pwrite64,write", Place::Journal),
        ("fsync,fdatasync", Place::Journal),
    ];
    for (calls, place) in places {
        let home = receiver();
        let film = &studies(home.dir.path(), 1, 1000)[0];
        // ext4 and XFS write the name with the file; elsewhere the folder is synced.
        let _disk = matches!(place, Place::Folder).then(|| SmallDisk::mount(&home.data(), 64 << 20));
        let node = home.start();
        let mut push = HaltingPush::begin(node.dicom, film, 900_000).unwrap();
        let spooled = part(&home);
        let path: PathBuf = match place {
            Place::Spool => spooled,
            Place::Blob => home.data().join(blob_of(film)),
            Place::Folder => home.data().join(blob_of(film)).parent().unwrap().to_owned(),
            Place::Journal => home.data().join("centinela.db-wal"),
        };
        if matches!(place, Place::Folder) {
            fs::create_dir_all(&path).unwrap();
        }
        let strace = Strace::inject(node.pid(), &format!("{calls}:signal=KILL"), &path);
        let answer = push.finish();
        assert!(answer.is_err(), "{calls}: killed before the answer, and answered {answer:?}");
        let status = node.wait();
        assert_eq!(status.signal(), Some(9), "{calls} did not kill: {status}");
        drop(strace);
        let node = home.start();
        assert_eq!(unfinished(&home), Vec::<String>::new(), "{calls}: left by the start");
        must_push(node.dicom, film);
        node.stop();
        assert_kept(&home, [film]);
        println!("killed in {calls} of {}: not answered, sent again, kept once", path.display());
    }
}

#[test]
fn killed_between_two_fragments() {
    let home = receiver();
    let film = &studies(home.dir.path(), 1, 1000)[0];
    let node = home.start();
    let mut push = HaltingPush::begin(node.dicom, film, 900_000).unwrap();
    part(&home);
    node.kill();
    assert!(push.finish().is_err());
    assert_eq!(unfinished(&home).len(), 1, "there was something to sweep");
    let node = home.start();
    assert_eq!(unfinished(&home), Vec::<String>::new());
    must_push(node.dicom, film);
    node.stop();
    assert_kept(&home, [film]);
}

#[test]
fn a_film_without_a_row_is_set_aside_by_the_next_start() {
    let home = receiver();
    let films = studies(home.dir.path(), 2, 640);
    let node = home.start();
    must_push(node.dicom, &films[0]);
    node.stop();
    let node = home.start_with(&[("CENTINELA_FAILPOINT", "ingest.blob_durable")]);
    assert!(push(node.dicom, &films[1]).is_err());
    node.wait();
    assert_eq!(blobs(&home).len(), 2, "a file without a row is there");
    let node = home.start();
    assert_eq!(blobs(&home).len(), 1);
    assert_eq!(fs::read_dir(home.data().join("unclaimed")).unwrap().count(), 1);
    must_push(node.dicom, &films[1]);
    node.stop();
    // Files that look younger than their rows, as after a film that came a second time.
    for file in blobs(&home) {
        let later = fs::metadata(&file).unwrap().modified().unwrap() + Duration::from_secs(3600);
        for path in [file.as_path(), file.parent().unwrap()] {
            fs::File::open(path).unwrap().set_modified(later).unwrap();
        }
    }
    home.start().stop();
    assert_kept(&home, &films);
}

#[test]
fn killed_at_100_random_moments_under_load() {
    let begin = Instant::now();
    let home = receiver();
    let films = copies(home.dir.path(), 2500);
    let stored = AtomicUsize::new(0);
    let waiting: Mutex<VecDeque<&Film>> = Mutex::new(films.iter().collect());
    let answered: Mutex<BTreeSet<&str>> = Mutex::default();
    let mut in_flight = 0;
    for round in 0..100 {
        let node = home.start();
        assert_eq!(unfinished(&home), Vec::<String>::new(), "left by the start of round {round}");
        let port = node.dicom;
        stored.store(0, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for _ in 0..ASSOCIATIONS {
                scope.spawn(|| {
                    // Once all are in, some come a second time.
                    let again = || &films[rand::random::<u32>() as usize % films.len()];
                    let next = || Some(waiting.lock().unwrap().pop_front().unwrap_or_else(again));
                    push_all(port, next, |film, success| {
                        if success {
                            stored.fetch_add(1, Ordering::SeqCst);
                            answered.lock().unwrap().insert(film.sop.as_str());
                        } else {
                            waiting.lock().unwrap().push_back(film);
                        }
                    });
                });
            }
            std::thread::sleep(Duration::from_millis(rand::random::<u64>() % 200));
            node.kill();
        });
        in_flight += usize::from(stored.load(Ordering::SeqCst) > 0);
    }
    let answered = answered.into_inner().unwrap();
    assert!(in_flight >= 50, "only {in_flight} of 100 kills came after something was stored: no load");
    let node = home.start();
    assert_eq!(unfinished(&home), Vec::<String>::new());
    node.stop();
    assert_kept(&home, films.iter().filter(|f| answered.contains(f.sop.as_str())));
    assert_no_orphans(&home);
    println!(
        "100 kills under {ASSOCIATIONS} associations, {in_flight} of them after films were stored: {} films answered \
         0000, all kept once and whole; {} s",
        answered.len(),
        begin.elapsed().as_secs()
    );
}
