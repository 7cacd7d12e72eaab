//! `/metrics` in the Prometheus text format 0.0.4: counts of rows and of this process.
//!
//! Labels are words of closed sets and names from the configuration: no UID, no PHI.

use crate::app::App;
use crate::store::{alerts, deliveries, events, instances, jobs, studies};
use anyhow::Result;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use centinela_domain::delivery::DeliveryState;
use centinela_domain::job::JobState;
use centinela_domain::study::StudyState;
use centinela_scp::RefusalCause;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The media type of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All words of [`StudyState`].
pub const STUDY_STATES: &[&str] = &[
    StudyState::Receiving.as_str(),
    StudyState::Complete.as_str(),
    StudyState::Analyzed.as_str(),
    StudyState::Skipped.as_str(),
    StudyState::Failed.as_str(),
];

/// All words of [`JobState`].
pub const JOB_STATES: &[&str] =
    &[JobState::Queued.as_str(), JobState::Running.as_str(), JobState::Done.as_str(), JobState::Dead.as_str()];

/// All words of [`DeliveryState`].
pub const DELIVERY_STATES: &[&str] = &[
    DeliveryState::Scheduled.as_str(),
    DeliveryState::Sending.as_str(),
    DeliveryState::Accepted.as_str(),
    DeliveryState::Committed.as_str(),
    DeliveryState::Refused.as_str(),
    DeliveryState::Parked.as_str(),
];

/// `GET /metrics`
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut page = Page::default();
    page.family("centinela_build_info", "gauge", "Version of the program.");
    page.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    process(&mut page, &app);
    let mut rows = Page::default();
    let up = match database(&mut rows, &app).await {
        Ok(()) => 1,
        Err(error) => {
            // What the process knows of itself is worth most when the database is away.
            tracing::warn!("metrics of the database are left out: {error:#}");
            rows = Page::default();
            0
        }
    };
    page.family("centinela_database_up", "gauge", "Whether the database answered this call.");
    page.sample(&[], up);
    ([(CONTENT_TYPE, MEDIA_TYPE)], page.text + &rows.text).into_response()
}

