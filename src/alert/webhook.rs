//! Tells one webhook of alerts, signed as the Standard Webhooks specification has it: headers
//! `webhook-id`, `webhook-timestamp` and `webhook-signature`, the last one `v1,` and the HMAC-SHA256 of
//! `id.timestamp.body` in base64.
//!
//! In order and without an end: a webhook that is away is told everything when it is back. Nothing that
//! is told is about a patient: kinds, names of destinations, figures.

use crate::app::App;
use crate::config::Webhook;
use crate::outgoing::Outgoing;
use crate::store::alerts::{self, AlertRow, CallRow};
use anyhow::{Context as _, Result};
use base64ct::{Base64, Encoding as _};
use centinela_domain::alert::AlertKind;
use centinela_domain::delivery::next_attempt;
use http::{Request, header};
use http_body_util::Full;
use ring::hmac;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pause between two looks for a call that is due.
const PAUSE: Duration = Duration::from_millis(500);
/// For a connection, and for the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells one webhook until stopped.
pub(super) async fn tell(app: Arc<App>, hook: Webhook, stop: CancellationToken) {
    let client = Outgoing::new(hook.tls(), PATIENCE, PATIENCE);
    while !stop.is_cancelled() {
        match step(&app, &hook, &client).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::error!(webhook = hook.name, "an alert could not be told: {error:#}"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Tells the next thing that is due; false if there is none, or if it was not taken.
async fn step(app: &App, hook: &Webhook, client: &Outgoing) -> Result<bool> {
    let now = app.clock.now();
    let due = {
        let mut tx = app.db.read().await?;
        match alerts::next_call(&mut tx, &hook.name, now).await? {
            Some(call) => {
                let alert = alerts::find(&mut tx, &call.alert).await?.context("the alert of a call has no row")?;
                Some((call, alert))
            }
            None => None,
        }
    };
    let Some((call, alert)) = due else { return Ok(false) };
    let error = match client.send(request(hook, &call, &alert, now / 1_000)?).await {
        Ok(reply) if (200..300).contains(&reply.status) => None,
        Ok(reply) => Some(format!("it answered {}", reply.status)),
        Err(error) => Some(error.to_string()),
    };
    let attempt = call.attempts + 1;
    if let Some(error) = &error
        && attempt.count_ones() == 1
    {
        tracing::warn!(webhook = hook.name, attempt, "an alert was not taken: {error}");
    }
    let mut tx = app.db.write().await?;
    let next_at = next_attempt(app.clock.now(), attempt, rand::random());
    alerts::attempted(&mut tx, &call.id, error.as_deref(), next_at, app.clock.now()).await?;
    tx.commit().await?;
    Ok(error.is_none())
}

fn request(hook: &Webhook, call: &CallRow, alert: &AlertRow, timestamp: i64) -> Result<Request<Full<bytes::Bytes>>> {
    let body = json!({
        "type": if call.cleared { "alert.cleared" } else { "alert.raised" },
        "alert": {
            "id": alert.id,
            "kind": alert.kind,
            "subject": alert.subject,
            "text": alert.text,
            "remedy": AlertKind::parse(&alert.kind).map(AlertKind::remedy),
            "raised_at": alert.raised_at,
            "cleared_at": if call.cleared { alert.cleared_at } else { None },
        },
    })
    .to_string();
    let mut request = Request::post(hook.address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .header("webhook-id", &call.id)
        .header("webhook-timestamp", timestamp.to_string());
    if let Some(secret) = hook.secret() {
        let signature = signature(secret.as_bytes(), &call.id, timestamp, &body);
        request = request.header("webhook-signature", signature);
    }
    request.body(Full::new(body.into())).context("write the call")
}

/// The signature of a call.
#[must_use]
pub fn signature(secret: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", Base64::encode_string(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_an_independent_implementation() {
        // Python: base64.b64encode(hmac.new(b"whisper", b'msg_1.1614265330.{"a":1}', "sha256").digest())
        let signed = signature(b"whisper", "msg_1", 1_614_265_330, r#"{"a":1}"#);
        assert_eq!(signed, "v1,P7lBRM54G7UCFW7jy0kkMrOz8mTAwqRoVVdaZyA8rR8=");
    }
}
