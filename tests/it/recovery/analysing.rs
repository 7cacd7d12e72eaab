//! Faults in the analysis: T04 death between a study's end and its report, T05 at every step of a job, T07 a film on
//! which it panics, T09 one on which it hangs or comes too late, and a process that stands still.

use super::oracle::rows;
use super::scene::{Case, End, Modality, World, play};
use crate::harness::films::Film;
use crate::harness::node::Node;
use crate::harness::until;
use centinela_models::image::CxrImage;
use centinela_phantom::View;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn t04_dies_between_the_end_of_a_study_and_its_report() {
    play("T04", "death between the end of a study and its report: at the commit, or at any moment around it", |case| {
        let world = World::new();
        let mut modality = Modality::with(case.studies(world.home.dir.path()));
        let node = if case.pick(0, 1) == 0 {
            // Studies that end together are closed together: there is one commit for sure.
            case.tell("close.committed");
            let node = world.home.start_with(&[("CENTINELA_FAILPOINT", "close.committed")]);
            modality.try_all(node.dicom);
            died(node, "close.committed");
            world.home.start()
        } else {
            let node = world.home.start();
            modality.finish(node.dicom);
            let moment = case.pick(200, 1_200);
            case.tell(format!("kill -9 after {moment} ms"));
            std::thread::sleep(Duration::from_millis(moment));
            node.kill();
            world.home.start()
        };
        modality.finish(node.dicom);
        case.judge(&node, &modality, &End::at(&world.pacs).or_again());
    });
}

/// The failpoint stopped the process.
fn died(node: Node<'_>, failpoint: &str) {
    let home = node.home;
    let status = node.wait();
    assert!(!status.success(), "{failpoint}: the node ended with {status}");
    assert!(home.logs().contains("failpoint fired name="), "{failpoint} did not fire");
}

/// The failpoints of a job, and whether the job is still running when the process dies there.
const STEPS: [(&str, bool); 8] = [
    ("job.claimed", true),
    ("predict.done", true),
    ("predict.committed", false),
    ("report.built", true),
    ("report.blob_durable", true),
    ("report.rows_written", true),
    ("report.committed", false),
    ("*", false),
];

#[test]
fn t05_dies_in_every_step_of_a_job() {
    play("T05", "death in every step of a job, at any of its films; the same UIDs, one interruption counted", |case| {
        let world = World::new();
        let mut modality = Modality::with(case.studies(world.home.dir.path()));
        let (films, studies) = (
            modality.films.len() as u64,
            modality.films.iter().map(|f| &f.study).collect::<BTreeSet<_>>().len() as u64,
        );
        let (name, running) = STEPS[(case.seed as usize - 1) % STEPS.len()];
        // Lateral films have no job: at least one film of each study has.
        let most = match name {
            "*" => 6 * films,
            _ => studies,
        };
        let failpoint = format!("{name}:{}", case.pick(1, most));
        case.tell(&failpoint);
        let node = world.home.start_with(&[("CENTINELA_FAILPOINT", &failpoint)]);
        modality.try_all(node.dicom);
        died(node, &failpoint);
        let node = world.home.start();
        modality.finish(node.dicom);
        case.judge(&node, &modality, &End::at(&world.pacs).or_again());
        let sql = "select attempts, interruptions from job where attempts > 0 or interruptions > 0";
        let marked = rows(&world.home.data(), sql);
        let interrupted: i64 = marked.iter().map(|row| row["interruptions"].as_i64().unwrap()).sum();
        assert!(marked.iter().all(|row| row["attempts"] == 0), "an interruption is no attempt: {marked:?}");
        // Other workers have jobs of their own at that moment.
        assert!(!running || interrupted >= 1, "{failpoint}: no interruption was counted");
    });
}

/// Study and film that are poisoned, and the long side of a DX film: no other film of the suite has its size.
pub const POISON: (u64, u64) = (90, 0);
pub const POISON_SIDE: u16 = 191;

/// What the failpoint calls a film.
pub fn size(film: &Film) -> String {
    let image = CxrImage::decode(&fs::read(&film.path).unwrap()).unwrap();
    format!("{}x{}", image.width, image.height)
}

