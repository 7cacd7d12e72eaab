//! Faults while films come in: T03 the receiver dies in the middle of a film, T23 one UID, two films.

use super::oracle::rows;
use super::scene::{Case, End, Modality, World, play, specimen};
use crate::harness::films::Film;
use crate::harness::kept::{data_set, unfinished};
use crate::harness::modality::{must_push, push};
use crate::harness::node::Node;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::until;
use centinela_domain::status::DimseStatus;
use centinela_phantom::{Pathology, Side, View, write_dicom};
use std::fs;
use std::path::Path;
use std::time::Duration;

#[test]
fn t03_the_receiver_dies_in_the_middle_of_a_film() {
    play("T03", "kill -9 of the receiver, or a cut line, after any byte of a film", |case| {
        let world = World::new();
        let mut modality = Modality::with(case.studies(world.home.dir.path()));
        let victim = case.pick(0, modality.films.len() as u64 - 1) as usize;
        let node = world.home.start();
        for n in 0..victim {
            let film = modality.films[n].clone();
            must_push(node.dicom, &film);
            modality.note(&film);
        }
        let film = modality.films[victim].clone();
        // From before the association to just before the last byte.
        let bytes = case.pick(1, fs::metadata(&film.path).unwrap().len() - 1);
        let line = Proxy::start(node.dicom);
        let kill = case.pick(0, 2) > 0;
        case.tell(format!("film {victim}, {bytes} bytes pass, {}", if kill { "then kill -9" } else { "then a cut" }));
        let node = if kill {
            line.set(Fault::HoldAfter(bytes));
            let (port, pushed) = (line.port, film.clone());
            let push = std::thread::spawn(move || push(port, &pushed));
            std::thread::sleep(Duration::from_millis(case.pick(50, 300)));
            node.kill();
            assert!(push.join().unwrap().is_err(), "half a film was answered");
            let node = world.home.start();
            assert_eq!(unfinished(&world.home), Vec::<String>::new(), "left by the start");
            node
        } else {
            line.set(Fault::CutAfter(bytes));
            assert!(push(line.port, &film).is_err(), "half a film was answered");
            until("nothing unfinished is left", || unfinished(&world.home).is_empty().then_some(()));
            node
        };
        let sql = format!("select sop_instance from instance where sop_instance = '{}'", film.sop);
        assert!(rows(&world.home.data(), &sql).is_empty(), "half a film has a row");
        modality.finish(node.dicom);
        let end = End::at(&world.pacs);
        case.judge(&node, &modality, &if kill { end.or_again() } else { end });
    });
}

/// What the second film of a UID has otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    Pixels,
    Patient,
    Series,
    Description,
}

/// When it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    AfterTheResult,
    AtOnce,
    Together,
    AfterARestart,
}

/// A film and another one under its UID.
fn twins(case: &mut Case<'_>, folder: &Path, other: Other) -> [Film; 2] {
    let (index, side) = (case.pick(0, 59), case.pick(200, 480) as u16);
    let mut spec = specimen(index, side);
    spec.study.key = format!("{}-{}-twins", case.fault, case.seed);
    spec.key = format!("{}-film", spec.study.key);
    let first = write_dicom(&spec);
    match other {
        Other::Pixels => spec.pathology = vec![Pathology::Cardiomegaly, Pathology::Pneumothorax(Side::Left)],
        Other::Patient => spec.patient.id = "PHC-999999".into(),
        Other::Series => {}
        Other::Description => spec.study.description = "Chest, once more".into(),
    }
    let mut second = write_dicom(&spec);
    if other == Other::Series {
        let uid = spec.series_uid().as_str().as_bytes().to_vec();
        let at = second.windows(uid.len()).position(|window| window == uid).unwrap();
        let last = &mut second[at + uid.len() - 1];
        *last = if *last == b'1' { b'2' } else { b'1' };
    }
    assert_ne!(first, second);
    [("first", first), ("second", second)].map(|(name, bytes)| {
        let path = folder.join(format!("{name}-{}.dcm", case.seed));
        fs::write(&path, bytes).unwrap();
        Film::of(&path)
    })
}

/// Which of two films is the instance, and whether the other is kept beside it, byte for byte.
fn kept_beside<'t>(node: &Node<'_>, [a, b]: &'t [Film; 2]) -> (&'t Film, String) {
    let data = node.home.data();
    let bytes = |blob: &serde_json::Value| {
        let file = fs::read(data.join("blobs").join(blob.as_str().unwrap())).unwrap();
        data_set(&file).to_vec()
    };
    let of = |film: &Film| data_set(&fs::read(&film.path).unwrap()).to_vec();
    let first = rows(&data, &format!("select blob from instance where sop_instance = '{}'", a.sop));
    let beside = rows(&data, &format!("select blob, state from variant where sop_instance = '{}'", a.sop));
    assert_eq!((first.len(), beside.len()), (1, 1), "{first:?} {beside:?}");
    let (kept, other) = if bytes(&first[0]["blob"]) == of(a) { (a, b) } else { (b, a) };
    assert!(bytes(&first[0]["blob"]) == of(kept), "neither of both is kept");
    assert!(bytes(&beside[0]["blob"]) == of(other), "the other one is not kept beside it");
    (kept, beside[0]["state"].as_str().unwrap().to_owned())
}

#[test]
fn t23_two_films_come_under_one_uid() {
    play("T23", "other bytes under a known SOP Instance UID: pixels, patient, series, text; any moment", |case| {
        let other = case.one(&[Other::Pixels, Other::Patient, Other::Series, Other::Description]);
        let when = case.one(&[When::AfterTheResult, When::AtOnce, When::Together, When::AfterARestart]);
        case.tell(format!("other {other:?}, {when:?}"));
        let world = World::new();
        let folder = world.home.dir.path();
        let films = twins(case, folder, other);
        let mut node = world.home.start();
        let neighbour = case.film(folder, 1, 0, View::Pa);
        match when {
            When::Together => {
                let port = node.dicom;
                let pushes = films.clone().map(|film| std::thread::spawn(move || push(port, &film)));
                for push in pushes {
                    assert_eq!(push.join().unwrap().unwrap(), DimseStatus::SUCCESS);
                }
            }
            When::AtOnce => films.iter().for_each(|film| must_push(node.dicom, film)),
            When::AfterTheResult => {
                must_push(node.dicom, &films[0]);
                node.settled(&films[0].study, 1);
                must_push(node.dicom, &films[1]);
            }
            When::AfterARestart => {
                must_push(node.dicom, &films[0]);
                node.kill();
                node = world.home.start();
                must_push(node.dicom, &films[1]);
            }
        }
        must_push(node.dicom, &neighbour);
        until("the second is judged", || {
            let open = rows(&world.home.data(), "select id from variant where state = 'pending'");
            open.is_empty().then_some(())
        });
        let (kept, state) = kept_beside(&node, &films);
        assert!(when == When::Together || kept.path == films[0].path, "the second took the place of the first");
        let quarantined = matches!(other, Other::Pixels | Other::Patient);
        assert_eq!(state, if quarantined { "quarantined" } else { "variant" }, "{other:?}");
        let told = rows(&world.home.data(), "select seq from event where kind = 'quarantined'");
        assert_eq!(told.len(), usize::from(quarantined));
        let mut modality = Modality::with(vec![kept.clone(), neighbour]);
        for film in modality.films.clone() {
            modality.note(&film);
        }
        let end = End::at(&world.pacs);
        case.judge(&node, &modality, &if when == When::AfterARestart { end.or_again() } else { end });
    });
}
