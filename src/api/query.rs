//! Query parameters: each route lists its own, everything else is a 400 that names the key.

use super::problem::Problem;
use super::time;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use centinela_domain::UnixMs;
use serde_json::{Value, json};

/// Rows that a list gives unless `limit` says otherwise.
const DEFAULT_LIMIT: i64 = 50;

/// Most rows that a list gives.
const MAX_LIMIT: i64 = 500;

/// A query parameter of a route.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its key.
    pub key: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it does, in one sentence.
    pub help: &'static str,
}

/// What a query parameter may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number of rows.
    Limit,
    /// A point in the list of studies: a time, or a time, a comma and the last UID of a page.
    Place,
    /// Any text.
    Text,
}

impl Kind {
    /// Its JSON schema.
    pub fn schema(self) -> Value {
        match self {
            Self::Word(words) => json!({ "type": "string", "enum": words }),
            Self::Limit => json!({ "type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT }),
            Self::Place | Self::Text => json!({ "type": "string" }),
        }
    }

    /// What is wrong with a value.
    fn complaint(self, value: &str) -> Option<String> {
        match self {
            Self::Word(words) => (!words.contains(&value)).then(|| format!("give one of {}", words.join(", "))),
            Self::Limit => match value.parse::<i64>() {
                Ok(1..=MAX_LIMIT) => None,
                _ => Some(format!("give a number from 1 to {MAX_LIMIT}")),
            },
            Self::Place => place(value).is_none().then(|| {
                "give a time such as 2026-01-31T08:30:00.000Z, or the value from the answer's `next`".to_owned()
            }),
            Self::Text => value.is_empty().then(|| "give a value, or leave the key out".to_owned()),
        }
    }
}

fn place(value: &str) -> Option<(UnixMs, Option<&str>)> {
    let (at, uid) = value.split_once(',').map_or((value, None), |(at, uid)| (at, Some(uid)));
    Some((time::parse(at)?, uid))
}

/// The parameters of one call, checked against the route's list.
#[derive(Debug, Clone, Default)]
pub struct Given(Vec<(String, String)>);

impl Given {
    /// The value of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// How many rows are wanted.
    pub fn limit(&self) -> i64 {
        self.text("limit").and_then(|value| value.parse().ok()).unwrap_or(DEFAULT_LIMIT)
    }

    /// Where the page begins.
    pub fn before(&self) -> Option<(UnixMs, Option<&str>)> {
        self.text("before").and_then(place)
    }
}

/// Checks the call's parameters and hands them to the handler.
pub async fn check(State(params): State<&'static [Param]>, mut request: Request, next: Next) -> Response {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()) else {
        return Problem::new(StatusCode::BAD_REQUEST, "The query string cannot be read.").into_response();
    };
    for (n, (key, value)) in pairs.iter().enumerate() {
        let complaint = match params.iter().find(|param| param.key == key) {
            None => Some(match params {
                [] => "this route takes no parameter".to_owned(),
                _ => format!("it is not known here; known are {}", keys(params)),
            }),
            Some(_) if pairs.iter().take(n).any(|(k, _)| k == key) => Some("give it once".to_owned()),
            Some(param) => param.kind.complaint(value),
        };
        if let Some(complaint) = complaint {
            return Problem::parameter(key, format!("Query parameter {key:?}: {complaint}.")).into_response();
        }
    }
    request.extensions_mut().insert(Given(pairs));
    next.run(request).await
}

fn keys(params: &[Param]) -> String {
    params.iter().map(|param| param.key).collect::<Vec<_>>().join(", ")
}
