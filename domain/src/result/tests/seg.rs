//! Segmentations: the masks of the report's regions, under their identifiers and colours.

use super::*;

fn masks(image: SourceImage, scores: Vec<LabelScore>) -> InMemDicomObject {
    built(&context(), &[analyzed(image, scores)], ResultKind::Seg).remove(0)
}

/// Whether a pixel is set in a frame.
fn bit(ds: &InMemDicomObject, (columns, rows): (u16, u16), frame: usize, x: usize, y: usize) -> bool {
    let pixels = ds.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap();
    let at = (frame * usize::from(rows) + y) * usize::from(columns) + x;
    pixels[at / 8] >> (at % 8) & 1 == 1
}

fn shorts(ds: &InMemDicomObject, tag: Tag) -> Vec<u16> {
    ds.element(tag).unwrap().to_multi_int().unwrap()
}

#[test]
fn every_region_is_a_frame_whose_bits_are_the_pixels_in_it() {
    // 299 x 401 pixels are no whole number of bytes: frames begin inside one.
    for size in [PORTRAIT, LANDSCAPE, (299, 401)] {
        let ds = masks(plain_film("a", size), positive());
        assert_eq!(text(&ds, tags::NUMBER_OF_FRAMES), "2");
        assert_eq!((shorts(&ds, tags::COLUMNS), shorts(&ds, tags::ROWS)), (vec![size.0], vec![size.1]));
        let length = ds.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().len();
        assert_eq!(length, (2 * usize::from(size.0) * usize::from(size.1)).div_ceil(8).next_multiple_of(2));
        // The square from 30, 20.5 to 90, 80.5; the square from 150, 100 to 190, 140.
        for (frame, [left, top, right, bottom]) in [(0, [30, 20, 90, 80]), (1, [150, 100, 190, 140])] {
            for y in 0..usize::from(size.1) {
                for x in 0..usize::from(size.0) {
                    let inside = (left..right).contains(&x) && (top..bottom).contains(&y);
                    assert_eq!(bit(&ds, size, frame, x, y), inside, "{size:?}, frame {frame}, {x}, {y}");
                }
            }
        }
    }
}

#[test]
fn segments_have_the_report_s_codes_and_tracking_identifiers() {
    let images = [analyzed(plain_film("a", PORTRAIT), positive())];
    let report = built(&context(), &images, ResultKind::Sr).remove(0);
    let mut tracked = BTreeSet::new();
    everywhere(&report, &mut |group| {
        let children = items(group, tags::CONTENT_SEQUENCE);
        if children.iter().any(|c| text(c, tags::VALUE_TYPE) == "SCOORD") {
            let uid = children.iter().find(|c| text(c, tags::VALUE_TYPE) == "UIDREF").unwrap();
            let name = children.iter().find(|c| text(c, tags::VALUE_TYPE) == "TEXT").unwrap();
            tracked.insert((text(name, tags::TEXT_VALUE), text(uid, tags::UID)));
        }
    });
    let ds = built(&context(), &images, ResultKind::Seg).remove(0);
    let segments = items(&ds, tags::SEGMENT_SEQUENCE);
    let found: BTreeSet<_> =
        segments.iter().map(|s| (text(s, tags::TRACKING_ID), text(s, tags::TRACKING_UID))).collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found, tracked);
    for (n, segment) in segments.iter().enumerate() {
        assert_eq!(shorts(segment, tags::SEGMENT_NUMBER), [n as u16 + 1]);
        assert_eq!(text(segment, tags::SEGMENT_ALGORITHM_TYPE), "AUTOMATIC");
        assert_eq!(text(segment, tags::SEGMENT_ALGORITHM_NAME), "Test model");
        let code = |tag| text(&items(segment, tag)[0], tags::CODE_VALUE);
        assert_eq!(code(tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE), "36118008");
        assert_eq!(code(tags::SEGMENTED_PROPERTY_CATEGORY_CODE_SEQUENCE), "64572001");
        assert_eq!(code(tags::ANATOMIC_REGION_SEQUENCE), "3120008");
    }
    for (n, frame) in items(&ds, tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).iter().enumerate() {
        let segment = &items(frame, tags::SEGMENT_IDENTIFICATION_SEQUENCE)[0];
        assert_eq!(shorts(segment, tags::REFERENCED_SEGMENT_NUMBER), [n as u16 + 1]);
        let derivation = &items(frame, tags::DERIVATION_IMAGE_SEQUENCE)[0];
        let source = &items(derivation, tags::SOURCE_IMAGE_SEQUENCE)[0];
        assert_eq!(text(source, tags::REFERENCED_SOP_INSTANCE_UID), images[0].source.header.sop_instance.as_str());
        assert_eq!(text(source, tags::SPATIAL_LOCATIONS_PRESERVED), "YES");
    }
}

