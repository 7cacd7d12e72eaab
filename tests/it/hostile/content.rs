//! What is received: names that are paths, sizes that lie, bombs, nesting, preambles. One test for
//! each class of faults that DICOM receivers were found to have.

use super::peer::{element, header};
use super::{Scene, home};
use crate::harness::node::Home;
use crate::harness::until;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

fn words(number: u16, value: u16) -> Vec<u8> {
    element(0x0028, number, "US", 2, &value.to_le_bytes())
}

/// An Image Pixel module of 16-bit grey samples.
fn pixels(rows: u16, columns: u16, length: u32) -> Vec<u8> {
    [
        words(0x0002, 1),
        element(0x0028, 0x0004, "CS", 12, b"MONOCHROME2 "),
        words(0x0010, rows),
        words(0x0011, columns),
        words(0x0100, 16),
        words(0x0101, 12),
        words(0x0102, 11),
        words(0x0103, 0),
        element(0x7FE0, 0x0010, "OW", length, b""),
    ]
    .concat()
}

/// CVE-2022-2119, CVE-2026-50003, CVE-2026-56445: a UID that becomes a path.
#[test]
fn path_traversal_in_uids() {
    let home = home();
    let scene = Scene::start(&home);
    let long = "1.".repeat(40) + "1";
    let before = files_below(home.dir.path());
    for instance in ["../../tmp/evil", "/etc/cron.d/evil", "1.2.3\0/../../x", "..", "1.2.3/../4", &long, "1..2", ""] {
        let mut peer = scene.associated();
        let status = peer.store(1, instance, &header("1.2.3"));
        assert!([0x0117, 0x0115].contains(&status), "{instance:?}: {status:#06x}");
        assert_eq!(peer.echo(), 0, "the association goes on");
    }
    // A valid name in the command, a path in the data set.
    let mut peer = scene.associated();
    assert!([0xA900, 0xC000].contains(&peer.store(1, "1.2.3", &header("../../tmp/evil"))));
    scene.spool_is_empty();
    let strange: Vec<_> = files_below(home.dir.path())
        .into_iter()
        .filter(|path| !before.contains(path) && !path.starts_with(home.data()))
        .collect();
    assert!(strange.is_empty() && files_below(&home.data().join("blobs")).is_empty(), "{strange:?}");
    scene.end("UIDs that are paths");
}

/// CVE-2026-5440 and the 20 bytes that claim 3 GB.
#[test]
fn unbounded_allocation_by_an_element_that_claims_3_gb() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    for (n, tail) in [
        element(0x0009, 0x1001, "OB", 0xC000_0000, b"abcd"),
        element(0x0040, 0xA730, "SQ", 0xC000_0000, b""),
        element(0x0042, 0x0011, "UN", 0xFFFF_FFFE, b"abcd"),
    ]
    .into_iter()
    .enumerate()
    {
        let instance = format!("1.2.3.{n}");
        let mut data = header(&instance);
        // Behind the identifiers, or before them.
        data.extend(&tail);
        assert_eq!(peer.store(1, &instance, &data), 0xC000, "{n}");
    }
    // In Pixel Data: the film is damaged, it has a name, and it is kept.
    let data = [header("1.2.3.9"), pixels(100, 100, 0xC000_0000)].concat();
    assert_eq!(peer.store(1, "1.2.3.9", &data), 0);
    assert_eq!(peer.echo(), 0);
    scene.spool_is_empty();
    scene.end("elements of 3 GB");
}