fn process(page: &mut Page, app: &App) {
    let counters = &app.counters;
    let read = |counter: &AtomicU64| i64::try_from(counter.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
    page.family("centinela_associations_total", "counter", "DICOM associations since the process started.");
    page.sample(&[("outcome", "accepted")], read(&counters.associations_accepted));
    page.sample(&[("outcome", "rejected")], read(&counters.associations_rejected));
    page.sample(&[("outcome", "aborted")], read(&counters.associations_aborted));
    page.family("centinela_refused_calls_total", "counter", "Calls that were not let in, or not with all classes.");
    for (cause, counter) in RefusalCause::ALL.iter().zip(&counters.calls_refused) {
        page.sample(&[("reason", cause.group())], read(counter));
    }
    page.family("centinela_store_requests_total", "counter", "C-STORE requests since the process started.");
    page.sample(&[("outcome", "stored")], read(&counters.instances_stored));
    page.sample(&[("outcome", "refused")], read(&counters.instances_refused));
    page.family("centinela_stored_bytes_total", "counter", "Bytes of instances stored since the process started.");
    page.sample(&[], read(&counters.bytes_stored));
    if let Ok(free) = app.blobs.free_bytes() {
        page.family("centinela_free_bytes", "gauge", "Free bytes where instances and results are kept.");
        page.sample(&[], i64::try_from(free).unwrap_or(i64::MAX));
    }
    let least = i64::try_from(app.config.settings.storage.min_free).unwrap_or(i64::MAX);
    page.family("centinela_min_free_bytes", "gauge", "Below this many free bytes C-STORE is refused.");
    page.sample(&[], least);
    page.family("centinela_low_free_bytes", "gauge", "Below this many free bytes associations are refused; 0: never.");
    page.sample(&[], i64::try_from(app.config.settings.storage.low_free).unwrap_or(i64::MAX));
    page.family("centinela_model_loaded", "gauge", "Whether this process has a model.");
    page.sample(&[], i64::from(app.model.get().is_some()));
    let help = "Films whose analysis took longer than [analyze] film_limit and was given up.";
    page.family("centinela_films_given_up_total", "counter", help);
    let given_up = app.model.get().map_or(0, |model| model.engine.given_up());
    page.sample(&[], i64::try_from(given_up).unwrap_or(i64::MAX));
}

async fn database(page: &mut Page, app: &App) -> Result<()> {
    let mut tx = app.db.read().await?;
    page.family("centinela_studies", "gauge", "Studies in each state.");
    page.states(&[], STUDY_STATES, studies::count_by_state(&mut tx).await?);
    page.family("centinela_instances", "gauge", "Instances received.");
    page.sample(&[], instances::count(&mut tx).await?);
    page.family("centinela_jobs", "gauge", "Jobs in each state.");
    page.states(&[], JOB_STATES, jobs::count_by_state(&mut tx).await?);
    let now = app.clock.now();
    let waits = jobs::oldest_waiting(&mut tx, now).await?.map_or(0, |since| (now - since).max(0) / 1_000);
    page.family(
        "centinela_oldest_queued_job_seconds",
        "gauge",
        "How long the oldest job waits that is due; 0 if none.",
    );
    page.sample(&[], waits);

    // Every configured destination has its lines from the start, so that an alert can be written.
    let configured = app.config.peers.destinations().map(|peer| peer.name.clone());
    let mut counts: BTreeMap<String, Vec<(String, i64)>> = configured.map(|name| (name, Vec::new())).collect();
    for (destination, state, n) in deliveries::count_by_state(&mut tx).await? {
        counts.entry(destination).or_default().push((state, n));
    }
    let mut oldest: BTreeMap<String, i64> = deliveries::oldest_waiting(&mut tx).await?.into_iter().collect();
    page.family("centinela_deliveries", "gauge", "Deliveries in each state, by destination.");
    let mut ages = Vec::new();
    for (destination, states) in counts {
        page.states(&[("destination", &destination)], DELIVERY_STATES, states);
        let age = oldest.remove(&destination).map_or(0, |at| (app.clock.now() - at).max(0) / 1_000);
        ages.push((destination, age));
    }
    let help = "Age of the oldest delivery that a destination does not have yet; 0 if it has all.";
    page.family("centinela_oldest_undelivered_seconds", "gauge", help);
    for (destination, age) in ages {
        page.sample(&[("destination", &destination)], age);
    }

    let queues = alerts::queues(&mut tx, now).await?;
    let help = "Results that a destination answered success for and will not commit to keep.";
    page.family("centinela_unpromised_deliveries", "gauge", help);
    for peer in app.config.peers.destinations() {
        let count = queues.iter().find(|queue| queue.destination == peer.name).map_or(0, |queue| queue.unpromised);
        page.sample(&[("destination", &peer.name)], count);
    }

    // The feed is append-only, so its counts are counters that outlive the process.
    page.family("centinela_events_total", "counter", "Events of each kind since the node was installed.");
    for (kind, n) in events::count_by_kind(&mut tx).await? {
        page.sample(&[("kind", &kind)], n);
    }
    Ok(())
}

/// A page of the text format, family after family.
#[derive(Debug, Default)]
struct Page {
    text: String,
    name: &'static str,
}

impl Page {
    /// Begins a family; the samples that follow belong to it.
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: i64) {
        self.text.push_str(self.name);
        for (n, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{}{label}=\"{text}\"", if n == 0 { "{" } else { "," });
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }

    /// One sample for each state, also for those that nothing is in.
    fn states(&mut self, labels: &[(&str, &str)], all: &[&str], counted: Vec<(String, i64)>) {
        for state in all {
            let n = counted.iter().find(|(word, _)| word == state).map_or(0, |(_, n)| *n);
            self.sample(&[labels, &[("state", *state)]].concat(), n);
        }
    }
}