#[test]
fn a_finding_has_one_colour_in_all_objects_of_the_study() {
    // On the second film the order of the probabilities is the other way round.
    let images = [
        analyzed(
            plain_film("a", PORTRAIT),
            vec![
                score("Effusion", 0.7, vec![square(5.0, 5.0, 40.0)]),
                score("Pneumothorax", 0.95, vec![square(100.0, 50.0, 40.0)]),
            ],
        ),
        analyzed(
            plain_film("b", LANDSCAPE),
            vec![
                score("Effusion", 0.9, vec![square(5.0, 5.0, 40.0)]),
                score("Pneumothorax", 0.6, vec![square(100.0, 50.0, 40.0)]),
            ],
        ),
    ];
    let mut colors = std::collections::BTreeMap::<String, BTreeSet<Vec<u16>>>::new();
    for ds in built(&context(), &images, ResultKind::Seg) {
        for segment in items(&ds, tags::SEGMENT_SEQUENCE) {
            let code = text(&items(segment, tags::SEGMENTED_PROPERTY_TYPE_CODE_SEQUENCE)[0], tags::CODE_MEANING);
            colors.entry(code).or_default().insert(shorts(segment, tags::RECOMMENDED_DISPLAY_CIE_LAB_VALUE));
        }
    }
    for ds in built(&context(), &images, ResultKind::Gsps) {
        for layer in items(&ds, tags::GRAPHIC_LAYER_SEQUENCE) {
            let color = shorts(layer, tags::GRAPHIC_LAYER_RECOMMENDED_DISPLAY_CIE_LAB_VALUE);
            if let Some(name) = text(layer, tags::GRAPHIC_LAYER_DESCRIPTION).strip_prefix("AI findings: ") {
                colors.entry(name.to_owned()).or_default().insert(color);
            }
        }
    }
    let found: Vec<_> = colors.into_iter().map(|(name, set)| (name, set.into_iter().collect::<Vec<_>>())).collect();
    // The strongest of the study is yellow, the next one blue.
    let want = [("Pleural effusion", [49_782, 25_084, 23_341]), ("Pneumothorax", [54_909, 35_517, 54_524])];
    assert_eq!(found, want.map(|(name, lab)| (name.to_owned(), vec![lab.to_vec()])));
}

#[test]
fn a_film_without_regions_has_no_segmentation() {
    let films =
        [analyzed(plain_film("a", PORTRAIT), negative()), skipped(plain_film("b", PORTRAIT), SkipReason::Decode)];
    assert!(build(&context(), &films, &[ResultKind::Seg]).unwrap().objects.is_empty());
}

#[test]
fn what_was_lost_before_is_said_again() {
    let lossy = |ratio: &'static str| {
        film("a", PORTRAIT, move |ds| {
            ds.put(element(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, "01"));
            ds.put(element(tags::LOSSY_IMAGE_COMPRESSION_RATIO, VR::DS, ratio));
            ds.put(element(tags::LOSSY_IMAGE_COMPRESSION_METHOD, VR::CS, "ISO_10918_1"));
        })
    };
    for kind in [ResultKind::Sc, ResultKind::Seg] {
        let said = |image| {
            let ds = built(&context(), &[analyzed(image, positive())], kind).remove(0);
            (text(&ds, tags::LOSSY_IMAGE_COMPRESSION), text(&ds, tags::LOSSY_IMAGE_COMPRESSION_RATIO))
        };
        assert_eq!(said(plain_film("a", PORTRAIT)), ("00".into(), String::new()));
        assert_eq!(said(lossy("12.5")), ("01".into(), "12.5".into()));
        assert_eq!(said(lossy("much")), ("00".into(), String::new()));
    }
}

#[test]
fn too_many_regions_for_one_object_leave_the_weakest_out_and_say_so() {
    // 5000 x 6000 pixels: 35 frames are less than 128 MiB, 36 are more.
    let many = |label, probability| score(label, probability, (0..20).map(|n| square(n as f32, 5.0, 3.0)).collect());
    let image = StudyImage {
        source: plain_film("a", (5000, 6000)),
        ..analyzed(plain_film("a", PORTRAIT), vec![many("Effusion", 0.6), many("Pneumothorax", 0.9)])
    };
    let result = build(&context(), &[image], &[ResultKind::Seg]).unwrap();
    let names: Vec<_> = result.left_out.iter().map(|left| left.attribute.as_str()).collect();
    assert_eq!(names, ["(0062,0002) SegmentSequence"]);
    assert!(result.objects[0].bytes.len() < (128 << 20) + 100_000);
    let ds = read(&result.objects[0]);
    let labels: Vec<_> = items(&ds, tags::SEGMENT_SEQUENCE).iter().map(|s| text(s, tags::SEGMENT_LABEL)).collect();
    let count = |name: &str| labels.iter().filter(|label| label.contains(name)).count();
    assert_eq!((labels.len(), count("Pleural effusion"), count("Pneumothorax")), (35, 15, 20));
}
