//! Many large films: distinct patients and studies for the demo, load and kill tests.

use crate::catalogue::person;
use crate::spec::{Charset, Kind, Pathology, Patient, Photometric, Side, Spec, Study, Syntax, View, Voi};

/// `count` studies of one frontal film each, a function of the index alone.
///
/// DX films of 16 and 14 bits and CR films of 12 and 10 bits take turns, portrait and landscape,
/// with and without disease. `long_side` is the long side of a DX film in pixels (2500 is usual;
/// CR films are a little smaller); it is raised to 160 where it is less.
pub fn collection(count: u32, long_side: u16) -> impl Iterator<Item = Spec> {
    (0..count).map(move |index| one(index, long_side.max(160)))
}

fn one(index: u32, long_side: u16) -> Spec {
    let (kind, bits, scale, landscape) = match index % 4 {
        0 => (Kind::DxPresentation, 16, (2500, 2048), false),
        1 => (Kind::Cr, 12, (2140, 1760), true),
        2 => (Kind::DxPresentation, 14, (2500, 2048), true),
        _ => (Kind::Cr, 10, (2140, 1760), false),
    };
    let side = |of: u32| (u32::from(long_side) * of / 2500) as u16;
    let (long, short) = (side(scale.0), side(scale.1));
    let (rows, columns) = if landscape { (short, long) } else { (long, short) };
    let key = format!("collection-{index}");
    Spec {
        kind,
        view: if index % 7 == 5 { View::Ap } else { View::Pa },
        rows,
        columns,
        bits,
        photometric: if index % 4 == 1 { Photometric::Monochrome1 } else { Photometric::Monochrome2 },
        voi: Voi::Full,
        syntax: Syntax::ExplicitLe,
        charset: Charset::Utf8,
        pathology: disease(index),
        marker: None,
        patient: patient(index),
        study: Study {
            key: key.clone(),
            date: format!("202511{:02}", 1 + index / 400 % 28),
            time: format!("{:02}{:02}{:02}", 7 + index / 40 % 10, index % 60, index * 7 % 60),
            accession: format!("PHC{index:06}"),
            description: "Chest PA".into(),
        },
        series_description: String::new(),
        body_part: "CHEST".into(),
        bare: false,
        rich: false,
        numbers: (1, 1),
        fault: None,
        key,
    }
}

fn disease(index: u32) -> Vec<Pathology> {
    match index % 6 {
        1 => vec![Pathology::Opacity(Side::Right)],
        2 => vec![Pathology::Effusion(Side::Left)],
        3 => vec![Pathology::Cardiomegaly],
        4 => vec![Pathology::Pneumothorax(Side::Right)],
        5 => vec![Pathology::Opacity(Side::Left), Pathology::Effusion(Side::Right)],
        _ => Vec::new(),
    }
}

/// The names of the list up to the animal's.
const PEOPLE: u32 = 16;

/// Names repeat, identifiers do not.
fn patient(index: u32) -> Patient {
    let age = 20 + index * 13 % 70;
    let sex = if index.is_multiple_of(2) { "F" } else { "M" };
    let birth = format!("{}0{}15", 2025 - age, 1 + index % 9);
    let named = person((index % PEOPLE) as usize, &birth, sex, &format!("{age:03}Y"));
    Patient { id: format!("PHC-{index:06}"), ..named }
}
