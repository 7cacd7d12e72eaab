//! Single-byte sets and code extensions by escape sequences (ISO 2022; PS3.5 section 6.1.2.5,
//! PS3.3 tables C.12-2 to C.12-4).

use super::TextKind;
use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5, ISO_8859_6, ISO_8859_7, ISO_8859_8,
    ISO_8859_15, WINDOWS_874, WINDOWS_1252, WINDOWS_1254,
};

/// Escape.
pub(super) const ESC: u8 = 0x1B;

/// What bytes 21 to 7E mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum G0 {
    /// ISO 646, ASCII.
    #[default]
    Ascii,
    /// JIS X 0201 Romaji: ASCII with yen sign and overline.
    JisRoman,
    /// JIS X 0208 Kanji, two bytes.
    Kanji,
    /// JIS X 0212 supplementary Kanji, two bytes.
    SupplementaryKanji,
}

/// What bytes A1 to FE mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum G1 {
    /// A right-hand part of 96 characters.
    Single(&'static Encoding),
    /// JIS X 0201 half-width Katakana.
    Katakana,
    /// KS X 1001 Hangul and Hanja, two bytes.
    Korean,
    /// GB 2312, two bytes.
    Chinese,
}

/// The single-byte sets: number of the defined term, final character of the escape sequence,
/// decoder of bytes A0 to FF. The decoders of Latin-1, Latin-5 and Thai are supersets that differ
/// only below A0, where every set has the C1 controls.
const SINGLE_BYTE: [(&str, u8, &Encoding); 11] = [
    ("100", b'A', WINDOWS_1252),
    ("101", b'B', ISO_8859_2),
    ("109", b'C', ISO_8859_3),
    ("110", b'D', ISO_8859_4),
    ("126", b'F', ISO_8859_7),
    ("127", b'G', ISO_8859_6),
    ("138", b'H', ISO_8859_8),
    ("144", b'L', ISO_8859_5),
    ("148", b'M', WINDOWS_1254),
    ("166", b'T', WINDOWS_874),
    ("203", b'b', ISO_8859_15),
];

impl G1 {
    pub(super) const LATIN_1: Self = Self::Single(WINDOWS_1252);

    /// The set of a defined term's number.
    pub(super) fn single_byte(number: &str) -> Option<Self> {
        SINGLE_BYTE.iter().find(|s| s.0 == number).map(|s| Self::Single(s.2))
    }
}

/// What is in effect at the start of every stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extensions {
    pub(super) g0: G0,
    pub(super) g1: Option<G1>,
    /// Used for high bytes while nothing is in G1.
    pub(super) fallback: Option<G1>,
}

