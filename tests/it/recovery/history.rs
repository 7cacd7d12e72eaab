//! Faults of time: T24 films that come late or again, T27 a clock that jumps, T30 a stop while work is under way.

use super::analysing::{POISON, POISON_SIDE, size};
use super::oracle::rows;
use super::scene::{Case, End, Modality, World, play};
use crate::harness::films::Film;
use crate::harness::halting::HaltingPush;
use crate::harness::kept::unfinished;
use crate::harness::modality::must_push;
use crate::harness::node::{Home, Node};
use crate::harness::objects::Object;
use crate::harness::pacs::Pacs;
use crate::harness::proxy::Fault;
use crate::harness::until;
use centinela::clock::Clock;
use centinela_phantom::View;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What comes late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    Frontal,
    Lateral,
    TheSame,
    TwoFrontal,
}

/// When it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    WhileAnalyzed,
    WhileDelivered,
    AfterTheResult,
}

/// Each report at the PACS names the one before it.
fn assert_chain(home: &Home, pacs: &Pacs, study: &str) {
    let sql = format!("select sop_instance from result where study_uid = '{study}' and kind = 'sr' order by revision");
    let reports: Vec<String> =
        rows(&home.data(), &sql).iter().map(|row| row["sop_instance"].as_str().unwrap().to_owned()).collect();
    let shelf = pacs.shelf();
    for pair in reports.windows(2) {
        assert_eq!(Object::read(&shelf[&pair[1]][0].1).predecessors, [pair[0].clone()]);
    }
}

#[test]
fn t24_films_come_late_or_again() {
    play(
        "T24",
        "a film, a lateral film or the same film after its study's end, while it is analysed or delivered",
        |case| {
            let late = case.one(&[Late::Frontal, Late::Lateral, Late::TheSame, Late::TwoFrontal]);
            let moment = case.one(&[Moment::WhileAnalyzed, Moment::WhileDelivered, Moment::AfterTheResult]);
            let kill = case.pick(0, 3) == 0;
            case.tell(format!("{late:?} {moment:?}{}", if kill { ", then kill -9" } else { "" }));
            let world = World::new();
            let folder = world.home.dir.path();
            let first = case.film(folder, 0, 0, View::Pa);
            let mut modality = Modality::with(vec![first.clone()]);
            if case.pick(0, 1) == 1 {
                modality.films.push(case.film(folder, 1, 0, View::Pa));
            }
            let mut node = world.home.start();
            if moment == Moment::WhileDelivered {
                world.line.set(Fault::HoldAfter(case.pick(0, 20_000)));
            }
            modality.finish(node.dicom);
            let state = |node: &Node<'_>| node.study(&first.study).unwrap()["study"]["state"].clone();
            match moment {
                Moment::WhileAnalyzed => std::thread::sleep(Duration::from_millis(case.pick(0, 800))),
                Moment::WhileDelivered => until("it is analysed", || (state(&node) == "analyzed").then_some(())),
                Moment::AfterTheResult => drop(node.settled(&first.study, 1)),
            }
            let sent = world.pacs.shelf();
            match late {
                Late::TheSame => must_push(node.dicom, &first),
                Late::Frontal => modality.films.push(case.film(folder, 0, 1, View::Ap)),
                Late::Lateral => modality.films.push(case.film(folder, 0, 1, View::Lateral)),
                Late::TwoFrontal => {
                    modality.films.push(case.film(folder, 0, 1, View::Ap));
                    modality.finish(node.dicom);
                    std::thread::sleep(Duration::from_millis(case.pick(0, 1_500)));
                    modality.films.push(case.film(folder, 0, 2, View::Pa));
                }
            }
            modality.finish(node.dicom);
            if kill {
                std::thread::sleep(Duration::from_millis(case.pick(0, 1_000)));
                node.kill();
                node = world.home.start();
            }
            world.line.set(Fault::None);
            let end = End::at(&world.pacs);
            let again = kill || moment == Moment::WhileDelivered;
            case.judge(&node, &modality, &if again { end.or_again() } else { end });
            assert_chain(&world.home, &world.pacs, &first.study);
            let shelf = world.pacs.shelf();
            assert!(sent.iter().all(|(uid, copies)| shelf[uid][0] == copies[0]), "what was sent was altered");
            if moment == Moment::AfterTheResult && matches!(late, Late::TheSame | Late::Lateral) {
                assert!(sent.keys().all(|uid| shelf[uid].len() == 1), "something was sent again");
                assert_eq!(node.study(&first.study).unwrap()["study"]["revision"], 1, "{late:?} is no revision");
            }
        },
    );
}

/// The library that fakes a process's clock.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    folders
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
        .expect("faketime is missing; install it: apt-get install -y faketime (or run `make test` as root)")
}

/// A clock that can be set while the node runs: seconds ahead of the machine's.
struct Wall(PathBuf);

impl Wall {
    fn set(&self, seconds: f64) {
        let fresh = self.0.with_extension("fresh");
        fs::write(&fresh, format!("{seconds:+.3}\n")).unwrap();
        fs::rename(fresh, &self.0).unwrap();
    }

    fn start<'h>(&self, home: &'h Home, zone: &str) -> Node<'h> {
        home.start_with(&[
            ("LD_PRELOAD", faketime().to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", self.0.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("TZ", zone),
        ])
    }
}

/// What happens to the clock.
#[derive(Debug, Clone, Copy)]
enum Jump {
    Hours(i64),
    Step(i64),
    /// Runs over a change of summer time, given as a moment.
    Summer(u64),
}

const HOUR: i64 = 3_600;
const YEAR: i64 = 365 * 24;

