//! What every object shares: identity, copied attributes, notice, determinism.

use super::*;

#[test]
fn the_same_input_gives_the_same_bytes() {
    let images =
        || [analyzed(plain_film("a", PORTRAIT), positive()), skipped(plain_film("b", LANDSCAPE), SkipReason::Decode)];
    let first = build(&context(), &images(), &ALL).unwrap();
    assert_eq!(first, build(&context(), &images(), &ALL).unwrap());
    assert_eq!(first.objects.iter().map(|o| o.kind).collect::<Vec<_>>(), ALL);
    for object in &first.objects {
        assert_eq!(&object.bytes[128..132], b"DICM");
        assert_eq!(object.bytes.len() % 2, 0);
    }
}

#[test]
fn whatever_changes_the_result_changes_every_uid() {
    let images = [analyzed(plain_film("a", PORTRAIT), positive())];
    let uids = |context: &Context| {
        let built = build(context, &images, &ALL).unwrap();
        built.objects.into_iter().flat_map(|o| [o.sop_instance, o.series]).collect::<BTreeSet<_>>()
    };
    let mut all = uids(&context());
    assert_eq!(all.len(), 10, "one series and one instance for each kind");
    for change in [
        |c: &mut Context| c.revision = 2,
        |c: &mut Context| c.language = Language::Spanish,
        |c: &mut Context| c.threshold_set = "strict".into(),
        |c: &mut Context| c.model.version = "2.0".into(),
        |c: &mut Context| c.model.weights_sha256 = "cd".repeat(32),
    ] {
        let mut other = context();
        change(&mut other);
        let before = all.len();
        all.extend(uids(&other));
        assert_eq!(all.len(), before + 10);
    }
}

#[test]
fn patient_and_study_are_copied_and_absent_ones_are_empty() {
    let image = film("a", PORTRAIT, |ds| {
        ds.remove_element(tags::PATIENT_SEX);
        ds.remove_element(tags::STUDY_DESCRIPTION);
        ds.put(element(tags::ISSUER_OF_PATIENT_ID, VR::LO, "HOSPITAL"));
    });
    for object in build(&context(), &[analyzed(image, positive())], &ALL).unwrap().objects {
        let ds = read(&object);
        assert_eq!(text(&ds, tags::SPECIFIC_CHARACTER_SET), "ISO_IR 192");
        assert_eq!(text(&ds, tags::PATIENT_NAME), "Muñoz Ibáñez^José Ángel");
        assert_eq!(text(&ds, tags::ISSUER_OF_PATIENT_ID), "HOSPITAL");
        assert_eq!(text(&ds, tags::STUDY_TIME), "013000");
        assert_eq!(text(&ds, tags::STUDY_INSTANCE_UID), "1.2.826.0.1.1");
        for tag in [tags::PATIENT_SEX, tags::STUDY_ID, tags::REFERRING_PHYSICIAN_NAME] {
            assert_eq!(ds.element(tag).unwrap().to_str().unwrap(), "", "type 2 is there and empty");
        }
        assert!(ds.get(tags::STUDY_DESCRIPTION).is_none());
    }
}

#[test]
fn invalid_values_are_left_out_and_named_without_the_value() {
    let image = film("a", PORTRAIT, |ds| {
        ds.put(element(tags::PATIENT_AGE, VR::AS, "81"));
        ds.put(element(tags::PATIENT_BIRTH_DATE, VR::DA, "1959"));
    });
    let source = image.header.sop_instance.clone();
    let result = build(&context(), &[analyzed(image, positive())], &ALL).unwrap();
    let names: Vec<_> = result.left_out.iter().map(|l| (l.source == source, l.attribute.as_str())).collect();
    assert_eq!(names, [(true, "(0010,0030) PatientBirthDate"), (true, "(0010,1010) PatientAge")]);
    for object in &result.objects {
        let ds = read(object);
        assert!(ds.get(tags::PATIENT_AGE).is_none());
        assert_eq!(ds.element(tags::PATIENT_BIRTH_DATE).unwrap().to_str().unwrap(), "");
    }
}

#[test]
fn a_sequence_with_an_invalid_value_is_left_out_whole() {
    let with = |kind: &str| {
        let kind = kind.to_owned();
        film("a", PORTRAIT, move |ds| {
            let item = InMemDicomObject::from_element_iter([
                element(tags::PATIENT_ID, VR::LO, "OLD-7"),
                element(tags::TYPE_OF_PATIENT_ID, VR::CS, &kind),
            ]);
            let sequence = dicom_core::value::DataSetSequence::from(vec![item]);
            ds.put(DataElement::new(tags::OTHER_PATIENT_I_DS_SEQUENCE, VR::SQ, sequence));
        })
    };
    let copied = |image| {
        let result = build(&context(), &[analyzed(image, negative())], &[ResultKind::Sr]).unwrap();
        let ds = read(&result.objects[0]);
        (items(&ds, tags::OTHER_PATIENT_I_DS_SEQUENCE).len(), result.left_out.len())
    };
    assert_eq!(copied(with("TEXT")), (1, 0));
    assert_eq!(copied(with("text")), (0, 1));
}

#[test]
fn every_object_says_that_it_is_not_for_diagnostic_use() {
    for language in [Language::English, Language::Spanish] {
        let context = Context { language, ..context() };
        let studies = [
            vec![analyzed(plain_film("a", PORTRAIT), positive())],
            vec![skipped(plain_film("a", PORTRAIT), SkipReason::Decode)],
        ];
        for object in studies.iter().flat_map(|images| build(&context, images, &ALL).unwrap().objects) {
            let ds = read(&object);
            let mut found = false;
            everywhere(&ds, &mut |item| {
                for element in item.iter().filter(|e| matches!(e.vr(), VR::LO | VR::ST | VR::UT)) {
                    found |= element.to_str().is_ok_and(|t| t.contains("not for diagnostic use"));
                }
            });
            assert!(found, "{} in {language}", object.kind);
        }
    }
}

#[test]
fn series_numbers_avoid_those_of_the_sources() {
    let image = film("a", PORTRAIT, |ds| {
        ds.put(element(tags::SERIES_NUMBER, VR::IS, "9002"));
    });
    let built = build(&context(), &[analyzed(image, positive())], &ALL).unwrap();
    let numbers: Vec<_> = built.objects.iter().map(|o| text(&read(o), tags::SERIES_NUMBER)).collect();
    assert_eq!(numbers, ["9001", "9012", "9003", "9005", "9004"]);
}

#[test]
fn dates_are_in_the_zone_that_the_film_declares() {
    let image = film("a", PORTRAIT, |ds| {
        ds.put(element(tags::TIMEZONE_OFFSET_FROM_UTC, VR::SH, "+0100"));
    });
    for (image, time, offset) in [(image, "030000", "+0100"), (plain_film("b", PORTRAIT), "020000", "+0000")] {
        let ds = built(&context(), &[analyzed(image, negative())], ResultKind::Sr).remove(0);
        assert_eq!(text(&ds, tags::CONTENT_TIME), time);
        assert_eq!(text(&ds, tags::TIMEZONE_OFFSET_FROM_UTC), offset);
    }
}

#[test]
fn nothing_is_built_without_an_image() {
    assert!(matches!(build(&context(), &[], &ALL), Err(BuildError::NoImage)));
    let report = film("sr", PORTRAIT, |ds| {
        ds.remove_element(tags::ROWS);
    });
    let skipped = skipped(report, SkipReason::NotAnImage);
    assert!(matches!(build(&context(), &[skipped], &ALL), Err(BuildError::NoImage)));
}
