//! The soak: a study each second and a fault every few seconds, for minutes. In the end nothing is lost, nothing is
//! double, nothing is stuck, memory has not grown, and no log says a patient's name.
//!
//! A minute by default, in which each fault happens once; `make soak` has 8 minutes and one every 10 s, or `MINUTES=n`.

mod faults;
mod oracle;
mod slope;
mod traffic;

use crate::harness::clock::MovedClock;
use crate::harness::node::{Home, Peer};
use crate::harness::pacs::Pacs;
use crate::harness::proxy::Proxy;
use crate::harness::until_within;
use faults::{ALL, Fault, Rig};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use slope::Memory;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use traffic::Traffic;

/// Kills come before this and in the last moments: between them lies one life of the process that is long enough
/// to say whether its memory grows.
const SETTLED_AFTER: Duration = Duration::from_secs(120);
const LAST_MOMENTS: Duration = Duration::from_secs(30);

/// A number from the environment.
fn given(name: &str, default: f64) -> f64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn minutes_of_faults_lose_nothing_double_nothing_and_leave_nothing_stuck() {
    let minutes = given("CENTINELA_SOAK_MINUTES", 1.0);
    let every = Duration::from_secs_f64(given("CENTINELA_SOAK_FAULT_EVERY", 4.6));
    let seed = given("CENTINELA_SOAK_SEED", 1.0) as u64;
    let length = Duration::from_secs_f64(minutes * 60.0);
    println!("{minutes} minutes, a study each second, a fault every {} s, seed {seed}", every.as_secs_f64());

    let pacs = Pacs::start().digests_only();
    let proxy = Proxy::start(pacs.port);
    let home = Home::new(&[Peer::pacs(proxy.port, "compat")])
        .set("CENTINELA__STUDY__QUIET_PERIOD", "5")
        .set("CENTINELA__DELIVERY__RESPONSE_TIMEOUT", "5")
        .set("CENTINELA__DELIVERY__ECHO_EVERY", "5");
    let (home, clock) = MovedClock::of(home);
    let traffic = Traffic::new(home.dir.path().join("sent"), length.as_secs() as usize + 10);
    let mut rig = Rig { home: &home, node: None, pacs, proxy, clock, traffic };
    rig.start();
    let memory = Memory::watch(rig.node().pid());

    let begin = Instant::now();
    let mut dice = StdRng::seed_from_u64(seed);
    rig.traffic.run(move || dice.random_range(1..=3));
    let mut deck = Deck { dice: StdRng::seed_from_u64(seed + 1), cards: Vec::new() };
    let mut suffered: BTreeMap<Fault, usize> = BTreeMap::new();
    let mut due = begin + every;
    while due < begin + length {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (now, rest) = (begin.elapsed(), length.saturating_sub(begin.elapsed()));
        let fault = deck.draw(now < SETTLED_AFTER || rest < LAST_MOMENTS);
        let name = format!("{fault:?}");
        if rig.suffer(fault) {
            println!("{:>4} s: {name}, over after {:.1} s", now.as_secs(), (begin.elapsed() - now).as_secs_f64());
            *suffered.entry(fault).or_default() += 1;
        }
        memory.follow(rig.node().pid());
        due += every;
    }
    std::thread::sleep((begin + length).saturating_duration_since(Instant::now()));
    let (sent, pushes) = rig.traffic.end();
    let memory = memory.end();
    let faults: usize = suffered.values().sum();
    println!("{} studies, {pushes} pushes, {faults} faults: {suffered:?}", sent.len());
    assert!(sent.len() >= length.as_secs() as usize, "only {} studies were sent", sent.len());

    let begin = Instant::now();
    until_within(Duration::from_secs(120), "everything comes to rest", || oracle::rests(rig.node()).then_some(()));
    println!("everything rests {:.1} s after the last film", begin.elapsed().as_secs_f64());
    oracle::assert_delivered(rig.node(), &rig.pacs, &sent);
    oracle::print_turnaround(rig.node(), &rig.pacs, &sent);
    slope::assert_flat(&memory, SETTLED_AFTER);
    rig.node.take().expect("the node runs").stop();
    oracle::assert_kept_and_silent(&home, &sent);
}

/// The faults in turn, shuffled anew each time they begin again.
struct Deck {
    dice: StdRng,
    cards: Vec<Fault>,
}

impl Deck {
    fn draw(&mut self, may_kill: bool) -> Fault {
        loop {
            if self.cards.is_empty() {
                self.cards = ALL.to_vec();
                self.cards.shuffle(&mut self.dice);
            }
            match self.cards.pop() {
                Some(Fault::NodeKilled) if !may_kill => {}
                Some(fault) => return fault,
                None => {}
            }
        }
    }
}
