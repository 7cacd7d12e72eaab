//! Presentation states: what they show of the film, and that they draw what the report says.

use super::*;

fn state(image: SourceImage) -> InMemDicomObject {
    built(&context(), &[analyzed(image, positive())], ResultKind::Gsps).remove(0)
}

#[test]
fn a_film_without_regions_has_no_state() {
    let images = [
        analyzed(plain_film("a", PORTRAIT), negative()),
        analyzed(plain_film("b", LANDSCAPE), positive()),
        skipped(plain_film("c", PORTRAIT), SkipReason::Decode),
    ];
    let result = build(&context(), &images, &[ResultKind::Gsps]).unwrap();
    assert_eq!(result.objects.len(), 1);
    assert_eq!(result.objects[0].source.as_ref(), Some(&images[1].source.header.sop_instance));
    assert_eq!(text(&read(&result.objects[0]), tags::INSTANCE_NUMBER), "1");
}

#[test]
fn the_displayed_area_is_columns_then_rows() {
    for size in [PORTRAIT, LANDSCAPE] {
        let ds = state(plain_film("a", size));
        let area = &items(&ds, tags::DISPLAYED_AREA_SELECTION_SEQUENCE)[0];
        let corner = |tag| area.element(tag).unwrap().to_multi_int::<i32>().unwrap();
        assert_eq!(corner(tags::DISPLAYED_AREA_TOP_LEFT_HAND_CORNER), [1, 1]);
        assert_eq!(corner(tags::DISPLAYED_AREA_BOTTOM_RIGHT_HAND_CORNER), [i32::from(size.0), i32::from(size.1)]);
        assert_eq!(text(area, tags::PRESENTATION_PIXEL_ASPECT_RATIO), "1\\1");
    }
}

#[test]
fn regions_are_those_of_the_report_under_the_same_tracking_uid() {
    let images = [analyzed(plain_film("a", LANDSCAPE), positive())];
    let report = built(&context(), &images, ResultKind::Sr).remove(0);
    let mut regions = std::collections::BTreeMap::new();
    everywhere(&report, &mut |group| {
        let children = items(group, tags::CONTENT_SEQUENCE);
        let child = |kind: &str| children.iter().find(|c| text(c, tags::VALUE_TYPE) == kind);
        if let (Some(region), Some(uid)) = (child("SCOORD"), child("UIDREF")) {
            regions.insert(text(uid, tags::UID), floats(region, tags::GRAPHIC_DATA));
        }
    });
    let state = built(&context(), &images, ResultKind::Gsps).remove(0);
    let drawn = &items(&state, tags::GRAPHIC_ANNOTATION_SEQUENCE)[0];
    let graphics = items(drawn, tags::GRAPHIC_OBJECT_SEQUENCE);
    assert_eq!(graphics.len(), 2);
    assert_eq!(regions.len(), 2);
    for graphic in graphics {
        let data = floats(graphic, tags::GRAPHIC_DATA);
        assert_eq!(regions[&text(graphic, tags::TRACKING_UID)], data);
        assert_eq!(graphic.element(tags::NUMBER_OF_GRAPHIC_POINTS).unwrap().to_int::<usize>().unwrap() * 2, data.len());
        assert_eq!(data[..2], data[data.len() - 2..], "closed");
    }
    // Column first: the first contour starts at column 30, row 20.5.
    assert_eq!(floats(&graphics[0], tags::GRAPHIC_DATA)[..4], [30.0, 20.5, 90.0, 20.5]);
    let texts: Vec<_> =
        items(drawn, tags::TEXT_OBJECT_SEQUENCE).iter().map(|t| text(t, tags::UNFORMATTED_TEXT_VALUE)).collect();
    assert_eq!(texts, ["Pneumothorax 91%", "Pneumothorax 91%"]);
    assert_eq!(text(&graphics[1], tags::TRACKING_ID), "CXR AI Pneumothorax 2");
}

#[test]
fn every_annotation_has_a_layer_that_is_defined() {
    let mut scores = positive();
    scores[1].regions.push(square(10.0, 20.0, 30.0));
    let ds = built(&context(), &[analyzed(plain_film("a", PORTRAIT), scores)], ResultKind::Gsps).remove(0);
    let layers = items(&ds, tags::GRAPHIC_LAYER_SEQUENCE);
    let defined: Vec<_> = layers.iter().map(|l| text(l, tags::GRAPHIC_LAYER)).collect();
    assert_eq!(defined, ["AI_FINDING_1", "AI_FINDING_2", "AI_NOTICE"]);
    let told: Vec<_> = layers.iter().map(|l| text(l, tags::GRAPHIC_LAYER_DESCRIPTION)).collect();
    assert_eq!(told, ["AI findings: Pneumothorax", "AI findings: Cardiomegaly", "AI notice"]);
    let used: Vec<_> =
        items(&ds, tags::GRAPHIC_ANNOTATION_SEQUENCE).iter().map(|a| text(a, tags::GRAPHIC_LAYER)).collect();
    assert_eq!(used, defined);
}

