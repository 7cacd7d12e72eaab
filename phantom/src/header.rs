//! The header of a film: CR (PS3.3 A.2), DX (A.26) or Secondary Capture (A.8), filled as real
//! equipment does.

use crate::dataset::{DataSet, coded, part10};
use crate::film::{Film, film, spacing};
use crate::spec::{Charset, Fault, Kind, Photometric, Spec, View, Voi};

/// The DICOM file of a film: Part 10, uncompressed.
#[must_use]
pub fn write_dicom(spec: &Spec) -> Vec<u8> {
    write_dicom_with(spec, &film(spec))
}

/// As [`write_dicom`], with a picture that was made before, for many headers around one picture. The picture
/// must have been made for the same size, bits, sense and display mapping.
#[must_use]
pub fn write_dicom_with(spec: &Spec, film: &Film) -> Vec<u8> {
    let mut data = DataSet::new(spec.charset);
    patient(&mut data, spec);
    study(&mut data, spec);
    series(&mut data, spec);
    equipment(&mut data, spec);
    image(&mut data, spec);
    pixels(&mut data, spec, film);
    if spec.rich {
        rich(&mut data, spec);
    }
    if spec.kind == Kind::DxPresentation || spec.kind == Kind::DxProcessing {
        dx(&mut data, spec);
    }
    let instance = spec.sop_instance_uid();
    let mut bytes = part10(&data, sop_class(spec.kind), instance.as_str(), spec.syntax);
    if spec.fault == Some(Fault::Truncated) {
        let lost = usize::from(spec.rows) * usize::from(spec.columns) * 2 * 2 / 5;
        bytes.truncate(bytes.len() - lost);
    }
    bytes
}

fn sop_class(kind: Kind) -> &'static str {
    match kind {
        Kind::Cr => "1.2.840.10008.5.1.4.1.1.1",
        Kind::DxPresentation => "1.2.840.10008.5.1.4.1.1.1.1",
        Kind::DxProcessing => "1.2.840.10008.5.1.4.1.1.1.1.1",
        Kind::ScDx => "1.2.840.10008.5.1.4.1.1.7",
    }
}

/// `value`, or nothing where the specification wants optional attributes empty.
fn optional<'a>(spec: &Spec, value: &'a str) -> &'a str {
    if spec.bare { "" } else { value }
}

fn patient(data: &mut DataSet, spec: &Spec) {
    let patient = &spec.patient;
    if let Some(term) = spec.charset.term() {
        data.cs(0x0008_0005, term);
    }
    data.text(0x0010_0010, b"PN", &patient.name);
    data.text(0x0010_0020, b"LO", &patient.id);
    data.text(0x0010_0030, b"DA", &patient.birth);
    data.cs(0x0010_0040, &patient.sex);
    data.text(0x0010_1010, b"AS", &patient.age);
    if spec.bare {
        data.text(0x0010_1020, b"DS", "");
        data.text(0x0010_1030, b"DS", "");
        data.text(0x0010_4000, b"LT", "");
    } else {
        data.text(0x0010_0021, b"LO", "PHANTOM");
    }
    if let Some((code, meaning)) = &patient.species {
        data.text(0x0010_2201, b"LO", meaning);
        data.code(0x0010_2202, code, "SCT", meaning);
        data.cs(0x0010_2203, "UNALTERED");
        data.text(0x0010_2292, b"LO", "Mixed breed");
        data.items(0x0010_2293, vec![]);
        data.items(0x0010_2294, vec![]);
        data.text(0x0010_2297, b"PN", "Lindqvist^Torvald");
        data.cs(0x0010_2298, "OWNER");
        data.text(0x0010_2299, b"LO", "Phantom stables");
    }
}

fn study(data: &mut DataSet, spec: &Spec) {
    let study = &spec.study;
    data.ui(0x0020_000d, spec.study_uid().as_str());
    data.text(0x0008_0020, b"DA", &study.date);
    data.text(0x0008_0030, b"TM", &study.time);
    data.text(0x0008_0050, b"SH", &study.accession);
    data.text(0x0008_0090, b"PN", "");
    data.text(0x0020_0010, b"SH", optional(spec, "1"));
    data.text(0x0008_1030, b"LO", &study.description);
}

