//! Key object selections: exactly the films with a present finding.

use super::*;

fn study() -> Vec<StudyImage> {
    vec![
        analyzed(plain_film("a", PORTRAIT), negative()),
        skipped(plain_film("b", PORTRAIT), SkipReason::Decode),
        analyzed(plain_film("c", LANDSCAPE), positive()),
        analyzed(plain_film("d", PORTRAIT), vec![score("Effusion", 0.5, vec![])]),
    ]
}

fn selected(ds: &InMemDicomObject) -> Vec<String> {
    let images = items(ds, tags::CONTENT_SEQUENCE).iter().filter(|item| text(item, tags::VALUE_TYPE) == "IMAGE");
    images.map(|item| text(&items(item, tags::REFERENCED_SOP_SEQUENCE)[0], tags::REFERENCED_SOP_INSTANCE_UID)).collect()
}

fn listed(ds: &InMemDicomObject) -> Vec<String> {
    let mut uids = Vec::new();
    for study in items(ds, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE) {
        for series in items(study, tags::REFERENCED_SERIES_SEQUENCE) {
            let references = items(series, tags::REFERENCED_SOP_SEQUENCE).iter();
            uids.extend(references.map(|r| text(r, tags::REFERENCED_SOP_INSTANCE_UID)));
        }
    }
    uids
}

#[test]
fn exactly_the_films_with_a_present_finding_are_selected_and_listed() {
    let images = study();
    let found = built(&context(), &images, ResultKind::Kos);
    let [ds] = found.as_slice() else { panic!("{} selections", found.len()) };
    let key: Vec<String> = [2, 3].iter().map(|n: &usize| images[*n].source.header.sop_instance.to_string()).collect();
    assert_eq!(selected(ds), key);
    assert_eq!(listed(ds).into_iter().collect::<BTreeSet<_>>(), key.into_iter().collect());
}

#[test]
fn where_nothing_is_present_nothing_is_selected() {
    let films = [analyzed(plain_film("a", PORTRAIT), negative())];
    assert!(build(&context(), &films, &[ResultKind::Kos]).unwrap().objects.is_empty());
    // A study without any analysed film has its report, whatever is wanted.
    let failed = [skipped(plain_film("a", PORTRAIT), SkipReason::Decode)];
    let kinds: Vec<_> =
        build(&context(), &failed, &[ResultKind::Kos]).unwrap().objects.iter().map(|o| o.kind).collect();
    assert_eq!(kinds, [ResultKind::Sr]);
}

#[test]
fn the_template_s_items_are_there_in_their_order() {
    let ds = built(&context(), &study(), ResultKind::Kos).remove(0);
    assert_eq!(text(&ds, tags::MODALITY), "KO");
    let code = |ds: &InMemDicomObject| match items(ds, tags::CONCEPT_NAME_CODE_SEQUENCE) {
        [name] => text(name, tags::CODE_VALUE),
        _ => String::new(),
    };
    assert_eq!(code(&ds), "113000");
    assert_eq!(text(&items(&ds, tags::CONTENT_TEMPLATE_SEQUENCE)[0], tags::TEMPLATE_IDENTIFIER), "2010");
    let content = items(&ds, tags::CONTENT_SEQUENCE);
    let codes: Vec<String> = content.iter().map(code).collect();
    assert_eq!(codes, ["121049", "121005", "121012", "121013", "121014", "121015", "121016", "113012", "", ""]);
    let relations: BTreeSet<String> = content[7..].iter().map(|item| text(item, tags::RELATIONSHIP_TYPE)).collect();
    assert_eq!(relations, BTreeSet::from(["CONTAINS".to_owned()]));
}

#[test]
fn the_description_names_the_findings_in_the_language_of_the_texts() {
    let described = |language, images: &[StudyImage]| {
        let ds = built(&Context { language, ..context() }, images, ResultKind::Kos).remove(0);
        let content = items(&ds, tags::CONTENT_SEQUENCE).iter();
        let mut texts = content.filter(|item| text(item, tags::VALUE_TYPE) == "TEXT");
        text(texts.next_back().unwrap(), tags::TEXT_VALUE)
    };
    assert_eq!(
        described(Language::English, &study()),
        "AI findings: Film 3: Pneumothorax 91%, Cardiomegaly 65%; Film 4: Pleural effusion 50%. \
         AI output, unverified - not for diagnostic use."
    );
    assert_eq!(
        described(Language::Spanish, &study()[2..3]),
        "Hallazgos de IA: Neumotórax 91%, Cardiomegalia 65%. \
         Resultado de IA sin verificar, no apto para diagnóstico - not for diagnostic use."
    );
}
