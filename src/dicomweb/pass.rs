//! What we show a DICOMweb store: nothing, a bearer token (RFC 6750), or one that we get by OAuth 2 client
//! credentials (RFC 6749 section 4.4). A client certificate is the business of TLS.

use super::{Fate, no_answer};
use crate::config::{OAuth, Peer, Secret};
use crate::outgoing::Outgoing;
use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use centinela_domain::UnixMs;
use http::{Request, header};
use http_body_util::Full;
use serde_json::Value;
use std::fmt;
use std::fmt::Write as _;

/// A token is not used any more so long before its end.
const MARGIN_MS: i64 = 30_000;
/// For how long a token is good that does not say it.
const USUAL_SECONDS: i64 = 300;

/// What we show.
pub enum Pass {
    /// Nothing, or a client certificate.
    Nothing,
    /// A token of the configuration, read anew each time.
    Token(Secret),
    /// A token that we ask for.
    OAuth {
        /// Where, and as whom.
        asks: OAuth,
        /// The token and its end.
        token: Option<(String, UnixMs)>,
    },
}

// No token is ever shown.
impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Token(_) => "Token",
            Self::OAuth { .. } => "OAuth",
        })
    }
}

impl Pass {
    /// What the entry of a peer says.
    pub fn of(peer: &Peer) -> Self {
        match (&peer.token, &peer.oauth) {
            (Some(token), _) => Self::Token(token.clone()),
            (None, Some(asks)) => Self::OAuth { asks: asks.clone(), token: None },
            (None, None) => Self::Nothing,
        }
    }

    /// The token to show now.
    ///
    /// # Errors
    /// Why there is none: it is no fault of any object.
    pub async fn token(&mut self, client: &Outgoing, now: UnixMs) -> Result<Option<String>, Fate> {
        match self {
            Self::Nothing => Ok(None),
            Self::Token(secret) => secret.read().map(Some).map_err(|why| Fate::Misdirected(format!("token: {why}"))),
            Self::OAuth { asks, token } => {
                if let Some((token, until)) = token
                    && now < *until
                {
                    return Ok(Some(token.clone()));
                }
                let (fresh, seconds) = ask(client, asks).await?;
                *token = Some((fresh.clone(), now.saturating_add(seconds.saturating_mul(1_000)) - MARGIN_MS));
                Ok(Some(fresh))
            }
        }
    }

    /// The store did not take the token: true if another can be asked for.
    pub fn forget(&mut self) -> bool {
        match self {
            Self::OAuth { token, .. } => token.take().is_some(),
            Self::Nothing | Self::Token(_) => false,
        }
    }
}

/// Asks for a token; gives also for how many seconds it is good.
async fn ask(client: &Outgoing, asks: &OAuth) -> Result<(String, i64), Fate> {
    let misdirected = |why: String| Fate::Misdirected(format!("oauth: {why}"));
    let secret = asks.secret.read().map_err(misdirected)?;
    let mut body = "grant_type=client_credentials".to_owned();
    if let Some(scope) = &asks.scope {
        let _ = write!(body, "&scope={}", encoded(scope));
    }
    // Both parts are encoded before they are joined (RFC 6749 section 2.3.1).
    let basic = Base64::encode_string(format!("{}:{}", encoded(&asks.client_id), encoded(&secret)).as_bytes());
    let request = Request::post(asks.url.to_string())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| misdirected(error.to_string()))?;
    let reply = client.send(request).await.map_err(|error| match no_answer(&error) {
        Fate::Later(why, after) => Fate::Later(format!("oauth: {why}"), after),
        other => other,
    })?;
    match reply.status {
        200 => {}
        408 | 425 | 429 | 500..=599 => {
            return Err(Fate::Later(format!("oauth: the endpoint answered {}", reply.status), reply.retry_after));
        }
        status => return Err(misdirected(format!("the endpoint answered {status}: it does not know us"))),
    }
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let token = answer["access_token"].as_str().filter(|token| {
        // It becomes a header.
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let bearer = answer["token_type"].as_str().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    match (token, bearer) {
        (Some(token), true) => Ok((token.to_owned(), answer["expires_in"].as_i64().unwrap_or(USUAL_SECONDS).max(0))),
        _ => Err(misdirected("the endpoint gave no bearer token".to_owned())),
    }
}

/// A text as a form has it.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::outgoing::script::Script;
    use std::time::Duration;

    fn pass(url: &str) -> Pass {
        let text =
            format!("url = \"{url}/token\"\nclient_id = \"us:1\"\nsecret = {{ value = \"p%ss\" }}\nscope = \"a b\"");
        Pass::OAuth { asks: toml::from_str(&text).unwrap(), token: None }
    }

    fn answer(status: u16, body: &str) -> String {
        format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_token_is_asked_for_once_and_again_before_its_end() {
        let body = r#"{"access_token":"abc","token_type":"Bearer","expires_in":90}"#;
        let script = Script::start(&[&answer(200, body)]).await;
        let client = Outgoing::new(None, Duration::from_secs(2), Duration::from_secs(2));
        let mut pass = pass(&script.address);
        for (now, asked) in [(0, 1), (59_000, 1), (60_000, 2)] {
            assert_eq!(pass.token(&client, now).await, Ok(Some("abc".to_owned())));
            assert_eq!(script.heard().await.len(), asked, "at {now}");
        }
        assert!(pass.forget() && !pass.forget());
        let heard = String::from_utf8(script.heard().await.remove(0)).unwrap();
        assert!(heard.starts_with("POST /token HTTP/1.1\r\n"), "{heard}");
        // us%3A1:p%25ss
        assert!(heard.to_ascii_lowercase().contains("authorization: basic dxmlm0exonalmjvzcw=="), "{heard}");
        assert!(heard.ends_with("grant_type=client_credentials&scope=a%20b"), "{heard}");
        assert!(!format!("{pass:?}").contains("abc"));
    }

    #[tokio::test]
    async fn what_gives_no_token_blames_no_object() {
        let client = Outgoing::new(None, Duration::from_secs(2), Duration::from_secs(2));
        for (status, body, later) in [
            (401, "", false),
            (302, "", false),
            (200, "<html>", false),
            (200, r#"{"access_token":"a\r\nHost: other"}"#, false),
            (200, r#"{"access_token":"a","token_type":"mac"}"#, false),
            (503, "", true),
        ] {
            let script = Script::start(&[&answer(status, body)]).await;
            let fate = pass(&script.address).token(&client, 0).await.unwrap_err();
            let expected = if later { matches!(fate, Fate::Later(..)) } else { matches!(fate, Fate::Misdirected(_)) };
            assert!(expected, "{status} {body}: {fate:?}");
        }
    }
}
