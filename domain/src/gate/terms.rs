//! The words that tell body part, view and product, from `domain/data/chest_terms.toml`.

use serde::Deserialize;
use std::sync::LazyLock;

/// The word lists. Every entry is folded (see [`fold`]) when it is loaded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Terms {
    pub(super) body_part: BodyPart,
    pub(super) view: View,
    pub(super) other_ai: OtherAi,
}

/// Words for the body part.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BodyPart {
    /// Values of Body Part Examined that say nothing.
    pub(super) placeholder: Vec<String>,
    /// Words for the chest.
    pub(super) chest: Vec<String>,
    /// Words for any other part, each with the English name that a reason shows.
    pub(super) other: Vec<Other>,
}

/// Words for one part that is not the chest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Other {
    /// The English name.
    pub(super) name: String,
    /// Its words in all languages.
    pub(super) words: Vec<String>,
}

/// Words for the view.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct View {
    pub(super) frontal: Vec<String>,
    pub(super) lateral: Vec<String>,
    pub(super) oblique: Vec<String>,
    pub(super) decubitus: Vec<String>,
}

/// Marks of other analysis products.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OtherAi {
    /// Words in Manufacturer or Manufacturer's Model Name.
    pub(super) makers: Vec<String>,
    /// Values of Image Type.
    pub(super) image_types: Vec<String>,
}

/// The lists, parsed once.
pub(super) static TERMS: LazyLock<Terms> = LazyLock::new(|| {
    let mut terms: Terms = toml::from_str(include_str!("../../data/chest_terms.toml"))
        .expect("chest_terms.toml is part of the program and read by its tests");
    let Terms { body_part, view, other_ai } = &mut terms;
    let lists = [
        &mut body_part.placeholder,
        &mut body_part.chest,
        &mut view.frontal,
        &mut view.lateral,
        &mut view.oblique,
        &mut view.decubitus,
        &mut other_ai.makers,
        &mut other_ai.image_types,
    ];
    let others = body_part.other.iter_mut().map(|o| &mut o.words);
    for word in lists.into_iter().chain(others).flatten() {
        *word = fold(word);
    }
    terms
});

/// Lower case without accents; everything that is no letter or digit becomes one space.
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match unaccented(c) {
            Some(plain) => folded.push_str(plain),
            // Combining marks: the accent of a decomposed letter.
            None if ('\u{300}'..='\u{36f}').contains(&c) => {}
            None if c.is_alphanumeric() => folded.push(c),
            None if folded.ends_with(' ') || folded.is_empty() => {}
            None => folded.push(' '),
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// Whether a folded text contains a folded word between word boundaries. Scripts that write
/// without spaces (Chinese, Japanese, and Korean with its endings) match anywhere.
pub(super) fn contains(text: &str, word: &str) -> bool {
    if word.is_empty() {
        return false;
    }
    let anywhere = word.chars().any(spaceless);
    // The words are short and there are many: to prepare a search costs more than to look.
    let (bytes, wanted) = (text.as_bytes(), word.as_bytes());
    let mut found = (0..bytes.len()).filter(|at| bytes[*at] == wanted[0] && bytes[*at..].starts_with(wanted));
    found.any(|at| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        anywhere || (boundary(before) && boundary(after))
    })
}

// `CHEST2`, `PA1` and `胸部PA` are usual: a digit or another script ends a word of letters.
fn boundary(c: Option<char>) -> bool {
    c.is_none_or(|c| !c.is_alphabetic() || spaceless(c))
}

fn spaceless(c: char) -> bool {
    c >= '\u{1100}'
}

/// The first word of a list that a folded text contains.
pub(super) fn any(text: &str, words: &[String]) -> bool {
    words.iter().any(|word| contains(text, word))
}

/// The plain form of the accented lower-case Latin letters of our languages.
fn unaccented(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' | 'ă' | 'ā' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' | 'ē' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ı' | 'ī' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' => "o",
        'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ţ' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ů' | 'ű' | 'ū' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fold_removes_case_accents_and_punctuation() {
        assert_eq!(fold("  Rx. TÓRAX (PA)\u{0} "), "rx torax pa");
        assert_eq!(fold("To\u{301}rax"), "torax");
        assert_eq!(fold("Göğüs"), "gogus");
        assert_eq!(fold("胸部 正面"), "胸部 正面");
        assert_eq!(fold("İSKELET"), "iskelet");
    }

    #[test]
    fn words_match_at_boundaries_only() {
        assert!(contains("chest2 pa", "chest"));
        assert!(contains("rx torax", "torax"));
        assert!(!contains("bilateral", "lateral"));
        assert!(!contains("hippocampus", "hip"));
        assert!(contains("胸部正面", "胸部"));
        assert!(contains("胸部pa", "pa"));
        assert!(!contains("chest", ""));
    }

    #[test]
    fn the_list_loads_and_no_word_is_on_both_sides() {
        let terms = &*TERMS;
        assert!(terms.body_part.chest.len() > 20 && terms.body_part.other.len() > 10);
        for other in &terms.body_part.other {
            for word in &other.words {
                assert!(!word.is_empty(), "empty word for {}", other.name);
                assert!(!terms.body_part.chest.contains(word), "{word} is on both sides");
            }
        }
        for word in &terms.view.frontal {
            assert!(!terms.view.lateral.contains(word), "{word} is on both sides");
        }
    }
}
