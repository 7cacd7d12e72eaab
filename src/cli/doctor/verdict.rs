//! What follows from what a peer takes: the table of classes, the `deliver` that fits, and whether results
//! can be delivered as configured.

use super::report::{Check, ClassLine, Recommendation, Report};
use crate::config::Peer;
use centinela_domain::ability::{Ability, ClassAnswer, EXPLICIT, OFFERS, advise};
use centinela_domain::deliver::Deliver;
use centinela_domain::profile::ResultKind;
use centinela_domain::result::SrClass;

/// Completes the report.
pub fn judge(report: &mut Report, peer: &Peer, ability: &Ability) {
    let line = |offer: &centinela_domain::ability::Offer| {
        let said = ability.answer(offer.class);
        ClassLine {
            name: offer.name,
            class: offer.class,
            kind: offer.kind.map(ResultKind::as_str),
            accepted: said.map(|said| said.accepted.clone()).unwrap_or_default(),
            refusal: said.and_then(|said| said.refusal).map(|refusal| refusal.text()),
        }
    };
    report.classes = OFFERS.iter().map(line).collect();
    let advice = advise(ability);
    report.recommended = Some(Recommendation {
        deliver: advice.deliver.toml(),
        sr_class: advice.sr_class.map(|class| class.uid().to_owned()),
        reason: advice.reason,
    });
    let check = delivery(peer, ability, &advice.deliver);
    report.deliverable = check.cause.is_none();
    report.checks.push(check);
}

/// Whether what is configured can be delivered.
fn delivery(peer: &Peer, ability: &Ability, fits: &Deliver) -> Check {
    const NAME: &str = "delivery";
    let entry = format!("peer {:?} in ae-titles.toml", peer.name);
    if !fits.is_any() {
        return Check::failed(
            NAME,
            "takes_nothing",
            "the peer is there, and takes none of our objects from us",
            "allow this node to store on the peer (Orthanc: AllowStore of its entry, or DicomAlwaysAllowStore); does the \
             peer store reports and films at all?",
        );
    }
    if !peer.deliver.is_any() {
        let remedy = format!("write deliver = {} into {entry}", fits.toml());
        return Check::failed(NAME, "not_configured", "deliver is \"none\": nothing would be sent there", remedy);
    }
    let kinds = peer.deliver.kinds().or(fits.kinds()).unwrap_or_default();
    let refused: Vec<_> = kinds.iter().filter(|kind| !ability.takes_kind(**kind)).collect();
    if let Some(first) = refused.first() {
        let names = refused.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        let reason = why(ability, **first).unwrap_or("not in a syntax of ours");
        let text = format!("deliver = {} has {names}, which it does not take: {reason}", peer.deliver.toml());
        let remedy =
            format!("allow the class for this node on the peer, or write deliver = {} into {entry}", fits.toml());
        return Check::failed(NAME, "kind_refused", text, remedy);
    }
    let what = if peer.deliver == Deliver::Auto { "deliver = \"auto\": it gets" } else { "it takes" };
    let mut text = format!("{what} {}", Deliver::Kinds(kinds.to_vec()));
    if let Some(class) = ability.sr_class().filter(|class| *class != SrClass::Comprehensive3d)
        && kinds.contains(&ResultKind::Sr)
    {
        text += &format!("; reports go as {class}, an older class with the same content");
    }
    let offered = OFFERS.iter().filter(|offer| offer.kind.is_some_and(|kind| kinds.contains(&kind)));
    let mut answers = offered.filter_map(|offer| ability.answer(offer.class)).filter(|a| !a.accepted.is_empty());
    if answers.all(|answer: &ClassAnswer| !answer.accepted.iter().any(|ts| ts == EXPLICIT)) {
        text += "; in Implicit VR Little Endian only, which is fine";
    }
    Check::ok(NAME, text)
}

fn why(ability: &Ability, kind: ResultKind) -> Option<&'static str> {
    let mut offers = OFFERS.iter().filter(|offer| offer.kind == Some(kind));
    offers.find_map(|offer| ability.answer(offer.class)?.refusal).map(|refusal| refusal.text())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::super::report::Outcome;
    use super::*;
    use centinela_domain::ability::{ContextRefusal, IMPLICIT};

    const GSPS: &str = "1.2.840.10008.5.1.4.1.1.11.1";
    const SC: &str = "1.2.840.10008.5.1.4.1.1.7";

    fn peer(deliver: &str) -> Peer {
        let text = format!("name = \"p\"\nae_title = \"P\"\nhost = \"h\"\nport = 1\ndeliver = {deliver}\n");
        toml::from_str(&text).unwrap()
    }

    fn check(deliver: &str, taken: &[&str], syntax: &str) -> Check {
        let answers = OFFERS.iter().map(|offer| {
            let refusal = (!taken.contains(&offer.class)).then_some(ContextRefusal::AbstractSyntax);
            (offer.class.to_owned(), syntax.to_owned(), refusal)
        });
        let ability = Ability::of(answers);
        delivery(&peer(deliver), &ability, &advise(&ability).deliver)
    }

    #[test]
    fn what_is_configured_is_held_against_what_is_taken() {
        let [new, old, _] = SrClass::ALL.map(SrClass::uid);
        for (deliver, taken, cause, words) in [
            ("\"full\"", &[new, GSPS, SC][..], None, "it takes sr, gsps"),
            ("\"full\"", &[new, SC], Some("kind_refused"), "has gsps, which it does not take: class not supported"),
            ("\"compat\"", &[SC], Some("kind_refused"), "has sr, gsps, which"),
            ("\"none\"", &[new, GSPS], Some("not_configured"), "nothing would be sent"),
            ("\"auto\"", &[new, SC], None, "\"auto\": it gets sr, sc"),
            ("\"auto\"", &[], Some("takes_nothing"), "takes none"),
            ("[\"sr\"]", &[old], None, "as Comprehensive SR, an older class"),
            ("[\"sr\", \"kos\"]", &[old], Some("kind_refused"), "has kos"),
        ] {
            let check = check(deliver, taken, EXPLICIT);
            assert_eq!(check.cause, cause, "{deliver} {taken:?}: {check:?}");
            assert_eq!(check.outcome == Outcome::Ok, cause.is_none());
            assert!(check.text.contains(words), "{deliver} {taken:?}: {}", check.text);
            assert_eq!(check.remedy.is_some(), cause.is_some());
        }
        assert!(check("\"full\"", &[new, GSPS], IMPLICIT).text.contains("Implicit VR"));
        assert!(!check("\"full\"", &[new, GSPS], EXPLICIT).text.contains("Implicit VR"));
    }
}
