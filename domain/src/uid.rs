//! Unique identifiers: parsing at the edge and deterministic derivation (PS3.5 section 9 and B.2).

use std::fmt;
use uuid::Uuid;

/// A DICOM unique identifier: 1 to 64 characters, digits and dots.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(String);

/// Why a text is not a UID. Carries no part of the text, which may be anything a peer sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UidError {
    /// Nothing was left after trimming padding.
    #[error("the UID is empty")]
    Empty,
    /// More than 64 characters.
    #[error("the UID is longer than 64 characters")]
    TooLong,
    /// A character other than a digit or a dot, or an empty component.
    #[error("the UID has a character or component that PS3.5 section 9.1 does not allow")]
    Malformed,
}

/// Root of all identifiers that Centinela derives; fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x3f7d_9c52_6c1e_4a8e_9d0b_51c2_77e4_a9b6);

impl Uid {
    /// Parses a UID, removing the padding that peers add (NUL and spaces).
    ///
    /// Leading zeros in a component are tolerated: real archives hold them.
    ///
    /// # Errors
    /// [`UidError`] tells what is wrong.
    pub fn parse(text: &str) -> Result<Self, UidError> {
        let text = text.trim_matches(|c| c == '\0' || c == ' ');
        if text.is_empty() {
            return Err(UidError::Empty);
        }
        if text.len() > 64 {
            return Err(UidError::TooLong);
        }
        let component = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !text.split('.').all(component) {
            return Err(UidError::Malformed);
        }
        Ok(Self(text.to_owned()))
    }

    /// The same parts always give the same UID: `2.25.` and a version 5 UUID (PS3.5 section B.2).
    #[must_use]
    pub fn derive(parts: &[&str]) -> Self {
        // A separator that no part can contain keeps ["a", "bc"] and ["ab", "c"] apart.
        let name = parts.join("\u{1f}");
        let uuid = Uuid::new_v5(&NAMESPACE, name.as_bytes());
        Self(format!("2.25.{}", uuid.as_u128()))
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Uid {
    type Error = UidError;
    fn try_from(text: String) -> Result<Self, UidError> {
        Self::parse(&text)
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_trims_padding_and_refuses_paths() {
        assert_eq!(Uid::parse("1.2.840\0").map(String::from), Ok("1.2.840".into()));
        assert_eq!(Uid::parse("../../etc"), Err(UidError::Malformed));
        assert_eq!(Uid::parse("1..2"), Err(UidError::Malformed));
        assert_eq!(Uid::parse(" \0"), Err(UidError::Empty));
        assert_eq!(Uid::parse(&"1".repeat(65)), Err(UidError::TooLong));
    }

    #[test]
    fn derive_is_stable_and_separates_parts() {
        let a = Uid::derive(&["a", "bc"]);
        assert_eq!(a, Uid::derive(&["a", "bc"]));
        assert_ne!(a, Uid::derive(&["ab", "c"]));
        assert!(a.as_str().starts_with("2.25.") && a.as_str().len() <= 64);
        assert_eq!(Uid::parse(a.as_str()), Ok(a));
    }
}
