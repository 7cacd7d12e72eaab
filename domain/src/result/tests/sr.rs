//! Reports: their tree, their flags and their references.

use super::*;

/// The content tree as text, one item a line.
fn dump(ds: &InMemDicomObject) -> String {
    fn code(ds: &InMemDicomObject, tag: Tag) -> String {
        let codes = items(ds, tag).iter().map(|c| {
            let [value, scheme, meaning] =
                [tags::CODE_VALUE, tags::CODING_SCHEME_DESIGNATOR, tags::CODE_MEANING].map(|tag| text(c, tag));
            let equivalents = code(c, tags::EQUIVALENT_CODE_SEQUENCE);
            let same = if equivalents.is_empty() { String::new() } else { format!(" = {equivalents}") };
            format!("({value}, {scheme}, {meaning}){same}")
        });
        codes.collect::<Vec<_>>().join(" = ")
    }
    fn line(ds: &InMemDicomObject, depth: usize, out: &mut String) {
        let kind = text(ds, tags::VALUE_TYPE);
        let value = match kind.as_str() {
            "CODE" => code(ds, tags::CONCEPT_CODE_SEQUENCE),
            "TEXT" => format!("{:?}", text(ds, tags::TEXT_VALUE)),
            "UIDREF" => text(ds, tags::UID),
            "NUM" => {
                let measured = &items(ds, tags::MEASURED_VALUE_SEQUENCE)[0];
                let unit = code(measured, tags::MEASUREMENT_UNITS_CODE_SEQUENCE);
                format!("{} {unit}", text(measured, tags::NUMERIC_VALUE))
            }
            "SCOORD" => format!("{} {:?}", text(ds, tags::GRAPHIC_TYPE), floats(ds, tags::GRAPHIC_DATA)),
            "IMAGE" => text(&items(ds, tags::REFERENCED_SOP_SEQUENCE)[0], tags::REFERENCED_SOP_INSTANCE_UID),
            _ => {
                let template = items(ds, tags::CONTENT_TEMPLATE_SEQUENCE).first();
                template.map_or_else(String::new, |t| format!("TID {}", text(t, tags::TEMPLATE_IDENTIFIER)))
            }
        };
        let relation = text(ds, tags::RELATIONSHIP_TYPE);
        let name = code(ds, tags::CONCEPT_NAME_CODE_SEQUENCE);
        let words = [relation, kind, name, value].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>();
        out.push_str(&format!("{}{}\n", "  ".repeat(depth), words.join(" ")));
        for child in items(ds, tags::CONTENT_SEQUENCE) {
            line(child, depth + 1, out);
        }
    }
    let mut out = String::new();
    line(ds, 0, &mut out);
    out
}

fn report(context: &Context, images: &[StudyImage]) -> InMemDicomObject {
    built(context, images, ResultKind::Sr).remove(0)
}

fn lateral() -> SkipReason {
    SkipReason::View { found: crate::gate::ViewFound::Lateral }
}

#[test]
fn the_tree_of_a_findings_report() {
    let images = [analyzed(plain_film("a", PORTRAIT), positive()), skipped(plain_film("b", LANDSCAPE), lateral())];
    insta::assert_snapshot!("findings", dump(&report(&context(), &images)));
}

#[test]
fn the_tree_of_a_not_analyzed_report_in_spanish() {
    let images = [skipped(plain_film("a", PORTRAIT), lateral())];
    let context = Context { language: Language::Spanish, ..context() };
    insta::assert_snapshot!("not_analyzed", dump(&report(&context, &images)));
}

#[test]
fn a_group_for_each_absent_label_and_each_region() {
    let tree = dump(&report(&context(), &[analyzed(plain_film("a", PORTRAIT), positive())]));
    // Two regions of one label, one present label without regions, one absent label.
    assert_eq!(tree.matches("Measurement Group").count(), 4);
    assert_eq!(tree.matches("TID 1410").count(), 2);
    assert_eq!(tree.matches("(52101004, SCT, Present)").count(), 3);
    assert_eq!(tree.matches("(2667000, SCT, Absent)").count(), 1);
    assert!(tree.contains("91.3 (%, UCUM, Percent)") && tree.contains("operating_point=0.5"));
}

#[test]
fn tracking_identifiers_name_the_finding_and_are_unique_in_the_study() {
    for films in [1, 2] {
        let images: Vec<_> =
            ["a", "b"].iter().take(films).map(|n| analyzed(plain_film(n, PORTRAIT), positive())).collect();
        let (mut report_names, mut state_names) = (BTreeSet::new(), BTreeSet::new());
        everywhere(&report(&context(), &images), &mut |item| {
            let name = items(item, tags::CONCEPT_NAME_CODE_SEQUENCE).first().map(|c| text(c, tags::CODE_VALUE));
            if name.as_deref() == Some("112039") {
                assert!(report_names.insert(text(item, tags::TEXT_VALUE)), "{}", text(item, tags::TEXT_VALUE));
            }
        });
        for state in built(&context(), &images, ResultKind::Gsps) {
            everywhere(&state, &mut |item| {
                state_names.insert(text(item, tags::TRACKING_ID));
            });
        }
        state_names.remove("");
        assert_eq!(report_names.len(), 4 * films);
        assert_eq!(state_names.len(), 2 * films);
        assert!(state_names.is_subset(&report_names), "{state_names:?}");
        let name = if films == 1 { "CXR AI Pneumothorax 2" } else { "CXR AI Pneumothorax 2, film 2" };
        assert!(report_names.contains(name), "{report_names:?}");
    }
}

