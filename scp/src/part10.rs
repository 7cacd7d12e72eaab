//! The head of a Part 10 file: preamble, prefix and File Meta Information (PS3.10 section 7.1).

use crate::negotiation::printable;
use crate::remote::RequestError;
use centinela_domain::ae::AeTitle;
use centinela_domain::scan::part10;
use centinela_domain::uid::Uid;

const PREAMBLE: usize = 128;
const PREFIX: &[u8; 4] = b"DICM";

/// What the File Meta Information of a received instance says.
pub(crate) struct FileMeta<'a> {
    pub(crate) sop_class: &'a Uid,
    pub(crate) sop_instance: &'a Uid,
    pub(crate) transfer_syntax: &'a Uid,
    pub(crate) implementation_class_uid: &'a Uid,
    pub(crate) implementation_version: &'a str,
    pub(crate) source: &'a AeTitle,
}

impl FileMeta<'_> {
    /// Preamble of zeros, prefix and meta group; the data set follows.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut group = Vec::with_capacity(512);
        // OB has the long form of the length (PS3.5 section 7.1.2).
        group.extend_from_slice(b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01");
        element(&mut group, 0x0002, *b"UI", self.sop_class.as_str(), 0);
        element(&mut group, 0x0003, *b"UI", self.sop_instance.as_str(), 0);
        element(&mut group, 0x0010, *b"UI", self.transfer_syntax.as_str(), 0);
        element(&mut group, 0x0012, *b"UI", self.implementation_class_uid.as_str(), 0);
        element(&mut group, 0x0013, *b"SH", &printable(self.implementation_version), b' ');
        element(&mut group, 0x0016, *b"AE", self.source.as_str(), b' ');
        let mut head = vec![0; PREAMBLE];
        head.extend_from_slice(PREFIX);
        head.extend_from_slice(b"\x02\0\0\0UL\x04\0");
        head.extend_from_slice(&(group.len() as u32).to_le_bytes());
        head.extend_from_slice(&group);
        head
    }
}

/// One element of the meta group; the values here are at most 64 characters.
fn element(group: &mut Vec<u8>, number: u16, vr: [u8; 2], value: &str, padding: u8) {
    let odd = value.len() % 2;
    group.extend_from_slice(&[2, 0]);
    group.extend_from_slice(&number.to_le_bytes());
    group.extend_from_slice(&vr);
    group.extend_from_slice(&((value.len() + odd) as u16).to_le_bytes());
    group.extend_from_slice(value.as_bytes());
    group.extend(std::iter::repeat_n(padding, odd));
}

/// Reads the head of a Part 10 file, for sending its data set verbatim: Media Storage SOP Class
/// UID, SOP Instance UID, Transfer Syntax UID, and the offset of the data set.
///
/// # Errors
/// [`RequestError::InvalidFile`] if the bytes are not a Part 10 file with these three UIDs and a
/// data set.
pub fn part10_parts(bytes: &[u8]) -> Result<(Uid, Uid, Uid, usize), RequestError> {
    let file = part10(bytes).map_err(|error| RequestError::InvalidFile(error.to_string()))?;
    let uid = |text: Option<&str>, what: &str| {
        text.and_then(|text| Uid::parse(text).ok())
            .ok_or_else(|| RequestError::InvalidFile(format!("it has no valid {what} in its file meta information")))
    };
    let class = uid(file.sop_class.as_deref(), "Media Storage SOP Class UID (0002,0002)")?;
    let instance = uid(file.sop_instance.as_deref(), "Media Storage SOP Instance UID (0002,0003)")?;
    let syntax = uid(Some(&file.transfer_syntax), "Transfer Syntax UID (0002,0010)")?;
    // Fewer bytes than the head of one element are nothing, or a torn piece of the meta information.
    if file.dataset.len() < 8 {
        return Err(RequestError::InvalidFile("it has no data set".to_owned()));
    }
    Ok((class, instance, syntax, file.dataset_offset))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_read_back_and_every_cut_is_refused() {
        let uid = |text| Uid::parse(text).unwrap();
        let (class, instance, syntax) = (uid("1.2.3"), uid("1.2.3.45"), uid("1.2.840.10008.1.2.1"));
        let mut file = FileMeta {
            sop_class: &class,
            sop_instance: &instance,
            transfer_syntax: &syntax,
            implementation_class_uid: &uid("2.25.7"),
            implementation_version: "CENTINELA_0.1",
            source: &AeTitle::parse("CR1").unwrap(),
        }
        .encode();
        let offset = file.len();
        file.extend_from_slice(b"\x08\0\x05\0CS\0\0");
        assert_eq!(part10_parts(&file).unwrap(), (class, instance, syntax, offset));
        for cut in 0..=offset {
            assert!(part10_parts(&file[..cut]).is_err(), "cut at {cut}");
        }
        assert!(part10_parts(b"not a DICOM file").is_err());
    }
}
