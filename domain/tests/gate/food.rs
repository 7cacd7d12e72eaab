//! Never our own food: objects of ours, of other products, and what is no image are not analysed.

use super::{ADULTS, described, reason, uid, with};
use centinela_domain::gate::{OWN_MANUFACTURER, OWN_MODEL, SkipReason, gate};
use centinela_domain::instance::InstanceHeader;

#[test]
fn own_results_other_products_and_objects_without_an_image() {
    let own = with(|h| {
        h.manufacturer = Some(OWN_MANUFACTURER.into());
        h.model_name = Some(OWN_MODEL.into());
        h.modality = Some("SR".into());
    });
    assert_eq!(reason(&own), Some(SkipReason::OwnResult));
    assert_eq!(gate(&own, &ADULTS).chest, Some(false));
    // Our phantoms are films: only maker and model together are a result.
    assert_eq!(reason(&with(|h| h.manufacturer = Some(OWN_MANUFACTURER.into()))), None);

    for (maker, model, types, expected) in [
        ("Lunit Inc.", "INSIGHT CXR", vec![], true),
        ("Qure.ai", "", vec![], true),
        ("", "Annalise CXR", vec![], true),
        ("FUJIFILM", "Aidoctor", vec![], false),
        ("Riverain Technologies", "ClearRead", vec![], true),
        ("GE", "x", vec!["DERIVED", "SECONDARY", "HEATMAP"], true),
        ("GE", "x", vec!["DERIVED", "SECONDARY", "BONE_SUPPRESSED"], true),
        ("GE", "x", vec!["ORIGINAL", "PRIMARY", "AI"], false),
        ("GE", "x", vec!["DERIVED", "PRIMARY"], false),
        ("GE", "x", vec!["DERIVED", "SECONDARY"], false),
    ] {
        let header = with(|h| {
            h.manufacturer = Some(maker.into());
            h.model_name = Some(model.into());
            h.image_type = types.into_iter().map(String::from).collect();
        });
        assert_eq!(reason(&header), expected.then_some(SkipReason::OtherAi), "{maker} {model}");
    }

    for (class, modality) in [
        ("1.2.840.10008.5.1.4.1.1.88.22", "SR"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "KO"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PR"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "SEG"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "DX"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "DX"),
        ("1.2.840.10008.5.1.4.1.1.7", "PR"),
    ] {
        let header = with(|h| {
            h.sop_class = uid(class);
            h.modality = Some(modality.into());
        });
        assert_eq!(reason(&header), Some(SkipReason::NotAnImage), "{class}");
    }
}

#[test]
fn our_own_objects_are_known_in_every_kind() {
    for (class, modality) in [
        ("1.2.840.10008.5.1.4.1.1.88.34", "SR"),
        ("1.2.840.10008.5.1.4.1.1.88.22", "SR"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "KO"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PR"),
        ("1.2.840.10008.5.1.4.1.1.66.4", "SEG"),
        ("1.2.840.10008.5.1.4.1.1.7", "OT"),
        // A picture that somebody imported as a film.
        ("1.2.840.10008.5.1.4.1.1.7", "DX"),
    ] {
        let ours = |change: fn(&mut InstanceHeader)| {
            let header = with(|h| {
                (h.sop_class, h.modality) = (uid(class), Some(modality.into()));
                h.image_type = vec!["DERIVED".into(), "SECONDARY".into()];
                change(h);
            });
            assert_eq!(reason(&header), Some(SkipReason::OwnResult), "{class} {modality}");
        };
        ours(|h| (h.manufacturer, h.model_name) = (Some(OWN_MANUFACTURER.into()), Some(OWN_MODEL.to_lowercase())));
        // What another device made of ours, and ours under another maker's name.
        ours(|h| h.contributors = vec![("PACS".into(), "x".into()), (OWN_MANUFACTURER.into(), OWN_MODEL.into())]);
        ours(|h| h.descriptions = described(&["IA RX tórax: imagen anotada SC (sin verificar)"]));
        ours(|h| h.descriptions = described(&["AI CXR overlay SC (unverified)", "Chest"]));
    }
    // A contributor of our house alone, or a like description, is no mark.
    let film = with(|h| {
        h.contributors = vec![(OWN_MANUFACTURER.into(), "phantom".into())];
        h.descriptions = described(&["Chest PA (unverified)"]);
    });
    assert_eq!(reason(&film), None);
}

#[test]
fn what_another_product_derived_is_known_by_its_contributors_and_descriptions() {
    const SC: &str = "1.2.840.10008.5.1.4.1.1.7";
    const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
    let derived = ["DERIVED", "SECONDARY"];
    let original = ["ORIGINAL", "PRIMARY"];
    for (class, types, contributor, description, expected) in [
        (DX, derived.as_slice(), "Lunit Inc.", "", true),
        (SC, &derived, "Annalise", "", true),
        (SC, &original, "Qure.ai", "", true),
        ("1.2.840.10008.5.1.4.1.1.7.4", &original, "Qure.ai", "", true),
        (SC, &derived, "", "Lunit INSIGHT CXR overlay", true),
        (DX, &["DERIVED", "PRIMARY", "AI_RESULT"], "", "", true),
        (DX, &["DERIVED", "PRIMARY", "CAD OVERLAY"], "", "", true),
        // The film itself, although a product had it in hand or a study is named after one.
        (DX, &original, "Lunit Inc.", "", false),
        (DX, &original, "", "Chest PA for Lunit", false),
        (DX, &["DERIVED", "PRIMARY"], "ACME", "Chest PA", false),
        (SC, &derived, "ACME", "Chest PA", false),
        ("1.2.840.10008.5.1.4.1.1.77.1.1", &original, "Lunit", "", false),
    ] {
        let header = with(|h| {
            h.sop_class = uid(class);
            h.image_type = types.iter().map(|t| (*t).to_owned()).collect();
            h.contributors = vec![(String::new(), contributor.into())];
            h.descriptions = described(&[description]);
        });
        assert_eq!(reason(&header), expected.then_some(SkipReason::OtherAi), "{class} {types:?} {contributor}");
    }
    let map = with(|h| h.sop_class = uid("1.2.840.10008.5.1.4.1.1.30"));
    assert_eq!(reason(&map), Some(SkipReason::NotAnImage));
}
