//! What a peer takes of what we could send (PS3.4 annex B, by negotiation), and what to deliver there.
//!
//! A probe proposes every class of [`OFFERS`], each transfer syntax in a context of its own; what comes
//! of it is an [`Ability`], and [`advise`] turns that into the `deliver` that fits.

use crate::commitment;
use crate::deliver::Deliver;
use crate::profile::{Profile, ResultKind};
use crate::result::SrClass;
use serde::{Deserialize, Serialize};

/// Explicit VR Little Endian (PS3.5 annex A.2).
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
/// Implicit VR Little Endian (PS3.5 annex A.1).
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
/// RLE Lossless (PS3.5 annex A.4.2).
pub const RLE: &str = "1.2.840.10008.1.2.5";
/// The syntaxes in which every result can be sent, the preferred one first.
pub const SENDABLE: [&str; 2] = [EXPLICIT, IMPLICIT];

/// Verification SOP Class.
pub const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Study Root Query/Retrieve Information Model - FIND.
pub const FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
const GSPS: &str = "1.2.840.10008.5.1.4.1.1.11.1";
const SC: &str = "1.2.840.10008.5.1.4.1.1.7";
const KOS: &str = "1.2.840.10008.5.1.4.1.1.88.59";
const SEG: &str = "1.2.840.10008.5.1.4.1.1.66.4";

/// A class that a probe proposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Its SOP Class UID.
    pub class: &'static str,
    /// Its name, for people.
    pub name: &'static str,
    /// The kind of result that it carries; none for services.
    pub kind: Option<ResultKind>,
    /// The transfer syntaxes to ask for.
    pub syntaxes: &'static [&'static str],
}

/// Everything that we could send to a peer, or ask of it.
pub const OFFERS: [Offer; 10] = [
    Offer::result(SrClass::Comprehensive3d.uid(), "SR, Comprehensive 3D", ResultKind::Sr),
    Offer::result(SrClass::Comprehensive.uid(), "SR, Comprehensive", ResultKind::Sr),
    Offer::result(SrClass::Enhanced.uid(), "SR, Enhanced", ResultKind::Sr),
    Offer::result(GSPS, "Grayscale presentation state", ResultKind::Gsps),
    Offer { syntaxes: &[EXPLICIT, IMPLICIT, RLE], ..Offer::result(SC, "Secondary capture", ResultKind::Sc) },
    Offer::result(KOS, "Key object selection", ResultKind::Kos),
    Offer::result(SEG, "Segmentation", ResultKind::Seg),
    Offer::service(VERIFICATION, "Verification (C-ECHO)"),
    Offer::service(commitment::SOP_CLASS, "Storage commitment"),
    Offer::service(FIND, "Query, study root (C-FIND)"),
];

impl Offer {
    const fn result(class: &'static str, name: &'static str, kind: ResultKind) -> Self {
        Self { class, name, kind: Some(kind), syntaxes: &SENDABLE }
    }

    const fn service(class: &'static str, name: &'static str) -> Self {
        Self { class, name, kind: None, syntaxes: &SENDABLE }
    }
}

/// Why a presentation context was refused (PS3.8 table 9-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextRefusal {
    /// 1: the peer could, and does not want to from us.
    User,
    /// 2: it gives no reason.
    NoReason,
    /// 3: it does not know the class.
    AbstractSyntax,
    /// 4: it takes the class in none of the proposed transfer syntaxes.
    TransferSyntaxes,
    /// It did not answer the context at all.
    Unanswered,
}

impl ContextRefusal {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::User => "refused by its settings (reason 1)",
            Self::NoReason => "refused without a reason (reason 2)",
            Self::AbstractSyntax => "class not supported (reason 3)",
            Self::TransferSyntaxes => "transfer syntax not supported (reason 4)",
            Self::Unanswered => "not answered",
        }
    }
}

/// What a peer said to one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassAnswer {
    /// The SOP Class UID.
    pub class: String,
    /// The transfer syntaxes in which it takes it.
    pub accepted: Vec<String>,
    /// Why it takes it in none.
    pub refusal: Option<ContextRefusal>,
}

/// What a peer takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ability {
    /// One answer for each class that was proposed.
    pub classes: Vec<ClassAnswer>,
}

