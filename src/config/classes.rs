//! Names for SOP classes in `classes` of ae-titles.toml: the words that modalities and people use
//! (PS3.3 section C.7.3.1.1.1), each for all its Storage SOP classes (PS3.4 annex B.5), or a UID.

use centinela_domain::uid::Uid;

/// Word and the UIDs behind `1.2.840.10008.5.1.4.1.1.`.
const WORDS: [(&str, &[&str]); 19] = [
    ("CR", &["1"]),
    ("DX", &["1.1", "1.1.1"]),
    ("MG", &["1.2", "1.2.1"]),
    ("IO", &["1.3", "1.3.1"]),
    ("CT", &["2", "2.1", "2.2"]),
    ("US", &["3", "3.1", "6", "6.1", "6.2"]),
    ("MR", &["4", "4.1", "4.2", "4.3", "4.4"]),
    ("NM", &["5", "20"]),
    ("SC", &["7", "7.1", "7.2", "7.3", "7.4"]),
    ("PR", &["11.1", "11.2", "11.3", "11.4", "11.5", "11.6", "11.7", "11.8", "11.9", "11.10", "11.11", "11.12"]),
    ("XA", &["12.1", "12.1.1", "12.3", "13.1.1", "13.1.2"]),
    ("RF", &["12.2", "12.2.1"]),
    ("BTO", &["13.1.3", "13.1.4", "13.1.5"]),
    ("ES", &["77.1.1", "77.1.1.1"]),
    ("XC", &["77.1.4", "77.1.4.1"]),
    ("SR", &["88.11", "88.22", "88.33", "88.34", "88.35"]),
    ("KO", &["88.59"]),
    ("PT", &["128", "128.1", "130"]),
    ("DOC", &["104.1", "104.2", "104.3", "104.4", "104.5"]),
];

/// The classes of a word or a UID.
///
/// # Errors
/// Which words are known.
pub fn classes(name: &str) -> Result<Vec<Uid>, String> {
    let of_standard = |tail: &&str| Uid::parse(&format!("1.2.840.10008.5.1.4.1.1.{tail}")).ok();
    if let Some((_, tails)) = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(name)) {
        return Ok(tails.iter().filter_map(of_standard).collect());
    }
    match Uid::parse(name) {
        Ok(uid) => Ok(vec![uid]),
        Err(_) => {
            let words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
            Err(format!("no SOP class is called {name:?}; give a UID or one of {}", words.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use dicom_dictionary_std::uids;

    #[test]
    fn words_mean_the_classes_of_the_standard() {
        let has = |word: &str, uid: &str| classes(word).unwrap().iter().any(|class| class.as_str() == uid);
        assert!(has("CR", uids::COMPUTED_RADIOGRAPHY_IMAGE_STORAGE));
        assert!(has("dx", uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION));
        assert!(has("DX", uids::DIGITAL_X_RAY_IMAGE_STORAGE_FOR_PROCESSING));
        assert!(has("MG", uids::DIGITAL_MAMMOGRAPHY_X_RAY_IMAGE_STORAGE_FOR_PRESENTATION));
        assert!(has("CT", uids::CT_IMAGE_STORAGE) && has("MR", uids::MR_IMAGE_STORAGE));
        assert!(has("SC", uids::SECONDARY_CAPTURE_IMAGE_STORAGE) && has("US", uids::ULTRASOUND_IMAGE_STORAGE));
        assert!(has("SR", uids::COMPREHENSIVE_SR_STORAGE) && has("DOC", uids::ENCAPSULATED_PDF_STORAGE));
        assert!(has("KO", uids::KEY_OBJECT_SELECTION_DOCUMENT_STORAGE));
        assert!(has("PR", uids::GRAYSCALE_SOFTCOPY_PRESENTATION_STATE_STORAGE));
        assert!(!has("CR", uids::CT_IMAGE_STORAGE));
        assert!(has("1.3.12.2.1107.5.9.1", "1.3.12.2.1107.5.9.1"));
        assert!(classes("CRX").unwrap_err().contains("CR, DX"));
        for (word, tails) in WORDS {
            assert_eq!(classes(word).unwrap().len(), tails.len(), "{word}");
        }
    }
}
