//! Centinela: a chest X-ray AI node that stands beside the PACS.
//!
//! Modules in the order of the data: [`config`] and [`app`] put everything together, [`ingest`]
//! receives, [`analyze`] reads, [`delivery`] sends, [`api`] shows. The three in the middle never
//! import each other: they meet only in rows ([`store`]) and bytes ([`blob`]).

pub mod alert;
pub mod analyze;
pub mod api;
pub mod app;
pub mod blob;
pub mod calling;
pub mod cli;
pub mod clock;
pub mod commitment;
pub mod config;
pub mod credentials;
pub mod delivery;
pub mod dicomweb;
pub mod evaluate;
pub mod failpoint;
pub mod ingest;
pub mod loaded;
pub mod outgoing;
pub mod probing;
pub mod proof;
pub mod proven;
pub mod queue;
pub mod retention;
pub mod store;
pub mod telemetry;
pub mod timers;
pub mod turns;
pub mod verdict;
pub mod wall;
pub mod withdrawal;
