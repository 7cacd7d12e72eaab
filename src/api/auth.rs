//! Bearer tokens (RFC 6750): without a valid one, every path below /api is answered with 401.
//!
//! The database holds SHA-256 digests only, and a token is looked up by its digest. The secret has
//! 256 random bits and is never compared byte by byte, so the time that the look-up takes tells
//! nothing that an attacker could use; a constant-time comparison would add nothing.

use super::is_api;
use super::problem::Problem;
use crate::app::App;
use crate::blob::hex;
use crate::store::tokens;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The name of the token that came with the call.
#[derive(Debug, Clone)]
pub struct Caller(pub String);

/// Lets a call below /api pass only with a token that is known and not revoked.
///
/// The test is on the path, not on a list of routes: what is added later is protected from the start.
pub async fn require_token(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    if is_api(request.uri().path()) {
        let Some(digest) = digest(request.headers()) else {
            let detail = "This needs a token: send the header Authorization: Bearer TOKEN. \
                          `centinela token create` makes one.";
            return Problem::unauthorized(detail, "Bearer realm=\"centinela\"").into_response();
        };
        match name_of(&app, &digest).await {
            Ok(Some(name)) => {
                request.extensions_mut().insert(Caller(name));
            }
            Ok(None) => {
                let challenge = "Bearer realm=\"centinela\", error=\"invalid_token\"";
                return Problem::unauthorized("The token is not known or was revoked.", challenge).into_response();
            }
            Err(error) => return Problem::from(error).into_response(),
        }
    }
    next.run(request).await
}

async fn name_of(app: &App, digest: &str) -> anyhow::Result<Option<String>> {
    let mut tx = app.db.read().await?;
    tokens::name_of(&mut tx, digest).await
}

/// The digest of the secret in the header, if there is one.
fn digest(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    let secret = secret.trim();
    // The scheme's case does not matter (RFC 9110 section 11.1).
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then(|| hex(&Sha256::digest(secret)))
}
