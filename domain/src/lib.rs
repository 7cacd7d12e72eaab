//! The pure heart of Centinela: types, state machines, the gate and the builders of result objects.
//!
//! Nothing here reads a file, a socket or the clock, so everything here can be tested by values.
//! Modules in reading order: identifiers ([`uid`], [`ae`], [`status`], [`phi`], [`language`]), what was received
//! ([`header`], [`scan`], [`instance`], [`study`]), who analyses it ([`gate`], [`job`],
//! [`prediction`], [`finding`], [`code`]), what goes back ([`evidence`], [`result`], [`profile`],
//! [`deliver`], [`ability`], [`delivery`], [`commitment`]), and how good a model is ([`merit`], [`plot`]).

pub mod ability;
pub mod ae;
pub mod alert;
pub mod calendar;
pub mod code;
pub mod commitment;
pub mod deliver;
pub mod delivery;
pub mod evidence;
pub mod finding;
pub mod gate;
pub mod header;
pub mod implementation;
pub mod instance;
pub mod job;
pub mod language;
pub mod merit;
pub mod phi;
pub mod plot;
pub mod prediction;
pub mod priority;
pub mod profile;
pub mod query;
pub mod result;
pub mod scan;
pub mod status;
pub mod study;
pub mod text;
pub mod uid;

/// Milliseconds since 1970-01-01T00:00:00Z. The clock is injected by the application.
pub type UnixMs = i64;
