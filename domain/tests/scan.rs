//! The scan refuses lengths that lie, and names tag and offset (PS3.5 sections 7.1, 7.5, A.4, A.5).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod encode;

use centinela_domain::scan::{Encoding, INFLATED_FREE, MAX_DEPTH, MAX_ELEMENTS, ScanError, part10, scan};
use encode::{Data, Form, UNDEFINED, film, part10 as file};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use proptest::prelude::*;
use std::io::Write;

fn error(data: &Data) -> String {
    scan(&data.bytes, data.form.transfer_syntax()).unwrap_err().to_string()
}

#[test]
fn a_film_is_sound_in_every_encoding() {
    for (form, encoding) in
        Form::ALL.into_iter().zip([Encoding::ImplicitLittle, Encoding::ExplicitLittle, Encoding::ExplicitBig])
    {
        let data = film(form);
        let scanned = scan(&data.bytes, form.transfer_syntax()).unwrap();
        assert_eq!(scanned.encoding, encoding);
        let pixels = scanned.pixels.unwrap();
        assert_eq!(pixels.length, 64 * 64);
        assert_eq!(pixels.value + pixels.length, data.bytes.len());
        assert_eq!(pixels.value - pixels.offset, if form == Form::Implicit { 8 } else { 12 });
        assert!(!pixels.encapsulated);
    }
}

#[test]
fn a_value_of_three_gigabytes_in_twenty_bytes_is_truncated() {
    for form in Form::ALL {
        let data = Data::new(form).text(8, 0x60, "CS", "CR").head(0x10, 0x2000, "UT", 3_000_000_000);
        assert_eq!(error(&data), "truncated: the data ends inside an element at (0010,2000), offset 10");
    }
}

#[test]
fn every_prefix_of_a_film_is_truncated_or_ends_between_elements() {
    for form in Form::ALL {
        let data = film(form);
        let syntax = form.transfer_syntax();
        let whole = scan(&data.bytes, syntax).unwrap();
        let header = whole.pixels.unwrap().offset;
        let mut sound = 0;
        for end in (0..header).chain([header + 3, header + 11, data.bytes.len() - 1]) {
            match scan(&data.bytes[..end], syntax) {
                Ok(_) => sound += 1,
                Err(ScanError::Truncated(place)) => assert!(place.offset <= end),
                Err(other) => panic!("{form:?}, {end} bytes: {other}"),
            }
        }
        // As many as there are top-level elements before pixel data, the empty data set included.
        assert_eq!(sound, 26, "{form:?}");
    }
}

#[test]
fn lengths_beyond_their_item_are_malformed() {
    let item = Data::new(Form::Explicit).head(8, 0x100, "SH", 40);
    let data = Data::new(Form::Explicit).sequence(8, 0x2218, &[item], true).text(0x10, 0x4000, "LT", &"x".repeat(60));
    assert_eq!(error(&data), "an element is longer than the item or sequence around it at (0008,0100), offset 20");
}

#[test]
fn structure_errors_name_tag_and_offset_and_no_value() {
    let new = || Data::new(Form::Explicit);
    let cases = [
        (new().head(0xFFFE, 0xE000, "", 0), "item or delimiter out of place at (FFFE,E000), offset 0"),
        (
            new().head(8, 0x60, "CS", 0).head(0xFFFE, 0xE00D, "", 0),
            "item or delimiter out of place at (FFFE,E00D), offset 8",
        ),
        (
            new().head(8, 0x2218, "SQ", 8).head(8, 0x60, "CS", 0),
            "something other than an item in a sequence at (0008,0060), offset 12",
        ),
        (
            new().head(0x10, 0x4000, "UT", UNDEFINED),
            "undefined length where the VR does not allow it at (0010,4000), offset 0",
        ),
        (
            new().head(0x7FE0, 0x10, "OB", UNDEFINED).head(0xFFFE, 0xE000, "", UNDEFINED),
            "a fragment of undefined length at (FFFE,E000), offset 12",
        ),
        (
            new().head(0x7FE0, 0x10, "OB", UNDEFINED).head(8, 0x60, "CS", 0),
            "something other than a fragment in pixel data at (0008,0060), offset 12",
        ),
        (
            new().text(0x7FE0, 0x10, "OB", "").text(0x7FE0, 0x10, "OB", ""),
            "a second Pixel Data element at (7FE0,0010), offset 12",
        ),
        (new().head(8, 0x60, "c\u{1}", 0), "no value representation at (0008,0060), offset 0"),
        (new().text(0, 0x100, "US", "xx"), "command element in a data set at (0000,0100), offset 0"),
    ];
    for (data, expected) in cases {
        assert_eq!(error(&data), expected);
    }
}

