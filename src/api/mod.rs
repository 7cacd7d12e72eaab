//! The admin API: health, metrics, and the rows for people and programs (HTTP/1.1, JSON).
//!
//! The only module that names `axum`. `routes` is the one table of everything that is answered:
//! the router, the check of query keys and the OpenAPI document are all made from it. Errors are
//! problem documents (RFC 9457). No answer holds PHI: rows are never serialised, only `dto`.

mod alerts;
mod auth;
pub mod chain;
mod commitments;
mod deliveries;
mod dto;
mod events;
mod health;
mod instances;
mod jobs;
mod metrics;
mod models;
mod openapi;
mod peers;
mod problem;
mod quarantine;
mod query;
mod routes;
mod rows;
mod schema;
pub mod status;
mod studies;
pub mod time;
mod timing;

pub use dto::{Status, StudyChain};

use crate::app::App;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use problem::Problem;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Longest time that one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Longest time that open connections get once the node stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Answers HTTP on the listener until stopped; calls that are running then are finished.
///
/// # Errors
/// If the listener fails for good.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: CancellationToken) -> Result<()> {
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(stop.clone().cancelled_owned());
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        ended = async { server.await } => ended.context("HTTP listener"),
        // A client that never finishes its request must not hold the node up.
        () = drained => Ok(()),
    }
}

/// Everything that is answered.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in routes::all() {
        let checked = route.handler.route_layer(from_fn_with_state(route.params, query::check));
        router = router.route(route.path, checked);
    }
    // The last layer is the outermost: no answer leaves without `dress`, no call passes `require_token`.
    router
        .fallback(no_route)
        .layer(from_fn_with_state(Arc::clone(&app), auth::require_token))
        .layer(from_fn(dress))
        .with_state(app)
}

async fn no_route() -> Problem {
    Problem::not_found("There is no such route; GET /api/v1/openapi.json lists them all.")
}

/// Whether the path belongs to the part that needs a token.
fn is_api(path: &str) -> bool {
    path.starts_with("/api")
}

/// Limits the time, turns every error into a problem document and sets the security headers.
async fn dress(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = match tokio::time::timeout(CALL_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The answer took too long; try again later.").into_response()
        }
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        response = problem::render(response, &path);
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_api(&path) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests;
