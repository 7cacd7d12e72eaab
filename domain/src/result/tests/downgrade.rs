//! Reports in older classes: the same content under another identity.

use super::*;
use dicom_core::header::Header as _;
use std::collections::BTreeMap;

const OLDER: [SrClass; 2] = [SrClass::Comprehensive, SrClass::Enhanced];

fn predecessor(name: &str) -> Predecessor {
    let uid = |what: &str| Uid::derive(&[what, name]);
    Predecessor { series: uid("series"), sop_class: uid("class"), sop_instance: uid("instance") }
}

fn report(context: &Context) -> ResultObject {
    let images =
        [analyzed(plain_film("a", PORTRAIT), positive()), skipped(plain_film("b", LANDSCAPE), SkipReason::Decode)];
    build(context, &images, &[ResultKind::Sr]).unwrap().objects.remove(0)
}

/// The top level as bytes, element by element, and the file meta information.
fn elements(bytes: &[u8]) -> BTreeMap<Tag, Vec<u8>> {
    let file = dicom_object::from_reader(bytes).unwrap();
    let mut all: BTreeMap<Tag, Vec<u8>> = file
        .iter()
        .map(|element| {
            let alone = InMemDicomObject::from_element_iter([element.clone()]);
            let mut bytes = Vec::new();
            alone.with_exact_meta(file.meta().clone()).write_dataset(&mut bytes).unwrap();
            (element.tag(), bytes)
        })
        .collect();
    for element in file.meta().to_element_iter() {
        all.insert(element.tag(), element.to_bytes().unwrap().into_owned());
    }
    all
}

#[test]
fn only_the_identity_changes() {
    let original = report(&context());
    let before = elements(&original.bytes);
    for class in OLDER {
        let older = downgrade(&original.bytes, class, None).unwrap();
        assert_eq!(older, downgrade(&original.bytes, class, None).unwrap());
        let after = elements(&older.bytes);
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
        let changed: Vec<Tag> =
            before.iter().filter(|(tag, bytes)| after[tag] != **bytes).map(|(tag, _)| *tag).collect();
        // The class has the same length in all forms, so not even the group length changes here.
        let meta = [tags::MEDIA_STORAGE_SOP_CLASS_UID, tags::MEDIA_STORAGE_SOP_INSTANCE_UID];
        let identity = [tags::SOP_CLASS_UID, tags::SOP_INSTANCE_UID, tags::SERIES_INSTANCE_UID];
        let allowed = |tag: &Tag| meta.contains(tag) || identity.contains(tag) || *tag == Tag(2, 0);
        assert!(changed.iter().all(allowed), "{changed:?}");
        assert!(meta.iter().chain(&identity).all(|tag| changed.contains(tag)), "{changed:?}");

        let ds = read(&older);
        assert_eq!(text(&ds, tags::SOP_CLASS_UID), class.uid());
        assert_eq!(text(&ds, tags::SOP_INSTANCE_UID), older.sop_instance.as_str());
        assert_eq!(text(&ds, tags::SERIES_INSTANCE_UID), older.series.as_str());
        let meta = dicom_object::from_reader(&older.bytes[..]).unwrap().meta().clone();
        assert_eq!(meta.media_storage_sop_class_uid.trim_end_matches('\0'), class.uid());
        assert_eq!(meta.media_storage_sop_instance_uid.trim_end_matches('\0'), older.sop_instance.as_str());
        assert_eq!((older.kind, &older.source, older.not_analyzed), (ResultKind::Sr, &None, false));
    }
}

#[test]
fn every_class_and_predecessor_has_its_own_identity() {
    let original = report(&context());
    let mut seen = BTreeSet::from([original.sop_instance.clone(), original.series.clone()]);
    for class in OLDER {
        for replaced in [None, Some(predecessor("one")), Some(predecessor("two"))] {
            let older = downgrade(&original.bytes, class, replaced.as_ref()).unwrap();
            assert!(seen.insert(older.sop_instance) && seen.insert(older.series), "{class}");
        }
    }
}