impl Ability {
    /// Puts the answers to contexts together: class, transfer syntax, and the refusal if it is one.
    #[must_use]
    pub fn of(contexts: impl IntoIterator<Item = (String, String, Option<ContextRefusal>)>) -> Self {
        let mut ability = Self::default();
        for (class, syntax, refusal) in contexts {
            let at = ability.classes.iter().position(|known| known.class == class).unwrap_or_else(|| {
                ability.classes.push(ClassAnswer { class, accepted: Vec::new(), refusal: None });
                ability.classes.len() - 1
            });
            let Some(answer) = ability.classes.get_mut(at) else { continue };
            match refusal {
                None => answer.accepted.push(syntax),
                // One syntax may be refused as such while the other tells that nothing would help.
                Some(_) if answer.refusal.is_some_and(|r| r != ContextRefusal::TransferSyntaxes) => {}
                Some(refusal) => answer.refusal = Some(refusal),
            }
        }
        for answer in ability.classes.iter_mut().filter(|answer| !answer.accepted.is_empty()) {
            answer.refusal = None;
        }
        ability
    }

    /// What the peer said to a class.
    #[must_use]
    pub fn answer(&self, class: &str) -> Option<&ClassAnswer> {
        self.classes.iter().find(|answer| answer.class == class)
    }

    /// Whether it takes the class in a transfer syntax in which we can always send.
    #[must_use]
    pub fn takes(&self, class: &str) -> bool {
        self.answer(class).is_some_and(|a| a.accepted.iter().any(|ts| SENDABLE.contains(&ts.as_str())))
    }

    /// The report class that would be sent: the best that it takes.
    #[must_use]
    pub fn sr_class(&self) -> Option<SrClass> {
        SrClass::ALL.into_iter().find(|class| self.takes(class.uid()))
    }

    /// Whether it takes the kind in some class.
    #[must_use]
    pub fn takes_kind(&self, kind: ResultKind) -> bool {
        OFFERS.iter().any(|offer| offer.kind == Some(kind) && self.takes(offer.class))
    }

    /// Whether it takes no kind of result at all.
    #[must_use]
    pub fn takes_nothing(&self) -> bool {
        !ResultKind::ALL.into_iter().any(|kind| self.takes_kind(kind))
    }
}

/// What to deliver to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The `deliver` that fits; none where nothing does.
    pub deliver: Deliver,
    /// The class in which reports will be sent, if it takes any.
    pub sr_class: Option<SrClass>,
    /// Why, in words.
    pub reason: &'static str,
}

