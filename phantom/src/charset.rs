//! Text in the character sets of PS3.5 section 6.1, independent of the decoder that the node uses.

use crate::spec::Charset;

impl Charset {
    /// The value of Specific Character Set; `None` leaves the attribute out.
    pub(crate) fn term(self) -> Option<&'static str> {
        match self {
            Self::Ascii => None,
            Self::Latin1 => Some("ISO_IR 100"),
            Self::Japanese => Some("\\ISO 2022 IR 87"),
            Self::Korean => Some("\\ISO 2022 IR 149"),
            Self::Gb18030 => Some("GB18030"),
            Self::Utf8 => Some("ISO_IR 192"),
        }
    }

    /// The bytes of `text`; a character outside the set becomes `?`.
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Ascii => narrow(text, 0x7f),
            Self::Latin1 => narrow(text, 0xff),
            Self::Japanese => japanese(text),
            Self::Korean => korean(text),
            Self::Gb18030 => gb18030(text),
        }
    }
}

fn narrow(text: &str, last: u32) -> Vec<u8> {
    let byte = |c: char| if u32::from(c) <= last { c as u32 as u8 } else { b'?' };
    text.chars().map(byte).collect()
}

/// JIS X 0208 in G0 by `ESC $ B`, back to ASCII by `ESC ( B` before a delimiter and at the end.
fn japanese(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut wide = false;
    for c in text.chars() {
        let code = code_of(&JIS, c);
        if code.is_some() != wide {
            out.extend_from_slice(if wide { b"\x1b(B" } else { b"\x1b$B" });
            wide = !wide;
        }
        match code {
            Some(code) => out.extend_from_slice(&code.to_be_bytes()),
            None => out.extend(narrow(c.encode_utf8(&mut [0; 4]), 0x7f)),
        }
    }
    if wide {
        out.extend_from_slice(b"\x1b(B");
    }
    out
}

/// KS X 1001 in G1 by `ESC $ ) C`, said again after each delimiter (PS3.5 section 6.1.2.5.3); ASCII stays in G0.
fn korean(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut designated = false;
    for c in text.chars() {
        let Some(code) = code_of(&KS, c) else {
            designated &= !matches!(c, '^' | '=' | '\\' | '\n');
            out.extend(narrow(c.encode_utf8(&mut [0; 4]), 0x7f));
            continue;
        };
        if !designated {
            out.extend_from_slice(b"\x1b$)C");
            designated = true;
        }
        out.extend_from_slice(&code.to_be_bytes());
    }
    out
}

/// GB18030 has no escapes: two bytes with the high bit in the first.
fn gb18030(text: &str) -> Vec<u8> {
    let bytes = |c: char| match code_of(&GB, c) {
        Some(code) => code.to_be_bytes().to_vec(),
        None => narrow(c.encode_utf8(&mut [0; 4]), 0x7f),
    };
    text.chars().flat_map(bytes).collect()
}

fn code_of(table: &[(char, u16)], c: char) -> Option<u16> {
    table.iter().find(|(known, _)| *known == c).map(|(_, code)| *code)
}

/// The characters that the Korean films use, with their KS X 1001 codes in G1.
const KS: [(char, u16); 11] = [
    ('洪', 0xfbf3),
    ('吉', 0xd1ce),
    ('洞', 0xd4d7),
    ('홍', 0xc8ab),
    ('길', 0xb1e6),
    ('동', 0xb5bf),
    ('골', 0xb0f1),
    ('격', 0xb0dd),
    ('김', 0xb1e8),
    ('선', 0xbcb1),
    ('생', 0xbbfd),
];

/// The characters that the Chinese films use, with their GB18030 codes.
const GB: [(char, u16); 8] = [
    ('王', 0xcdf5),
    ('小', 0xd0a1),
    ('东', 0xb6ab),
    ('正', 0xd5fd),
    ('骨', 0xb9c7),
    ('影', 0xd3b0),
    ('张', 0xd5c5),
    ('生', 0xc9fa),
];

/// The characters that the Japanese films use, with their JIS X 0208 codes.
const JIS: [(char, u16); 18] = [
    ('骨', 0x397c),
    ('影', 0x3146),
    ('先', 0x4068),
    ('生', 0x4038),
    ('山', 0x3b33),
    ('田', 0x4544),
    ('太', 0x4240),
    ('郎', 0x4f3a),
    ('や', 0x2464),
    ('ま', 0x245e),
    ('だ', 0x2440),
    ('た', 0x243f),
    ('ろ', 0x246d),
    ('う', 0x2426),
    ('胸', 0x363b),
    ('部', 0x4974),
    ('正', 0x4035),
    ('面', 0x4c4c),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_example_comes_out_byte_for_byte() {
        // PS3.5 annex H.3.2, example 2.
        let want = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(Charset::Japanese.encode("Yamada^Tarou=山田^太郎=やまだ^たろう"), want);
    }

    #[test]
    fn the_korean_and_chinese_examples_come_out_byte_for_byte() {
        // PS3.5 annexes I.2 and J.3.
        let want = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(Charset::Korean.encode("Hong^Gildong=洪^吉洞=홍^길동"), want);
        let want = b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab";
        assert_eq!(Charset::Gb18030.encode("Wang^XiaoDong=王^小东"), want);
    }

    #[test]
    fn latin_1_is_one_byte_per_letter() {
        assert_eq!(Charset::Latin1.encode("Muñoz"), b"Mu\xf1oz");
        assert_eq!(Charset::Ascii.encode("Muñoz"), b"Mu?oz");
    }
}