#[test]
fn sequences_nest_to_the_limit_and_no_deeper() {
    for form in Form::ALL {
        for defined in [true, false] {
            let nest = |depth| {
                (0..depth).fold(Data::new(form), |inner, _| Data::new(form).sequence(0x40, 0xA730, &[inner], defined))
            };
            let deep = nest(MAX_DEPTH);
            scan(&deep.bytes, form.transfer_syntax()).unwrap();
            let deeper = nest(MAX_DEPTH + 1);
            let error = scan(&deeper.bytes, form.transfer_syntax()).unwrap_err();
            assert!(matches!(error, ScanError::TooDeep(_)), "{error}");
        }
    }
    // A hundred thousand levels, none of them closed.
    let mut bomb = Data::new(Form::Implicit);
    for _ in 0..100_000 {
        bomb = bomb.head(0x40, 0xA730, "SQ", UNDEFINED).head(0xFFFE, 0xE000, "", UNDEFINED);
    }
    assert!(error(&bomb).starts_with("sequences are nested deeper than 16"));
}

#[test]
fn more_elements_than_the_limit_are_refused() {
    let mut data = Data::new(Form::Implicit);
    for _ in 0..=MAX_ELEMENTS {
        data = data.head(9, 0x1001, "UN", 0);
    }
    assert!(error(&data).starts_with("more than 250000 elements at (0009,1001)"));
}

#[test]
fn sequences_in_unknown_vr_are_implicit_little_endian() {
    let inner = Data::new(Form::Implicit).text(8, 0x100, "SH", "T-D3000");
    let content = Data::new(Form::Implicit).sequence(8, 0x2218, &[inner], false).bytes;
    let mut data = Data::new(Form::Explicit).head(8, 0x2218, "UN", UNDEFINED);
    data.bytes.extend(&content[8..]);
    let data = data.text(0x10, 0x20, "LO", "x");
    scan(&data.bytes, data.form.transfer_syntax()).unwrap();
}

#[test]
fn encapsulated_pixel_data_ends_at_its_delimiter() {
    let head = film(Form::Explicit);
    let at = scan(&head.bytes, Form::Explicit.transfer_syntax()).unwrap().pixels.unwrap().offset;
    let mut data = Data { bytes: head.bytes[..at].to_vec(), form: Form::Explicit };
    data = data.head(0x7FE0, 0x10, "OB", UNDEFINED).head(0xFFFE, 0xE000, "", 0);
    data = data.head(0xFFFE, 0xE000, "", 6);
    data.bytes.extend([1, 2, 3, 4, 5, 6]);
    let open = data.clone();
    let data = data.head(0xFFFE, 0xE0DD, "", 0);
    let jpeg = "1.2.840.10008.1.2.4.90";
    let pixels = scan(&data.bytes, jpeg).unwrap().pixels.unwrap();
    assert!(pixels.encapsulated);
    assert_eq!((pixels.offset, pixels.length), (at, 8 + 8 + 6 + 8));
    assert!(matches!(scan(&open.bytes, jpeg), Err(ScanError::Truncated(_))));
}

