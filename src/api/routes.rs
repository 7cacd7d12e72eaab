//! The table of routes: path, method, parameters, answer and problems of each, in one place.

use super::alerts::AlertList;
use super::commitments::{CommitmentDetail, CommitmentList, CommitmentSummary};
use super::dto::{
    DeliveryList, DeliverySummary, EventList, InstanceDetail, JobList, ModelList, PeerList, Status, StudyChain,
    StudyDetail, StudyPage, StudyRetry, VariantSummary, Withdrawal,
};
use super::metrics::{self, DELIVERY_STATES, JOB_STATES, STUDY_STATES};
use super::quarantine::QuarantineList;
use super::query::{Kind, Param};
use super::schema::Schema;
use super::{
    alerts, chain, commitments, deliveries, events, health, instances, jobs, models, openapi, peers, quarantine,
    status, studies,
};
use crate::app::App;
use crate::store::events::WORDS;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use centinela_domain::result::Rejection;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Writes the schema of an answer and puts the named schemas that it uses into the map.
pub type WriteSchema = fn(&mut Map<String, Value>) -> Value;

/// One route.
pub struct Route {
    /// Lower-case method.
    pub method: &'static str,
    /// Path with `{}` parameters.
    pub path: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// The query parameters that it takes.
    pub params: &'static [Param],
    /// Status of its answer.
    pub status: u16,
    /// Media type of its answer.
    pub media: &'static str,
    /// Schema of its answer.
    pub schema: WriteSchema,
    /// Statuses of the problem documents that it may give, besides those that all give.
    pub problems: &'static [u16],
    /// Who answers.
    pub handler: MethodRouter<Arc<App>>,
}

const LIMIT: Param = Param { key: "limit", kind: Kind::Limit, help: "Most rows in the answer." };

const STUDY: Param = Param { key: "study", kind: Kind::Text, help: "Only those of this study (its UID)." };

const fn state(words: &'static [&'static str]) -> Param {
    Param { key: "state", kind: Kind::Word(words), help: "Only those in this state." }
}

const STUDIES: &[Param] = &[
    state(STUDY_STATES),
    Param {
        key: "before",
        kind: Kind::Place,
        help: "Only studies whose latest instance came before this time (RFC 3339, UTC); \
               for paging take the whole `next` of the answer.",
    },
    LIMIT,
];

const WITHDRAW: &[Param] = &[
    Param {
        key: "title",
        kind: Kind::Word(&[Rejection::Quality.as_str(), Rejection::Safety.as_str(), Rejection::Worklist.as_str()]),
        help: "Why, in the words of the standard: the title of the note (quality if absent).",
    },
    Param { key: "reason", kind: Kind::Text, help: "Why, in your words; it stands in the note. Must be given." },
];

const JOBS: &[Param] = &[state(JOB_STATES), STUDY, LIMIT];

const DELIVERIES: &[Param] = &[
    state(DELIVERY_STATES),
    Param { key: "destination", kind: Kind::Text, help: "Only those to this peer (its name)." },
    STUDY,
    LIMIT,
];

const COMMITMENTS: &[Param] = &[
    state(commitments::STATES),
    Param { key: "calling", kind: Kind::Text, help: "Only those of this peer (its AE title)." },
    LIMIT,
];

const QUARANTINE: &[Param] = &[LIMIT];

const ALERTS: &[Param] = &[LIMIT];

const EVENTS: &[Param] = &[Param { key: "kind", kind: Kind::Word(&WORDS), help: "Only those of this kind." }, LIMIT];

