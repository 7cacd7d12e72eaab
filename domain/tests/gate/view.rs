//! Frontal or not: View Position, view codes, orientation and descriptions.

use super::{ADULTS, described, reason, with};
use centinela_domain::gate::{Decision, SkipReason, Unknown, ViewFound, gate};

const fn view(found: ViewFound) -> Option<SkipReason> {
    Some(SkipReason::View { found })
}

#[test]
fn view_by_the_tag() {
    for position in ["PA", "AP", "ap", "AP SUPINE", "PA_ERECT", "FRONTAL", "POSTERO-ANTERIOR", "P.A."] {
        assert_eq!(reason(&with(|h| h.view_position = Some(position.into()))), None, "{position}");
    }
    for (position, found) in [
        ("LL", ViewFound::Lateral),
        ("RL", ViewFound::Lateral),
        ("LATERAL", ViewFound::Lateral),
        ("LAT", ViewFound::Lateral),
        ("L LAT", ViewFound::Lateral),
        ("PA LAT", ViewFound::Lateral),
        ("PERFIL", ViewFound::Lateral),
        ("RAO", ViewFound::Oblique),
        ("LPO", ViewFound::Oblique),
        ("RLO", ViewFound::Oblique),
        ("AP OBLIQUE", ViewFound::Oblique),
        ("LLD", ViewFound::Decubitus),
        ("RLD", ViewFound::Decubitus),
        ("LATERAL DECUBITUS", ViewFound::Decubitus),
    ] {
        let header = with(|h| {
            h.view_position = Some(position.into());
            h.descriptions = described(&["PA"]);
        });
        assert_eq!(reason(&header), view(found), "{position}");
        assert_eq!(gate(&header, &ADULTS).chest, Some(true));
    }
}

#[test]
fn view_by_code() {
    for (code, expected) in [
        ("SCT:272479007", None),
        ("SCT:399348003", None),
        ("SCT:399033003", None),
        ("SRT:R-40888", None),
        ("SRT:R-10214", None),
        ("SRT:R-10206", None),
        ("SNM3:R-10206", None),
        ("SCT:399067008", view(ViewFound::Lateral)),
        ("SCT:399173006", view(ViewFound::Lateral)),
        ("SCT:399198007", view(ViewFound::Lateral)),
        ("SRT:R-10236", view(ViewFound::Lateral)),
        ("SRT:R-10232", view(ViewFound::Lateral)),
        ("SCT:399236003", view(ViewFound::Oblique)),
        ("SCT:399132005", view(ViewFound::Oblique)),
        ("SRT:R-10234", view(ViewFound::Oblique)),
        ("SCT:399061009", view(ViewFound::Other)),
    ] {
        let header = with(|h| {
            h.view_position = None;
            h.view_codes = vec![code.into()];
            h.patient_orientation = vec!["L".into(), "F".into()];
        });
        assert_eq!(reason(&header), expected, "{code}");
    }
}

#[test]
fn view_by_orientation_and_descriptions() {
    let judged = |orientation: &[&str], texts: &[&str]| {
        let header = with(|h| {
            h.view_position = Some(" ".into());
            h.patient_orientation = orientation.iter().map(|s| (*s).to_owned()).collect();
            h.descriptions = described(texts);
        });
        match gate(&header, &ADULTS).decision {
            Decision::Analyze { unknown } => Ok(unknown),
            Decision::Skip(reason) => Err(reason),
        }
    };
    let lateral = Err(SkipReason::View { found: ViewFound::Lateral });
    assert_eq!(judged(&["L", "F"], &[]), Ok(vec![]));
    assert_eq!(judged(&["R", "F"], &[]), Ok(vec![]));
    assert_eq!(judged(&["A", "F"], &[]), lateral);
    assert_eq!(judged(&["P", "F"], &["Thorax PA"]), lateral);
    assert_eq!(judged(&["AL", "F"], &[]), lateral);
    assert_eq!(judged(&[], &[]), Ok(vec![Unknown::View]));
    for text in [
        "Chest lateral",
        "Tórax perfil",
        "Thorax de profil",
        "Thorax seitlich",
        "Torace latero-laterale",
        "Thorax lateraal",
        "Lungor sida",
        "klatka piersiowa bok",
        "胸部側面",
        "胸部侧位",
        "흉부 측면",
        "Akciğer yan",
    ] {
        assert_eq!(judged(&["L", "F"], &[text]), lateral, "{text}");
    }
    for text in ["Chest PA", "Thorax de face", "Tórax frente", "胸部正面", "胸部正位", "흉부 정면", "CHEST_AP_PORTABLE"]
    {
        assert_eq!(judged(&[], &[text]), Ok(vec![]), "{text}");
    }
    // The study has both, the series says which.
    assert_eq!(judged(&[], &["Lateral", "Chest PA and lateral"]), lateral);
    assert_eq!(judged(&[], &["PA", "Chest PA and lateral"]), Ok(vec![]));
    assert_eq!(judged(&[], &["Chest PA and lateral"]), Ok(vec![Unknown::View]));
    assert_eq!(judged(&[], &["Bilateral infiltrates"]), Ok(vec![Unknown::View]));
    // Lying on the back is frontal.
    assert_eq!(judged(&[], &["Thorax AP décubitus dorsal"]), Ok(vec![]));
    assert_eq!(judged(&[], &["Left lateral decubitus"]), Err(SkipReason::View { found: ViewFound::Decubitus }));
}
