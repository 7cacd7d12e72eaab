//! Which of the proposed transfer syntaxes we take (PS3.8 section 9.3.3.2: the acceptor chooses).
//!
//! A requestor that proposes several in one context can send any of them and re-encodes if it must.
//! For images we want what everybody reads exactly: plain first, then lossless, then lossy. What is
//! on no list is taken in the requestor's order: the node stores every syntax as it comes.

use centinela_domain::uid::Uid;

/// Images, best first. Retired big endian comes behind the lossless ones, yet before loss.
pub const IMAGES: [(&str, &str); 21] = [
    ("1.2.840.10008.1.2.1", "Explicit VR Little Endian"),
    ("1.2.840.10008.1.2", "Implicit VR Little Endian"),
    ("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian"),
    ("1.2.840.10008.1.2.4.80", "JPEG-LS lossless"),
    ("1.2.840.10008.1.2.4.90", "JPEG 2000 lossless only"),
    ("1.2.840.10008.1.2.4.70", "JPEG lossless, first-order prediction"),
    ("1.2.840.10008.1.2.4.57", "JPEG lossless, process 14"),
    ("1.2.840.10008.1.2.5", "RLE lossless"),
    ("1.2.840.10008.1.2.2", "Explicit VR Big Endian"),
    ("1.2.840.10008.1.2.4.201", "HTJ2K lossless"),
    ("1.2.840.10008.1.2.4.202", "HTJ2K lossless RPCL"),
    ("1.2.840.10008.1.2.4.110", "JPEG XL lossless"),
    ("1.2.840.10008.1.2.8.1", "Deflated image frame"),
    ("1.2.840.10008.1.2.4.81", "JPEG-LS near-lossless"),
    ("1.2.840.10008.1.2.4.91", "JPEG 2000"),
    ("1.2.840.10008.1.2.4.51", "JPEG extended, 12 bits"),
    ("1.2.840.10008.1.2.4.50", "JPEG baseline, 8 bits"),
    ("1.2.840.10008.1.2.4.203", "HTJ2K"),
    ("1.2.840.10008.1.2.4.112", "JPEG XL"),
    ("1.2.840.10008.1.2.4.111", "JPEG XL, recompressed JPEG"),
    ("1.2.840.10008.1.2.4.93", "JPEG 2000 part 2"),
];

/// Objects without pixels: reports, presentation states, documents, Verification. Deflated makes
/// sense for their long texts, pixel codecs do not.
pub const DOCUMENTS: [(&str, &str); 4] = [
    ("1.2.840.10008.1.2.1", "Explicit VR Little Endian"),
    ("1.2.840.10008.1.2", "Implicit VR Little Endian"),
    ("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian"),
    ("1.2.840.10008.1.2.2", "Explicit VR Big Endian"),
];

/// Roots of Storage SOP classes without pixels (PS3.4 annex B.5): raw data, presentation states,
/// waveforms, reports, encapsulated documents.
const WITHOUT_PIXELS: [&str; 5] = [
    "1.2.840.10008.5.1.4.1.1.66",
    "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.9.",
    "1.2.840.10008.5.1.4.1.1.88.",
    "1.2.840.10008.5.1.4.1.1.104.",
];

/// The best of `proposed` for this class; `None` if none of them is a UID.
pub(crate) fn best<'a>(abstract_syntax: &Uid, proposed: impl Iterator<Item = &'a str>) -> Option<Uid> {
    let order = preference(abstract_syntax.as_str());
    let rank = |uid: &Uid| order.iter().position(|(known, _)| *known == uid.as_str()).unwrap_or(order.len());
    // Of equals, `min_by_key` gives the first: the requestor's order.
    proposed.filter_map(|text| Uid::parse(text).ok()).min_by_key(rank)
}

fn preference(abstract_syntax: &str) -> &'static [(&'static str, &'static str)] {
    let storage = abstract_syntax.starts_with("1.2.840.10008.5.1.4.1.1.");
    let known_without = WITHOUT_PIXELS.iter().any(|root| {
        abstract_syntax == root.trim_end_matches('.') || (root.ends_with('.') && abstract_syntax.starts_with(root))
    });
    // A private class may hold an image.
    let standard = abstract_syntax.starts_with("1.2.840.10008.");
    if (storage && !known_without) || !standard { &IMAGES } else { &DOCUMENTS }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const DX: &str = "1.2.840.10008.5.1.4.1.1.1.1";
    const SR: &str = "1.2.840.10008.5.1.4.1.1.88.33";
    const EXPLICIT: &str = "1.2.840.10008.1.2.1";
    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const BIG: &str = "1.2.840.10008.1.2.2";
    const J2K: &str = "1.2.840.10008.1.2.4.90";
    const LOSSY: &str = "1.2.840.10008.1.2.4.50";
    const MPEG: &str = "1.2.840.10008.1.2.4.102";
    const PRIVATE: &str = "1.2.826.0.1.9999.1";

    fn chosen(class: &str, proposed: &[&str]) -> Option<String> {
        best(&Uid::parse(class).unwrap(), proposed.iter().copied()).map(|uid| uid.to_string())
    }

    #[test]
    fn the_best_of_what_is_proposed_is_taken_whatever_the_order() {
        let all = [PRIVATE, MPEG, LOSSY, BIG, J2K, IMPLICIT, EXPLICIT];
        // From the end, each time without the one that won.
        let mut left = all.to_vec();
        for wanted in [EXPLICIT, IMPLICIT, J2K, BIG, LOSSY, PRIVATE, MPEG] {
            assert_eq!(chosen(DX, &left).as_deref(), Some(wanted), "{left:?}");
            let mut turned = left.clone();
            turned.reverse();
            if wanted != PRIVATE {
                assert_eq!(chosen(DX, &turned).as_deref(), Some(wanted), "{turned:?}");
            }
            left.retain(|syntax| *syntax != wanted);
        }
        assert_eq!(chosen(DX, &[]), None);
        assert_eq!(chosen(DX, &["not a uid", "../../etc"]), None);
        assert_eq!(chosen(DX, &["not a uid", PRIVATE]).as_deref(), Some(PRIVATE));
    }

    #[test]
    fn documents_know_no_pixel_codec() {
        assert_eq!(chosen(SR, &[J2K, BIG]).as_deref(), Some(BIG));
        assert_eq!(chosen(SR, &[LOSSY, J2K]).as_deref(), Some(LOSSY), "the requestor's order");
        assert_eq!(chosen("1.2.840.10008.1.1", &[J2K, IMPLICIT]).as_deref(), Some(IMPLICIT));
        assert_eq!(chosen("1.3.12.2.1107.5.9.1", &[LOSSY, J2K]).as_deref(), Some(J2K), "a private class");
        assert_eq!(chosen("1.2.840.10008.5.1.4.1.1.66", &[J2K, BIG]).as_deref(), Some(BIG), "raw data");
        assert_eq!(chosen("1.2.840.10008.5.1.4.1.1.66.4", &[BIG, J2K]).as_deref(), Some(J2K), "segmentation");
    }

    #[test]
    fn no_syntax_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        assert!(IMAGES.iter().all(|(uid, _)| seen.insert(uid) && Uid::parse(uid).is_ok()));
    }
}
