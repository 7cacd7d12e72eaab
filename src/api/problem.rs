//! Errors as problem documents (RFC 9457, application/problem+json).
//!
//! `type` is always `about:blank`: the status says what kind of problem it is, `detail` says what
//! to do. Internal errors are logged here, once, and their text stays in the log.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// All that a client learns of an error inside.
const INTERNAL: &str = "The node could not answer; its log says why.";

/// An error on its way to the client; [`render`] makes the document once the path is known.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    extension: Option<(&'static str, Value)>,
    challenge: Option<&'static str>,
}

impl Problem {
    /// A problem with this status; `detail` is a sentence for the person who reads it.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), extension: None, challenge: None }
    }

    /// 404.
    pub fn not_found(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409: the row is in a state in which this cannot be done.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 400 for a query parameter, named in the member `parameter`.
    pub fn parameter(name: &str, detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail).with("parameter", json!(name))
    }

    /// 401 with the challenge that RFC 6750 section 3 wants.
    pub fn unauthorized(detail: &str, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }

    /// Adds an extension member (RFC 9457 section 3.2).
    pub fn with(self, member: &'static str, value: Value) -> Self {
        Self { extension: Some((member, value)), ..self }
    }

    fn document(&self, instance: &str) -> Value {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "instance": instance,
        });
        if let Some((member, value)) = &self.extension {
            document[*member] = value.clone();
        }
        document
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!("an API call failed: {error:#}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The document for an error response. Errors that the framework made itself (a wrong method, a
/// path that is not UTF-8) become documents of the same form; their headers stay.
pub fn render(mut response: Response, path: &str) -> Response {
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>().unwrap_or_else(|| {
        let detail = match status {
            StatusCode::METHOD_NOT_ALLOWED => {
                "This route does not take this method; the header Allow names those that it takes."
            }
            _ if status.is_server_error() => {
                tracing::error!(%status, "an API call failed before its handler ran");
                INTERNAL
            }
            _ => "The request cannot be understood.",
        };
        Problem::new(status, detail)
    });
    let body = problem.document(path).to_string();
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    *response.body_mut() = Body::from(body);
    response
}
