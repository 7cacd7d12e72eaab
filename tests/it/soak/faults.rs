//! The faults of the soak: each begins, lasts a few seconds and is over.

use super::traffic::Traffic;
use crate::harness::clock::MovedClock;
use crate::harness::halting::HaltingPush;
use crate::harness::node::{Home, Node};
use crate::harness::pacs::Pacs;
use crate::harness::proxy::{Fault as Line, Proxy};
use crate::harness::strace::Strace;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// How long a fault of the network or of the PACS lasts.
const LASTS: Duration = Duration::from_secs(4);
/// How far the clock is set forward, and then back again.
const STEP_MS: i64 = 20_000;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    PacsAway,
    PacsSlow,
    AnswersDropped,
    PacsBusy,
    FilmCut,
    NodeKilled,
    NodeStopped,
    ClockStep,
    DiskFull,
    PoisonedFilm,
    SameFilmTwice,
    LateFilm,
}

/// All of them.
pub const ALL: [Fault; 12] = [
    Fault::PacsAway,
    Fault::PacsSlow,
    Fault::AnswersDropped,
    Fault::PacsBusy,
    Fault::FilmCut,
    Fault::NodeKilled,
    Fault::NodeStopped,
    Fault::ClockStep,
    Fault::DiskFull,
    Fault::PoisonedFilm,
    Fault::SameFilmTwice,
    Fault::LateFilm,
];

/// What the faults are done to.
pub struct Rig<'h> {
    pub home: &'h Home,
    pub node: Option<Node<'h>>,
    pub pacs: Pacs,
    /// Between the node and the PACS.
    pub proxy: Proxy,
    pub clock: MovedClock,
    pub traffic: Arc<Traffic>,
}

impl<'h> Rig<'h> {
    /// The running node.
    pub fn node(&self) -> &Node<'h> {
        self.node.as_ref().expect("the node runs")
    }

    /// Starts the node, with films of one size poisoned.
    pub fn start(&mut self) {
        let poisoned = format!("panic:{}", Traffic::poisoned_size());
        self.node = Some(self.home.start_with(&[("CENTINELA_FAILPOINT_FILM", &poisoned)]));
        self.traffic.point_to(self.node().dicom);
    }

    /// Has a fault happen, from its beginning to its end. False if there is nothing yet to which it could happen.
    pub fn suffer(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::PacsAway => {
                self.pacs.leave();
                sleep(LASTS);
                self.pacs.come_back();
            }
            Fault::PacsSlow => self.line(Line::Delay(Duration::from_millis(20))),
            Fault::AnswersDropped => self.line(Line::DropAnswersAfter(1_000)),
            Fault::PacsBusy => {
                self.pacs.answer(0xA700);
                sleep(LASTS);
                self.pacs.answer(0);
            }
            Fault::FilmCut => {
                let (port, film, specs, n) = self.traffic.fresh();
                let cut = HaltingPush::begin(port, &film, 100_000).is_ok();
                self.traffic.send(n, specs, false);
                return cut;
            }
            Fault::NodeKilled => {
                self.traffic.point_to(0);
                self.node.take().expect("the node runs").kill();
                self.start();
            }
            Fault::NodeStopped => {
                self.node().signal("STOP");
                sleep(Duration::from_secs(2));
                self.node().signal("CONT");
            }
            Fault::ClockStep => {
                self.clock.step(STEP_MS);
                sleep(Duration::from_secs(3));
                self.clock.step(-STEP_MS);
            }
            Fault::DiskFull => {
                let log = self.home.data().join("centinela.db-wal");
                let strace = Strace::inject(self.node().pid(), "pwrite64,write:error=ENOSPC", &log);
                sleep(Duration::from_secs(2));
                assert!(strace.detach().contains("(INJECTED)"), "the disk was never full");
            }
            Fault::PoisonedFilm => self.traffic.study(1, true),
            Fault::SameFilmTwice => return self.traffic.same_film(),
            Fault::LateFilm => return self.traffic.late_film(Duration::from_secs(10)),
        }
        true
    }

    /// Spoils the line to the PACS for a while: the open association ends, new ones suffer.
    fn line(&self, fault: Line) {
        self.proxy.set(fault);
        self.proxy.cut();
        sleep(LASTS);
        self.proxy.set(Line::None);
        self.proxy.cut();
    }
}
