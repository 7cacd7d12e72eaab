//! Notes that take results back: exactly the objects, under the right title, of the right patient.

use super::*;

fn objects() -> Vec<ResultObject> {
    let images = [analyzed(plain_film("a", PORTRAIT), positive())];
    build(&context(), &images, &[ResultKind::Sr, ResultKind::Gsps, ResultKind::Sc]).unwrap().objects
}

fn named(objects: &[ResultObject]) -> Vec<Predecessor> {
    let name = |o: &ResultObject| Predecessor {
        series: o.series.clone(),
        sop_class: o.sop_class.clone(),
        sop_instance: o.sop_instance.clone(),
    };
    objects.iter().map(name).collect()
}

fn note(rejection: Rejection, reason: &str, of: &[ResultObject]) -> (ResultObject, InMemDicomObject) {
    let lead = header::read(&of[0].bytes).unwrap();
    let films = [plain_film("a", PORTRAIT).header];
    let note = reject(&context(), rejection, reason, &lead, &films, &named(of)).unwrap();
    let ds = dicom_object::from_reader(note.bytes.as_slice()).unwrap().into_inner();
    (note, ds)
}

#[test]
fn a_note_names_exactly_the_objects_under_its_title() {
    let objects = objects();
    for (rejection, code) in
        [(Rejection::Quality, "113001"), (Rejection::Safety, "113037"), (Rejection::Worklist, "113038")]
    {
        let (_, ds) = note(rejection, "wrong side", &objects);
        assert_eq!(text(&items(&ds, tags::CONCEPT_NAME_CODE_SEQUENCE)[0], tags::CODE_VALUE), code);
        let content = items(&ds, tags::CONTENT_SEQUENCE);
        let referenced: Vec<(String, String)> = content
            .iter()
            .filter(|item| item.get(tags::REFERENCED_SOP_SEQUENCE).is_some())
            .map(|item| {
                let reference = &items(item, tags::REFERENCED_SOP_SEQUENCE)[0];
                (text(item, tags::VALUE_TYPE), text(reference, tags::REFERENCED_SOP_INSTANCE_UID))
            })
            .collect();
        let wanted: Vec<(String, String)> = objects
            .iter()
            .map(|o| {
                let kind = if o.kind == ResultKind::Sc { "IMAGE" } else { "COMPOSITE" };
                (kind.to_owned(), o.sop_instance.to_string())
            })
            .collect();
        assert_eq!(referenced, wanted);
        let said: Vec<String> = content.iter().map(|item| text(item, tags::TEXT_VALUE)).collect();
        assert!(said.iter().any(|t| t.contains("wrong side") && t.contains("not for diagnostic use")), "{said:?}");
    }
}

#[test]
fn a_note_is_of_the_patient_of_its_objects_and_in_a_series_of_its_own() {
    let objects = objects();
    let (_, ds) = note(Rejection::Quality, "test", &objects);
    let film = plain_film("a", PORTRAIT);
    for tag in
        [tags::PATIENT_NAME, tags::PATIENT_ID, tags::STUDY_INSTANCE_UID, tags::ACCESSION_NUMBER, tags::STUDY_DATE]
    {
        assert_eq!(text(&ds, tag), text(&film.dataset, tag), "{tag}");
    }
    assert!(objects.iter().all(|o| o.series.as_str() != text(&ds, tags::SERIES_INSTANCE_UID)));
    let number: i32 = text(&ds, tags::SERIES_NUMBER).parse().unwrap();
    assert_eq!(number % 10, 7);
}

#[test]
fn the_same_objects_have_the_same_note_in_any_order() {
    let mut objects = objects();
    let (first, _) = note(Rejection::Quality, "test", &objects);
    objects.reverse();
    let (turned, _) = note(Rejection::Quality, "test", &objects);
    let (fewer, _) = note(Rejection::Quality, "test", &objects[..1]);
    assert_eq!(first.sop_instance, turned.sop_instance);
    assert_ne!(first.sop_instance, fewer.sop_instance);
}
