//! What a destination is to receive, as ae-titles.toml says it: `deliver`.

use crate::profile::{Profile, ResultKind};
use serde::de::{Error as _, Unexpected, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A profile, a list of kinds, or whatever the peer turns out to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deliver {
    /// One of the named sets.
    Profile(Profile),
    /// Exactly these kinds, each once, at least one; their order in the file has no meaning.
    Kinds(Vec<ResultKind>),
    /// What the last probe of the peer recommends.
    Auto,
}

impl Default for Deliver {
    fn default() -> Self {
        Self::Profile(Profile::None)
    }
}

impl Deliver {
    /// Whether anything is to be delivered at all.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// The kinds, in the order of delivery; `None` where a probe has to say.
    #[must_use]
    pub fn kinds(&self) -> Option<&[ResultKind]> {
        match self {
            Self::Profile(profile) => Some(profile.kinds()),
            Self::Kinds(kinds) => Some(kinds),
            Self::Auto => None,
        }
    }

    /// The value as it stands in ae-titles.toml.
    #[must_use]
    pub fn toml(&self) -> String {
        match self {
            Self::Kinds(kinds) => {
                let quoted: Vec<_> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
                format!("[{}]", quoted.join(", "))
            }
            word => format!("\"{word}\""),
        }
    }

    /// The shortest way to write these kinds: a profile's word where one fits.
    #[must_use]
    pub fn of_kinds(kinds: &[ResultKind]) -> Self {
        let profiles = [Profile::Full, Profile::Compat, Profile::Minimal, Profile::Research, Profile::None];
        match profiles.into_iter().find(|profile| profile.kinds() == kinds) {
            Some(profile) => Self::Profile(profile),
            None => Self::Kinds(kinds.to_vec()),
        }
    }
}

/// In words: a profile, `auto`, or kinds with commas between them.
impl fmt::Display for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile(profile) => f.write_str(word(*profile)),
            Self::Auto => f.write_str("auto"),
            Self::Kinds(kinds) => f.write_str(&kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ")),
        }
    }
}

const fn word(profile: Profile) -> &'static str {
    match profile {
        Profile::Full => "full",
        Profile::Compat => "compat",
        Profile::Minimal => "minimal",
        Profile::Research => "research",
        Profile::None => "none",
    }
}

impl Serialize for Deliver {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Profile(profile) => profile.serialize(to),
            Self::Kinds(kinds) => kinds.serialize(to),
            Self::Auto => to.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for Deliver {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Deliver;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "one of \"auto\", \"full\", \"compat\", \"minimal\", \"research\", \"none\", or a list of kinds",
                )
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Deliver, E> {
                if word == "auto" {
                    return Ok(Deliver::Auto);
                }
                let profile = Profile::deserialize(serde::de::value::StrDeserializer::<E>::new(word));
                profile.map(Deliver::Profile).map_err(|_| E::invalid_value(Unexpected::Str(word), &self))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Deliver, A::Error> {
                let mut kinds = Vec::<ResultKind>::deserialize(SeqAccessDeserializer::new(list))?;
                if kinds.is_empty() {
                    return Err(A::Error::custom("deliver is an empty list: name kinds, or write \"none\""));
                }
                if let Some(twice) =
                    kinds.iter().enumerate().find_map(|(n, kind)| kinds[..n].contains(kind).then_some(kind))
                {
                    return Err(A::Error::custom(format!("deliver names \"{twice}\" twice")));
                }
                kinds.sort();
                Ok(Deliver::Kinds(kinds))
            }
        }
        from.deserialize_any(Words)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn read(json: &str) -> Result<Deliver, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn words_and_lists_are_read_and_written_alike() {
        assert_eq!(read("\"auto\""), Ok(Deliver::Auto));
        assert_eq!(read("\"full\""), Ok(Deliver::Profile(Profile::Full)));
        assert_eq!(read("[\"sc\", \"sr\"]"), Ok(Deliver::Kinds(vec![ResultKind::Sr, ResultKind::Sc])));
        for text in ["\"auto\"", "\"none\"", "\"compat\"", "[\"sr\", \"sc\"]"] {
            let deliver = read(text).unwrap();
            assert_eq!(deliver.toml(), text);
            assert_eq!(read(&serde_json::to_string(&deliver).unwrap()), Ok(deliver));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("\"fully\"", "fully"),
            ("[]", "empty list"),
            ("[\"sr\", \"sr\"]", "\"sr\" twice"),
            ("[\"pdf\"]", "pdf"),
            ("3", "list of kinds"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn kinds_are_known_unless_a_probe_has_to_say() {
        assert!(!Deliver::default().is_any());
        assert_eq!(Deliver::of_kinds(&[ResultKind::Sr, ResultKind::Sc]).to_string(), "sr, sc");
        assert!(Deliver::Auto.is_any() && Deliver::Auto.kinds().is_none());
        let sr_sc = [ResultKind::Sr, ResultKind::Sc];
        assert_eq!(Deliver::of_kinds(&sr_sc), Deliver::Kinds(sr_sc.to_vec()));
        assert_eq!(Deliver::of_kinds(&[ResultKind::Sr, ResultKind::Gsps]), Deliver::Profile(Profile::Full));
        assert_eq!(Deliver::of_kinds(&sr_sc).kinds(), Some(&sr_sc[..]));
    }
}
