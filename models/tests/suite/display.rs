//! From values to grey: windows, tables, MONOCHROME1 and Presentation LUT Shape, through files.

use crate::films::made;
use centinela_models::image::{CxrImage, Note};
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemDicomObject;

type Element = DataElement<InMemDicomObject>;

fn text(tag: Tag, vr: VR, value: &str) -> Element {
    DataElement::new(tag, vr, PrimitiveValue::from(value))
}

fn shown(values: &[u16], more: Vec<Element>) -> (Vec<f32>, Vec<Note>) {
    let image = CxrImage::decode(&made(values.len() as u16, values, more)).unwrap();
    (image.gray(), image.notes)
}

fn near(got: &[f32], want: &[f32]) -> bool {
    got.len() == want.len() && got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6)
}

fn window(function: Option<&str>) -> Vec<Element> {
    let mut elements =
        vec![text(tags::WINDOW_CENTER, VR::DS, "1000.5\\20"), text(tags::WINDOW_WIDTH, VR::DS, "1001\\40")];
    elements.extend(function.map(|name| text(tags::VOILUT_FUNCTION, VR::CS, name)));
    elements
}

#[test]
fn the_first_window_counts_and_its_function() {
    let values = [0, 500, 750, 1000, 1500, 4095];
    let (linear, notes) = shown(&values, window(None));
    assert!(near(&linear, &[0.0, 0.0, 0.25, 0.5, 1.0, 1.0]), "{linear:?}");
    assert!(notes.is_empty());
    let (exact, _) = shown(&values, window(Some("LINEAR_EXACT")));
    assert!(near(&exact, &[0.0, 0.0, 250.0 / 1001.0, 500.0 / 1001.0, 1000.0 / 1001.0, 1.0]), "{exact:?}");
    let (sigmoid, _) = shown(&values, window(Some("SIGMOID")));
    let want = |v: f64| (1.0 / (1.0 + (-4.0 * (v - 1000.5) / 1001.0).exp())) as f32;
    assert!(near(&sigmoid, &values.map(|v| want(f64::from(v)))), "{sigmoid:?}");
    let (_, notes) = shown(&values, window(Some("CUBIC")));
    assert_eq!(notes, [Note::WindowIgnored, Note::NoVoi]);
}

#[test]
fn no_voi_takes_the_range_of_the_pixels() {
    let values: Vec<u16> = (0..1001).map(|v| 1000 + v).collect();
    let (gray, notes) = shown(&values, Vec::new());
    assert_eq!(notes, [Note::NoVoi]);
    assert!(near(&[gray[5], gray[500], gray[995], gray[1000]], &[0.0, 0.5, 1.0, 1.0]));
}

#[test]
fn a_voi_table_wins_over_the_window() {
    let item = InMemDicomObject::from_element_iter([
        DataElement::new(tags::LUT_DESCRIPTOR, VR::US, PrimitiveValue::U16([3, 10, 8].into_iter().collect())),
        DataElement::new(tags::LUT_DATA, VR::US, PrimitiveValue::U16([0, 51, 255].into_iter().collect())),
    ]);
    let mut more = window(None);
    more.push(DataElement::new(tags::VOILUT_SEQUENCE, VR::SQ, DataSetSequence::from(vec![item])));
    let (gray, _) = shown(&[0, 10, 11, 12, 4000], more);
    assert!(near(&gray, &[0.0, 0.0, 0.2, 1.0, 1.0]), "{gray:?}");
}

#[test]
fn monochrome1_and_inverse_turn_the_film_once() {
    let photometric = |name| text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, name);
    let shape = |name| text(tags::PRESENTATION_LUT_SHAPE, VR::CS, name);
    let contradiction: &[Note] = &[Note::ContradictoryPresentation];
    for (pi, lut, turned, notes) in [
        ("MONOCHROME2", None, false, [].as_slice()),
        ("MONOCHROME1", None, true, &[]),
        ("MONOCHROME2", Some("IDENTITY"), false, &[]),
        ("MONOCHROME1", Some("INVERSE"), true, &[]),
        ("MONOCHROME2", Some("INVERSE"), true, contradiction),
        ("MONOCHROME1", Some("IDENTITY"), true, contradiction),
    ] {
        let mut more = window(None);
        more.push(photometric(pi));
        more.extend(lut.map(shape));
        let (gray, found) = shown(&[500, 750, 1500], more);
        let want = if turned { [1.0, 0.75, 0.0] } else { [0.0, 0.25, 1.0] };
        assert!(near(&gray, &want), "{pi} {lut:?}: {gray:?}");
        assert_eq!(found, notes, "{pi} {lut:?}");
    }
}

#[test]
fn rescaling_comes_before_the_window() {
    let mut more = window(None);
    more.extend([text(tags::RESCALE_SLOPE, VR::DS, "0.5"), text(tags::RESCALE_INTERCEPT, VR::DS, "-100")]);
    let (gray, _) = shown(&[1200, 1700, 2200, 3200], more);
    assert!(near(&gray, &[0.0, 0.25, 0.5, 1.0]), "{gray:?}");
    let (_, notes) = shown(&[1, 2], vec![text(tags::RESCALE_SLOPE, VR::DS, "0")]);
    assert!(notes.contains(&Note::RescaleIgnored));
}
