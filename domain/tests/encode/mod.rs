//! A tiny encoder of data sets for the tests, able to lie (PS3.5 section 7.1).

#![allow(dead_code, reason = "each test binary uses a part of it")]

/// Undefined length.
pub const UNDEFINED: u32 = u32::MAX;

/// Element encodings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Implicit,
    Explicit,
    BigEndian,
}

impl Form {
    pub const ALL: [Self; 3] = [Self::Implicit, Self::Explicit, Self::BigEndian];

    pub const fn transfer_syntax(self) -> &'static str {
        match self {
            Self::Implicit => "1.2.840.10008.1.2",
            Self::Explicit => "1.2.840.10008.1.2.1",
            Self::BigEndian => "1.2.840.10008.1.2.2",
        }
    }
}

/// A data set in the making.
#[derive(Debug, Clone)]
pub struct Data {
    pub bytes: Vec<u8>,
    pub form: Form,
}

impl Data {
    pub const fn new(form: Form) -> Self {
        Self { bytes: Vec::new(), form }
    }

    fn u16(&mut self, value: u16) {
        let bytes = if self.form == Form::BigEndian { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(bytes);
    }

    fn u32(&mut self, value: u32) {
        let bytes = if self.form == Form::BigEndian { value.to_be_bytes() } else { value.to_le_bytes() };
        self.bytes.extend(bytes);
    }

    /// A header alone, with any length.
    pub fn head(mut self, group: u16, element: u16, vr: &str, length: u32) -> Self {
        self.u16(group);
        self.u16(element);
        if group == 0xFFFE || self.form == Form::Implicit {
            self.u32(length);
        } else {
            self.bytes.extend(vr.as_bytes());
            if ["OB", "OW", "OF", "OD", "SQ", "UN", "UT", "UC", "UR"].contains(&vr) {
                self.u16(0);
                self.u32(length);
            } else {
                self.u16(u16::try_from(length).unwrap_or(u16::MAX));
            }
        }
        self
    }

    /// An element with a value, padded to an even length.
    pub fn put(mut self, group: u16, element: u16, vr: &str, value: &[u8]) -> Self {
        let odd = value.len() % 2;
        self = self.head(group, element, vr, u32::try_from(value.len() + odd).unwrap_or(UNDEFINED));
        self.bytes.extend(value);
        if odd == 1 {
            self.bytes.push(if vr == "UI" || vr == "OB" { 0 } else { b' ' });
        }
        self
    }

    pub fn text(self, group: u16, element: u16, vr: &str, value: &str) -> Self {
        self.put(group, element, vr, value.as_bytes())
    }

    pub fn us(self, group: u16, element: u16, value: u16) -> Self {
        let mut bytes = Self::new(self.form);
        bytes.u16(value);
        self.put(group, element, "US", &bytes.bytes)
    }

    /// A sequence; lengths defined or not.
    pub fn sequence(mut self, group: u16, element: u16, items: &[Self], defined: bool) -> Self {
        let mut inner = Self::new(self.form);
        for item in items {
            let length = if defined { item.bytes.len() as u32 } else { UNDEFINED };
            inner = inner.head(0xFFFE, 0xE000, "", length);
            inner.bytes.extend(&item.bytes);
            if !defined {
                inner = inner.head(0xFFFE, 0xE00D, "", 0);
            }
        }
        let length = if defined { inner.bytes.len() as u32 } else { UNDEFINED };
        self = self.head(group, element, "SQ", length);
        self.bytes.extend(inner.bytes);
        if !defined {
            self = self.head(0xFFFE, 0xE0DD, "", 0);
        }
        self
    }

    /// A code sequence of one item.
    pub fn code(self, group: u16, element: u16, scheme: &str, value: &str) -> Self {
        let item = Self::new(self.form).text(8, 0x100, "SH", value).text(8, 0x102, "SH", scheme);
        self.sequence(group, element, &[item], true)
    }

    /// A Part 10 file of it.
    pub fn part10(&self) -> Vec<u8> {
        part10(&self.bytes, self.form.transfer_syntax())
    }
}

/// A Part 10 file of any data set.
pub fn part10(dataset: &[u8], transfer_syntax: &str) -> Vec<u8> {
    let meta = Data::new(Form::Explicit)
        .put(2, 0x0001, "OB", &[0, 1])
        .text(2, 0x0002, "UI", "1.2.840.10008.5.1.4.1.1.1")
        .text(2, 0x0003, "UI", "1.2.3.4")
        .text(2, 0x0010, "UI", transfer_syntax);
    let group_length = Data::new(Form::Explicit).put(2, 0, "UL", &(meta.bytes.len() as u32).to_le_bytes());
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    file.extend(group_length.bytes);
    file.extend(meta.bytes);
    file.extend(dataset);
    file
}

/// A small computed radiography film, all mandatory identifiers there.
pub fn film(form: Form) -> Data {
    header(form, "ISO_IR 192", "Pérez^Ana".as_bytes()).pixels(64, 64)
}

/// The header of a film with a character set and a name in it.
pub fn header(form: Form, charset: &str, name: &[u8]) -> Data {
    let item =
        Data::new(form).text(8, 0x100, "SH", "T-D3000").text(8, 0x102, "SH", "SRT").text(8, 0x104, "LO", "Chest");
    Data::new(form)
        .text(8, 5, "CS", charset)
        .text(8, 0x08, "CS", "ORIGINAL\\PRIMARY")
        .text(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.1")
        .text(8, 0x18, "UI", "1.2.3.4")
        .text(8, 0x20, "DA", "20240229")
        .text(8, 0x60, "CS", "CR")
        .text(8, 0x70, "LO", "Vendor")
        .text(8, 0x1030, "LO", "Thorax")
        .sequence(8, 0x2218, &[item], form == Form::Explicit)
        .put(0x10, 0x10, "PN", name)
        .text(0x10, 0x20, "LO", "ID-1 ")
        .text(0x10, 0x30, "DA", "19600301")
        .text(0x18, 0x15, "CS", "CHEST")
        .text(0x18, 0x5101, "CS", "PA")
        .text(0x20, 0x0D, "UI", "1.2.3")
        .text(0x20, 0x0E, "UI", "1.2.3.1")
        .text(0x20, 0x11, "IS", "3")
        .text(0x20, 0x20, "CS", "L\\F")
}

impl Data {
    /// Image attributes and 8-bit pixel data.
    pub fn pixels(self, rows: u16, columns: u16) -> Self {
        self.us(0x28, 2, 1)
            .text(0x28, 4, "CS", "MONOCHROME2")
            .us(0x28, 0x10, rows)
            .us(0x28, 0x11, columns)
            .us(0x28, 0x100, 8)
            .us(0x28, 0x101, 8)
            .us(0x28, 0x102, 7)
            .us(0x28, 0x103, 0)
            .put(0x7FE0, 0x10, "OW", &vec![7; usize::from(rows) * usize::from(columns)])
    }
}
