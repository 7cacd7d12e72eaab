//! A covering set of studies: every pair of values of nine properties that a result may depend on occurs in
//! at least one study; and the full product of them.

use crate::catalogue::Truth;
use crate::film::{Film, film, marker_box};
use crate::header::write_dicom_with;
use crate::spec::{Charset, Kind, Marker, Patient, Photometric, Spec, Study, Syntax, View, Voi};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How the pixels of the file are to be written. This crate writes [`Encoding::Explicit`] only; the others
/// are made from its files by encoders that are not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Encoding {
    Explicit,
    Jpeg2000,
    JpegLs,
    Rle,
    JpegLossless,
}

const KINDS: [Kind; 2] = [Kind::Cr, Kind::DxPresentation];
const SENSES: [Photometric; 2] = [Photometric::Monochrome1, Photometric::Monochrome2];
const BITS: [u16; 5] = [10, 12, 14, 15, 16];
const ENCODINGS: [Encoding; 5] =
    [Encoding::Explicit, Encoding::Jpeg2000, Encoding::JpegLs, Encoding::Rle, Encoding::JpegLossless];
const CHARSETS: [Charset; 6] =
    [Charset::Latin1, Charset::Japanese, Charset::Korean, Charset::Gb18030, Charset::Utf8, Charset::Ascii];

/// Values of each property.
const LEVELS: [usize; 9] = [KINDS.len(), SENSES.len(), 2, BITS.len(), ENCODINGS.len(), CHARSETS.len(), 2, 2, 2];

/// One value of each property, as its place in the lists above.
type Values = [usize; LEVELS.len()];

/// One study of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    values: Values,
}

/// One film of a case.
#[derive(Debug, Clone)]
pub struct CaseFilm {
    /// Its specification.
    pub spec: Spec,
    /// Whether it comes after the study was closed.
    pub late: bool,
    picture: Spec,
}

/// Pictures that were made; many headers share one.
#[derive(Debug, Default)]
pub struct Pictures(BTreeMap<String, Film>);

impl CaseFilm {
    /// The film's bytes, uncompressed.
    #[must_use]
    pub fn bytes(&self, pictures: &mut Pictures) -> Vec<u8> {
        let picture = pictures.0.entry(self.picture.key.clone()).or_insert_with(|| film(&self.picture));
        write_dicom_with(&self.spec, picture)
    }

    /// Where the opacity lies.
    #[must_use]
    pub fn truth(&self) -> Option<Truth> {
        let sop_instance_uid = self.spec.sop_instance_uid().to_string();
        Some(Truth { code: "112001", bounds: marker_box(&self.spec)?, sop_instance_uid })
    }
}

impl Case {
    fn is(&self, property: usize) -> bool {
        self.values[property] == 1
    }

    /// How the pixels are to be written.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        ENCODINGS[self.values[4]]
    }

    /// A name that tells all properties.
    #[must_use]
    pub fn name(&self) -> String {
        let v = &self.values;
        let pick = |words: &[&'static str], at: usize| words[at];
        [
            pick(&["cr", "dx"], v[0]).to_owned(),
            pick(&["mono1", "mono2"], v[1]).to_owned(),
            pick(&["portrait", "landscape"], v[2]).to_owned(),
            BITS[v[3]].to_string(),
            self.encoding().word().to_owned(),
            pick(&["latin1", "ir87", "ir149", "gb18030", "utf8", "ascii"], v[5]).to_owned(),
            pick(&["full", "empty"], v[6]).to_owned(),
            pick(&["one", "two"], v[7]).to_owned(),
            pick(&["once", "late"], v[8]).to_owned(),
        ]
        .join("-")
    }

    /// The films: one or two at first, and perhaps a late one.
    #[must_use]
    pub fn films(&self) -> Vec<CaseFilm> {
        let mut films = vec![self.film(0, false)];
        if self.is(7) {
            films.push(self.film(1, false));
        }
        if self.is(8) {
            films.push(self.film(2, true));
        }
        films
    }

    /// The `role`-th film: 0 has the case's own properties; 1 is turned and inverted against it; 2 differs from
    /// it in the place of the opacity.
    fn film(&self, role: usize, late: bool) -> CaseFilm {
        let v = &self.values;
        let other = role == 1;
        let photometric = SENSES[if other { 1 - v[1] } else { v[1] }];
        let landscape = self.is(2) != other;
        let (rows, columns) = if landscape { (300, 360) } else { (360, 300) };
        let (kind, bits) = (KINDS[v[0]], BITS[v[3]]);
        let top = (1u32 << bits) - 1;
        let share = |of: u32| u16::try_from(top * of / 10).unwrap_or(u16::MAX);
        let voi = match (kind, bits) {
            (Kind::Cr, 14) => Voi::None,
            (Kind::Cr, _) => Voi::Window { low: share(1), high: share(9) },
            (_, 12) => Voi::Table { low: share(1), high: share(9) },
            _ => Voi::Full,
        };
        let (charset, empty, name) = (CHARSETS[v[5]], self.is(6), self.name());
        let marker = [
            Marker { centre: (0.715, 0.36), size: (0.17, 0.13) },
            Marker { centre: (0.275, 0.515), size: (0.16, 0.12) },
            Marker { centre: (0.685, 0.545), size: (0.15, 0.14) },
        ][role];
        let spec = Spec {
            key: format!("covering-{name}-{role}"),
            kind,
            view: if role == 0 { View::Pa } else { View::Ap },
            rows,
            columns,
            bits,
            photometric,
            voi,
            syntax: Syntax::ExplicitLe,
            charset,
            pathology: Vec::new(),
            marker: Some(marker),
            patient: patient(charset, empty),
            study: study(&name, charset, empty),
            series_description: if empty { String::new() } else { description(charset).to_owned() },
            body_part: if empty { String::new() } else { "CHEST".to_owned() },
            bare: empty,
            rich: !empty,
            numbers: (u16::try_from(role + 1).unwrap_or(1), 1),
            fault: None,
        };
        let sense = if photometric == Photometric::Monochrome1 { 1 } else { 2 };
        let key = format!("covering-picture-{role}-{}-{sense}-{rows}-{bits}", v[0]);
        let picture = Spec { key, ..spec.clone() };
        CaseFilm { spec, late, picture }
    }
}

