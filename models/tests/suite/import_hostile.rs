//! Files that attack the importer, and broken ones: refused by name, nothing executed, nothing left behind.

use crate::import::{fixture, request};
use centinela_models::import::{Family, Request, import};
use std::path::Path;

/// A zip with stored entries, as torch writes it.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let offset = file.len() as u32;
        let sizes = [crc32(bytes), bytes.len() as u32, bytes.len() as u32];
        let mut head = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        head.extend(sizes.iter().flat_map(|v| v.to_le_bytes()));
        head.extend([name.len() as u8, 0, 0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&head);
        file.extend(name.as_bytes());
        file.extend(*bytes);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, length, count) = (file.len() as u32, directory.len() as u32, entries.len() as u16);
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count.to_le_bytes().repeat(2));
    file.extend(length.to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut c, &byte| {
        c ^= u32::from(byte);
        (0..8).for_each(|_| c = if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 });
        c
    })
}

fn pickled(pickle: &[u8]) -> Vec<u8> {
    zip(&[("x/data.pkl", pickle), ("x/byteorder", b"little"), ("x/data/0", &[0; 64])])
}

/// A state_dict with one tensor: its storage's key and count, its offset, shape and strides.
fn one_tensor(name: &str, key: &str, offset: i32, shape: &[i32], stride: &[i32]) -> Vec<u8> {
    let mut out = b"\x80\x02}X".to_vec();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let int = |out: &mut Vec<u8>, value: i32| {
        out.push(b'J');
        out.extend(value.to_le_bytes());
    };
    text(&mut out, name);
    out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X");
    text(&mut out, "storage");
    out.extend(b"ctorch\nFloatStorage\nX");
    text(&mut out, key);
    out.push(b'X');
    text(&mut out, "cpu");
    int(&mut out, 16);
    out.extend(b"tQ");
    int(&mut out, offset);
    for sizes in [shape, stride] {
        out.push(b'(');
        sizes.iter().for_each(|&v| int(&mut out, v));
        out.push(b't');
    }
    out.extend(b"\x89)tRs.");
    out
}