/// CVE-2026-5438: what is small and inflates to a lot.
#[test]
fn deflate_bombs() {
    let home = home();
    let scene = Scene::start(&home);
    let deflated = |front: &[u8], zeros: usize| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(front).unwrap();
        for _ in 0..zeros >> 20 {
            encoder.write_all(&[0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    let big: usize = 256 << 20;
    let film = deflated(&[header("1.2.3.1"), pixels(100, 100, big as u32)].concat(), big);
    assert!(film.len() < 1 << 20, "{}", film.len());
    // No pixels, a giant private element; and nothing but zeros.
    let private = deflated(&[header("1.2.3.2"), element(0x0099, 0x1001, "OB", big as u32, b"")].concat(), big);
    let zeros = deflated(b"", big);
    let mut peer = scene.associated();
    assert_eq!(peer.store(3, "1.2.3.1", &film), 0, "it has a name: kept");
    assert_eq!(peer.store(3, "1.2.3.2", &private), 0, "its whole elements are its header");
    assert_eq!(peer.store(3, "1.2.3.3", &zeros), 0xC000);
    assert_eq!(peer.store(3, "1.2.3.4", b"\x06\xFFthis is no deflate stream"), 0xC000);
    scene.spool_is_empty();
    scene.end("deflate bombs");
}

#[test]
fn a_hundred_thousand_nested_sequences() {
    let home = home();
    let scene = Scene::start(&home);
    let level = [element(0x0040, 0xA730, "SQ", u32::MAX, b""), b"\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF".to_vec()].concat();
    let mut peer = scene.associated();
    let data = [header("1.2.3"), level.repeat(100_000)].concat();
    assert_eq!(peer.store(1, "1.2.3", &data), 0xC000);
    assert_eq!(peer.echo(), 0);
    scene.spool_is_empty();
    scene.end("100,000 nested sequences");
}

#[test]
fn a_quarter_of_a_million_elements() {
    let home = home();
    let scene = Scene::start(&home);
    let mut data = header("1.2.3");
    for n in 0..1_000_000_u32 {
        data.extend(element(0x0099, n as u16, "LO", 0, b""));
    }
    let mut peer = scene.associated();
    assert_eq!(peer.store(1, "1.2.3", &data), 0xC000);
    scene.spool_is_empty();
    scene.end("a million elements");
}

/// CVE-2019-11687: a program in the first 128 bytes.
#[test]
fn polyglot_preambles_cannot_be_stored() {
    let home = home();
    let scene = Scene::start(&home);
    let mut peer = scene.associated();
    // A sender that pushes its file with preamble and all: no data set begins like that.
    for magic in [b"MZ\x90\0".as_slice(), b"\x7FELF", b"#!/bin/sh\n", b"%PDF-1.7", b"PK\x03\x04"] {
        let mut file = magic.to_vec();
        file.resize(128, 0);
        file.extend(b"DICM");
        file.extend(header("1.2.3"));
        assert_eq!(peer.store(1, "1.2.3", &file), 0xC000, "{magic:?}");
    }
    assert_eq!(peer.store(1, "1.2.3", &header("1.2.3")), 0);
    let kept = files_below(&home.data().join("blobs"));
    assert_eq!(kept.len(), 1, "{kept:?}");
    let bytes = fs::read(&kept[0]).unwrap();
    assert!(bytes[..128].iter().all(|b| *b == 0) && &bytes[128..132] == b"DICM", "our own preamble");
    scene.end("polyglot preambles");
}

/// CVE-2026-5441 and its like: rows times columns that the pixels do not have. With the analysis
/// running, for it is the decoder that would allocate.
#[test]
fn decoder_memory_of_films_that_lie() {
    let home: Home = home().set("CENTINELA__ANALYZE__ENABLED", "true").set("CENTINELA__STUDY__QUIET_PERIOD", "60");
    let scene = Scene::start(&home);
    let film = |n: u32, rows, columns, length, tail: &[u8]| {
        let instance = format!("1.2.3.{n}");
        (instance.clone(), [header(&instance), pixels(rows, columns, length), tail.to_vec()].concat())
    };
    let zeros = |front: &[u8]| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(front).unwrap();
        for _ in 0..300 {
            encoder.write_all(&[0; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    let (bomb, front) = film(3, 1_000, 1_000, 300 << 20, b"");
    let front = zeros(&front);
    let mut peer = scene.associated();
    let (many, lies) = film(1, 65_535, 65_535, 4, b"abcd");
    assert_eq!(peer.store(1, &many, &lies), 0);
    let (some, short) = film(2, 9_000, 9_000, 4, b"abcd");
    assert_eq!(peer.store(1, &some, &short), 0);
    assert_eq!(peer.store(3, &bomb, &front), 0);
    for instance in [many, some, bomb] {
        let reason = until("the film is judged", || {
            let found = scene.node.get(&format!("/api/v1/instances/{instance}"));
            found["reason"]["code"].as_str().map(str::to_owned)
        });
        assert!(["pixels", "truncated", "too_large"].contains(&reason.as_str()), "{instance}: {reason}");
        println!("{instance}: {reason}");
    }
    scene.end("films that lie");
}