/// All routes.
pub fn all() -> Vec<Route> {
    vec![
        Route::get("/healthz", "Whether the process runs", health::healthz).text("text/plain; charset=utf-8"),
        Route::get("/readyz", "Whether the node can do its work now", health::readyz)
            .text("text/plain; charset=utf-8")
            .problems(&[503]),
        Route::get("/metrics", "Metrics for Prometheus", metrics::metrics).text(metrics::MEDIA_TYPE),
        Route::get("/api/v1/status", "How the node stands, and what somebody must look at", status::show)
            .gives::<Status>(),
        Route::get("/api/v1/studies", "Studies, the latest first", studies::list).takes(STUDIES).gives::<StudyPage>(),
        Route::get("/api/v1/studies/{uid}", "Everything that is known of a study", studies::show)
            .gives::<StudyDetail>()
            .problems(&[404]),
        Route::get("/api/v1/studies/{uid}/chain", "Where everything of a study is, with times", chain::show)
            .gives::<StudyChain>()
            .problems(&[404]),
        Route::post("/api/v1/studies/{uid}/retry", "Run the dead jobs of a study again", studies::retry)
            .gives::<StudyRetry>()
            .problems(&[404, 409]),
        Route::post("/api/v1/studies/{uid}/withdraw", "Take the results of a study back", studies::withdraw)
            .takes(WITHDRAW)
            .gives::<Withdrawal>()
            .problems(&[404, 409]),
        Route::get("/api/v1/instances/{uid}", "Everything that is known of an instance", instances::show)
            .gives::<InstanceDetail>()
            .problems(&[404]),
        Route::get("/api/v1/jobs", "Jobs, the latest first", jobs::list).takes(JOBS).gives::<JobList>(),
        Route::get("/api/v1/deliveries", "Deliveries, the oldest first", deliveries::list)
            .takes(DELIVERIES)
            .gives::<DeliveryList>(),
        Route::post("/api/v1/deliveries/{id}/retry", "Send a result again now", deliveries::retry)
            .gives::<DeliverySummary>()
            .problems(&[404, 409]),
        Route::get("/api/v1/commitments", "Requests for storage commitment, the latest first", commitments::list)
            .takes(COMMITMENTS)
            .gives::<CommitmentList>(),
        Route::get("/api/v1/commitments/{id}", "One request with its instances", commitments::show)
            .gives::<CommitmentDetail>()
            .problems(&[404]),
        Route::post("/api/v1/commitments/{id}/retry", "Check and report once more now", commitments::retry)
            .gives::<CommitmentSummary>()
            .problems(&[404, 409]),
        Route::get("/api/v1/quarantine", "Instances that wait for a decision, the oldest first", quarantine::list)
            .takes(QUARANTINE)
            .gives::<QuarantineList>(),
        Route::post("/api/v1/quarantine/{id}/keep-first", "Leave the first in its place", quarantine::keep_first)
            .gives::<VariantSummary>()
            .problems(&[404, 409]),
        Route::post("/api/v1/quarantine/{id}/take-second", "Put the second in its place", quarantine::take_second)
            .gives::<VariantSummary>()
            .problems(&[404, 409]),
        Route::get("/api/v1/events", "What happened, the latest first", events::list)
            .takes(EVENTS)
            .gives::<EventList>(),
        Route::get("/api/v1/alerts", "What a person must look at, and what was, the latest first", alerts::list)
            .takes(ALERTS)
            .gives::<AlertList>(),
        Route::get("/api/v1/peers", "Peers, with what is on its way to each", peers::list).gives::<PeerList>(),
        Route::get("/api/v1/models", "The loaded model", models::list).gives::<ModelList>(),
        Route::post("/api/v1/models/reload", "Read the configured model package again", models::reload)
            .gives::<ModelList>()
            .problems(&[409]),
        Route::get("/api/v1/openapi.json", "This document", openapi::show),
    ]
}

impl Route {
    fn get<H, T>(path: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        Self::new("get", path, summary, 200, routing::get(handler))
    }

    /// A call that sets something in motion and answers before it is done.
    fn post<H, T>(path: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        Self::new("post", path, summary, 202, routing::post(handler))
    }

    fn new(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        status: u16,
        handler: MethodRouter<Arc<App>>,
    ) -> Self {
        let schema: WriteSchema = |_| json!({ "type": "object" });
        Self { method, path, summary, params: &[], status, media: "application/json", schema, problems: &[], handler }
    }

    fn takes(self, params: &'static [Param]) -> Self {
        Self { params, ..self }
    }

    fn gives<T: Schema>(self) -> Self {
        Self { schema: T::schema, ..self }
    }

    fn text(self, media: &'static str) -> Self {
        Self { media, schema: String::schema, ..self }
    }

    fn problems(self, problems: &'static [u16]) -> Self {
        Self { problems, ..self }
    }

    /// Names of the path parameters.
    pub fn path_params(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