fn refusal(file: &[u8]) -> String {
    let keep = tempfile::tempdir().unwrap();
    let source = keep.path().join("weights.pt");
    std::fs::write(&source, file).unwrap();
    let output = keep.path().join("models");
    let request = Request { family: Some(Family::All), ..request(source, &output) };
    let message = import(&request).unwrap_err().to_string();
    assert!(!output.join("site-model-1.0").exists() && !output.join(".site-model-1.0.part").exists());
    message
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

#[test]
fn code_in_a_pickle_is_refused_by_its_name_and_not_run() {
    let keep = tempfile::tempdir().unwrap();
    let witness = keep.path().join("was-here");
    let command = format!("touch {}", witness.display());
    let mut system = b"\x80\x02cos\nsystem\nX".to_vec();
    system.extend((command.len() as u32).to_le_bytes());
    system.extend(command.as_bytes());
    system.extend(b"\x85R.");
    let stack_global = b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.".to_vec();
    let inside = {
        // Hidden behind a whole, harmless state_dict.
        let mut bytes = one_tensor("features.conv0.weight", "0", 0, &[4, 4], &[4, 1]);
        bytes.pop();
        bytes.extend(b"0cposix\nsystem\nX\x02\0\0\0id\x85R.");
        bytes
    };
    let mut legacy = read("legacy_module.pt");
    legacy.splice(15.., system.iter().copied());
    for (file, class) in [
        (pickled(&system), "os.system"),
        (pickled(&stack_global), "builtins.eval"),
        (pickled(&inside), "posix.system"),
        (legacy, "os.system"),
        (pickled(b"\x80\x02ctorch.storage\n_load_from_bytes\nC\x011\x85R."), "torch.storage._load_from_bytes"),
    ] {
        let message = refusal(&file);
        assert!(message.contains(&format!("{class:?}")), "{class}: {message}");
        assert!(message.contains("nothing of it was executed") && message.contains("state_dict"), "{message}");
    }
    assert!(!witness.exists());
}

#[test]
fn broken_pickles_say_where_and_why() {
    let deep = {
        let mut bytes = b"\x80\x02".to_vec();
        bytes.extend(b"(".repeat(1_100_000));
        bytes.push(b'.');
        bytes
    };
    let lists = {
        // A list in a list in a list ...
        let mut bytes = b"\x80\x02".to_vec();
        bytes.extend(b"]".repeat(1_100_000));
        bytes.push(b'.');
        bytes
    };
    for (pickle, words) in [
        (b"\x80\x02}".to_vec(), "it ends here"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.".to_vec(), "2147483647 more bytes are announced"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.".to_vec(), "more bytes are announced and 4 are there"),
        (b"\x80\x02h\x07.".to_vec(), "memo 7 is read but was never written"),
        (b"\x80\x02.".to_vec(), "empty stack"),
        (b"\x80\x02t.".to_vec(), "mark"),
        (b"\x80\x02}(K\x01u.".to_vec(), "has no value"),
        (b"\x80\x02K\x01)R.".to_vec(), "calls something that is no class"),
        (b"\x80\x02I1\n.".to_vec(), "opcode 0x49"),
        (b"\x80\x09.".to_vec(), "protocol 9"),
        (b"\x80\x02K\x01Q.".to_vec(), "tuple is expected"),
        (deep, "nested more than"),
        (lists, "more than 1000000"),
    ] {
        let message = refusal(&pickled(&pickle));
        assert!(message.contains("of the pickle") && message.contains(words), "{words}: {message}");
    }
}

#[test]
fn cyclic_graphs_end() {
    // A module that is its own child, and a dictionary that is its own state_dict.
    let module =
        b"\x80\x02ctorch.nn.modules.container\nSequential\n)\x81q\x00}(X\x0b\0\0\0_parameters}X\x08\0\0\0_buffers}\
                   X\x08\0\0\0_modules}X\x01\0\0\0ah\x00sub.";
    let message = refusal(&pickled(module));
    assert!(message.contains("contain themselves") && message.contains("a.a.a"), "{message}");
    let dict = b"\x80\x02}q\x00X\x0a\0\0\0state_dicth\x00s.";
    let message = refusal(&pickled(dict));
    assert!(message.contains("not one tensor"), "{message}");
    // Two children each, forty deep: 2^40 ways for whoever does not count.
    let mut tree = b"\x80\x02".to_vec();
    for level in 0..14_u8 {
        tree.extend(b"ctorch.nn.modules.container\nSequential\n)\x81q");
        tree.push(level);
        tree.extend(b"}(X\x0b\0\0\0_parameters}X\x08\0\0\0_buffers}X\x08\0\0\0_modules}");
        if level > 0 {
            tree.push(b'(');
            for name in 0..4_u8 {
                tree.extend([b'X', 1, 0, 0, 0, b'a' + name, b'h', level - 1]);
            }
            tree.push(b'u');
        }
        tree.extend(b"ub");
    }
    tree.push(b'.');
    let message = refusal(&pickled(&tree));
    assert!(message.contains("more than 100000 modules"), "{message}");
}

/// Small files that name one large thing many times.
#[test]
fn what_is_shared_is_not_paid_for_twice() {
    // A list of 100,000 pairs, and a dictionary made of it, again and again.
    let mut shared = b"\x80\x02]q\x00(".to_vec();
    shared.extend(b"NN\x86q\x01");
    shared.extend(b"h\x01".repeat(100_000));
    shared.extend(b"e0");
    shared.extend(b"ccollections\nOrderedDict\nq\x020");
    shared.extend(b"h\x02h\x00\x85R".repeat(1000));
    shared.push(b'.');
    let message = refusal(&pickled(&shared));
    assert!(message.contains("dictionaries are made of more than"), "{message}");

    // A module with very many attributes, which every visit would search.
    let mut crowded = b"\x80\x02ctorch.nn.modules.container\nSequential\n)\x81}(".to_vec();
    crowded.extend(b"NN".repeat(2000));
    crowded.extend(b"ub.");
    let message = refusal(&pickled(&crowded));
    assert!(message.contains("more than 1000 attributes"), "{message}");

    // Two entries of a zip over the same bytes.
    let large = vec![7; 4096];
    let mut file = zip(&[("x/data/0", &large), ("x/data/1", &[]), ("x/data/2", &large[..1])]);
    let entries: Vec<usize> = (0..file.len() - 4).filter(|&at| file[at..].starts_with(b"PK\x01\x02")).collect();
    let (first, second) = (entries[0], entries[1]);
    let copied = file[first + 16..first + 46].to_vec();
    file[second + 16..second + 46].copy_from_slice(&copied);
    let message = refusal(&file);
    assert!(message.contains("\"x/data/1\" lies over another one"), "{message}");
}

#[test]
fn tensors_that_lie_are_named() {
    let name = "features.conv0.weight";
    for (pickle, words) in [
        (one_tensor(name, "0", 0, &[1 << 20, 1 << 20], &[1, 1]), "with it the file has more than"),
        (one_tensor(name, "0", 0, &[1 << 30, 1 << 30], &[0, 0]), "with it the file has more than"),
        (one_tensor(name, "0", 9, &[4, 4], &[4, 1]), "reaches beyond its storage of 16 elements"),
        (one_tensor(name, "0", 0, &[2, 2], &[i32::MAX, 1]), "reaches beyond its storage"),
        (one_tensor(name, "7", 0, &[2, 2], &[2, 1]), "its storage \"7\" is not in the file"),
        (one_tensor(name, "0", 0, &[4, 4], &[4, 1]), "has shape [4, 4], 4 dimensions are wanted"),
        (
            one_tensor("fc.weight", "0", 0, &[4, 4], &[4, 1]),
            "missing from the weights. The file has 1 tensors (fc.weight",
        ),
    ] {
        let message = refusal(&pickled(&pickle));
        assert!(message.starts_with("tensor ") && message.contains(words), "{words}: {message}");
    }
    let message = refusal(&pickled(&one_tensor(name, "0", -1, &[1], &[1])));
    assert!(message.contains("has the size or offset -1"), "{message}");
}

#[test]
fn damaged_containers_are_refused() {
    let whole = read("zip_bare.pt");
    for length in [0, 3, 10, 2000, whole.len() / 2, whole.len() - 1] {
        let message = refusal(&whole[..length]);
        assert!(message.contains("cut short") || message.contains("neither safetensors"), "{length}: {message}");
    }
    let legacy = read("legacy_module.pt");
    for length in [14, 30, 137, 9000, legacy.len() - 5] {
        let message = refusal(&legacy[..length]);
        assert!(message.contains("cut short") || message.contains("it ends here"), "{length}: {message}");
    }
    let tensors = read("plain.safetensors");
    for length in [9, 500, tensors.len() - 1] {
        let message = refusal(&tensors[..length]);
        assert!(message.contains("damaged or cut short"), "{length}: {message}");
    }
    // One bit of a weight: found by the checksum.
    let mut flipped = whole.clone();
    let at = flipped.windows(4).position(|w| w == b"ZZZZ").unwrap() + 40;
    flipped[at] ^= 1;
    let message = refusal(&flipped);
    assert!(message.contains("CRC-32 differs"), "{message}");
}

#[test]
fn archives_that_swell_or_hold_code_are_refused() {
    let mut bomb = pickled(b"\x80\x02}.");
    // The method of the first entry in the directory: deflated.
    let at = bomb.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bomb[at + 10] = 8;
    assert!(refusal(&bomb).contains("is compressed or encrypted"));
    let mut large = pickled(b"\x80\x02}.");
    large[at + 20..at + 28].copy_from_slice(&[0xf0, 0xff, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xff]);
    assert!(refusal(&large).contains("claims 4294967280 bytes that are not there"));
    let script = zip(&[("x/data.pkl", b"\x80\x02}."), ("x/constants.pkl", b"\x80\x02).")]);
    assert!(refusal(&script).contains("TorchScript"));
    let big = zip(&[("x/byteorder", b"big"), ("x/data.pkl", b"\x80\x02}.")]);
    assert!(refusal(&big).contains("big endian"));
    assert!(refusal(&zip(&[("x/readme", b"hello")])).contains("no data.pkl"));
    assert!(refusal(&pickled(b"\x80\x02}.")).contains("not one tensor"));
    assert!(refusal(&pickled(b"\x80\x02K\x05.")).contains("holds a number, not weights"));
    let mut lying = read("legacy_module.pt");
    let at = lying.len() - 8 - 18 * 4 - 8;
    // The length of the last storage.
    let last = lying.windows(8).rposition(|w| w == 18_u64.to_le_bytes()).unwrap_or(at);
    lying[last..last + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(refusal(&lying).contains("elements that are not there"));
}

/// The tiny safetensors file with one tensor changed.
fn with(name: &str, change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut file = read("plain.safetensors");
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let offset = |n: usize| 8 + length + header[name]["data_offsets"][n].as_u64().unwrap() as usize;
    change(&mut file[offset(0)..offset(1)]);
    file
}

/// The header of the tiny safetensors file with a text in place of another of the same length.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut file = read("plain.safetensors");
    let at = file.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    file[at..at + to.len()].copy_from_slice(to.as_bytes());
    file
}

#[test]
fn weights_that_cannot_be_weights_name_their_tensor() {
    let nan = with("features.denseblock2.denselayer1.conv2.weight", |bytes| {
        bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    let zero = with("classifier.weight", |bytes| bytes.fill(0));
    let negative = with("features.norm5.running_var", |bytes| bytes[..4].copy_from_slice(&(-1.0_f32).to_le_bytes()));
    for (file, tensor, words) in [
        (nan, "features.denseblock2.denselayer1.conv2.weight", "not finite"),
        (zero, "classifier.weight", "all zeros"),
        (negative, "features.norm5.running_var", "negative variance"),
        (renamed("features.norm0.bias", "features.norm0.mias"), "features.norm0.bias", "missing"),
        (renamed("classifier.weight", "classifies.weight"), "classifier.weight", "missing"),
        (renamed("\"shape\":[4,1,7,7]", "\"shape\":[1,4,7,7]"), "features.conv0.weight", "input channels"),
        (
            renamed("\"shape\":[2,4,1,1]", "\"shape\":[4,2,1,1]"),
            "features.denseblock1.denselayer1.conv1.weight",
            "shape",
        ),
    ] {
        let message = refusal(&file);
        assert!(message.contains(tensor) && message.contains(words), "{tensor}: {message}");
    }
}

/// Any change of any byte: a package or a refusal, and never a panic.
#[test]
fn mutated_files_never_panic() {
    let keep = tempfile::tempdir().unwrap();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut refused = 0;
    for file in ["zip_bare.pt", "zip_module.pt", "legacy_module.pt", "legacy_chexnet.pth.tar", "plain.safetensors"] {
        let whole = read(file);
        for n in 0..120 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            let source = keep.path().join("mutated");
            std::fs::write(&source, &bytes).unwrap();
            let family = if file.contains("chexnet") { Family::Chexnet } else { Family::All };
            let version = format!("{}-{n}", file.replace('_', "-"));
            let request = Request { family: Some(family), version, ..request(&source, Path::new(keep.path())) };
            refused += usize::from(import(&request).is_err());
        }
    }
    assert!(refused > 200, "{refused}");
}