impl Encoding {
    /// The word that the encoders know it by.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Jpeg2000 => "jpeg2000",
            Self::JpegLs => "jpegls",
            Self::Rle => "rle",
            Self::JpegLossless => "jpegll",
        }
    }
}

fn description(charset: Charset) -> &'static str {
    match charset {
        Charset::Ascii => "Chest PA",
        Charset::Latin1 => "Radiografía de tórax",
        Charset::Utf8 => "Chụp X-quang ngực",
        // Characters whose UTF-8 has no byte of 80 to 9F, which DCMTK's checker takes for control characters.
        Charset::Japanese | Charset::Gb18030 => "骨正影",
        Charset::Korean => "골격",
    }
}

fn patient(charset: Charset, empty: bool) -> Patient {
    let name = match charset {
        Charset::Ascii => "Quintanilla^Rosaura",
        Charset::Latin1 => "Muñoz Ibáñez^José Ángel",
        Charset::Utf8 => "Nguyễn^Thị Hồng",
        Charset::Japanese => "Yamada^Tarou=山田^太郎=やまだ^たろう",
        Charset::Korean => "Hong^Gildong=洪^吉洞=홍^길동",
        Charset::Gb18030 => "Wang^XiaoDong=王^小东",
    };
    let unless_empty = |text: &str| if empty { String::new() } else { text.to_owned() };
    Patient {
        name: name.to_owned(),
        id: format!("PHV-{charset:?}"),
        birth: unless_empty("19590214"),
        sex: unless_empty("F"),
        age: unless_empty("066Y"),
        species: None,
    }
}

fn study(name: &str, charset: Charset, empty: bool) -> Study {
    let unless_empty = |text: &str| if empty { String::new() } else { text.to_owned() };
    Study {
        key: format!("covering-{name}"),
        date: unless_empty("20251103"),
        time: unless_empty("081530"),
        accession: unless_empty("PHV0001"),
        description: unless_empty(description(charset)),
    }
}

/// A number for each value of each property; some numbers stay free.
const fn place(property: usize, value: usize) -> usize {
    property * 6 + value
}

/// One more than the largest place.
const PLACES: usize = LEVELS.len() * 6;

/// A number for each two values that occur together.
fn pairs(v: &Values) -> impl Iterator<Item = usize> + '_ {
    let n = v.len();
    (0..n).flat_map(move |a| (a + 1..n).map(move |b| place(a, v[a]) * PLACES + place(b, v[b])))
}

/// A number for each three.
fn triples(v: &Values) -> impl Iterator<Item = usize> + '_ {
    pairs(v).flat_map(move |pair| {
        let last = pair % PLACES / 6;
        (last + 1..v.len()).map(move |c| pair * PLACES + place(c, v[c]))
    })
}

/// Every combination of all properties, in one fixed order.
#[must_use]
pub fn product() -> Vec<Case> {
    let count: usize = LEVELS.iter().product();
    let nth = |mut n: usize| {
        let mut values = [0; LEVELS.len()];
        for (value, levels) in values.iter_mut().zip(LEVELS) {
            (*value, n) = (n % levels, n / levels);
        }
        Case { values }
    };
    (0..count).map(nth).collect()
}

/// Studies of the covering set.
const STUDIES: usize = 48;

