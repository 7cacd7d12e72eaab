//! Films for the tests: committed ones, and ways to bend them.

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::mem::InMemDicomObject;
use dicom_object::meta::FileMetaTableBuilder;
use std::path::PathBuf;

/// The crate's folder of test data.
pub fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// A committed film, see `tests/data/make_films.py`.
pub fn film(name: &str) -> Vec<u8> {
    std::fs::read(data().join("films").join(name).with_extension("dcm")).unwrap()
}

/// Overwrites a top-level US value of an explicit little-endian film.
pub fn patched(mut bytes: Vec<u8>, (group, element): (u16, u16), value: u16) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(group.to_le_bytes());
    header.extend(element.to_le_bytes());
    header.extend(b"US\x02\x00");
    let at = bytes.windows(8).position(|w| w == header).unwrap() + 8;
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    bytes
}

pub const ROWS: (u16, u16) = (0x0028, 0x0010);
pub const COLUMNS: (u16, u16) = (0x0028, 0x0011);

/// The compressed stream of a film with one fragment, and the file up to Pixel Data's value.
pub fn taken_apart(film: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let undefined = [0xe0, 0x7f, 0x10, 0x00, b'O', b'B', 0, 0, 0xff, 0xff, 0xff, 0xff];
    let value = film.windows(12).position(|w| w == undefined).unwrap() + 12;
    let long = |at: usize| u32::from_le_bytes(film[at..at + 4].try_into().unwrap()) as usize;
    let fragment = value + 8 + long(value + 4);
    let stream = film[fragment + 8..fragment + 8 + long(fragment + 4)].to_vec();
    (film[..value].to_vec(), stream)
}

/// A film around another stream.
pub fn put_together(head: &[u8], stream: &[u8]) -> Vec<u8> {
    let mut film = head.to_vec();
    let item = [0xfe, 0xff, 0x00, 0xe0];
    film.extend(item);
    film.extend(0_u32.to_le_bytes());
    film.extend(item);
    film.extend((stream.len() as u32 + stream.len() as u32 % 2).to_le_bytes());
    film.extend(stream);
    film.extend(std::iter::repeat_n(0, stream.len() % 2));
    film.extend([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]);
    film
}

/// An uncompressed 12-bit film with further attributes.
pub fn made(columns: u16, values: &[u16], more: Vec<DataElement<InMemDicomObject>>) -> Vec<u8> {
    let word = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let uid = |tag, value: &str| DataElement::new(tag, VR::UI, PrimitiveValue::from(value));
    let mut dataset = InMemDicomObject::from_element_iter([
        uid(tags::SOP_CLASS_UID, uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE),
        uid(tags::SOP_INSTANCE_UID, "2.25.77"),
        uid(tags::STUDY_INSTANCE_UID, "2.25.78"),
        uid(tags::SERIES_INSTANCE_UID, "2.25.79"),
        word(tags::SAMPLES_PER_PIXEL, 1),
        DataElement::new(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, PrimitiveValue::from("MONOCHROME2")),
        word(tags::ROWS, (values.len() / usize::from(columns)) as u16),
        word(tags::COLUMNS, columns),
        word(tags::BITS_ALLOCATED, 16),
        word(tags::BITS_STORED, 12),
        word(tags::HIGH_BIT, 11),
        word(tags::PIXEL_REPRESENTATION, 0),
        DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.iter().copied().collect())),
    ]);
    for element in more {
        dataset.put(element);
    }
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let mut bytes = Vec::new();
    dataset.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
    bytes
}
