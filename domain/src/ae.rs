//! Application entity titles (PS3.5 table 6.2-1, VR AE; PS3.8 section 9.3.2).

use std::fmt;

/// An application entity title: 1 to 16 printable ASCII characters, no backslash, trimmed.
///
/// Comparison is case-sensitive, as PS3.8 demands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AeTitle(String);

/// The text is not an application entity title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an AE title has 1 to 16 printable ASCII characters, no backslash, and is not only spaces")]
pub struct AeTitleError;

impl AeTitle {
    /// Parses a title; leading and trailing spaces are not significant.
    ///
    /// # Errors
    /// [`AeTitleError`] if the text is empty, too long or has a forbidden character.
    pub fn parse(text: &str) -> Result<Self, AeTitleError> {
        let text = text.trim_matches(|c| c == ' ' || c == '\0');
        let allowed = |b: u8| (0x20..0x7f).contains(&b) && b != b'\\';
        if text.is_empty() || text.len() > 16 || !text.bytes().all(allowed) {
            return Err(AeTitleError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text form, without padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AeTitle {
    type Error = AeTitleError;
    fn try_from(text: String) -> Result<Self, AeTitleError> {
        Self::parse(&text)
    }
}

impl From<AeTitle> for String {
    fn from(title: AeTitle) -> Self {
        title.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_trimmed_and_checked() {
        assert_eq!(AeTitle::parse(" PACS  ").map(String::from), Ok("PACS".into()));
        for bad in ["", "   ", "A\\B", "SEVENTEEN_LETTERS", "A\nB", "Ñ"] {
            assert_eq!(AeTitle::parse(bad), Err(AeTitleError), "{bad:?}");
        }
    }
}
