//! From bytes to header: encodings, character sets, invalid values, damage, identity.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod encode;

use centinela_domain::gate::SkipReason;
use centinela_domain::header::{HeaderError, START, read, read_damaged, read_dataset, read_start};
use centinela_domain::instance::InstanceHeader;
use centinela_domain::text::CharsetDoubt;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR, dicom_value};
use dicom_dictionary_std::tags;
use dicom_object::FileMetaTableBuilder;
use dicom_object::mem::InMemDicomObject;
use encode::{Data, Form, film, header as film_header, part10};

fn parsed(data: &Data) -> InstanceHeader {
    read(&data.part10()).unwrap().header
}

fn name_of(data: &Data) -> (String, Option<CharsetDoubt>) {
    let image = read(&data.part10()).unwrap();
    let name = image.dataset.get(tags::PATIENT_NAME).unwrap().to_str().unwrap().into_owned();
    assert_eq!(image.dataset.get(tags::SPECIFIC_CHARACTER_SET).unwrap().to_str().unwrap(), "ISO_IR 192");
    (name, image.header.charset_doubt)
}

#[test]
fn a_film_reads_the_same_in_every_encoding() {
    let images: Vec<_> = Form::ALL.iter().map(|form| read(&film(*form).part10()).unwrap()).collect();
    let header = &images[0].header;
    assert_eq!(header.sop_class.as_str(), "1.2.840.10008.5.1.4.1.1.1");
    assert_eq!(header.sop_instance.as_str(), "1.2.3.4");
    assert_eq!(header.study.as_str(), "1.2.3");
    assert_eq!(header.series.as_str(), "1.2.3.1");
    assert_eq!(header.modality.as_deref(), Some("CR"));
    assert_eq!(header.image_type, ["ORIGINAL", "PRIMARY"]);
    assert_eq!(header.body_part.as_deref(), Some("CHEST"));
    assert_eq!(header.view_position.as_deref(), Some("PA"));
    assert_eq!(header.region_codes, ["SRT:T-D3000"]);
    assert_eq!(header.patient_orientation, ["L", "F"]);
    assert_eq!(header.descriptions.iter().map(|d| d.reveal().as_str()).collect::<Vec<_>>(), ["Thorax"]);
    assert_eq!(
        (header.rows, header.columns, header.samples, header.bits_allocated),
        (Some(64), Some(64), Some(1), Some(8))
    );
    assert_eq!(header.photometric.as_deref(), Some("MONOCHROME2"));
    // The day before the 64th birthday.
    assert_eq!(header.age_years, Some(63));
    assert_eq!(header.series_number, Some(3));
    assert_eq!(header.manufacturer.as_deref(), Some("Vendor"));
    assert!(header.has_pixels);
    assert_eq!((header.frames, &header.species, header.charset_doubt), (None, &None, None));
    for image in &images {
        assert_eq!(&image.header, header);
        assert!(image.dataset.get(tags::PIXEL_DATA).is_none());
        assert_eq!(image.dataset.get(tags::PATIENT_ID).unwrap().to_str().unwrap(), "ID-1");
        // Undefined lengths are never equal to each other, so the data sets compare as text.
        assert_eq!(format!("{:?}", image.dataset), format!("{:?}", images[0].dataset));
    }
}