/// Films of a case of which one is poisoned, alone in its study or beside a good one; and what the failpoint calls it.
fn poisoned(case: &mut Case<'_>, folder: &Path) -> (Vec<Film>, Film, String) {
    let mut films = Vec::new();
    for study in 0..case.pick(1, 2) {
        films.push(case.film(folder, study, 0, View::Pa));
    }
    let poison = case.film_of(folder, POISON, View::Pa, POISON_SIDE);
    if case.pick(0, 1) == 1 {
        case.tell("beside a good film");
        films.push(case.film(folder, POISON.0, 1, View::Ap));
    }
    films.push(poison.clone());
    case.shuffle(&mut films);
    let size = size(&poison);
    (films, poison, size)
}

/// All but the poisoned study have their results within the time that they need without it.
fn others_settle(node: &Node<'_>, films: &[Film], poison: &Film, patience: Duration) {
    let begin = Instant::now();
    for film in films.iter().filter(|f| f.study != poison.study) {
        until(&format!("study {} is analysed", film.study), || {
            (node.study(&film.study)?["study"]["state"] == "analyzed").then_some(())
        });
    }
    assert!(begin.elapsed() < patience, "the others waited for {:?}", begin.elapsed());
}

/// The poisoned film is named as the cause, and the rest of its study is as it would be without it.
fn assert_given_up(node: &Node<'_>, films: &[Film], poison: &Film) {
    let study = node.study(&poison.study).unwrap();
    let alone = films.iter().filter(|f| f.study == poison.study).count() == 1;
    assert_eq!(study["study"]["state"], if alone { "failed" } else { "analyzed" }, "{study:#}");
    let listed = study["instances"].as_array().unwrap();
    let row = listed.iter().find(|row| row["sop_instance"] == poison.sop.as_str()).unwrap();
    assert_eq!(row["reason"]["code"], "processing", "{study:#}");
}

#[test]
fn t07_a_film_on_which_the_analysis_panics() {
    play("T07", "a film on which the analysis panics, alone in its study or beside good ones", |case| {
        let world = World::new();
        let (films, poison, size) = poisoned(case, world.home.dir.path());
        let mut modality = Modality::with(films);
        let node = world.home.start_with(&[("CENTINELA_FAILPOINT_FILM", &format!("panic:{size}"))]);
        modality.finish(node.dicom);
        others_settle(&node, &modality.films, &poison, Duration::from_secs(20));
        let mut end = End::at(&world.pacs);
        end.poisoned.insert(poison.study.clone());
        case.judge(&node, &modality, &end);
        assert_given_up(&node, &modality.films, &poison);
    });
}

#[test]
fn t09_the_analysis_hangs_comes_late_or_stands_still() {
    play("T09", "a film that never ends, one that ends too late, and a process that stands still (SIGSTOP)", |case| {
        let kind = case.one(&["hang", "late", "stop"]);
        let limit = if kind == "stop" { "30" } else { "2" };
        let world = World::new().set("CENTINELA__ANALYZE__FILM_LIMIT", limit).set("CENTINELA__ANALYZE__LEASE", "5");
        let (films, poison, size) = poisoned(case, world.home.dir.path());
        let mut modality = Modality::with(films);
        let mut end = End::at(&world.pacs).or_again();
        case.tell(kind);
        match kind {
            "stop" => {
                // Longer than the lease: when it goes on, others take its jobs, and what it has itself is stale.
                let node = world.home.start_with(&[("CENTINELA_FAILPOINT_FILM", &format!("late:{size}:1200"))]);
                modality.finish(node.dicom);
                std::thread::sleep(Duration::from_millis(case.pick(0, 1_500)));
                node.signal("STOP");
                std::thread::sleep(Duration::from_millis(case.pick(5_200, 7_000)));
                node.signal("CONT");
                case.judge(&node, &modality, &end);
            }
            kind => {
                // A late one gives its result after it was given up: nobody may take it.
                let harm = if kind == "hang" { format!("hang:{size}") } else { format!("late:{size}:3500") };
                let node = world.home.start_with(&[("CENTINELA_FAILPOINT_FILM", &harm)]);
                modality.finish(node.dicom);
                others_settle(&node, &modality.films, &poison, Duration::from_secs(20));
                end.poisoned.insert(poison.study.clone());
                case.judge(&node, &modality, &end);
                assert_given_up(&node, &modality.films, &poison);
                std::thread::sleep(Duration::from_secs(2));
                let sql = format!("select sop_instance from prediction where sop_instance = '{}'", poison.sop);
                assert!(rows(&world.home.data(), &sql).is_empty(), "a late result was taken");
            }
        }
    });
}