#[test]
fn the_predecessor_is_replaced_or_left_alone() {
    let later = Context { revision: 2, predecessor: Some(predecessor("first")), ..context() };
    let original = report(&later);
    let named = |bytes: &[u8]| {
        let ds = dicom_object::from_reader(bytes).unwrap().into_inner();
        let study = &items(&ds, tags::PREDECESSOR_DOCUMENTS_SEQUENCE)[0];
        let series = &items(study, tags::REFERENCED_SERIES_SEQUENCE)[0];
        let instance = &items(series, tags::REFERENCED_SOP_SEQUENCE)[0];
        assert_eq!(text(study, tags::STUDY_INSTANCE_UID), "1.2.826.0.1.1");
        [
            text(series, tags::SERIES_INSTANCE_UID),
            text(instance, tags::REFERENCED_SOP_CLASS_UID),
            text(instance, tags::REFERENCED_SOP_INSTANCE_UID),
        ]
    };
    let expected = |p: Predecessor| [p.series, p.sop_class, p.sop_instance].map(|uid| uid.to_string());
    for class in OLDER {
        let same = downgrade(&original.bytes, class, None).unwrap();
        assert_eq!(named(&same.bytes), expected(predecessor("first")));
        let other = downgrade(&original.bytes, class, Some(&predecessor("older form"))).unwrap();
        assert_eq!(named(&other.bytes), expected(predecessor("older form")));
        // Nothing else moves with it.
        let (a, b) = (elements(&same.bytes), elements(&other.bytes));
        let differ = a.iter().filter(|(tag, bytes)| b[tag] != **bytes).map(|(tag, _)| *tag);
        let expected = [
            tags::FILE_META_INFORMATION_GROUP_LENGTH,
            tags::MEDIA_STORAGE_SOP_INSTANCE_UID,
            tags::SOP_INSTANCE_UID,
            tags::SERIES_INSTANCE_UID,
            tags::PREDECESSOR_DOCUMENTS_SEQUENCE,
        ];
        assert!(differ.clone().all(|tag| expected.contains(&tag)), "{:?}", differ.collect::<Vec<_>>());
    }
}

#[test]
fn a_not_analyzed_report_stays_one() {
    let images = [skipped(plain_film("a", PORTRAIT), SkipReason::Decode)];
    let original = build(&context(), &images, &ALL).unwrap().objects.remove(0);
    for class in OLDER {
        assert!(downgrade(&original.bytes, class, None).unwrap().not_analyzed);
    }
}

#[test]
fn what_has_no_older_form_is_refused() {
    let original = report(&context());
    let same = downgrade(&original.bytes, SrClass::Comprehensive3d, None);
    assert!(matches!(same, Err(DowngradeError::SameClass(_))), "{same:?}");
    let older = downgrade(&original.bytes, SrClass::Comprehensive, None).unwrap();
    let again = downgrade(&older.bytes, SrClass::Enhanced, None);
    assert!(matches!(again, Err(DowngradeError::NotComprehensive3d(_))), "{again:?}");
    let state = built(&context(), &[analyzed(plain_film("a", PORTRAIT), positive())], ResultKind::Gsps);
    assert_eq!(text(&state[0], tags::MODALITY), "PR");
    assert!(matches!(downgrade(b"no file", SrClass::Enhanced, None), Err(DowngradeError::Unreadable(_))));
    assert!(downgrade(&original.bytes[..original.bytes.len() / 2], SrClass::Enhanced, None).is_err());

    let changed = |change: &dyn Fn(&mut InMemDicomObject)| {
        let mut file = dicom_object::from_reader(&original.bytes[..]).unwrap();
        let mut item = InMemDicomObject::new_empty();
        change(&mut item);
        file.put(DataElement::new(
            tags::CONTENT_SEQUENCE,
            VR::SQ,
            dicom_core::value::DataSetSequence::from(vec![item]),
        ));
        let mut bytes = Vec::new();
        file.write_all(&mut bytes).unwrap();
        bytes
    };
    let in_space = changed(&|item| {
        item.put(element(tags::VALUE_TYPE, VR::CS, "SCOORD3D"));
    });
    let by_reference = changed(&|item| {
        item.put(DataElement::new(tags::REFERENCED_CONTENT_ITEM_IDENTIFIER, VR::UL, PrimitiveValue::from(1_u32)));
    });
    for (bytes, class, refused) in [
        (&in_space, SrClass::Comprehensive, true),
        (&in_space, SrClass::Enhanced, true),
        (&by_reference, SrClass::Comprehensive, false),
        (&by_reference, SrClass::Enhanced, true),
    ] {
        let result = downgrade(bytes, class, None);
        assert_eq!(matches!(result, Err(DowngradeError::Content { .. })), refused, "{class}: {result:?}");
    }
}

#[test]
fn classes_are_known_by_their_uid() {
    for class in SrClass::ALL {
        assert_eq!(SrClass::of(class.uid()), Some(class));
        assert_eq!(class.to_uid().as_str(), class.uid());
    }
    assert_eq!(SrClass::of("1.2.840.10008.5.1.4.1.1.88.65"), None);
    assert!(SrClass::Comprehensive3d < SrClass::Comprehensive && SrClass::Comprehensive < SrClass::Enhanced);
}
