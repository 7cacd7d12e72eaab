//! Invented names in every character set of PS3.5 section 6.1, as an independent encoder writes
//! them: pydicom 3.0.2 (`PersonName.encode`), and Python's own codecs for the two that it lacks
//! (ISO_IR 203) or writes without escape sequences (ISO 2022 IR 58). The component groups follow the
//! standard's order where the set has ideographs; elsewhere they hold what the set can write.

/// Specific Character Set, bytes, text.
pub const NAMES: &[(&str, &[u8], &str)] = &[
    ("ISO_IR 6", b"Doe^Jane=Doe^J=Doe", "Doe^Jane=Doe^J=Doe"),
    ("", b"Doe^Jane", "Doe^Jane"),
    ("ISO_IR 100", b"N\xfa\xf1ez Ibarra^\xcd\xf1igo^Mar\xeda=\xd1and\xfa^\xd3=\xd1", "Núñez Ibarra^Íñigo^María=Ñandú^Ó=Ñ"),
    ("ISO_IR 101", b"Dvo\xf8\xe1kov\xe1^\xaeofie=\xa3\xb1kowski^\xaf\xf3\xb3w", "Dvořáková^Žofie=Łąkowski^Żółw"),
    ("ISO_IR 109", b"\xc6apelisto^\xd8oja=\xa1abib", "Ĉapelisto^Ĝoja=Ħabib"),
    ("ISO_IR 110", b"B\xbarzi\xf1\xb9^J\xe0nis=\xa9\xf3\xbale", "Bērziņš^Jānis=Šķēle"),
    ("ISO_IR 144", b"\xb2\xeb\xd4\xe3\xdc\xd0\xdd\xde\xd2\xd0^\xb8\xe0\xd8\xdd\xd0=\xa1\xdb\xda\xd8\xdd", "Выдуманова^Ирина=Ёлкин"),
    ("ISO_IR 127", b"\xce\xea\xc7\xe4\xea^\xd3\xc7\xd1\xc9=\xe8\xe7\xe5\xea", "خيالي^سارة=وهمي"),
    ("ISO_IR 126", b"\xd6\xe1\xed\xf4\xe1\xf3\xf4\xe9\xea\xfc\xf2^\xb6\xe3\xe3\xe5\xeb\xef\xf2=\xd8", "Φανταστικός^Άγγελος=Ψ"),
    ("ISO_IR 138", b"\xe3\xee\xe9\xe5\xf0\xe9^\xf8\xe5\xfa=\xe1\xe3\xe5\xe9", "דמיוני^רות=בדוי"),
    ("ISO_IR 148", b"D\xfc\xfesoy^I\xfe\xfdk=\xd0^\xdd", "Düşsoy^Işık=Ğ^İ"),
    ("ISO_IR 166", b"\xca\xc1\xc1\xd8\xb5\xd4^\xaa\xd9\xe3\xa8=\xb9\xd2\xc1\xe1\xbd\xa7", "สมมุติ^ชูใจ=นามแฝง"),
    ("ISO_IR 13", b"\xc3\xbd\xc4^\xca\xc5\xba=\xc6\xce\xdd", "ﾃｽﾄ^ﾊﾅｺ=ﾆﾎﾝ"),
    ("\\ISO 2022 IR 87", b"Kakuu^Hanako=\x1b$B2M6u\x1b(B^\x1b$B2V;R\x1b(B=\x1b$B$+$/$&\x1b(B^\x1b$B$O$J$3\x1b(B", "Kakuu^Hanako=架空^花子=かくう^はなこ"),
    ("ISO 2022 IR 6\\ISO 2022 IR 87", b"Kakuu^Hanako=\x1b$B2M6u\x1b(B^\x1b$B2V;R\x1b(B=\x1b$B$+$/$&\x1b(B^\x1b$B$O$J$3\x1b(B", "Kakuu^Hanako=架空^花子=かくう^はなこ"),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xb6\xb8\xb3^\xca\xc5\xba=\x1b$B2M6u\x1b(J^\x1b$B2V;R\x1b(J=\x1b$B$+$/$&\x1b(J^\x1b$B$O$J$3\x1b(J", "ｶｸｳ^ﾊﾅｺ=架空^花子=かくう^はなこ"),
    ("\\ISO 2022 IR 87\\ISO 2022 IR 159", b"Kakuu^Tei=\x1b$B2M6u\x1b(B^\x1b$(D0!\x1b$B2V\x1b(B=\x1b$B$+$/$&\x1b(B", "Kakuu^Tei=架空^丂花=かくう"),
    ("\\ISO 2022 IR 149", b"Gasang^Inmul=\x1b$)C\xca\xa3\xdf\xcc^\x1b$)C\xec\xd1\xda\xaa=\x1b$)C\xb0\xa1\xbb\xf3^\x1b$)C\xc0\xce\xb9\xb0", "Gasang^Inmul=假想^人物=가상^인물"),
    ("\\ISO 2022 IR 58", b"Jia^Xiang=\xbc\xd9^\xcf\xeb\xc8\xcb=\xbc\xd9^\xcf\xeb", "Jia^Xiang=假^想人=假^想"),
    ("GB18030", b"Jia^Xiang=\xbc\xd9^\xcf\xeb\x819\xee9=\x814\xd60^\x952\x826", "Jia^Xiang=假^想㐀=ᠠ^𠀀"),
    ("GBK", b"Jia^Xiang=\xbc\xd9^\xcf\xeb\xece=\xd5\xc5", "Jia^Xiang=假^想靍=张"),
    ("ISO_IR 192", b"\xc3\x87a\xc4\x9f^\xc3\x90\xc3\xb3ra=\xe6\x9e\xb6\xe7\xa9\xba^\xe8\x8a\xb1\xe5\xad\x90=\xea\xb0\x80\xec\x83\x81^\xf0\xa0\x80\x80", "Çağ^Ðóra=架空^花子=가상^𠀀"),
    ("ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126", b"N\xfa\xf1ez^\x1b-L\xb8\xe0\xd8\xdd\xd0=\x1b-F\xd8\xf5\xf7\xde^\xc1=\x1b-L\xa1\xd6", "Núñez^Ирина=Ψυχή^Á=Ёж"),
    ("\\ISO 2022 IR 101\\ISO 2022 IR 127", b"Doe^\x1b-B\xaf\xf3\xb3w=\x1b-G\xd3\xc7\xd1\xc9^x", "Doe^Żółw=سارة^x"),
    ("\\ISO 2022 IR 166", b"Doe^J=\x1b-T\xaa\xd9\xe3\xa8^\x1b-T\xa1", "Doe^J=ชูใจ^ก"),
    ("\\ISO 2022 IR 138", b"Doe^J=\x1b-H\xf8\xe5\xfa^\x1b-H\xe1", "Doe^J=רות^ב"),
    ("\\ISO 2022 IR 148\\ISO 2022 IR 109\\ISO 2022 IR 110", b"\x1b-MI\xfe\xfdk^\x1b-C\xd8oja=\x1b-DJ\xe0nis", "Işık^Ĝoja=Jānis"),
    ("ISO_IR 203", b"C\xbdur^\xb4an \xa4=\xa6im", "Cœur^Žan €=Šim"),
    ("\\ISO 2022 IR 203", b"x=\x1b-bC\xbdur^\x1b-b\xa4", "x=Cœur^€"),
    ("\\ISO 2022 IR 58", b"Jia^Xiang=\x1b$)A\xbc\xd9^\x1b$)A\xcf\xeb\xc8\xcb=\x1b$)A\xbc\xd9^\x1b$)A\xcf\xeb", "Jia^Xiang=假^想人=假^想"),
];