#[test]
fn no_patient_stands_in_debug_output() {
    let image = read(&film(Form::Explicit).part10()).unwrap();
    let shown = format!("{image:?} {:?}", image.header);
    for secret in ["Ana", "ID-1", "1960", "Thorax"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn names_in_several_character_sets() {
    let name = |charset: &str, bytes: &[u8]| name_of(&film_header(Form::Explicit, charset, bytes).pixels(64, 64));
    assert_eq!(name("ISO_IR 100", b"Mu\xf1oz Ib\xe1\xf1ez^Jos\xe9 \xc1ngel"), ("Muñoz Ibáñez^José Ángel".into(), None));
    let japanese = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
    assert_eq!(name("\\ISO 2022 IR 87", japanese), ("Yamada^Tarou=山田^太郎=やまだ^たろう".into(), None));
    assert_eq!(name("", b"Mu\xf1oz"), ("Muñoz".into(), Some(CharsetDoubt::Undeclared)));
    assert_eq!(name("ISO_IR 192", b"Mu\xf1oz"), ("Mu\u{fffd}oz".into(), Some(CharsetDoubt::Undecodable)));
}

#[test]
fn an_item_may_have_its_own_character_set() {
    let charset = |data: Data, term: &str| data.text(8, 5, "CS", term);
    let latin = Data::new(Form::Explicit).put(8, 0x104, "LO", b"T\xf3rax");
    let greek = charset(Data::new(Form::Explicit), "ISO_IR 126").put(8, 0x104, "LO", b"\xe8\xfe\xf1\xe1\xea\xe1\xf2");
    let data =
        film_header(Form::Explicit, "ISO_IR 100", b"A").sequence(0x40, 0x260, &[greek, latin], false).pixels(64, 64);
    let image = read(&data.part10()).unwrap();
    let items = image.dataset.get(tags::PERFORMED_PROTOCOL_CODE_SEQUENCE).unwrap().items().unwrap();
    let meaning = |i: usize| items[i].get(tags::CODE_MEANING).unwrap().to_str().unwrap();
    assert_eq!((meaning(0).as_ref(), meaning(1).as_ref()), ("θώρακας", "Tórax"));
    assert!(items[0].get(tags::SPECIFIC_CHARACTER_SET).is_none());
}

#[test]
fn the_character_set_counts_wherever_it_stands() {
    let late = Data::new(Form::Explicit)
        .put(0x10, 0x10, "PN", b"Mu\xf1oz")
        .text(8, 0x16, "UI", "1.2")
        .text(8, 0x18, "UI", "1.2.3.4")
        .text(0x20, 0x0D, "UI", "1.2.3")
        .text(0x20, 0x0E, "UI", "1.2.3.1")
        .text(8, 5, "CS", "ISO_IR 100");
    assert_eq!(name_of(&late), ("Muñoz".into(), None));
}

#[test]
fn contributing_equipment_is_indexed() {
    let form = Form::Explicit;
    let item = |maker: &str| Data::new(form).text(8, 0x70, "LO", maker).text(8, 0x1090, "LO", "Model");
    let film = film_header(form, "ISO_IR 192", b"Doe").sequence(0x18, 0xA001, &[item("ACME"), Data::new(form)], true);
    let expected = [("ACME".to_owned(), "Model".to_owned()), (String::new(), String::new())];
    // Elements out of order are read all the same.
    assert_eq!(parsed(&film.pixels(64, 64)).contributors, expected);
}

#[test]
fn ages() {
    let age = |stated: &str, born: &str, studied: &str| {
        let data = Data::new(Form::Explicit)
            .text(8, 0x16, "UI", "1.2")
            .text(8, 0x18, "UI", "1.2.3.4")
            .text(8, 0x20, "DA", studied)
            .text(0x10, 0x30, "DA", born)
            .text(0x10, 0x1010, "AS", stated)
            .text(0x20, 0x0D, "UI", "1.2.3")
            .text(0x20, 0x0E, "UI", "1.2.3.1");
        parsed(&data).age_years
    };
    for (stated, years) in [
        ("081Y", Some(81)),
        ("018M", Some(1)),
        ("011M", Some(0)),
        ("060W", Some(1)),
        ("400D", Some(1)),
        ("000Y", Some(0)),
        ("81", None),
        ("81Y", None),
        ("081", None),
        ("081J", None),
        ("999Y", None),
        ("", None),
        ("ñ1Y", None),
    ] {
        assert_eq!(age(stated, "", ""), years, "{stated}");
    }
    for (born, studied, years) in [
        ("19600301", "20240229", Some(63)),
        ("19600301", "20240301", Some(64)),
        ("20000229", "20240228", Some(23)),
        ("1960.03.01", "20240301", Some(64)),
        ("20250101", "20240301", None),
        ("18900101", "20240301", None),
        ("19601301", "20240301", None),
        ("1960", "20240301", None),
        ("19600301", "", None),
    ] {
        assert_eq!(age("", born, studied), years, "{born} {studied}");
        assert_eq!(age("81", born, studied), years, "unparsable and {born} {studied}");
    }
    // The stated age wins.
    assert_eq!(age("005Y", "19600301", "20240301"), Some(5));
}

#[test]
fn invalid_values_stay_as_received() {
    let data = film(Form::Implicit);
    let odd = Data::new(Form::Implicit)
        .text(0x10, 0x1010, "AS", "81")
        .text(0x28, 8, "IS", "one")
        .put(0x28, 0x1050, "DS", b"x1\\ ")
        .put(0x28, 0x106, "US", &[1, 2, 3, 4, 5, 6]);
    let bytes = [odd.bytes, data.bytes].concat();
    let image = read(&part10(&bytes, Form::Implicit.transfer_syntax())).unwrap();
    assert_eq!(image.dataset.get(tags::PATIENT_AGE).unwrap().to_str().unwrap(), "81");
    assert_eq!(image.header.frames, None);
    assert_eq!(image.dataset.get(tags::WINDOW_CENTER).unwrap().to_multi_str().unwrap().as_ref(), ["x1", ""]);
    // An odd length is no multiple of two: bytes it stays.
    let mut one = film(Form::Explicit);
    one.bytes.splice(0..0, Data::new(Form::Explicit).head(0x28, 0x10, "US", 1).bytes.into_iter().chain([9]));
    let image = read(&one.part10()).unwrap();
    assert_eq!(image.header.rows, Some(64));
}

#[test]
fn signed_pixels_decide_an_open_vr() {
    let data = |representation| {
        let film =
            film_header(Form::Implicit, "", b"A").us(0x28, 0x103, representation).put(0x28, 0x120, "US", &[0xFF, 0xFF]);
        read(&film.part10()).unwrap().dataset.get(tags::PIXEL_PADDING_VALUE).unwrap().clone()
    };
    assert_eq!((data(1).vr(), data(1).to_int::<i32>().unwrap()), (VR::SS, -1));
    assert_eq!((data(0).vr(), data(0).to_int::<i32>().unwrap()), (VR::US, 65535));
}

#[test]
fn attributes_stored_as_un_are_known() {
    let data = film_header(Form::Explicit, "ISO_IR 100", b"A").put(0x10, 0x1000, "UN", b"x").put(
        0x10,
        0x2201,
        "UN",
        b"Canis lupus",
    );
    assert_eq!(parsed(&data).species.as_deref(), Some("Canis lupus"));
}

#[test]
fn missing_and_malformed_identifiers_are_named() {
    for (group, element, attribute) in [
        (8, 0x16, "SOPClassUID (0008,0016)"),
        (8, 0x18, "SOPInstanceUID (0008,0018)"),
        (0x20, 0x0D, "StudyInstanceUID (0020,000D)"),
        (0x20, 0x0E, "SeriesInstanceUID (0020,000E)"),
    ] {
        let without = |value: &str| {
            let mut data = film(Form::Explicit);
            // A later element of the same tag replaces the first.
            data = data.text(group, element, "UI", value);
            read(&data.part10()).unwrap_err()
        };
        assert_eq!(without(""), HeaderError::Missing { attribute });
        let malformed = without("12x.patient");
        assert!(
            malformed.to_string().starts_with(attribute) && !malformed.to_string().contains("patient"),
            "{malformed}"
        );
        assert_eq!(malformed.reason(), SkipReason::Decode);
    }
}

#[test]
fn a_film_cut_in_its_pixels_still_has_a_header() {
    for form in Form::ALL {
        let file = film(form).part10();
        let cut = &file[..file.len() - 100];
        let error = read(cut).unwrap_err();
        assert_eq!(error.reason(), SkipReason::Truncated);
        assert!(error.to_string().contains("(7FE0,0010)"), "{error}");
        let (image, damage) = read_damaged(cut).unwrap();
        assert_eq!(HeaderError::from(damage.unwrap()), error);
        assert_eq!(image.header, parsed(&film(form)));
        // Cut in the header: nothing to tell.
        assert!(read_damaged(&file[..400]).is_err());
    }
}

#[test]
fn a_data_set_without_file_meta_reads_too() {
    let data = film(Form::BigEndian);
    let (image, damage) = read_dataset(&data.bytes, Form::BigEndian.transfer_syntax()).unwrap();
    assert_eq!((image.header, damage), (parsed(&data), None));
}

#[test]
fn identity_ignores_padding_and_character_set_and_sees_everything_else() {
    let digest = |charset: &str, name: &[u8], id: &str, study: &str| {
        let data = Data::new(Form::Explicit)
            .text(8, 5, "CS", charset)
            .text(8, 0x16, "UI", "1.2")
            .text(8, 0x18, "UI", "1.2.3.4")
            .put(0x10, 0x10, "PN", name)
            .text(0x10, 0x20, "LO", id)
            .text(0x20, 0x0D, "UI", study)
            .text(0x20, 0x0E, "UI", "1.2.3.1");
        parsed(&data).identity_digest
    };
    let one = digest("ISO_IR 100", b"Mu\xf1oz^Ana", "7", "1.2.3");
    assert_eq!(one.len(), 64);
    assert_eq!(one, digest("ISO_IR 192", "Muñoz^Ana^^ ".as_bytes(), "7   ", "1.2.3"));
    assert_ne!(one, digest("ISO_IR 100", b"Munoz^Ana", "7", "1.2.3"));
    assert_ne!(one, digest("ISO_IR 100", b"Mu\xf1oz^Ana", "8", "1.2.3"));
    assert_ne!(one, digest("ISO_IR 100", b"Mu\xf1oz^Ana", "7", "1.2.4"));
}

#[test]
fn private_and_repeating_groups_and_numbers_survive_a_round_trip() {
    let item = InMemDicomObject::from_element_iter([
        DataElement::new(tags::CODE_VALUE, VR::SH, PrimitiveValue::Strs(["39607008".to_owned()].as_slice().into())),
        DataElement::new(
            tags::REFERENCED_FRAME_NUMBER,
            VR::IS,
            PrimitiveValue::Strs(["1".to_owned(), "2".to_owned()].as_slice().into()),
        ),
    ]);
    let sequence = dicom_core::value::DataSetSequence::new(
        vec![item, InMemDicomObject::new_empty()],
        dicom_core::Length::UNDEFINED,
    );
    let strs = |values: &[&str]| PrimitiveValue::Strs(values.iter().map(|v| (*v).to_owned()).collect());
    let original = InMemDicomObject::from_element_iter([
        DataElement::new(tags::SPECIFIC_CHARACTER_SET, VR::CS, PrimitiveValue::from("ISO_IR 192")),
        DataElement::new(tags::SOP_CLASS_UID, VR::UI, strs(&["1.2.840.10008.5.1.4.1.1.1"])),
        DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, strs(&["1.2.3.4"])),
        DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, strs(&["1.2.3"])),
        DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, strs(&["1.2.3.1"])),
        DataElement::new(tags::ANATOMIC_REGION_SEQUENCE, VR::SQ, sequence),
        DataElement::new(Tag(9, 0x10), VR::LO, strs(&["PRIVATE"])),
        DataElement::new(Tag(9, 0x1001), VR::UN, dicom_value!(U8, [1, 2, 3, 4])),
        DataElement::new(tags::PATIENT_COMMENTS, VR::LT, PrimitiveValue::Str("a\\b\r\nñ".into())),
        DataElement::new(tags::EXPOSURE_TIME_INMS, VR::FD, dicom_value!(F64, [1.5, -2.25])),
        DataElement::new(tags::SIMPLE_FRAME_LIST, VR::UL, dicom_value!(U32, [70_000])),
        DataElement::new(tags::FRAME_INCREMENT_POINTER, VR::AT, dicom_value!(Tags, [Tag(0x18, 0x1063)])),
        DataElement::new(tags::LUT_DATA, VR::OW, dicom_value!(U16, [1, 2, 65535])),
        DataElement::new(Tag(0x6002, 0x3000), VR::OW, dicom_value!(U16, [0xAA55])),
    ]);
    for form in Form::ALL {
        let meta = FileMetaTableBuilder::new().transfer_syntax(form.transfer_syntax());
        let mut bytes = Vec::new();
        original.clone().with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
        let image = read(&bytes).unwrap();
        assert_eq!(format!("{:?}", image.dataset), format!("{original:?}"), "{form:?}");
        assert_eq!(image.header.region_codes, [":39607008"]);
    }
}

