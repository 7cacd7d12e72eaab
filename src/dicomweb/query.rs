//! QIDO-RS (PS3.18 section 10.6): does the store list an instance?

use super::{DICOM_JSON, Fate, no_answer};
use crate::outgoing::{Address, Outgoing, OutgoingError, Reply};
use centinela_domain::uid::Uid;
use http::{Request, header};
use http_body_util::Full;
use serde_json::Value;

/// Whether the store lists an instance of a study.
///
/// # Errors
/// Why the store could not be asked.
pub(super) async fn holds(
    client: &Outgoing,
    base: &Address,
    token: Option<&str>,
    (study, instance): (&Uid, &Uid),
) -> Result<bool, Fate> {
    let ask = |path: String| async move {
        let mut request = Request::get(base.with(&path)).header(header::ACCEPT, DICOM_JSON);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::default()).map_err(|error| no_answer(&OutgoingError::from(error)))?;
        client.send(request).await.map_err(|error| no_answer(&error))
    };
    let reply = ask(format!("/studies/{study}/instances?SOPInstanceUID={instance}")).await?;
    if reply.status != 404 {
        return found(&reply, instance);
    }
    // Some stores say so of a study that they do not have, and who takes no queries says so of everything.
    let reply = ask(format!("/studies?StudyInstanceUID={study}")).await?;
    match reply.status {
        404 => Err(Fate::Misdirected("the store answered 404 to queries: there is no QIDO-RS at this url".to_owned())),
        _ => found(&reply, instance),
    }
}

/// What an answer to a query says of an instance.
fn found(reply: &Reply, instance: &Uid) -> Result<bool, Fate> {
    match reply.status {
        // A store that passes over the key lists the whole study.
        200 => listed(&reply.body, instance)
            .ok_or_else(|| Fate::Later("the store answered a query with something else than a list".to_owned(), None)),
        204 => Ok(false),
        401 | 403 => Err(Fate::Misdirected(format!(
            "the store answered {} to a query: our token or certificate may not ask there",
            reply.status
        ))),
        status => Err(Fate::Later(format!("the store answered {status} to a query"), reply.retry_after)),
    }
}

/// Whether SOP Instance UID (0008,0018) of any set is this; nothing if the body is no list of sets.
fn listed(body: &[u8], instance: &Uid) -> Option<bool> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let uid = |set: &Value| Some(set["00080018"]["Value"][0].as_str()?.trim_end_matches(['\0', ' ']).to_owned());
    Some(body.as_array()?.iter().any(|set| uid(set).as_deref() == Some(instance.as_str())))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::outgoing::script::Script;
    use std::time::Duration;

    #[tokio::test]
    async fn a_look_finds_what_the_store_lists() {
        let other = r#"{"00080018":{"vr":"UI","Value":["1.2"]}}"#;
        let ours = r#"{"00080018":{"vr":"UI","Value":["1.1"]}}"#;
        let reply =
            |status: u16, body: &str| format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let cases = [
            (vec![reply(200, &format!("[{other},{ours}]"))], Some(true)),
            (vec![reply(200, &format!("[{other}]"))], Some(false)),
            (vec![reply(200, "[]")], Some(false)),
            (vec![reply(204, "")], Some(false)),
            // It knows queries, but not the study; it knows no queries.
            (vec![reply(404, ""), reply(200, "[]")], Some(false)),
            (vec![reply(404, ""), reply(404, "")], None),
            (vec![reply(200, "<html>1.1</html>")], None),
            (vec![reply(200, r#"{"00080018":{"Value":["1.1"]}}"#)], None),
            (vec![reply(401, "")], None),
            (vec![reply(500, "")], None),
        ];
        let (study, instance) = (Uid::parse("1.2.3").unwrap(), Uid::parse("1.1").unwrap());
        let client = Outgoing::new(None, Duration::from_secs(2), Duration::from_secs(2));
        for (answers, expected) in cases {
            let script = Script::start(&answers.iter().map(String::as_str).collect::<Vec<_>>()).await;
            let base = Address::parse(&format!("{}/dw", script.address)).unwrap();
            let found = holds(&client, &base, Some("t0ken"), (&study, &instance)).await;
            assert_eq!(found.as_ref().ok().copied(), expected, "{answers:?}: {found:?}");
            let heard = script.heard().await;
            assert_eq!(heard.len(), answers.len());
            let head = String::from_utf8_lossy(&heard[0]).into_owned();
            assert!(head.starts_with("GET /dw/studies/1.2.3/instances?SOPInstanceUID=1.1 HTTP/1.1\r\n"), "{head}");
            assert!(head.to_ascii_lowercase().contains("authorization: bearer t0ken"), "{head}");
        }
    }
}