/// Seconds from now to two seconds before a moment.
fn before(moment: u64) -> f64 {
    moment as f64 - 2.0 - Clock::System.now() as f64 / 1_000.0
}

#[test]
fn t27_the_clock_jumps() {
    play("T27", "the clock jumps by two hours or a year, back or forth, by a step of NTP, over summer time", |case| {
        let jumps = [
            Jump::Hours(-2),
            Jump::Hours(2),
            Jump::Hours(-YEAR),
            Jump::Hours(YEAR),
            Jump::Step(case.pick(300, 3_000) as i64),
            Jump::Step(-(case.pick(300, 3_000) as i64)),
            // The last Sundays of March and October 2026, 01:00 UTC.
            Jump::Summer(1_774_746_000),
            Jump::Summer(1_792_890_000),
        ];
        let jump = jumps[(case.seed as usize - 1) % jumps.len()];
        let moment =
            case.one(&["before a film", "between films", "after the films", "while stopped", "without a PACS"]);
        case.tell(format!("{jump:?} {moment}"));
        let world = World::new();
        let wall = Wall(world.home.dir.path().join("wall"));
        let (now, later, zone) = match jump {
            Jump::Hours(hours) => (0.0, (hours * HOUR) as f64, "UTC"),
            Jump::Step(ms) => (0.0, ms as f64 / 1_000.0, "UTC"),
            Jump::Summer(at) => (before(at), before(at), "Europe/Berlin"),
        };
        wall.set(now);
        let films = case.studies(world.home.dir.path());
        let mut modality = Modality::with(films);
        let mut node = wall.start(&world.home, zone);
        let jump = || {
            if now != later {
                wall.set(later)
            }
        };
        match moment {
            "before a film" => jump(),
            "between films" => {
                let first = modality.films[0].clone();
                must_push(node.dicom, &first);
                modality.note(&first);
                std::thread::sleep(Duration::from_millis(case.pick(0, 900)));
                jump();
            }
            "while stopped" => {
                modality.finish(node.dicom);
                std::thread::sleep(Duration::from_millis(case.pick(0, 900)));
                node.kill();
                jump();
                node = wall.start(&world.home, zone);
            }
            "without a PACS" => {
                world.line.set(Fault::CutAfter(0));
                modality.finish(node.dicom);
                until("the outage is noticed", || {
                    let sql = "select name from destination where down_since is not null";
                    (!rows(&world.home.data(), sql).is_empty()).then_some(())
                });
                std::thread::sleep(Duration::from_millis(case.pick(0, 2_000)));
                jump();
                world.line.set(Fault::None);
            }
            _ => {
                modality.finish(node.dicom);
                std::thread::sleep(Duration::from_millis(case.pick(0, 900)));
                jump();
            }
        }
        modality.finish(node.dicom);
        case.judge(&node, &modality, &End::at(&world.pacs).or_again());
    });
}

/// A stop takes so long at most.
const DRAIN: Duration = Duration::from_secs(30);

/// What is under way when the stop comes.
fn under_way(case: &mut Case<'_>, world: &World) -> (Modality, Film) {
    let folder = world.home.dir.path();
    let mut films = Vec::new();
    for study in 0..case.pick(3, 5) {
        films.push(case.film(folder, study, 0, View::Pa));
    }
    (Modality::with(films), case.film(folder, 9, 0, View::Pa))
}

#[test]
fn t30_a_stop_while_work_is_under_way() {
    play("T30", "SIGTERM while films arrive, are analysed (one never ends) and delivered; at most 30 s", |case| {
        let world = World::new();
        let (mut modality, halted) = under_way(case, &world);
        let hang = case.pick(0, 3) == 0;
        let mut harm = String::new();
        if hang {
            let poison = case.film_of(world.home.dir.path(), POISON, View::Pa, POISON_SIDE);
            harm = format!("hang:{}", size(&poison));
            modality.films.push(poison);
        }
        let harm = [("CENTINELA_FAILPOINT_FILM", harm.as_str())];
        let node = world.home.start_with(if hang { &harm } else { &[] });
        world.line.set(Fault::Delay(Duration::from_millis(case.pick(0, 60))));
        modality.finish(node.dicom);
        let bytes = case.pick(0, 30_000) as usize;
        let mut push = HaltingPush::begin(node.dicom, &halted, bytes).unwrap();
        let moment = case.pick(0, 2_500);
        let goes_on = case.pick(0, 1) == 1;
        case.tell(format!("SIGTERM after {moment} ms, hang {hang}, the open film goes on {goes_on}"));
        std::thread::sleep(Duration::from_millis(moment));
        let begin = Instant::now();
        node.signal("TERM");
        let open = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            // A film that is half there may end; one that stands still is not waited for.
            if goes_on {
                push.finish().ok()
            } else {
                std::thread::sleep(DRAIN);
                None
            }
        });
        let status = node.wait();
        let took = begin.elapsed();
        assert!(status.success(), "the node ended with {status}");
        assert!(took <= DRAIN, "the stop took {took:?}");
        assert_eq!(unfinished(&world.home), Vec::<String>::new());
        println!("T30, seed {}: stopped after {:.1} s", case.seed, took.as_secs_f64());
        if goes_on {
            let answer = open.join().unwrap();
            assert_eq!(answer, Some(0), "an open film is taken to its end");
            modality.films.push(halted.clone());
            modality.note(&halted);
        } else {
            modality.films.push(halted);
        }
        world.line.set(Fault::None);
        let node = world.home.start();
        modality.finish(node.dicom);
        case.judge(&node, &modality, &End::at(&world.pacs).or_again());
    });
}
