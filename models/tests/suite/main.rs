//! Tests of the crate from outside: films in, images, scores and reasons out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decode;
mod display;
mod engine;
mod films;
mod hostile;
mod import;
mod import_hostile;
mod package;
mod paths;