/// What only some equipment fills, where a result must carry it on.
fn rich(data: &mut DataSet, spec: &Spec) {
    let (physician, comment) = match spec.charset {
        Charset::Ascii => ("Abernathy^Philomena^J", "Fictional patient"),
        Charset::Latin1 => ("Ferreira^Lourenço", "Paciente ficticia, sin relación con nadie"),
        Charset::Utf8 => ("Tremblay^Éloïse", "Chụp ngực"),
        Charset::Japanese => ("Yamada^Sensei=山田^先生=やまだ", "骨 正影"),
        Charset::Korean => ("Kim^Seonsaeng==김^선생", "골격 골격"),
        Charset::Gb18030 => ("Zhang^XiaoSheng=张^小生", "骨 正影"),
    };
    data.text(0x0008_0090, b"PN", physician);
    data.text(0x0010_4000, b"LT", comment);
    data.text(0x0010_0032, b"TM", "0130");
    data.text(0x0010_1020, b"DS", "1.68");
    data.text(0x0010_1030, b"DS", "71.5");
    data.text(0x0008_0201, b"SH", "+0100");
    data.items(0x0010_0024, vec![issuer(0x0040_0032, 0x0040_0033)]);
    data.items(0x0008_0051, vec![issuer(0x0040_0032, 0x0040_0033)]);
    let mut other = DataSet::default();
    other.text(0x0010_0020, b"LO", "PHX-77");
    other.text(0x0010_0021, b"LO", "ELSEWHERE");
    other.cs(0x0010_0022, "TEXT");
    data.items(0x0010_1002, vec![other]);
    let mut request = DataSet::default();
    request.text(0x0008_0050, b"SH", &spec.study.accession);
    request.text(0x0040_0009, b"SH", "SPS-1");
    request.text(0x0040_1001, b"SH", "RP-1");
    data.items(0x0040_0275, vec![request]);
    let mm = format!("{:.4}", spacing(spec));
    data.text(0x0028_0030, b"DS", &format!("{mm}\\{mm}"));
    data.cs(0x0028_1056, "LINEAR");
    data.cs(0x0018_1600, "RECTANGULAR");
    for (tag, edge) in
        [(0x0018_1602, 2), (0x0018_1604, spec.columns - 1), (0x0018_1606, 2), (0x0018_1608, spec.rows - 1)]
    {
        data.text(tag, b"IS", &edge.to_string());
    }
}

/// Who gave an identifier, by a universal identifier of its own (PS3.3 table 10-18).
fn issuer(entity: u32, kind: u32) -> DataSet {
    let mut item = DataSet::default();
    item.text(entity, b"UT", "2.25.77");
    item.cs(kind, "ISO");
    item
}

fn series(data: &mut DataSet, spec: &Spec) {
    data.ui(0x0020_000e, spec.series_uid().as_str());
    data.cs(0x0008_0060, if spec.kind == Kind::Cr { "CR" } else { "DX" });
    data.text(0x0020_0011, b"IS", &spec.numbers.0.to_string());
    data.text(0x0020_0013, b"IS", &spec.numbers.1.to_string());
    if !spec.series_description.is_empty() {
        data.text(0x0008_103e, b"LO", &spec.series_description);
    }
    data.cs(0x0018_0015, &spec.body_part);
    if spec.body_part.is_empty() {
        // Type 2C: asked for where the body part does not tell that it is unpaired.
        data.cs(0x0020_0060, "");
    }
    let view = match spec.view {
        View::Pa => "PA",
        View::Ap | View::Hip => "AP",
        View::Lateral => "LL",
    };
    data.cs(0x0018_5101, optional(spec, view));
    if spec.bare {
        data.text(0x0008_103e, b"LO", "");
        data.text(0x0018_1030, b"LO", "");
    } else if spec.charset == Charset::Ascii || spec.charset == Charset::Utf8 {
        let name = match spec.view {
            View::Hip => "Pelvis AP",
            View::Pa => "Chest PA",
            View::Ap => "Chest AP",
            View::Lateral => "Chest lateral",
        };
        data.text(0x0008_103e, b"LO", name);
    }
}

fn equipment(data: &mut DataSet, spec: &Spec) {
    data.text(0x0008_0070, b"LO", optional(spec, "Phantom Imaging"));
    data.text(0x0008_0080, b"LO", optional(spec, "Phantom Hospital"));
    data.text(0x0008_1010, b"SH", optional(spec, "XRAY1"));
    data.text(0x0008_1090, b"LO", optional(spec, "Parametric Chest"));
    data.text(0x0018_1000, b"LO", optional(spec, "PH-0001"));
    data.text(0x0018_1020, b"LO", optional(spec, "1.0"));
    if spec.kind == Kind::ScDx {
        data.cs(0x0008_0064, "DI");
    } else {
        data.text(0x0018_0060, b"DS", optional(spec, "120"));
        data.text(0x0018_1110, b"DS", optional(spec, "1800"));
        data.text(0x0018_1152, b"IS", optional(spec, "2"));
    }
}

fn image(data: &mut DataSet, spec: &Spec) {
    let class = sop_class(spec.kind);
    data.ui(0x0008_0016, class);
    data.ui(0x0008_0018, spec.sop_instance_uid().as_str());
    let kind = if spec.kind == Kind::ScDx { "ORIGINAL\\PRIMARY" } else { "ORIGINAL\\PRIMARY\\" };
    data.cs(0x0008_0008, kind);
    for tag in [0x0008_0022, 0x0008_0023] {
        data.text(tag, b"DA", &spec.study.date);
    }
    for tag in [0x0008_0032, 0x0008_0033] {
        data.text(tag, b"TM", &spec.study.time);
    }
    data.cs(0x0020_0020, if spec.view == View::Lateral { "P\\F" } else { "L\\F" });
    data.cs(0x0028_0301, "NO");
    data.cs(0x0028_2110, "00");
}

