//! What the tests share: the node under test, its API, a PACS, films and foreign tools.

pub mod api;
pub mod clock;
pub mod dcmtk;
pub mod disk;
pub mod films;
pub mod halting;
pub mod kept;
pub mod memory;
pub mod modality;
pub mod node;
pub mod objects;
pub mod pacs;
pub mod peer;
pub mod proxy;
pub mod running;
pub mod strace;
pub mod tls;
pub mod tools;
pub mod web;

use std::time::{Duration, Instant};

/// Asks again until the answer is there; fails with `what` after a minute.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    until_within(Duration::from_secs(60), what, &mut ask)
}

/// As [`until`], with another patience.
pub fn until_within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < patience, "{what} did not happen within {} s", patience.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}
