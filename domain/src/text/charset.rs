//! Specific Character Set (0008,0005): its defined terms and their decoders.

use super::iso2022::{self, Extensions, G0, G1};
use super::{CharsetDoubt, Decoded, TextKind};
use encoding_rs::{Encoding, GB18030, GBK, UTF_8};

/// Every defined term that is understood, with what it stands for (PS3.3 tables C.12-2 to C.12-5).
/// Those that begin with `ISO_IR` and a number are understood with code extensions, too.
pub const TERMS: [(&str, &str); 19] = [
    ("ISO_IR 6", "ASCII, the default"),
    ("ISO_IR 100", "Latin-1"),
    ("ISO_IR 101", "Latin-2"),
    ("ISO_IR 109", "Latin-3"),
    ("ISO_IR 110", "Latin-4"),
    ("ISO_IR 126", "Greek"),
    ("ISO_IR 127", "Arabic"),
    ("ISO_IR 138", "Hebrew"),
    ("ISO_IR 144", "Cyrillic"),
    ("ISO_IR 148", "Latin-5"),
    ("ISO_IR 166", "Thai"),
    ("ISO_IR 203", "Latin-9"),
    ("ISO_IR 13", "Japanese, katakana and romaji"),
    ("ISO 2022 IR 87", "Japanese, kanji"),
    ("ISO 2022 IR 159", "Japanese, supplementary kanji"),
    ("ISO 2022 IR 149", "Korean"),
    ("ISO 2022 IR 58", "Simplified Chinese"),
    ("ISO_IR 192", "UTF-8"),
    ("GB18030", "Chinese; GBK, too"),
];

/// The character sets that one data set or sequence item declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charset {
    kind: Kind,
    unknown_term: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// No declaration: ASCII.
    None,
    /// One multi-byte set without code extensions.
    Whole(&'static Encoding),
    /// Single-byte sets, with or without code extensions.
    Extended(Extensions),
}

impl Default for Charset {
    fn default() -> Self {
        Self { kind: Kind::None, unknown_term: false }
    }
}

impl Charset {
    /// Reads the values of Specific Character Set, separated by backslashes. Spellings that real
    /// archives hold (`ISO IR 100`, `iso_ir_100`, `ISO2022 IR 87`, `UTF-8`) are understood.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let terms: Vec<Term> = value.split('\\').map(Term::parse).collect();
        let unknown_term = terms.contains(&Term::Unknown);
        if let Some(Term::Whole(encoding)) = terms.iter().find(|t| matches!(t, Term::Whole(_))) {
            return Self { kind: Kind::Whole(encoding), unknown_term };
        }
        if terms.iter().all(|t| matches!(t, Term::Empty | Term::Unknown)) && terms.len() == 1 {
            return Self { kind: Kind::None, unknown_term };
        }
        let mut extensions = Extensions::default();
        for (i, term) in terms.iter().enumerate() {
            if let Term::Set(g0, g1) = *term {
                if i == 0 {
                    extensions.g0 = g0.unwrap_or_default();
                    extensions.g1 = g1;
                }
                // Some writers leave out the escape sequence of their only multi-byte G1 set.
                if extensions.fallback.is_none() {
                    extensions.fallback = g1.filter(|g1| matches!(g1, G1::Korean | G1::Chinese));
                }
            }
        }
        Self { kind: Kind::Extended(extensions), unknown_term }
    }

    /// Decodes the bytes of one value field.
    #[must_use]
    pub fn decode(&self, bytes: &[u8], kind: TextKind) -> Decoded {
        let (text, mut doubt) = match &self.kind {
            Kind::Whole(encoding) => {
                let (text, bad) = encoding.decode_without_bom_handling(bytes);
                (text.into_owned(), bad.then_some(CharsetDoubt::Undecodable))
            }
            Kind::None => {
                let extensions = Extensions { g1: Some(G1::LATIN_1), ..Extensions::default() };
                let (text, bad) = iso2022::decode(bytes, kind, &extensions);
                let beyond = bytes.iter().any(|b| *b >= 0x80);
                let doubt = if bad { Some(CharsetDoubt::Undecodable) } else { None };
                (text, doubt.or(beyond.then_some(CharsetDoubt::Undeclared)))
            }
            Kind::Extended(extensions) => {
                let (text, bad) = iso2022::decode(bytes, kind, extensions);
                (text, bad.then_some(CharsetDoubt::Undecodable))
            }
        };
        if self.unknown_term && bytes.iter().any(|b| *b >= 0x80 || *b == iso2022::ESC) {
            doubt = Some(CharsetDoubt::UnknownTerm);
        }
        Decoded { text, doubt }
    }
}

/// One value of Specific Character Set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Term {
    Empty,
    Unknown,
    Whole(&'static Encoding),
    /// What the term puts into G0 and G1 if it is the first value.
    Set(Option<G0>, Option<G1>),
}

impl Term {
    fn parse(term: &str) -> Self {
        let letters: String =
            term.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        let number = letters.strip_prefix("ISO2022IR").or_else(|| letters.strip_prefix("ISOIR"));
        match number.unwrap_or(&letters) {
            "" => Self::Empty,
            "192" | "UTF8" | "UNICODE" => Self::Whole(UTF_8),
            "GB18030" => Self::Whole(GB18030),
            "GBK" | "GB2312" => Self::Whole(GBK),
            "6" | "ASCII" | "USASCII" => Self::Set(None, None),
            "13" => Self::Set(Some(G0::JisRoman), Some(G1::Katakana)),
            "87" | "159" => Self::Set(None, None),
            "149" => Self::Set(None, Some(G1::Korean)),
            "58" => Self::Set(None, Some(G1::Chinese)),
            "LATIN1" | "ISO88591" => Self::Set(None, Some(G1::LATIN_1)),
            other => match G1::single_byte(other) {
                Some(g1) => Self::Set(None, Some(g1)),
                None => Self::Unknown,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_term_is_understood_and_nothing_else_is_listed() {
        for (term, _) in TERMS {
            assert!(!Charset::parse(term).unknown_term, "{term}");
        }
        assert!(Charset::parse("ISO_IR 14").unknown_term);
        let named = (1..300).filter(|n| !Charset::parse(&format!("ISO_IR {n}")).unknown_term).count();
        assert_eq!(named, TERMS.len() - 1, "all but GB18030 have a number");
    }
}
