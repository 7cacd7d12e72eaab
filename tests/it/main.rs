//! The one integration test binary: it spawns the real `centinela` on free loopback ports and speaks
//! real DICOM and HTTP with it. Interoperability tests need DCMTK and Orthanc; `make test` installs
//! them, and a missing tool is a failure that says how.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "tests print the figures that they measure")]

mod harness;

mod alerts;
mod auto_deliver;
mod away;
mod bad_input;
mod command_line;
mod commitment;
mod conformance;
mod doctor;
mod downgrade;
mod duplicates;
mod evaluate;
mod faults;
mod hostile;
mod identity;
mod judge;
mod kill;
mod kill_receive;
mod operations;
mod orthanc;
mod outage;
mod outbox;
mod pairwise;
mod phantoms;
mod poisoned;
mod privacy;
mod pynetdicom;
mod quarantine;
mod retention;
mod revisions;
mod skipped;
mod soak;
mod status;
mod store_contract;
mod tidy;
mod tls;
mod urgency;
mod ways;
mod withdrawal;
