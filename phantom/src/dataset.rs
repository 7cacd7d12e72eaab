//! A minimal DICOM writer (PS3.5 section 7, PS3.10 section 7.1) with stable bytes: ascending tags,
//! defined lengths, no clock, no host name.

use crate::spec::{Charset, Syntax};
use std::collections::BTreeMap;

/// A tag as one number, group in the upper half.
pub type Tag = u32;

enum Value {
    Bytes(Vec<u8>),
    Items(Vec<DataSet>),
}

/// Elements by tag. Texts are encoded when they are put in.
#[derive(Default)]
pub struct DataSet {
    elements: BTreeMap<Tag, ([u8; 2], Value)>,
    charset: Option<Charset>,
}

impl DataSet {
    /// An empty data set whose texts are encoded in `charset`.
    pub fn new(charset: Charset) -> Self {
        Self { elements: BTreeMap::new(), charset: Some(charset) }
    }

    /// Any string value; several values are joined with a backslash by the caller.
    pub fn text(&mut self, tag: Tag, vr: &[u8; 2], value: &str) {
        let mut bytes = match vr {
            b"PN" | b"LO" | b"SH" | b"ST" | b"LT" | b"UT" => self.charset.unwrap_or(Charset::Ascii).encode(value),
            _ => value.as_bytes().to_vec(),
        };
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.elements.insert(tag, (*vr, Value::Bytes(bytes)));
    }

    /// A code string.
    pub fn cs(&mut self, tag: Tag, value: &str) {
        self.text(tag, b"CS", value);
    }

    /// A unique identifier.
    pub fn ui(&mut self, tag: Tag, value: &str) {
        self.text(tag, b"UI", value);
    }

    /// Unsigned 16-bit values.
    pub fn us(&mut self, tag: Tag, values: &[u16]) {
        self.words(tag, b"US", values);
    }

    /// 16-bit values of VR `US`, `SS` or `OW`.
    pub fn words(&mut self, tag: Tag, vr: &[u8; 2], values: &[u16]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.elements.insert(tag, (*vr, Value::Bytes(bytes)));
    }

    /// Raw bytes of an even length.
    pub fn bytes(&mut self, tag: Tag, vr: &[u8; 2], bytes: Vec<u8>) {
        self.elements.insert(tag, (*vr, Value::Bytes(bytes)));
    }

    /// A sequence.
    pub fn items(&mut self, tag: Tag, items: Vec<Self>) {
        self.elements.insert(tag, (*b"SQ", Value::Items(items)));
    }

    /// A sequence of one coded entry (PS3.3 section 8.8).
    pub fn code(&mut self, tag: Tag, value: &str, scheme: &str, meaning: &str) {
        self.items(tag, vec![coded(value, scheme, meaning)]);
    }

    /// Whether the tag is present.
    pub fn has(&self, tag: Tag) -> bool {
        self.elements.contains_key(&tag)
    }

    fn encode(&self, syntax: Syntax, out: &mut Vec<u8>) {
        for (tag, (vr, value)) in &self.elements {
            let nested: Vec<u8>;
            let body = match value {
                Value::Bytes(bytes) => bytes,
                Value::Items(items) => {
                    nested = encode_items(items, syntax);
                    &nested
                }
            };
            out.extend_from_slice(&((tag >> 16) as u16).to_le_bytes());
            out.extend_from_slice(&((tag & 0xffff) as u16).to_le_bytes());
            let length = body.len() as u32;
            match (syntax, vr) {
                (Syntax::ImplicitLe, _) => out.extend_from_slice(&length.to_le_bytes()),
                (_, b"OB" | b"OW" | b"SQ" | b"UT" | b"UN") => {
                    out.extend_from_slice(vr);
                    out.extend_from_slice(&[0, 0]);
                    out.extend_from_slice(&length.to_le_bytes());
                }
                _ => {
                    out.extend_from_slice(vr);
                    out.extend_from_slice(&(length as u16).to_le_bytes());
                }
            }
            out.extend_from_slice(body);
        }
    }
}

/// One coded entry.
pub fn coded(value: &str, scheme: &str, meaning: &str) -> DataSet {
    let mut item = DataSet::default();
    item.text(0x0008_0100, b"SH", value);
    item.text(0x0008_0102, b"SH", scheme);
    item.text(0x0008_0104, b"LO", meaning);
    item
}

fn encode_items(items: &[DataSet], syntax: Syntax) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        let mut body = Vec::new();
        item.encode(syntax, &mut body);
        out.extend_from_slice(&[0xfe, 0xff, 0x00, 0xe0]);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&body);
    }
    out
}

/// A Part 10 file: preamble, file meta information, data set.
pub fn part10(data: &DataSet, class: &str, instance: &str, syntax: Syntax) -> Vec<u8> {
    let transfer = match syntax {
        Syntax::ExplicitLe => "1.2.840.10008.1.2.1",
        Syntax::ImplicitLe => "1.2.840.10008.1.2",
    };
    let mut meta = DataSet::default();
    meta.bytes(0x0002_0001, b"OB", vec![0, 1]);
    meta.ui(0x0002_0002, class);
    meta.ui(0x0002_0003, instance);
    meta.ui(0x0002_0010, transfer);
    meta.ui(0x0002_0012, crate::spec::derive(&["implementation"]).as_str());
    meta.text(0x0002_0013, b"SH", "CXR_PHANTOM_1");
    let mut body = Vec::new();
    meta.encode(Syntax::ExplicitLe, &mut body);
    let mut out = vec![0; 128];
    out.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00");
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&body);
    data.encode(syntax, &mut out);
    out
}
