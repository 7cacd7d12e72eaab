//! 200 mutated films of every transfer syntax through the engine: each gets a reason, none a finding,
//! none harms the process. A binary of its own, because its memory is measured.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the test prints what it measured")]

#[path = "../suite/films.rs"]
#[expect(dead_code, reason = "the other binary uses the rest")]
mod films;
mod mutate;

use centinela_domain::gate::SkipReason;
use centinela_models::engine::{Engine, Limits};
use centinela_models::image::CxrImage;
use centinela_models::model::Densenet;
use centinela_models::package::Package;
use mutate::{BASES, KINDS, Random, mutated};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Films to make.
const FILMS: usize = 200;
/// What the process may take beyond the model and the largest base film.
const MOST_GROWTH: u64 = 16 << 20;
/// No mutation is worth more work.
const MOST_TIME: Duration = Duration::from_secs(10);

/// Peak resident memory of this process in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn mutated_films_get_a_reason_and_no_finding() {
    let package = Package::load(&films::data().join("tiny")).unwrap();
    let engine = Engine::start(Box::new(Densenet::from_package(&package).unwrap()), Limits::default());
    for base in BASES {
        let good = CxrImage::decode(&base.bytes());
        assert!(good.is_ok(), "{} must be whole before it is mutated: {:?}", base.name, good.err());
        assert!(engine.analyze_blocking(base.bytes()).is_ok(), "{}", base.name);
    }
    let before = peak();
    let mut random = Random(20_261_124);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut made = 0;
    // Round and round, so that every base meets every kind that fits it.
    for round in 0.. {
        if made == FILMS {
            break;
        }
        let (base, kind) = (&BASES[round % BASES.len()], KINDS[(round / BASES.len()) % KINDS.len()]);
        let Some(film) = mutated(base, kind, &mut random) else { continue };
        made += 1;
        *kinds.entry(format!("{kind:?}")).or_default() += 1;
        let begin = Instant::now();
        let error = match engine.analyze_blocking(film) {
            Ok(analyzed) => {
                panic!("{} {kind:?} (film {made}) was analysed: {:?}", base.name, analyzed.prediction.scores)
            }
            Err(error) => error,
        };
        let reason = error.reason();
        assert_ne!(reason, SkipReason::Processing, "{} {kind:?}: {error}", base.name);
        assert!(begin.elapsed() < MOST_TIME, "{} {kind:?} took {:?}", base.name, begin.elapsed());
        *reasons.entry(reason.code()).or_default() += 1;
    }
    let growth = peak() - before;
    println!("{made} mutated films: {kinds:?}");
    println!("reasons: {reasons:?}; peak memory {} MiB, {} KiB above whole films", peak() >> 20, growth >> 10);
    assert!(growth <= MOST_GROWTH, "{} MiB more than whole films take", growth >> 20);
    assert!(["decode", "pixels", "too_large", "transfer_syntax", "truncated"].iter().all(|r| reasons.contains_key(r)));
    assert_eq!(kinds.len(), KINDS.len(), "{kinds:?}");
    // The engine works as before.
    assert_eq!(engine.given_up(), 0);
    assert!(engine.analyze_blocking(films::film("jpegls_12")).is_ok());
}