/// The identifiers, and behind them a private element that is longer than the start of the file.
fn long_behind_the_identifiers() -> Data {
    Data::new(Form::Explicit)
        .text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.104.1")
        .text(8, 0x18, "UI", "1.2.3.4")
        .text(0x20, 0x0D, "UI", "1.2.3")
        .text(0x20, 0x0E, "UI", "1.2.3.1")
        .put(0x42, 0x11, "OB", &vec![7; START])
}

#[test]
fn the_start_of_a_long_file_tells_its_header() {
    let file = long_behind_the_identifiers().part10();
    let (image, damage) = read_start(&file[..START], false).unwrap();
    assert_eq!(image.header.sop_instance.as_str(), "1.2.3.4");
    assert_eq!(damage.map(|error| error.reason()), Some(SkipReason::Truncated));
    assert_eq!(image.header, read(&file).unwrap().header, "nothing that it lacks is in the header");
    // The same bytes as a whole file are a file that is cut in its header.
    assert!(read_start(&file[..START], true).is_err());
    // Cut among the identifiers: there is no name to keep it under.
    assert!(read_start(&file[..300], false).is_err());
    let film = film(Form::Explicit);
    let (whole, damage) = read_start(&film.part10(), true).unwrap();
    assert_eq!((whole.header, damage), (parsed(&film), None));
}

#[test]
fn a_deflated_start_is_inflated_no_further_than_needed() {
    use flate2::{Compression, write::DeflateEncoder};
    use std::io::Write as _;
    let data = long_behind_the_identifiers().bytes;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&data).unwrap();
    for _ in 0..64 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(b"\x02\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99");
    file.extend(encoder.finish().unwrap());
    assert!(file.len() < 200_000, "{}", file.len());
    for (cut, whole) in [(file.len(), true), (file.len() - 1000, false)] {
        let (image, damage) = read_start(&file[..cut], whole).unwrap();
        assert_eq!(image.header.sop_instance.as_str(), "1.2.3.4");
        assert!(damage.is_some());
    }
    assert!(read_start(&file[..3_000], true).is_err(), "a stream that ends too early");
}