#[test]
fn zeros_after_the_last_element_are_padding() {
    let mut data = film(Form::Explicit);
    data.bytes.extend([0; 100]);
    scan(&data.bytes, Form::Explicit.transfer_syntax()).unwrap();
    data.bytes.push(1);
    assert!(scan(&data.bytes, Form::Explicit.transfer_syntax()).is_err());
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn deflated_data_sets_are_inflated_within_bounds() {
    let syntax = "1.2.840.10008.1.2.1.99";
    let data = film(Form::Explicit);
    let scanned_bytes = deflate(&data.bytes);
    let scanned = scan(&scanned_bytes, syntax).unwrap();
    assert_eq!(&scanned.bytes[..], &data.bytes[..]);
    assert!(matches!(
        scan(&scanned_bytes[..scanned_bytes.len() / 2], syntax),
        Err(ScanError::Inflate | ScanError::Truncated(_))
    ));
    let bomb = deflate(&vec![0; INFLATED_FREE as usize + 2]);
    assert!(bomb.len() < 100_000);
    assert_eq!(scan(&bomb, syntax).unwrap_err(), ScanError::InflatedTooLarge { limit: INFLATED_FREE });
}

#[test]
fn part_10_files_are_cut_and_others_refused() {
    let data = film(Form::Implicit);
    let bytes = data.part10();
    let cut = part10(&bytes).unwrap();
    assert_eq!(cut.transfer_syntax, "1.2.840.10008.1.2");
    assert_eq!(cut.sop_class.as_deref(), Some("1.2.840.10008.5.1.4.1.1.1"));
    assert_eq!(cut.sop_instance.as_deref(), Some("1.2.3.4"));
    assert_eq!(cut.dataset, data.bytes);
    assert_eq!(cut.dataset_offset + data.bytes.len(), bytes.len());

    assert_eq!(part10(b"%PDF-1.7").unwrap_err(), ScanError::NotDicom);
    assert_eq!(part10(&[0; 4096]).unwrap_err(), ScanError::NotDicom);
    assert_eq!(part10(&file(&[], "")).unwrap_err(), ScanError::NoTransferSyntax);
    let mut lying = bytes[..132].to_vec();
    lying.extend([2, 0, 2, 1, b'O', b'B', 0, 0, 0xF0, 0xFF, 0xFF, 0xFF]);
    assert_eq!(
        part10(&lying).unwrap_err().to_string(),
        "truncated: the data ends inside an element at (0002,0102), offset 132"
    );
    let mut vast = bytes[..132].to_vec();
    vast.extend([2, 0, 2, 1, b'O', b'B', 0, 0, 0, 0, 0x20, 0]);
    vast.extend(vec![0; 0x20_0000]);
    assert!(part10(&vast).unwrap_err().to_string().starts_with("file meta information larger than 1 MiB"));
}

fn syntax() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("1.2.840.10008.1.2"),
        Just("1.2.840.10008.1.2.1"),
        Just("1.2.840.10008.1.2.2"),
        Just("1.2.840.10008.1.2.1.99"),
        Just("1.2.840.10008.1.2.4.90"),
        Just("9.9"),
    ]
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), syntax in syntax()) {
        let _ = scan(&bytes, syntax);
        let _ = part10(&bytes);
        let _ = part10(&file(&bytes, syntax)).map(|cut| cut.dataset.len());
    }

    #[test]
    fn mutated_films_never_panic_and_stay_in_bounds(
        form in prop::sample::select(Form::ALL.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut data = film(form);
        for (index, byte) in changes {
            // Most of the film is pixel data; the header is what matters.
            let at = index.index(700.min(data.bytes.len()));
            data.bytes[at] = byte;
        }
        if let Ok(scanned) = scan(&data.bytes, form.transfer_syntax())
            && let Some(pixels) = scanned.pixels {
            prop_assert!(pixels.value + pixels.length <= data.bytes.len());
        }
        let _ = centinela_domain::header::read(&data.part10());
    }
}