/// A small set in which every pair of values occurs: again and again the combination with the most pairs that
/// are still missing, and among those the first with the most missing triples. When no pair is missing,
/// triples alone choose the rest.
#[must_use]
pub fn covering() -> Vec<Case> {
    let all = product();
    let (mut seen_pairs, mut seen_triples) = (vec![false; PLACES.pow(2)], vec![false; PLACES.pow(3)]);
    let mut chosen = Vec::new();
    while chosen.len() < STUDIES {
        let mut best = (0, 0, None);
        for case in &all {
            let two = pairs(&case.values).filter(|pair| !seen_pairs[*pair]).count();
            if two < best.0 {
                continue;
            }
            let three = triples(&case.values).filter(|triple| !seen_triples[*triple]).count();
            if (two, three) > (best.0, best.1) {
                best = (two, three, Some(*case));
            }
        }
        let Some(case) = best.2 else { break };
        pairs(&case.values).for_each(|pair| seen_pairs[pair] = true);
        triples(&case.values).for_each(|triple| seen_triples[triple] = true);
        chosen.push(case);
    }
    chosen
}

/// What lies in a folder of cases, as JSON: name, study, encoding, films and truth of each.
#[must_use]
pub fn manifest(cases: &[Case]) -> String {
    let mut text = String::from("[\n");
    for (n, case) in cases.iter().enumerate() {
        let (mut films, mut truth) = (Vec::new(), Vec::new());
        for (role, film) in case.films().iter().enumerate() {
            let sop = film.spec.sop_instance_uid();
            films.push(format!(r#"{{"file": "{role}.dcm", "sop": "{sop}", "late": {}}}"#, film.late));
            if let Some(Truth { code, bounds: [x0, y0, x1, y1], sop_instance_uid: sop }) = film.truth() {
                let bounds = format!("[{x0:.1}, {y0:.1}, {x1:.1}, {y1:.1}]");
                truth.push(format!(
                    r#"{{"code": "{code}", "box": {bounds}, "min_iou": 0.5, "sop_instance_uid": "{sop}"}}"#
                ));
            }
        }
        let study = case.films().first().map(|f| f.spec.study_uid().to_string()).unwrap_or_default();
        let end = if n + 1 < cases.len() { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            r#"{{"name": "{}", "study": "{study}", "encoding": "{}", "films": [{}], "truth": [{}]}}{end}"#,
            case.name(),
            case.encoding().word(),
            films.join(", "),
            truth.join(", ")
        );
    }
    text + "]\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Pairs of values that occur in none of the studies.
    fn missing(set: &[Case]) -> usize {
        let seen: BTreeSet<_> = set.iter().flat_map(|c| pairs(&c.values)).collect();
        let count = |(a, b): (usize, usize)| LEVELS[a] * LEVELS[b];
        let all: usize = (0..LEVELS.len()).flat_map(|a| (a + 1..LEVELS.len()).map(move |b| (a, b))).map(count).sum();
        all - seen.len()
    }

    #[test]
    fn every_pair_of_values_occurs_and_the_set_is_small() {
        let set = covering();
        assert!(set.len() <= 60, "{}", set.len());
        assert_eq!(missing(&set), 0);
        assert_eq!(set.iter().map(Case::name).collect::<BTreeSet<_>>().len(), set.len(), "each once");
        assert_eq!(set, covering(), "the same set each time");
    }

    #[test]
    fn a_set_that_misses_a_pair_is_noticed() {
        let set = covering();
        let without_sixteen_bits_in_rle: Vec<_> =
            set.iter().copied().filter(|c| (c.values[3], c.values[4]) != (4, 3)).collect();
        assert!(without_sixteen_bits_in_rle.len() < set.len());
        assert!(missing(&without_sixteen_bits_in_rle) > 0);
    }

    #[test]
    fn the_product_has_every_combination_once_under_its_own_name() {
        let all = product();
        assert_eq!(all.len(), 9600);
        assert_eq!(all.iter().map(Case::name).collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn films_of_one_case_share_patient_and_study_and_nothing_else() {
        for case in covering() {
            let films = case.films();
            let distinct = |of: fn(&Spec) -> String| films.iter().map(|f| of(&f.spec)).collect::<BTreeSet<_>>().len();
            assert_eq!(distinct(|s| s.study_uid().to_string()), 1);
            assert_eq!(distinct(|s| s.patient.name.clone()), 1);
            assert_eq!(distinct(|s| s.sop_instance_uid().to_string()), films.len());
            assert!(crate::PATIENT_NAMES.contains(&films[0].spec.patient.name.as_str()));
        }
    }

    #[test]
    fn a_shared_picture_gives_the_film_that_its_specification_says() {
        let mut pictures = Pictures::default();
        let case = covering()[0];
        let film = &case.films()[0];
        let bytes = film.bytes(&mut pictures);
        assert_eq!(bytes, film.bytes(&mut pictures));
        assert_eq!(bytes.len(), crate::write_dicom(&film.spec).len());
    }
}
