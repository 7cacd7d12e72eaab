//! The acceptor and the requestor over real sockets on 127.0.0.1 (PS3.7, PS3.8): one test binary.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accept;
mod admission;
mod commitment;
mod hostile;
mod limits;
mod node;
mod peer;
mod probe;
mod requestor;
mod stop;
mod storage;
mod tls;