fn pixels(data: &mut DataSet, spec: &Spec, film: &Film) {
    let (rows, columns) = match spec.fault {
        Some(Fault::ZeroRows) => (0, spec.columns),
        Some(Fault::HugeClaim) => (60_000, 60_000),
        _ => (spec.rows, spec.columns),
    };
    let signed = matches!(spec.voi, Voi::Signed { .. });
    data.us(0x0028_0002, &[1]);
    data.cs(0x0028_0004, if spec.inverted() { "MONOCHROME1" } else { "MONOCHROME2" });
    data.us(0x0028_0010, &[rows]);
    data.us(0x0028_0011, &[columns]);
    data.us(0x0028_0100, &[16]);
    data.us(0x0028_0101, &[spec.bits]);
    data.us(0x0028_0102, &[spec.bits - 1]);
    data.us(0x0028_0103, &[u16::from(signed)]);
    let mm = format!("{:.4}", spacing(spec));
    if spec.kind == Kind::ScDx {
        data.text(0x0018_2010, b"DS", &format!("{mm}\\{mm}"));
    } else {
        data.text(0x0018_1164, b"DS", &format!("{mm}\\{mm}"));
    }
    window(data, spec);
    data.words(0x7fe0_0010, b"OW", &film.pixels);
}

/// Window or table: the display range of the values as stored (PS3.3 C.11.2).
fn window(data: &mut DataSet, spec: &Spec) {
    let (low, high) = spec.range();
    match spec.voi {
        Voi::None => {}
        Voi::Table { .. } => data.items(0x0028_3010, vec![table(low, high)]),
        Voi::Full | Voi::Window { .. } | Voi::Signed { .. } | Voi::DirtyHighBits { .. } => {
            // LINEAR (C.11.2.1.2): these two values put `low` on 0 and `high` on 1 exactly.
            let twice = low + high + 1;
            let half = if twice.is_multiple_of(2) { "" } else { ".5" };
            data.text(0x0028_1050, b"DS", &format!("{}{half}", twice / 2));
            data.text(0x0028_1051, b"DS", &(high - low + 1).to_string());
            data.text(0x0028_1055, b"LO", "NORMAL");
        }
    }
    if matches!(spec.voi, Voi::Signed { .. }) {
        data.text(0x0028_1052, b"DS", &(1u32 << (spec.bits - 1)).to_string());
        data.text(0x0028_1053, b"DS", "1");
        data.text(0x0028_1054, b"LO", "US");
    }
}

/// A VOI LUT of one entry per value: 0 for `low`, 65535 for `high`.
fn table(low: u32, high: u32) -> DataSet {
    let mut item = DataSet::default();
    let count = high - low + 1;
    item.words(0x0028_3002, b"US", &[count as u16, low as u16, 16]);
    let entries: Vec<u16> = (0..count).map(|i| (i * 65_535 / (count - 1)) as u16).collect();
    item.words(0x0028_3006, b"OW", &entries);
    item
}

/// What DX has beyond CR: intent, anatomy, detector, positioning, intensity relationship.
fn dx(data: &mut DataSet, spec: &Spec) {
    let raw = spec.kind == Kind::DxProcessing;
    data.cs(0x0008_0068, if raw { "FOR PROCESSING" } else { "FOR PRESENTATION" });
    data.cs(0x0028_1040, if raw { "LIN" } else { "LOG" });
    data.words(0x0028_1041, b"SS", &[if raw { 1 } else { 0xffff }]);
    if !data.has(0x0028_1052) {
        data.text(0x0028_1052, b"DS", "0");
        data.text(0x0028_1053, b"DS", "1");
        data.text(0x0028_1054, b"LO", "US");
    }
    let shape = match spec.photometric {
        Photometric::Monochrome1 => "INVERSE",
        Photometric::Monochrome2 => "IDENTITY",
    };
    data.cs(0x2050_0020, shape);
    data.cs(0x0018_1508, "NONE");
    data.cs(0x0018_7004, "SCINTILLATOR");
    data.cs(0x0020_0062, "U");
    let (region, view) = match spec.view {
        View::Pa => (("816094009", "Chest"), ("272479007", "postero-anterior")),
        View::Ap => (("816094009", "Chest"), ("399348003", "antero-posterior")),
        View::Lateral => (("816094009", "Chest"), ("399173006", "left lateral")),
        View::Hip => (("29836001", "Hip"), ("399348003", "antero-posterior")),
    };
    data.code(0x0008_2218, region.0, "SCT", region.1);
    let mut code = coded(view.0, "SCT", view.1);
    code.items(0x0054_0222, vec![]);
    data.items(0x0054_0220, vec![code]);
    data.items(0x0040_0555, vec![]);
}
