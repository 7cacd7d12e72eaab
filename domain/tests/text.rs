//! Character sets: every defined term, code extensions, and what happens without a declaration
//! (PS3.3 C.12.1.1.2; PS3.5 6.1.2 and the examples of annexes H to K).

mod names;

use centinela_domain::text::{Charset, CharsetDoubt, Decoded, TextKind};
use proptest::prelude::*;

fn decode(charset: &str, bytes: &[u8], kind: TextKind) -> Decoded {
    Charset::parse(charset).decode(bytes, kind)
}

#[track_caller]
fn name(charset: &str, bytes: &[u8], expected: &str) {
    let decoded = decode(charset, bytes, TextKind::PersonName);
    assert_eq!(decoded, Decoded { text: expected.into(), doubt: None }, "{charset}");
}

#[test]
fn single_byte_sets() {
    name("ISO_IR 100", b"Mu\xf1oz Ib\xe1\xf1ez^Jos\xe9 \xc1ngel", "Muñoz Ibáñez^José Ángel");
    name("ISO_IR 101", b"Wa\xb3\xeasa^Micha\xb3", "Wałęsa^Michał");
    name("ISO_IR 109", b"\xa6a\xfdtetti", "Ĥaŭtetti");
    name("ISO_IR 110", b"B\xbarzi\xf1\xf0", "Bērziņđ");
    name("ISO_IR 144", b"\xbb\xee\xda\xdcce\xdb\xef\xd8", "Люкмceляи");
    name("ISO_IR 127", b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار");
    name("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος");
    name("ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה");
    name("ISO_IR 148", b"\xc7avu\xfeo\xf0lu^G\xf6k\xe7e \xdd", "Çavuşoğlu^Gökçe İ");
    name("ISO_IR 166", b"\xb9\xd2\xc2^\xca\xc1\xaa\xd2\xc2", "นาย^สมชาย");
    name("ISO_IR 203", b"\xbduvre 5 \xa4", "œuvre 5 €");
}

#[test]
fn japanese() {
    name(
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    );
    name(
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    );
    // Wave dash and minus sign as JIS has them, not as Windows does.
    name("\\ISO 2022 IR 87", b"\x1b$B!A!]\x1b(B", "\u{301c}\u{2212}");
    // JIS X 0212.
    name("\\ISO 2022 IR 159", b"\x1b$(D0!\x1b(B^x", "丂^x");
    // The second byte of 表 and of 構 is an equals sign that delimits nothing.
    name("\\ISO 2022 IR 87", b"a\\\x1b$BI=9=\x1b(B\\b", "a\\表構\\b");
    // A writer that forgets to leave Kanji before a caret.
    name("\\ISO 2022 IR 87", b"\x1b$B;3ED^\x1b$BB@O:\x1b(B", "山田^太郎");
    name("ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3", "ﾔﾏﾀﾞ^ﾀﾛｳ");
}

#[test]
fn a_byte_of_a_kanji_is_no_delimiter() {
    // 3D 5C is one character, though its bytes are an equals sign and a backslash.
    let decoded = decode("\\ISO 2022 IR 87", b"\x1b$B=\\\x1b(B", TextKind::PersonName);
    assert_eq!(decoded.text.chars().count(), 1);
    assert!(!decoded.text.contains(['\\', '=']), "{}", decoded.text);
}

#[test]
fn korean() {
    name(
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    );
    // Escape sequence only once, or not at all: the only multi-byte set declared is meant.
    name("\\ISO 2022 IR 149", b"\x1b$)C\xc8\xab^\xb1\xe6\xb5\xbf", "홍^길동");
    name("ISO 2022 IR 149", b"\xc8\xab^\xb1\xe6\xb5\xbf", "홍^길동");
}

#[test]
fn chinese() {
    name("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东=");
    name("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东=");
    name("GBK", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东=");
    // 誠 ends in a backslash in GBK, 昢 in a caret.
    name("GBK", b"\xd5\\\\\x95^^", "誠\\昢^");
}

#[test]
fn unicode() {
    name("ISO_IR 192", "Wang^XiaoDong=王^小東=".as_bytes(), "Wang^XiaoDong=王^小東=");
    name("ISO_IR 192", "Müller^Jürgen".as_bytes(), "Müller^Jürgen");
}

#[test]
fn spellings_of_real_archives() {
    for charset in ["ISO_IR 100", "ISO IR 100", "iso_ir_100", "ISO-IR 100 ", "ISO 2022 IR 100", "\\ISO 2022 IR 6"] {
        let expected = if charset.starts_with('\\') { "Mu\u{fffd}oz" } else { "Muñoz" };
        assert_eq!(decode(charset, b"Mu\xf1oz", TextKind::Multiple).text, expected, "{charset}");
    }
    name("UTF-8", "Muñoz".as_bytes(), "Muñoz");
}

#[test]
fn several_extensions_and_resets_at_delimiters() {
    // Latin-1 by default, Cyrillic by escape, back to Latin-1 at the caret, value and line end.
    name("ISO 2022 IR 100\\ISO 2022 IR 144", b"\xe9\x1b-L\xd6^\xe9", "éж^é");
    let values = decode("ISO 2022 IR 100\\ISO 2022 IR 144", b"\x1b-L\xd6\\\xe9", TextKind::Multiple);
    assert_eq!(values.text, "ж\\é");
    let lines = decode("ISO 2022 IR 100\\ISO 2022 IR 144", b"\x1b-L\xd6\\\xd6\r\n\xe9", TextKind::Single);
    assert_eq!(lines.text, "ж\\ж\r\né");
}

#[test]
fn nothing_is_guessed_in_silence() {
    for (charset, bytes, text, doubt) in [
        ("", b"Mu\xf1oz".as_slice(), "Muñoz", CharsetDoubt::Undeclared),
        ("ISO_IR 999", b"Mu\xf1oz", "Muñoz", CharsetDoubt::UnknownTerm),
        ("ISO_IR 192", b"Mu\xf1oz", "Mu\u{fffd}oz", CharsetDoubt::Undecodable),
        ("ISO_IR 6", b"Mu\xf1oz", "Mu\u{fffd}oz", CharsetDoubt::Undecodable),
        ("\\ISO 2022 IR 87", b"\x1b$B;", "\u{fffd}", CharsetDoubt::Undecodable),
        ("\\ISO 2022 IR 87", b"\x1b?x", "\u{fffd}?x", CharsetDoubt::Undecodable),
        ("ISO_IR 127", b"\xff", "\u{fffd}", CharsetDoubt::Undecodable),
    ] {
        let decoded = decode(charset, bytes, TextKind::Multiple);
        assert_eq!(decoded, Decoded { text: text.into(), doubt: Some(doubt) }, "{charset}");
    }
    assert_eq!(decode("", b"Munoz", TextKind::Multiple).doubt, None);
    assert_eq!(decode("ISO_IR 999", b"Munoz", TextKind::Multiple).doubt, None);
}

#[test]
fn the_yen_sign_delimits_values_and_is_a_character_in_texts() {
    assert_eq!(decode("ISO_IR 13", b"a\\b~", TextKind::Multiple).text, "a\\b‾");
    assert_eq!(decode("ISO_IR 13", b"a\\b", TextKind::Single).text, "a¥b");
}

#[test]
fn names_as_an_independent_encoder_writes_them() {
    for (charset, bytes, expected) in names::NAMES {
        name(charset, bytes, expected);
    }
    // Every defined term of PS3.3 tables C.12-2 to C.12-5 is there.
    let declared: Vec<&str> = names::NAMES.iter().flat_map(|(charset, ..)| charset.split('\\')).collect();
    for number in ["100", "101", "109", "110", "126", "127", "138", "144", "148", "166", "203"] {
        for prefix in ["ISO_IR ", "ISO 2022 IR "] {
            let term = format!("{prefix}{number}");
            assert!(declared.contains(&term.as_str()), "{term}");
        }
    }
    for term in [
        "ISO_IR 6",
        "ISO_IR 13",
        "ISO 2022 IR 6",
        "ISO 2022 IR 13",
        "ISO 2022 IR 87",
        "ISO 2022 IR 159",
        "ISO 2022 IR 149",
        "ISO 2022 IR 58",
        "GB18030",
        "GBK",
        "ISO_IR 192",
        "",
    ] {
        assert!(declared.contains(&term), "{term}");
    }
}

#[test]
fn values_and_lines_as_an_independent_encoder_writes_them() {
    // The right-hand half of each single-byte set, without holes, in one value of several.
    for (charset, bytes, expected) in [
        ("ISO_IR 100", b"\xa1\xbf\xd7\xff\\\xe9".as_slice(), "¡¿×ÿ\\é"),
        ("ISO_IR 144", b"\xa1\xad\xf0\xfd\xff\\\xd0", "Ё\u{ad}№§џ\\а"),
        ("ISO_IR 126", b"\xa1\xa4\xa5\xaa\xfe\\\xc1", "\u{2018}€₯ͺώ\\Α"),
        ("ISO_IR 127", b"\xa4\xac\xbb\xbf\xf2\\\xc7", "¤،؛؟\u{652}\\ا"),
        ("ISO_IR 138", b"\xa2\xaa\xdf\xe0\xfa\\\xe0", "¢×‗את\\א"),
        ("ISO_IR 166", b"\xa1\xcf\xdf\xe0\xfb\\\xa1", "กฯ฿เ๛\\ก"),
        ("ISO_IR 13", b"\xa1\xb1\xdf\\\xb1", "｡ｱﾟ\\ｱ"),
        ("\\ISO 2022 IR 149", b"\x1b$)C\xb0\xa1\\\x1b$)C\xbb\xf3 a", "가\\상 a"),
        ("\\ISO 2022 IR 87", b"\x1b$B2M\x1b(B\\\x1b$B6u\x1b(B a", "架\\空 a"),
        ("GB18030", b"\xbc\xd9\\\x819\xee9", "假\\㐀"),
    ] {
        let decoded = decode(charset, bytes, TextKind::Multiple);
        assert_eq!(decoded, Decoded { text: expected.into(), doubt: None }, "{charset}");
    }
    // A text keeps its backslash, and a line end is a delimiter too.
    for (charset, bytes, expected) in [
        ("\\ISO 2022 IR 149", b"\x1b$)C\xb0\xa1\r\n\x1b$)C\xbb\xf3\\a".as_slice(), "가\r\n상\\a"),
        ("\\ISO 2022 IR 87", b"\x1b$B2M\x1b(B\r\n\x1b$B6u\x1b(B", "架\r\n空"),
        ("ISO 2022 IR 100\\ISO 2022 IR 126", b"\xe9\x1b-F\xe1\r\n\xe9\t\xe9", "éα\r\né\té"),
    ] {
        let decoded = decode(charset, bytes, TextKind::Single);
        assert_eq!(decoded, Decoded { text: expected.into(), doubt: None }, "{charset}");
    }
}

#[test]
fn a_first_value_left_empty_is_ascii() {
    // With or without the empty value, and with the default named: the same text.
    let bytes = b"Kakuu^Hanako=\x1b$B2M6u\x1b(B^\x1b$B2V;R\x1b(B";
    for charset in ["\\ISO 2022 IR 87", "ISO 2022 IR 6\\ISO 2022 IR 87", "ISO 2022 IR 87"] {
        name(charset, bytes, "Kakuu^Hanako=架空^花子");
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_without_panic(
        charset in "(ISO_IR|ISO 2022 IR|\\\\ISO 2022 IR) (6|13|58|87|100|127|149|159|166|192)(\\\\ISO 2022 IR (87|149|58))?",
        bytes in prop::collection::vec(prop_oneof![Just(0x1b), Just(b'$'), Just(b')'), Just(b'('), any::<u8>()], 0..60),
    ) {
        for kind in [TextKind::Single, TextKind::Multiple, TextKind::PersonName] {
            let decoded = decode(&charset, &bytes, kind);
            prop_assert!(decoded.text.len() <= 3 * bytes.len());
        }
    }

    #[test]
    fn ascii_is_ascii_in_every_set(text in "[ -}]{0,40}", number in prop::sample::select(vec!["", "6", "100", "101", "144", "192"])) {
        let charset = if number.is_empty() { String::new() } else { format!("ISO_IR {number}") };
        let decoded = decode(&charset, text.as_bytes(), TextKind::Multiple);
        prop_assert_eq!(decoded, Decoded { text, doubt: None });
    }
}
