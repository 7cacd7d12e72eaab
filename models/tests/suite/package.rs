//! Model packages: what is good runs and agrees with PyTorch; what is damaged is refused by name.

use crate::films::data;
use centinela_models::model::{Densenet, Model};
use centinela_models::package::Package;
use centinela_models::verify;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A copy of the tiny package that may be bent.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("test-tiny-1.0.0");
    std::fs::create_dir(&folder).unwrap();
    for file in ["manifest.toml", "reference.json", "weights.safetensors"] {
        std::fs::copy(data().join("tiny").join(file), folder.join(file)).unwrap();
    }
    (keep, folder)
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
}

/// Changes the weights and signs them again.
fn reweigh(folder: &Path, change: impl Fn(&mut Vec<u8>)) {
    let old = std::fs::read(folder.join("weights.safetensors")).unwrap();
    let mut new = old.clone();
    change(&mut new);
    std::fs::write(folder.join("weights.safetensors"), &new).unwrap();
    let hex = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
    edit(folder, "manifest.toml", &hex(&old), &hex(&new));
}

fn refusal(folder: &Path) -> String {
    match Package::load(folder) {
        Ok(package) => Densenet::from_package(&package).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn all_packages_of_the_project_agree_with_pytorch() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in [data().join("tiny"), models.join("cxr-demo-0.1.0"), models.join("test-synthetic-map-1.0.0")] {
        let verified = verify(&Package::load(&folder).unwrap()).unwrap();
        assert!(verified.max_abs_diff <= 1e-4, "{}: {}", verified.name, verified.max_abs_diff);
        assert!(folder.ends_with(format!("{}-{}", verified.name, verified.version)) || verified.name == "test-tiny");
    }
    let embedded = Package::embedded().unwrap();
    assert_eq!(verify(&embedded).unwrap().name, "cxr-demo");
    assert_eq!(embedded.manifest, Package::load(&models.join("cxr-demo-0.1.0")).unwrap().manifest);
}

#[test]
fn one_flipped_byte_in_the_weights_is_refused() {
    let (_keep, folder) = copy();
    let path = folder.join("weights.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let message = refusal(&folder);
    assert!(message.contains("weights.safetensors") && message.contains("SHA-256"), "{message}");
    assert!(message.contains("copy the package again"), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    for file in ["manifest.toml", "reference.json", "weights.safetensors"] {
        let (_keep, folder) = copy();
        std::fs::remove_file(folder.join(file)).unwrap();
        let message = refusal(&folder);
        assert!(message.contains(file) && message.contains("test-tiny-1.0.0"), "{message}");
    }
    assert!(refusal(Path::new("/nowhere/at-all")).contains("/nowhere/at-all"));
}

#[test]
fn a_package_without_thresholds_or_with_an_unknown_chain_is_refused() {
    let (_keep, folder) = copy();
    edit(&folder, "manifest.toml", "threshold = 0.99\n", "");
    let message = refusal(&folder);
    assert!(message.contains("\"Edema\"") && message.contains("`threshold`"), "{message}");
    let (_keep, folder) = copy();
    edit(&folder, "manifest.toml", "chain = \"window\"", "chain = \"magic\"");
    assert!(refusal(&folder).contains("magic"));
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    for (from, to, tensor) in [
        ("block_config = [2, 3, 1]", "block_config = [2, 3, 2]", "features.denseblock3.denselayer2"),
        ("block_config = [2, 3, 1]", "block_config = [2, 2, 1]", "features.transition2.norm"),
        ("init_features = 5", "init_features = 6", "features.conv0.weight"),
        ("bn_size = 2", "bn_size = 3", "features.denseblock1.denselayer1.conv1.weight"),
    ] {
        let (_keep, folder) = copy();
        edit(&folder, "manifest.toml", from, to);
        let message = refusal(&folder);
        assert!(message.contains(tensor) && message.contains("test-tiny"), "{message}");
    }
    let (_keep, folder) = copy();
    reweigh(&folder, |bytes| {
        // The last tensor in the file: its last value becomes not-a-number.
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(refusal(&folder).contains("not finite"), "{}", refusal(&folder));
    let (_keep, folder) = copy();
    reweigh(&folder, |bytes| bytes.truncate(1000));
    assert!(refusal(&folder).contains("not a safetensors file"), "{}", refusal(&folder));
}

#[test]
fn golden_outputs_that_do_not_come_out_are_refused() {
    let (_keep, folder) = copy();
    edit(&folder, "reference.json", "[6.2", "[6.3");
    let message = refusal(&folder);
    assert!(message.contains("self-test") && message.contains("tolerance"), "{message}");
    let (_keep, folder) = copy();
    // Another mean is another input.
    edit(&folder, "manifest.toml", "mean = [0.5, 0.4]", "mean = [0.4, 0.5]");
    assert!(refusal(&folder).contains("self-test"));
    let (_keep, folder) = copy();
    edit(&folder, "reference.json", "0.0001", "10.0");
    assert!(refusal(&folder).contains("tolerance"));
}

#[test]
fn weights_that_are_cut_or_swapped_are_refused_even_when_signed_again() {
    let path = |folder: &Path| folder.join("weights.safetensors");
    let (_keep, folder) = copy();
    let whole = std::fs::read(path(&folder)).unwrap();
    std::fs::write(path(&folder), &whole[..whole.len() - 8]).unwrap();
    assert!(refusal(&folder).contains("SHA-256"), "{}", refusal(&folder));
    // Two tensors of one shape change places: nothing but the golden outputs can tell.
    let (_keep, folder) = copy();
    reweigh(&folder, |bytes| {
        let (header, data) = header(bytes);
        let place = |name: &str| {
            let offsets = &header[name]["data_offsets"];
            let at = |n: usize| data + offsets[n].as_u64().unwrap() as usize;
            at(0)..at(1)
        };
        let layer = |n: u8| place(&format!("features.denseblock2.denselayer{n}.conv2.weight"));
        let (one, two) = (bytes[layer(1)].to_vec(), bytes[layer(2)].to_vec());
        assert!(one.len() == two.len() && one != two);
        bytes[layer(1)].copy_from_slice(&two);
        bytes[layer(2)].copy_from_slice(&one);
    });
    assert!(refusal(&folder).contains("self-test"), "{}", refusal(&folder));
}

/// A safetensors file's header, and where its data begin.
fn header(bytes: &[u8]) -> (serde_json::Value, usize) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), 8 + length)
}

#[test]
fn a_batch_gives_what_single_films_give() {
    let model = Densenet::from_package(&Package::load(&data().join("tiny")).unwrap()).unwrap();
    let one: Vec<f32> = (0..2 * 64 * 64).map(|n| ((n * 37) % 101) as f32 / 50.0 - 1.0).collect();
    let two: Vec<f32> = one.iter().map(|v| -v).collect();
    let both = model.logits([one.clone(), two.clone()].concat(), 2, 2).unwrap();
    for (input, batched) in [one, two].into_iter().zip(&both) {
        let single = model.logits(input, 1, 1).unwrap();
        assert!(single[0].iter().zip(batched).all(|(a, b)| (a - b).abs() < 1e-5), "{single:?} {batched:?}");
    }
    assert!(model.logits(vec![0.0; 5], 1, 1).is_err());
}

#[test]
fn the_threshold_set_follows_every_value_that_decides() {
    let digest = |from: &str, to: &str| {
        let (_keep, folder) = copy();
        edit(&folder, "manifest.toml", from, to);
        Densenet::from_package(&Package::load(&folder).unwrap()).unwrap().threshold_set()
    };
    let base = digest("summary", "summary");
    assert_eq!(base.len(), 64);
    assert_eq!(base, digest("Random weights", "Other words"));
    for (from, to) in [("0.99", "0.98"), ("1.5", "1.6"), ("region = 0.5", "region = 0.6"), ("\"Edema\"", "\"Mass\"")] {
        assert_ne!(base, digest(from, to), "{from}");
    }
}

#[test]
fn bf16_runs_only_within_the_gate_of_the_manifest() {
    use centinela_models::{Path, Precision};
    let path = Path::with(Precision::Bf16);
    let (_keep, folder) = copy();
    let on = || Densenet::on(path, &Package::load(&folder).unwrap());
    assert!(on().unwrap_err().to_string().contains("[bf16] max_logit_difference"));
    edit(&folder, "manifest.toml", "[calibration]", "[bf16]\nmax_logit_difference = 0.5\n\n[calibration]");
    if !path.is_possible() {
        assert!(on().unwrap_err().to_string().contains("precision = \"single\""));
        return;
    }
    let model = on().unwrap();
    let difference = model.self_test_difference();
    assert!(difference > 0.0 && difference < 0.5, "{difference}");
    let single = Densenet::from_package(&Package::load(&folder).unwrap()).unwrap();
    assert_ne!(model.threshold_set(), single.threshold_set(), "other scores, other results");
    assert_eq!(verify(&Package::load(&folder).unwrap()).unwrap().bf16_diff, Some(difference));
    edit(&folder, "manifest.toml", "= 0.5\n\n[cal", &format!("= {:.9}\n\n[cal", difference / 2.0));
    assert!(on().unwrap_err().to_string().contains("self-test differs"));
}
