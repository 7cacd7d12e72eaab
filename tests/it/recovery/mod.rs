//! Single faults with an oracle, as `make test-faults` runs them with many seeds and `make test` with few: the node
//! dies, hangs, is lied to or set back at a place that the seed chooses; then everything must be as if nothing had been.
//! docs/reliability.md says what is done and what came of it.

mod analysing;
mod before;
mod committing;
mod delivering;
mod history;
mod oracle;
mod receiving;
mod scene;
mod spoiled;