/// The `deliver` that fits what a peer takes. Key object selections and segmentations are never advised: they
/// are extras that a site asks for.
#[must_use]
pub fn advise(ability: &Ability) -> Advice {
    let sr_class = ability.sr_class();
    let (gsps, sc) = (ability.takes_kind(ResultKind::Gsps), ability.takes_kind(ResultKind::Sc));
    let (deliver, reason) = match (sr_class, gsps, sc) {
        (Some(SrClass::Comprehensive3d), true, _) => (
            Deliver::Profile(Profile::Full),
            "it takes reports and presentation states; if its viewer shows neither, choose \"compat\"",
        ),
        (Some(_), true, true) => (
            Deliver::Profile(Profile::Compat),
            "it takes reports only in an older class; a viewer of that age may show neither these nor presentation \
             states, but it shows the burned-in film",
        ),
        (Some(_), true, false) => (
            Deliver::Profile(Profile::Full),
            "it takes reports in an older class, presentation states, and no burned-in films",
        ),
        (Some(_), false, true) => (
            Deliver::Kinds(vec![ResultKind::Sr, ResultKind::Sc]),
            "it refuses presentation states, so the burned-in film shows where the finding is",
        ),
        (Some(_), false, false) => {
            (Deliver::Profile(Profile::Research), "it takes reports only; whether its viewer shows them is to be seen")
        }
        (None, true, true) => (
            Deliver::Kinds(vec![ResultKind::Gsps, ResultKind::Sc]),
            "it refuses reports; the burned-in film says what they would have said",
        ),
        (None, true, false) => (
            Deliver::Kinds(vec![ResultKind::Gsps]),
            "it takes presentation states only: a study without a finding will get nothing",
        ),
        (None, false, true) => (Deliver::Profile(Profile::Minimal), "it takes burned-in films only"),
        (None, false, false) => (Deliver::default(), "it takes none of the objects that we could send"),
    };
    Advice { deliver, sr_class, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SR34: &str = SrClass::Comprehensive3d.uid();
    const SR33: &str = SrClass::Comprehensive.uid();
    const SR22: &str = SrClass::Enhanced.uid();

    fn taking(classes: &[&str]) -> Ability {
        Ability::of(OFFERS.iter().flat_map(|offer| {
            offer.syntaxes.iter().map(|ts| {
                let refusal = (!classes.contains(&offer.class)).then_some(ContextRefusal::AbstractSyntax);
                (offer.class.to_owned(), (*ts).to_owned(), refusal)
            })
        }))
    }

    #[test]
    fn the_advice_follows_the_table() {
        use SrClass::{Comprehensive, Comprehensive3d, Enhanced};
        for (classes, deliver, sr) in [
            (&[SR34, SR33, SR22, GSPS, SC, KOS, SEG][..], "\"full\"", Some(Comprehensive3d)),
            (&[SR34, GSPS], "\"full\"", Some(Comprehensive3d)),
            (&[SR33, SR22, GSPS, SC], "\"compat\"", Some(Comprehensive)),
            (&[SR22, GSPS, SC], "\"compat\"", Some(Enhanced)),
            (&[SR22, GSPS], "\"full\"", Some(Enhanced)),
            (&[SR34, SC], "[\"sr\", \"sc\"]", Some(Comprehensive3d)),
            (&[SR33, SC, KOS], "[\"sr\", \"sc\"]", Some(Comprehensive)),
            (&[SR34], "\"research\"", Some(Comprehensive3d)),
            (&[GSPS, SC], "[\"gsps\", \"sc\"]", None),
            (&[GSPS], "[\"gsps\"]", None),
            (&[SC, VERIFICATION], "\"minimal\"", None),
            (&[VERIFICATION, FIND, commitment::SOP_CLASS], "\"none\"", None),
            (&[KOS, SEG], "\"none\"", None),
            (&[], "\"none\"", None),
        ] {
            let advice = advise(&taking(classes));
            assert_eq!((advice.deliver.toml().as_str(), advice.sr_class), (deliver, sr), "{classes:?}");
            assert!(!advice.reason.is_empty());
        }
    }

    #[test]
    fn whatever_is_advised_is_taken() {
        let classes: Vec<_> = OFFERS.iter().map(|offer| offer.class).collect();
        for bits in 0..1_u32 << classes.len() {
            let some: Vec<_> =
                classes.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, c)| *c).collect();
            let ability = taking(&some);
            let advice = advise(&ability);
            for kind in advice.deliver.kinds().unwrap_or_default() {
                assert!(ability.takes_kind(*kind), "{some:?}: {kind}");
            }
            let main = [ResultKind::Sr, ResultKind::Gsps, ResultKind::Sc];
            assert_eq!(advice.deliver.is_any(), main.into_iter().any(|kind| ability.takes_kind(kind)), "{some:?}");
        }
    }

    #[test]
    fn a_class_that_is_taken_only_compressed_cannot_be_delivered() {
        let of = |ts: &str, refusal| (SC.to_owned(), ts.to_owned(), refusal);
        let no = Some(ContextRefusal::TransferSyntaxes);
        let ability = Ability::of([of(EXPLICIT, no), of(IMPLICIT, no), of(RLE, None)]);
        assert_eq!(ability.answer(SC).map(|a| (a.accepted.len(), a.refusal)), Some((1, None)));
        assert!(!ability.takes(SC) && ability.takes_nothing());
        let implicit = Ability::of([of(EXPLICIT, no), of(IMPLICIT, None), of(RLE, no)]);
        assert!(implicit.takes_kind(ResultKind::Sc));
        let refused = Ability::of([of(EXPLICIT, no), of(IMPLICIT, Some(ContextRefusal::User)), of(RLE, no)]);
        assert_eq!(refused.answer(SC).and_then(|a| a.refusal), Some(ContextRefusal::User), "the reason that says most");
    }

    #[test]
    fn an_ability_outlives_its_row() {
        let ability = taking(&[SR33, SC]);
        let text = serde_json::to_string(&ability).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Ability>(&text).ok(), Some(ability));
    }
}
