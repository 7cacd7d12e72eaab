//! Text in the character sets of PS3.5 section 6.1, independent of the decoder that the node uses.

use crate::spec::Charset;

impl Charset {
    /// The value of Specific Character Set; `None` leaves the attribute out.
    pub(crate) fn term(self) -> Option<&'static str> {
        match self {
            Self::Ascii => None,
            Self::Latin1 => Some("ISO_IR 100"),
            Self::Japanese => Some("\\ISO 2022 IR 87"),
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
        let code = JIS.iter().find(|(known, _)| *known == c).map(|(_, code)| *code);
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

/// The characters that the Japanese fixtures use, with their JIS X 0208 codes.
const JIS: [(char, u16); 14] = [
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
    fn latin_1_is_one_byte_per_letter() {
        assert_eq!(Charset::Latin1.encode("Muñoz"), b"Mu\xf1oz");
        assert_eq!(Charset::Ascii.encode("Muñoz"), b"Mu?oz");
    }
}
