//! Failpoints: named places between two durable steps where a test can stop the process dead.
//!
//! Only with the cargo feature `failpoints`; a release build contains none. The environment variable
//! `CENTINELA_FAILPOINT` holds `NAME` (stop at its first hit), `NAME:N` (at its Nth) or `*:N` (at the
//! Nth hit of any: the global counter).

#[cfg(feature = "failpoints")]
pub mod film;

/// Every failpoint, in the order in which a study passes them.
pub const ALL: &[&str] = &[
    "ingest.admitted",
    "ingest.spooled",
    "ingest.blob_durable",
    "ingest.row_written",
    "ingest.committed",
    "ingest.answering",
    "close.committed",
    "job.claimed",
    "predict.done",
    "predict.committed",
    "report.built",
    "report.blob_durable",
    "report.rows_written",
    "report.committed",
    "delivery.claimed",
    "delivery.sent",
    "delivery.recorded",
];

/// The failpoints that a request for storage commitment passes, in order.
pub const COMMITMENT: &[&str] = &["commitment.recorded", "commitment.checked", "commitment.told"];

/// The failpoints of our own requests for commitment, in order.
pub const PROOF: &[&str] = &["proof.begun", "proof.asked", "proof.reported"];

/// The failpoints of a report that goes in an older class, in order.
pub const DOWNGRADE: &[&str] = &["downgrade.blob_durable", "downgrade.committed"];

/// The failpoints of retention, in order.
pub const RETENTION: &[&str] = &["retention.marked", "retention.removed"];

/// Stops the process here if the environment says so; nothing in a build without the feature.
#[inline]
pub fn hit(name: &'static str) {
    debug_assert!(
        [ALL, COMMITMENT, PROOF, DOWNGRADE, RETENTION].concat().contains(&name),
        "failpoint {name} is missing in its list"
    );
    #[cfg(feature = "failpoints")]
    armed::hit(name);
}

#[cfg(feature = "failpoints")]
mod armed {
    //! The counters behind the feature.

    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex};

    struct Plan {
        name: String,
        nth: u64,
    }

    static PLAN: LazyLock<Option<Plan>> = LazyLock::new(|| {
        let text = std::env::var("CENTINELA_FAILPOINT").ok()?;
        let (name, nth) = text.split_once(':').unwrap_or((&text, "1"));
        Some(Plan { name: name.to_owned(), nth: nth.parse().ok()? })
    });

    static HITS: LazyLock<Mutex<HashMap<&'static str, u64>>> = LazyLock::new(Mutex::default);

    pub fn hit(name: &'static str) {
        let Some(plan) = PLAN.as_ref() else { return };
        let key = if plan.name == "*" { "*" } else { name };
        if plan.name != key {
            return;
        }
        let count = match HITS.lock() {
            Ok(mut hits) => {
                let count = hits.entry(key).or_insert(0);
                *count += 1;
                *count
            }
            Err(_) => return,
        };
        if count == plan.nth {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "failpoint fired name={name}");
            std::process::abort();
        }
    }
}