#[test]
fn a_model_without_labels_gives_a_report_that_nothing_was_judged() {
    let images = [analyzed(plain_film("a", PORTRAIT), Vec::new())];
    let object = build(&context(), &images, &[ResultKind::Sr]).unwrap().objects.remove(0);
    assert!(object.not_analyzed);
    let tree = dump(&read(&object));
    assert_eq!(tree.matches("Measurement Group").count(), 1);
    assert!(tree.contains("(111225, DCM, Not Attempted)"), "{tree}");
}

#[test]
fn negatives_are_left_out_where_something_is_present() {
    let omit = Context { negatives: Negatives::Omit, ..context() };
    let positive_film = || analyzed(plain_film("a", PORTRAIT), positive());
    let negative_film = || analyzed(plain_film("b", LANDSCAPE), negative());
    let count = |context: &Context, images: &[StudyImage]| {
        let tree = dump(&report(context, images));
        let of = |word: &str| tree.matches(word).count();
        assert_eq!(of("Measurement Group"), of("(52101004, SCT, Present)") + of("(2667000, SCT, Absent)"));
        (of("(52101004, SCT, Present)"), of("(2667000, SCT, Absent)"), of("CONTAINS IMAGE (260753009, SCT, Source)"))
    };
    assert_eq!(count(&context(), &[positive_film(), negative_film()]), (3, 3, 6));
    // Both films stay in the library.
    assert_eq!(count(&omit, &[positive_film(), negative_film()]), (3, 0, 3));
    // A report needs a group, and no group may speak of the film as a whole.
    assert_eq!(count(&omit, &[negative_film()]), (0, 2, 3));
    assert_eq!(count(&context(), &[negative_film()]), (0, 2, 3));
}

#[test]
fn another_way_with_negatives_is_another_report() {
    let images = [analyzed(plain_film("a", PORTRAIT), positive()), skipped(plain_film("b", PORTRAIT), lateral())];
    let omit = Context { negatives: Negatives::Omit, ..context() };
    let one = |context: &Context, images: &[StudyImage]| build(context, images, &ALL).unwrap().objects;
    let (groups, omitted) = (one(&context(), &images), one(&omit, &images));
    assert_ne!(groups[0].sop_instance, omitted[0].sop_instance);
    assert_ne!(groups[0].series, omitted[0].series);
    // Everything else is the same, the not-analysed report included.
    assert_eq!(groups[1..], omitted[1..]);
    assert_eq!(one(&context(), &images[1..]), one(&omit, &images[1..]));
}

#[test]
fn normality_is_never_claimed() {
    const NORMAL: [&str; 5] = ["168733007", "17621005", "23875004", "111286", "RID13173"];
    for scores in [positive(), negative(), Vec::new()] {
        for (negatives, language) in [
            (Negatives::Groups, Language::English),
            (Negatives::Omit, Language::Spanish),
            (Negatives::Omit, Language::English),
        ] {
            let context = Context { negatives, language, ..context() };
            let images =
                [analyzed(plain_film("a", PORTRAIT), scores.clone()), skipped(plain_film("b", PORTRAIT), lateral())];
            for images in [&images[..], &images[1..]] {
                for object in build(&context, images, &ALL).unwrap().objects {
                    everywhere(&read(&object), &mut |item| {
                        assert!(!NORMAL.contains(&text(item, tags::CODE_VALUE).as_str()), "{}", object.kind);
                        let meaning = text(item, tags::CODE_MEANING).to_lowercase();
                        assert!(!meaning.contains("normal"), "{meaning}");
                    });
                }
            }
        }
    }
}

#[test]
fn schemes_that_receivers_cannot_know_are_declared() {
    let declared = |scores| {
        let ds = report(&context(), &[analyzed(plain_film("a", PORTRAIT), scores)]);
        let schemes = items(&ds, tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE);
        schemes.iter().map(|s| text(s, tags::CODING_SCHEME_DESIGNATOR)).collect::<Vec<_>>()
    };
    // One label with a code of RadElement twice, one without.
    assert_eq!(declared(positive()), ["RADELEMENT"]);
    assert_eq!(declared(vec![score("Pneumonia", 0.9, vec![])]), Vec::<String>::new());

    let own = "format = 2\n[[scheme]]\ndesignator = \"99SITE\"\nname = \"Ours\"\nuid = \"1.2.3\"\n[[label]]\n\
               label = \"Pneumonia\"\nfinding = { value = \"P1\", scheme = \"99SITE\", meaning = \"Pneumonia\" }\n\
               confidence = \"site\"\nsource = \"we\"\n";
    let vocabulary = Vocabulary::of_site(own).unwrap();
    let source = plain_film("a", PORTRAIT);
    let prediction = Prediction { model: model(), scores: negative(), map: None };
    let findings = ImageFindings::from_prediction(&source.header.sop_instance, &prediction, &vocabulary).unwrap();
    let picture = Picture { width: 2, height: 2, gray: vec![0; 4] };
    let image = StudyImage { source, outcome: ImageOutcome::Analyzed { findings, picture } };
    let ds = report(&context(), &[image]);
    let site = &items(&ds, tags::CODING_SCHEME_IDENTIFICATION_SEQUENCE)[0];
    assert_eq!(text(site, tags::CODING_SCHEME_DESIGNATOR), "99SITE");
    assert_eq!(text(site, tags::CODING_SCHEME_UID), "1.2.3");
    assert_eq!(text(site, tags::CODING_SCHEME_NAME), "Ours");
    assert!(dump(&ds).contains("(P1, 99SITE, Pneumonia)"));
}