/// Decodes; the flag tells whether something became U+FFFD.
pub(super) fn decode(bytes: &[u8], kind: TextKind, initial: &Extensions) -> (String, bool) {
    let mut text = String::with_capacity(bytes.len());
    let mut bad = false;
    let (mut g0, mut g1) = (initial.g0, initial.g1);
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == ESC {
            if let Some((effect, length)) = escape(after) {
                match effect {
                    Effect::G0(set) => g0 = set,
                    Effect::G1(set) => g1 = Some(set),
                }
                rest = &after[length..];
            } else {
                bad = true;
                text.push(char::REPLACEMENT_CHARACTER);
                rest = after;
            }
            continue;
        }
        // A delimiter byte can be half of a Kanji, but only with its other half.
        let pair = matches!(rest, [0x21..=0x7E, 0x21..=0x7E, ..]);
        let wide = pair && matches!(g0, G0::Kanji | G0::SupplementaryKanji);
        if !wide && kind.is_delimiter(byte) {
            (g0, g1) = (initial.g0, initial.g1);
            text.push(char::from(byte));
            rest = after;
            continue;
        }
        let (decoded, used) = if byte < 0x80 { low(g0, kind, rest) } else { high(g1.or(initial.fallback), rest) };
        match decoded {
            Some(c) => text.push(c),
            None => {
                bad = true;
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        rest = &rest[used..];
    }
    (text, bad)
}

enum Effect {
    G0(G0),
    G1(G1),
}

/// What the bytes after ESC ask for, and how many they are.
fn escape(after: &[u8]) -> Option<(Effect, usize)> {
    Some(match after {
        [b'(', b'B', ..] => (Effect::G0(G0::Ascii), 2),
        [b'(', b'J', ..] => (Effect::G0(G0::JisRoman), 2),
        [b')', b'I', ..] => (Effect::G1(G1::Katakana), 2),
        // The second is the older JIS C 6226, a subset but for a few glyphs.
        [b'$', b'B' | b'@', ..] => (Effect::G0(G0::Kanji), 2),
        [b'$', b'(', b'D', ..] => (Effect::G0(G0::SupplementaryKanji), 3),
        [b'$', b')', b'C', ..] => (Effect::G1(G1::Korean), 3),
        [b'$', b')', b'A', ..] => (Effect::G1(G1::Chinese), 3),
        [b'-', last, ..] => {
            let set = SINGLE_BYTE.iter().find(|s| s.1 == *last)?;
            (Effect::G1(G1::Single(set.2)), 2)
        }
        _ => return None,
    })
}

/// One character from G0 or a control character, and how many bytes it took.
fn low(g0: G0, kind: TextKind, rest: &[u8]) -> (Option<char>, usize) {
    let byte = rest[0];
    let wide = match g0 {
        G0::Ascii => return (Some(char::from(byte)), 1),
        G0::JisRoman => {
            let c = match byte {
                // Between values the same byte is the delimiter.
                b'\\' if kind == TextKind::Single => '¥',
                b'~' => '‾',
                _ => char::from(byte),
            };
            return (Some(c), 1);
        }
        _ if !(0x21..=0x7E).contains(&byte) => return (Some(char::from(byte)), 1),
        G0::Kanji => false,
        G0::SupplementaryKanji => true,
    };
    match rest.get(1) {
        Some(second @ 0x21..=0x7E) if wide => (one(EUC_JP, &[0x8F, byte | 0x80, second | 0x80]), 2),
        Some(second @ 0x21..=0x7E) => (one(EUC_JP, &[byte | 0x80, second | 0x80]).map(as_jis), 2),
        _ => (None, 1),
    }
}

/// The decoder follows Windows for six characters; JIS X 0208 itself has these.
const fn as_jis(c: char) -> char {
    match c {
        '\u{FF5E}' => '\u{301C}',
        '\u{2225}' => '\u{2016}',
        '\u{FF0D}' => '\u{2212}',
        '\u{FFE0}' => '\u{A2}',
        '\u{FFE1}' => '\u{A3}',
        '\u{FFE2}' => '\u{AC}',
        other => other,
    }
}

/// One character from G1 or a C1 control character, and how many bytes it took.
fn high(g1: Option<G1>, rest: &[u8]) -> (Option<char>, usize) {
    let byte = rest[0];
    let pair = |encoding| match rest.get(1) {
        Some(second @ 0xA1..=0xFE) => (one(encoding, &[byte, *second]), 2),
        _ => (None, 1),
    };
    match g1 {
        None => (None, 1),
        Some(G1::Single(_)) if byte < 0xA0 => (Some(char::from(byte)), 1),
        Some(G1::Single(encoding)) => (one(encoding, &[byte]), 1),
        Some(G1::Katakana) => {
            let katakana = (0xA1..=0xDF).contains(&byte);
            (katakana.then(|| char::from_u32(0xFF61 + u32::from(byte) - 0xA1)).flatten(), 1)
        }
        Some(G1::Korean) => pair(EUC_KR),
        Some(G1::Chinese) => pair(GBK),
    }
}

fn one(encoding: &'static Encoding, bytes: &[u8]) -> Option<char> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}
