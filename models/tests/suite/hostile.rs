//! Broken and hostile films: always an error with the right reason, never a panic or a big
//! allocation.

use crate::films::{COLUMNS, ROWS, film, made, patched, put_together, taken_apart};
use centinela_domain::gate::{PixelProblem, SkipReason};
use centinela_models::image::CxrImage;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;

fn reason(bytes: &[u8]) -> SkipReason {
    CxrImage::decode(bytes).unwrap_err().reason()
}

const COMPRESSED: [&str; 5] = ["jpegls_12", "jpegls_near_12", "jpeg2000_12", "jpeg_lossless_12", "rle_12"];

#[test]
fn sizes_are_checked_before_the_decoder_is_asked() {
    for name in COMPRESSED.into_iter().chain(["high_bits_12"]) {
        let zero = patched(film(name), ROWS, 0);
        assert_eq!(reason(&zero), SkipReason::Pixels { problem: PixelProblem::NoSize }, "{name}");
        let huge = patched(patched(film(name), ROWS, 60_000), COLUMNS, 60_000);
        assert_eq!(reason(&huge), SkipReason::TooLarge, "{name}");
    }
}

#[test]
fn a_header_that_claims_more_rows_than_the_pixels_have() {
    assert_eq!(reason(&patched(film("high_bits_12"), ROWS, 68)), SkipReason::Truncated);
    for name in COMPRESSED {
        assert_eq!(reason(&patched(film(name), ROWS, 68)), SkipReason::Decode, "{name}");
        assert_eq!(reason(&patched(film(name), COLUMNS, 9000)), SkipReason::Decode, "{name}");
    }
}

#[test]
fn other_pixels_than_a_grey_film_has() {
    let word = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let text = |tag, vr, value: &str| DataElement::new(tag, vr, PrimitiveValue::from(value));
    for (element, problem) in [
        (word(tags::SAMPLES_PER_PIXEL, 3), PixelProblem::Samples),
        (text(tags::NUMBER_OF_FRAMES, VR::IS, "2"), PixelProblem::Frames),
        (text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "PALETTE COLOR"), PixelProblem::Photometric),
        (word(tags::BITS_ALLOCATED, 32), PixelProblem::Bits),
        (word(tags::BITS_STORED, 17), PixelProblem::Bits),
        (word(tags::BITS_STORED, 0), PixelProblem::Bits),
        (word(tags::HIGH_BIT, 3), PixelProblem::Bits),
    ] {
        let bytes = made(2, &[1, 2, 3, 4], vec![element.clone()]);
        assert_eq!(reason(&bytes), SkipReason::Pixels { problem }, "{:?}", element.header());
    }
}

#[test]
fn a_cut_file_is_truncated_wherever_the_cut_is_in_the_pixels() {
    for name in COMPRESSED.into_iter().chain(["high_bits_12"]) {
        let whole = film(name);
        let head = if name == "high_bits_12" { whole.len() - 12_060 } else { taken_apart(&whole).0.len() };
        for cut in (head + 1..whole.len()).step_by(97) {
            assert_eq!(reason(&whole[..cut]), SkipReason::Truncated, "{name} cut at {cut} of {}", whole.len());
        }
    }
    assert_eq!(reason(b"this is a text file, not a DICOM file"), SkipReason::Decode);
    assert_eq!(reason(&[]), SkipReason::Decode);
}

#[test]
fn damaged_streams_never_panic_and_keep_the_size() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut refused = 0;
    for name in COMPRESSED {
        let (head, stream) = taken_apart(&film(name));
        for round in 0..120 {
            let mut bad = stream.clone();
            if round % 3 == 0 {
                bad.truncate(next(stream.len()));
            }
            // Half of the damage in the headers.
            for _ in 0..1 + round % 4 {
                let within = if round % 2 == 0 { bad.len().min(120) } else { bad.len() };
                if within > 0 {
                    let at = next(within);
                    bad[at] = next(256) as u8;
                }
            }
            match CxrImage::decode(&put_together(&head, &bad)) {
                Ok(image) => assert_eq!(image.pixels.len(), 90 * 67, "{name}"),
                Err(error) => {
                    refused += 1;
                    let known = matches!(
                        error.reason(),
                        SkipReason::Decode | SkipReason::Truncated | SkipReason::TransferSyntax { .. }
                    );
                    assert!(known, "{name}: {error}");
                }
            }
        }
    }
    assert!(refused > 150, "only {refused} of 600 damaged streams were refused");
}
