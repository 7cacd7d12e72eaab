//! Every encoding gives the true values, which were written down by pydicom and DCMTK.

use crate::films::{data, film};
use centinela_domain::gate::SkipReason;
use centinela_models::image::CxrImage;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

fn digest(image: &CxrImage) -> String {
    let bytes: Vec<u8> = image.pixels.iter().flat_map(|&v| (v as i32).to_le_bytes()).collect();
    Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn every_encoding_gives_the_true_values() {
    let text = std::fs::read_to_string(data().join("films/expected.json")).unwrap();
    let expected: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.len(), 18, "films with known values");
    for (name, want) in expected {
        let image = CxrImage::decode(&film(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((image.width, image.height), (90, 67), "{name}");
        assert_eq!(digest(&image), want, "{name}");
    }
}

#[test]
fn baseline_jpeg_is_as_near_as_its_quality() {
    // A quality of 95 on a smooth picture, and the values that went in.
    let near = CxrImage::decode(&film("jpeg_baseline_8")).unwrap().pixels;
    let true_values: Vec<f32> = (0..67_u16).flat_map(|y| (0..90).map(move |x| f32::from(2 * x + y))).collect();
    let errors = near.iter().zip(&true_values).map(|(a, b)| (a - b).abs());
    let mean = errors.sum::<f32>() / near.len() as f32;
    assert!(mean < 1.0, "mean error {mean}");
}

#[test]
fn twelve_bit_extended_jpeg_is_a_reason_and_names_the_syntax() {
    let error = CxrImage::decode(&film("jpeg_extended_12")).unwrap_err();
    assert_eq!(error.reason(), SkipReason::TransferSyntax { uid: "1.2.840.10008.1.2.4.51".to_owned() });
}

#[test]
fn an_unheard_of_syntax_is_a_reason() {
    let mut bytes = film("jpegls_12");
    let (old, new) = (b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.99");
    let at = bytes.windows(old.len()).position(|w| w == old).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new);
    let error = CxrImage::decode(&bytes).unwrap_err();
    assert_eq!(error.reason(), SkipReason::TransferSyntax { uid: "1.2.840.10008.1.2.4.99".to_owned() });
}
