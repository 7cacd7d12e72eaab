//! Result objects as they lie in a PACS: our own report and another vendor's heat map. A node that
//! receives them must leave them alone.

use crate::dataset::{DataSet, coded, part10};
use crate::spec::{Charset, Spec, Syntax, derive};
use centinela_domain::gate::{OWN_MANUFACTURER, OWN_MODEL};

/// A small Comprehensive 3D SR (PS3.3 A.35.13) that carries our own manufacturer and model name.
pub fn own_report(source: &Spec) -> Vec<u8> {
    let mut data = base(source, "own-report");
    let class = "1.2.840.10008.5.1.4.1.1.88.34";
    let instance = derive(&["instance", "own-report"]);
    data.ui(0x0008_0016, class);
    data.ui(0x0008_0018, instance.as_str());
    data.cs(0x0008_0060, "SR");
    data.text(0x0008_0070, b"LO", OWN_MANUFACTURER);
    data.text(0x0008_1090, b"LO", OWN_MODEL);
    data.text(0x0008_103e, b"LO", "AI CXR findings SR (unverified)");
    data.text(0x0018_1000, b"LO", "phantom");
    data.text(0x0018_1020, b"LO", "0.1.0");
    data.items(0x0008_1111, vec![]);
    data.items(0x0040_a372, vec![]);
    data.cs(0x0040_a491, "COMPLETE");
    data.cs(0x0040_a493, "UNVERIFIED");
    data.cs(0x0040_a496, "PRELIMINARY");
    data.cs(0x0040_a040, "CONTAINER");
    data.cs(0x0040_a050, "SEPARATE");
    data.items(0x0040_a043, vec![coded("126000", "DCM", "Imaging Measurement Report")]);
    let mut language = DataSet::default();
    language.cs(0x0040_a010, "HAS CONCEPT MOD");
    language.cs(0x0040_a040, "CODE");
    let name = coded("121049", "DCM", "Language of Content Item and Descendants");
    language.items(0x0040_a043, vec![name]);
    language.items(0x0040_a168, vec![coded("en-US", "RFC5646", "English (United States)")]);
    data.items(0x0040_a730, vec![language]);
    part10(&data, class, instance.as_str(), Syntax::ExplicitLe)
}

/// A grey heat map of another vendor in Secondary Capture, labelled like a frontal chest film.
pub fn other_heat_map(source: &Spec) -> Vec<u8> {
    let mut data = base(source, "other-heat-map");
    let class = "1.2.840.10008.5.1.4.1.1.7";
    let instance = derive(&["instance", "other-heat-map"]);
    data.ui(0x0008_0016, class);
    data.ui(0x0008_0018, instance.as_str());
    data.cs(0x0008_0008, "DERIVED\\SECONDARY\\AI\\HEATMAP");
    data.cs(0x0008_0060, "DX");
    data.cs(0x0008_0064, "WSD");
    data.text(0x0008_0070, b"LO", "Another AI");
    data.text(0x0008_1090, b"LO", "Chest AI Viewer");
    data.text(0x0008_103e, b"LO", "AI heat map chest PA");
    data.cs(0x0018_0015, "CHEST");
    data.cs(0x0018_5101, "PA");
    data.cs(0x0020_0020, "L\\F");
    data.cs(0x0028_0301, "YES");
    let film = crate::film::film(source);
    let (rows, columns) = (source.rows, source.columns);
    // Upper eight bits of the film: the picture is beside the point here.
    let shift = source.bits - 8;
    data.us(0x0028_0002, &[1]);
    data.cs(0x0028_0004, "MONOCHROME2");
    data.us(0x0028_0010, &[rows]);
    data.us(0x0028_0011, &[columns]);
    data.us(0x0028_0100, &[8]);
    data.us(0x0028_0101, &[8]);
    data.us(0x0028_0102, &[7]);
    data.us(0x0028_0103, &[0]);
    data.bytes(0x7fe0_0010, b"OB", film.pixels.iter().map(|p| (p >> shift) as u8).collect());
    part10(&data, class, instance.as_str(), Syntax::ExplicitLe)
}

/// Patient and study of `source` with a series of its own.
fn base(source: &Spec, key: &str) -> DataSet {
    let mut data = DataSet::new(Charset::Utf8);
    let (patient, study) = (&source.patient, &source.study);
    data.cs(0x0008_0005, "ISO_IR 192");
    data.text(0x0010_0010, b"PN", &patient.name);
    data.text(0x0010_0020, b"LO", &patient.id);
    data.text(0x0010_0030, b"DA", &patient.birth);
    data.cs(0x0010_0040, &patient.sex);
    data.ui(0x0020_000d, source.study_uid().as_str());
    data.text(0x0008_0020, b"DA", &study.date);
    data.text(0x0008_0023, b"DA", &study.date);
    data.text(0x0008_0030, b"TM", &study.time);
    data.text(0x0008_0033, b"TM", &study.time);
    data.text(0x0008_0050, b"SH", &study.accession);
    data.text(0x0008_0090, b"PN", "");
    data.text(0x0020_0010, b"SH", "1");
    data.text(0x0008_1030, b"LO", &study.description);
    data.ui(0x0020_000e, derive(&["series", key]).as_str());
    data.text(0x0020_0011, b"IS", "9001");
    data.text(0x0020_0013, b"IS", "1");
    data
}
