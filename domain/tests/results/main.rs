//! Result objects of any findings on any film: they are built, read back, written again to the same
//! bytes, and what SR, GSPS and segmentations say of a region agrees.
//!
//! `make property` runs 100,000 cases; `PROPTEST_CASES` sets another number.

mod content;
mod given;

use centinela_domain::profile::ResultKind;
use centinela_domain::result::{self, ResultObject, SrClass};
use content::{graphics, read, regions};
use dicom_object::{FileDicomObject, InMemDicomObject};
use given::{Given, Study};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// An object as a receiver reads it; written again it must be the same bytes.
fn written_again(object: &ResultObject) -> Result<FileDicomObject<InMemDicomObject>, TestCaseError> {
    let mut again = Vec::with_capacity(object.bytes.len());
    let file = read(&object.bytes);
    let written = file.write_all(&mut again);
    prop_assert!(written.is_ok(), "{} cannot be written again: {written:?}", object.kind);
    prop_assert!(again == object.bytes, "{} reads back as something else", object.kind);
    Ok(file)
}

fn check(given: Given) -> Result<(), TestCaseError> {
    let Study { context, images, kinds, older } = given.study();
    let built = result::build(&context, &images, &kinds);
    prop_assert!(built.is_ok(), "{built:?}");
    let built = built.unwrap_or_default();
    let again = result::build(&context, &images, &kinds).unwrap_or_default();
    prop_assert!(built == again, "the same input gives other bytes");
    let instances: BTreeSet<_> = built.objects.iter().map(|object| object.sop_instance.as_str()).collect();
    prop_assert_eq!(instances.len(), built.objects.len(), "an instance UID is used twice");

    // What the films were given to show.
    let (mut present, mut drawn) = (0, BTreeMap::new());
    for image in &images {
        let source = &image.source.header;
        for (_, contour) in given::tracked(image) {
            drawn.entry(source.sop_instance.to_string()).or_insert_with(Vec::new).push(contour);
        }
        present += given::present(image);
    }

    let mut reported = BTreeMap::new();
    for object in &built.objects {
        let file = written_again(object)?;
        match object.kind {
            ResultKind::Sr => {
                let found = regions(&file);
                for region in found.values() {
                    let film = images.iter().find(|i| i.source.header.sop_instance.as_str() == region.image);
                    prop_assert!(film.is_some(), "a region on a foreign film");
                    let header = film.map(|film| &film.source.header);
                    let side = |n: Option<Option<u32>>| n.flatten().unwrap_or(0) as f32;
                    let (width, height) = (side(header.map(|h| h.columns)), side(header.map(|h| h.rows)));
                    let inside = |p: &[f32; 2]| (0.0..=width).contains(&p[0]) && (0.0..=height).contains(&p[1]);
                    prop_assert!(region.points.iter().all(inside), "outside of {width}x{height}: {:?}", region.points);
                    prop_assert_eq!(region.points.first(), region.points.last(), "an open region");
                }
                let mut by_film = BTreeMap::new();
                for region in found.values() {
                    by_film.entry(region.image.clone()).or_insert_with(Vec::new).push(region.points.clone());
                }
                let sorted = |mut all: BTreeMap<String, Vec<Vec<[f32; 2]>>>| {
                    all.values_mut().for_each(|list| list.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}"))));
                    all
                };
                prop_assert_eq!(
                    sorted(by_film),
                    sorted(drawn.clone()),
                    "the report has other regions than the findings"
                );
                reported = found;
                downgraded(object, older)?;
            }
            ResultKind::Gsps => {
                let film = object.source.as_ref().map(ToString::to_string).unwrap_or_default();
                let twins: BTreeMap<_, _> = reported
                    .iter()
                    .filter(|(_, region)| region.image == film)
                    .map(|(tracking, region)| (tracking.clone(), region.points.clone()))
                    .collect();
                prop_assert!(!twins.is_empty(), "a presentation state without anything to draw");
                prop_assert_eq!(graphics(&file), twins, "report and presentation state differ");
            }
            ResultKind::Kos => prop_assert!(present > 0, "a key object selection of nothing"),
            ResultKind::Sc | ResultKind::Seg => {}
        }
    }
    let count = |kind| built.objects.iter().filter(|object| object.kind == kind).count();
    prop_assert_eq!(count(ResultKind::Sr), 1);
    prop_assert_eq!(count(ResultKind::Gsps), drawn.len());
    Ok(())
}

/// A report in an older class has the same content and another identity.
fn downgraded(object: &ResultObject, class: SrClass) -> Result<(), TestCaseError> {
    // Content Sequence (0040,A730) is the last element of a report.
    let content = |part10: &[u8]| {
        let begin = part10.windows(6).position(|bytes| bytes == b"\x40\x00\x30\xa7SQ");
        begin.map(|begin| part10[begin..].to_vec())
    };
    prop_assert!(content(&object.bytes).is_some(), "a report without content");
    let older = result::downgrade(&object.bytes, class, None);
    prop_assert!(older.is_ok(), "{older:?}");
    let Ok(older) = older else { return Ok(()) };
    written_again(&older)?;
    prop_assert_eq!(older.sop_class.as_str(), class.uid());
    prop_assert_ne!(&older.sop_instance, &object.sop_instance);
    prop_assert!(content(&older.bytes) == content(&object.bytes), "the content changed with the class");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_findings_are_built_and_read_back(given in given::any()) {
        check(given)?;
    }
}
