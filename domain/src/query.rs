//! The one query that we ask (PS3.4 annex C, Study Root, IMAGE level): is this instance there?

use crate::scan::{Encoding, Token, walk};
use crate::uid::Uid;
use dicom_core::Tag;

/// Study Root Query/Retrieve Information Model - FIND.
pub const FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";

const SOP_INSTANCE: Tag = Tag(0x0008, 0x0018);
const LEVEL: Tag = Tag(0x0008, 0x0052);
const STUDY: Tag = Tag(0x0020, 0x000D);
const SERIES: Tag = Tag(0x0020, 0x000E);

/// The identifier that asks for one instance, in Explicit or else Implicit VR Little Endian.
#[must_use]
pub fn identifier(study: &Uid, series: &Uid, instance: &Uid, explicit: bool) -> Vec<u8> {
    let mut data = Vec::new();
    let mut element = |Tag(group, element): Tag, vr: [u8; 2], text: &str, padding: u8| {
        let mut value = text.as_bytes().to_vec();
        value.resize(value.len().next_multiple_of(2), padding);
        data.extend_from_slice(&group.to_le_bytes());
        data.extend_from_slice(&element.to_le_bytes());
        if explicit {
            data.extend_from_slice(&vr);
            data.extend_from_slice(&(value.len() as u16).to_le_bytes());
        } else {
            data.extend_from_slice(&(value.len() as u32).to_le_bytes());
        }
        data.extend_from_slice(&value);
    };
    element(SOP_INSTANCE, *b"UI", instance.as_str(), 0);
    element(LEVEL, *b"CS", "IMAGE", b' ');
    element(STUDY, *b"UI", study.as_str(), 0);
    element(SERIES, *b"UI", series.as_str(), 0);
    data
}

/// Whether an answer names this instance. One that cannot be read names none.
#[must_use]
pub fn names(answer: &[u8], transfer_syntax: &Uid, instance: &Uid) -> bool {
    let (encoding, deflated) = Encoding::of(transfer_syntax.as_str());
    if deflated {
        return false;
    }
    let (mut depth, mut named) = (0_usize, false);
    let walked = walk(answer, encoding, &mut |token| match token {
        Token::Sequence(_) | Token::Item => depth += 1,
        Token::SequenceEnd | Token::ItemEnd => depth = depth.saturating_sub(1),
        Token::Value { tag: SOP_INSTANCE, bytes, .. } if depth == 0 => {
            let text = std::str::from_utf8(bytes).ok();
            named |= text.and_then(|text| Uid::parse(text).ok()).as_ref() == Some(instance);
        }
        Token::Value { .. } => {}
    });
    walked.error.is_none() && named
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_names_the_instance_that_it_asks_for() {
        let [study, series, instance] = ["1.2", "1.2.3", "1.2.3.45"].map(|uid| Uid::parse(uid).unwrap());
        for (explicit, syntax) in [(true, "1.2.840.10008.1.2.1"), (false, "1.2.840.10008.1.2")] {
            let syntax = Uid::parse(syntax).unwrap();
            let data = identifier(&study, &series, &instance, explicit);
            assert_eq!(data.len() % 2, 0);
            assert!(names(&data, &syntax, &instance));
            assert!(!names(&data, &syntax, &series));
            assert!(!names(&data[..data.len() - 3], &syntax, &instance), "torn");
        }
        assert!(!names(b"", &Uid::parse("1.2.840.10008.1.2").unwrap(), &instance));
    }
}