#[test]
fn a_failed_film_makes_the_report_partial_and_a_refused_one_does_not() {
    for (reason, flag) in [(lateral(), "COMPLETE"), (SkipReason::Decode, "PARTIAL")] {
        let images = [analyzed(plain_film("a", PORTRAIT), negative()), skipped(plain_film("b", PORTRAIT), reason)];
        let ds = report(&context(), &images);
        assert_eq!(text(&ds, tags::COMPLETION_FLAG), flag);
        assert_eq!(text(&ds, tags::VERIFICATION_FLAG), "UNVERIFIED");
        assert_eq!(text(&ds, tags::PRELIMINARY_FLAG), "PRELIMINARY");
    }
}

#[test]
fn without_any_analyzed_film_one_group_says_why() {
    for (reason, code) in [(lateral(), "111225"), (SkipReason::Decode, "111224")] {
        let images = [skipped(plain_film("a", PORTRAIT), lateral()), skipped(plain_film("b", PORTRAIT), reason)];
        let result = build(&context(), &images, &[ResultKind::Sc]).unwrap();
        assert_eq!(result.objects.len(), 1);
        assert!(result.objects[0].not_analyzed && result.objects[0].kind == ResultKind::Sr);
        let tree = dump(&read(&result.objects[0]));
        assert_eq!(tree.matches("Measurement Group").count(), 1);
        assert!(tree.contains(&format!("({code}, DCM,")), "{tree}");
        assert!(!tree.contains("NUM (111012") && !tree.contains("SCOORD"));
    }
}

#[test]
fn the_evidence_is_exactly_what_the_content_refers_to() {
    let images = [analyzed(plain_film("a", PORTRAIT), positive()), skipped(plain_film("b", LANDSCAPE), lateral())];
    let ds = report(&context(), &images);
    let mut used = BTreeSet::new();
    for child in items(&ds, tags::CONTENT_SEQUENCE) {
        everywhere(child, &mut |item| {
            used.insert(text(item, tags::REFERENCED_SOP_INSTANCE_UID));
        });
    }
    used.remove("");
    let mut listed = BTreeSet::new();
    for evidence in items(&ds, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE) {
        everywhere(evidence, &mut |item| {
            listed.insert(text(item, tags::REFERENCED_SOP_INSTANCE_UID));
        });
    }
    listed.remove("");
    assert_eq!(used, listed);
    assert_eq!(used.len(), 2);
}

#[test]
fn a_later_revision_names_its_predecessor() {
    let images = [analyzed(plain_film("a", PORTRAIT), negative())];
    assert!(report(&context(), &images).get(tags::PREDECESSOR_DOCUMENTS_SEQUENCE).is_none());
    let uid = |text: &str| Uid::derive(&[text]);
    let predecessor = Predecessor { series: uid("s"), sop_class: uid("c"), sop_instance: uid("i") };
    let later = Context { revision: 2, predecessor: Some(predecessor), ..context() };
    let ds = report(&later, &images);
    let study = &items(&ds, tags::PREDECESSOR_DOCUMENTS_SEQUENCE)[0];
    let series = &items(study, tags::REFERENCED_SERIES_SEQUENCE)[0];
    assert_eq!(text(series, tags::SERIES_INSTANCE_UID), uid("s").as_str());
    let instance = &items(series, tags::REFERENCED_SOP_SEQUENCE)[0];
    assert_eq!(text(instance, tags::REFERENCED_SOP_INSTANCE_UID), uid("i").as_str());
}

#[test]
fn the_order_that_the_film_answered_is_referenced() {
    let ds = report(&context(), &[analyzed(plain_film("a", PORTRAIT), negative())]);
    assert_eq!(text(&items(&ds, tags::REFERENCED_REQUEST_SEQUENCE)[0], tags::ACCESSION_NUMBER), "ACC1");
    let anonymous = film("a", PORTRAIT, |ds| {
        ds.put(element(tags::ACCESSION_NUMBER, VR::SH, ""));
    });
    let ds = report(&context(), &[analyzed(anonymous, negative())]);
    assert!(ds.get(tags::REFERENCED_REQUEST_SEQUENCE).is_none());
}