#[test]
fn overlays_of_the_film_stay_visible() {
    let ds = state(film("a", PORTRAIT, |ds| {
        for group in [0x6000, 0x6004] {
            ds.put(DataElement::new(Tag(group, 0x0010), VR::US, PrimitiveValue::from(400_u16)));
        }
    }));
    for group in [0x6000, 0x6004] {
        assert_eq!(text(&ds, Tag(group, 0x1001)), "FILM_OVERLAYS");
    }
    assert!(ds.get(Tag(0x6002, 0x1001)).is_none());
    let layers = items(&ds, tags::GRAPHIC_LAYER_SEQUENCE).iter().map(|l| text(l, tags::GRAPHIC_LAYER));
    assert_eq!(layers.collect::<Vec<_>>(), ["FILM_OVERLAYS", "AI_FINDING_1", "AI_NOTICE"]);
}

#[test]
fn pixels_that_are_not_square_are_shown_so() {
    let shown = |tag, spacing: &'static str| {
        let ds = state(film("a", PORTRAIT, move |ds| {
            let values: Vec<String> = spacing.split('/').map(String::from).collect();
            ds.put(DataElement::new(tag, VR::DS, PrimitiveValue::Strs(values.into())));
        }));
        let area = &items(&ds, tags::DISPLAYED_AREA_SELECTION_SEQUENCE)[0];
        (text(area, tags::PRESENTATION_PIXEL_SPACING), text(area, tags::PRESENTATION_PIXEL_ASPECT_RATIO))
    };
    assert_eq!(shown(tags::PIXEL_SPACING, "0.2/0.1"), ("0.2\\0.1".into(), String::new()));
    // At the detector: no spacing in the patient, but the same shape.
    assert_eq!(shown(tags::IMAGER_PIXEL_SPACING, "0.2/0.1"), (String::new(), "20000\\10000".into()));
    assert_eq!(shown(tags::IMAGER_PIXEL_SPACING, "0.143/0.143"), (String::new(), "1\\1".into()));
    assert_eq!(shown(tags::IMAGER_PIXEL_SPACING, "0/0.143"), (String::new(), "1\\1".into()));
}

#[test]
fn the_first_window_is_copied_verbatim_with_its_function() {
    let ds = state(film("a", PORTRAIT, |ds| {
        ds.put(element(tags::VOILUT_FUNCTION, VR::CS, "SIGMOID"));
    }));
    let voi = &items(&ds, tags::SOFTCOPY_VOILUT_SEQUENCE)[0];
    assert_eq!(text(voi, tags::WINDOW_CENTER), "2000");
    assert_eq!(text(voi, tags::WINDOW_WIDTH), "3600.50");
    assert_eq!(text(voi, tags::VOILUT_FUNCTION), "SIGMOID");
    let without = state(film("a", PORTRAIT, |ds| {
        ds.remove_element(tags::WINDOW_CENTER);
    }));
    assert!(without.get(tags::SOFTCOPY_VOILUT_SEQUENCE).is_none());
    let impossible = state(film("a", PORTRAIT, |ds| {
        ds.put(element(tags::WINDOW_WIDTH, VR::DS, "0"));
    }));
    assert!(impossible.get(tags::SOFTCOPY_VOILUT_SEQUENCE).is_none());
}

#[test]
fn monochrome_1_is_inverted_unless_the_film_says_how_it_is_shown() {
    let shape = |photometric: &str, own: Option<&str>| {
        let (photometric, own) = (photometric.to_owned(), own.map(str::to_owned));
        let ds = state(film("a", PORTRAIT, move |ds| {
            ds.put(element(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, &photometric));
            if let Some(own) = own {
                ds.put(element(tags::PRESENTATION_LUT_SHAPE, VR::CS, &own));
            }
        }));
        text(&ds, tags::PRESENTATION_LUT_SHAPE)
    };
    assert_eq!(shape("MONOCHROME2", None), "IDENTITY");
    assert_eq!(shape("MONOCHROME1", None), "INVERSE");
    assert_eq!(shape("MONOCHROME1", Some("INVERSE")), "INVERSE");
    assert_eq!(shape("MONOCHROME2", Some("INVERSE")), "INVERSE");
    assert_eq!(shape("MONOCHROME1", Some("IDENTITY")), "INVERSE");
}

#[test]
fn rescale_and_shutter_are_copied_only_when_complete() {
    let ds = state(film("a", PORTRAIT, |ds| {
        for (tag, vr, value) in [
            (tags::RESCALE_SLOPE, VR::DS, "2"),
            (tags::RESCALE_INTERCEPT, VR::DS, "-10"),
            (tags::SHUTTER_SHAPE, VR::CS, "RECTANGULAR"),
            (tags::SHUTTER_LEFT_VERTICAL_EDGE, VR::IS, "10"),
            (tags::SHUTTER_RIGHT_VERTICAL_EDGE, VR::IS, "290"),
            (tags::SHUTTER_UPPER_HORIZONTAL_EDGE, VR::IS, "5"),
        ] {
            ds.put(element(tag, vr, value));
        }
    }));
    assert_eq!(text(&ds, tags::RESCALE_INTERCEPT), "-10");
    assert_eq!(text(&ds, tags::RESCALE_TYPE), "US");
    assert!(ds.get(tags::SHUTTER_SHAPE).is_none(), "the lower edge is missing");
}
