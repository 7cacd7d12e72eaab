//! What a site may want of Secondary Captures: heat maps and small files.

use super::*;
use crate::prediction::HeatMap;

const WIDTH: u32 = PORTRAIT.0 as u32;

fn wanting(heat_map: bool, compression: Compression) -> Context {
    Context { captures: Captures { heat_map, compression }, ..context() }
}

/// A film with an activation map of that label: hot in its lower right quarter.
fn mapped(label: &str, scores: Vec<LabelScore>) -> StudyImage {
    let source = plain_film("a", PORTRAIT);
    let area = [0.0, 0.0, f32::from(PORTRAIT.0), f32::from(PORTRAIT.1)];
    let map = HeatMap::new(label, &[0.0, 0.0, 0.0, 1.0], (2, 2), area);
    let prediction = Prediction { model: model(), scores, map };
    let findings =
        ImageFindings::from_prediction(&source.header.sop_instance, &prediction, Vocabulary::embedded()).unwrap();
    let picture = Picture { width: WIDTH, height: 400, gray: vec![100; 400 * WIDTH as usize] };
    StudyImage { source, outcome: ImageOutcome::Analyzed { findings, picture } }
}

fn captures(context: &Context, image: StudyImage) -> Vec<ResultObject> {
    build(context, &[image], &[ResultKind::Sc]).unwrap().objects
}

#[test]
fn a_heat_map_is_a_second_capture_in_a_series_of_its_own() {
    let image = || mapped("Pneumothorax", vec![score("Pneumothorax", 0.9, vec![])]);
    let plain = captures(&wanting(false, Compression::None), image());
    let both = captures(&wanting(true, Compression::None), image());
    assert_eq!((plain.len(), both.len()), (1, 2));
    assert_eq!(plain[0], both[0], "the usual capture does not change");
    assert!(both[0].sop_instance != both[1].sop_instance && both[0].series != both[1].series);
    let ds = read(&both[1]);
    assert_eq!(text(&ds, tags::SERIES_NUMBER), "9006");
    assert_eq!(text(&ds, tags::SERIES_DESCRIPTION), "AI CXR heat map SC (unverified)");
    assert!(text(&ds, tags::DERIVATION_DESCRIPTION).contains("Pneumothorax. AI output, unverified"));
    assert_eq!(text(&items(&ds, tags::DERIVATION_CODE_SEQUENCE)[0], tags::CODE_VALUE), "130402");
}

#[test]
fn it_is_hot_where_the_model_looked_and_leaves_the_rest_alone() {
    let image = mapped("Pneumothorax", vec![score("Pneumothorax", 0.9, vec![])]);
    let both = captures(&wanting(true, Compression::None), image);
    let [usual, heat] = [read(&both[0]), read(&both[1])];
    let side = |tag| heat.element(tag).unwrap().to_int::<usize>().unwrap();
    let (width, height) = (side(tags::COLUMNS), side(tags::ROWS));
    let pixels = |ds: &InMemDicomObject| ds.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
    let (usual, heat) = (pixels(&usual), pixels(&heat));
    let (mut changed, mut gray) = ([0_usize; 4], [0_usize; 4]);
    // The film stands left of the panel and above the notice.
    let (film_width, film_height) = (width - 416, height - 40);
    for y in 0..film_height {
        for x in 0..film_width {
            let at = (y * width + x) * 3;
            if usual[at..at + 3] == [100, 100, 100] {
                let quarter = usize::from(x > film_width / 2) + 2 * usize::from(y > film_height / 2);
                gray[quarter] += 1;
                changed[quarter] += usize::from(heat[at..at + 3] != [100, 100, 100]);
            }
        }
    }
    assert!(gray.iter().all(|n| *n > 10_000), "{gray:?}");
    assert!(changed[3] > gray[3] * 9 / 10, "{changed:?} of {gray:?}");
    assert!(changed[0] * 8 < gray[0], "{changed:?} of {gray:?}");
}

#[test]
fn no_heat_map_without_one_of_a_present_finding() {
    for (label, probability) in [("Pneumonia", 0.9), ("Pneumothorax", 0.2)] {
        let image = mapped(label, vec![score("Pneumothorax", probability, vec![])]);
        assert_eq!(captures(&wanting(true, Compression::None), image).len(), 1, "{label} {probability}");
    }
    let without = analyzed(plain_film("a", PORTRAIT), positive());
    assert_eq!(captures(&wanting(true, Compression::None), without).len(), 1);
}

#[test]
fn compressed_captures_are_smaller_and_come_back_to_the_byte() {
    let image = || mapped("Pneumothorax", positive());
    let plain = captures(&wanting(true, Compression::None), image());
    let small = captures(&wanting(true, Compression::Rle), image());
    for (plain, small) in plain.iter().zip(&small) {
        let file = dicom_object::from_reader(&small.bytes[..]).unwrap();
        assert_eq!(file.meta().transfer_syntax().trim_end_matches('\0'), RLE_LOSSLESS);
        assert_eq!(plain.sop_instance, small.sop_instance, "the same object in another syntax");
        assert!(small.bytes.len() * 2 < plain.bytes.len(), "{} of {}", small.bytes.len(), plain.bytes.len());
        assert_eq!(small.bytes.len() % 2, 0);
        assert!(*uncompressed(&small.bytes).unwrap() == plain.bytes[..], "decompressed it is another file");
        assert!(matches!(uncompressed(&plain.bytes), Ok(std::borrow::Cow::Borrowed(_))));
        let mut damaged = small.bytes.clone();
        damaged.truncate(small.bytes.len() - 2000);
        assert!(uncompressed(&damaged).is_err());
    }
    assert_eq!(small.len(), 2);
}
