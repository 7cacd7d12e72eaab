//! STOW-RS: results go to a DICOMweb store, and a look by QIDO-RS proves that they are there
//! (PS3.18 sections 10.5 and 10.6).
//!
//! The store's answer names each instance, so each delivery has its own fate, as with C-STORE.

use crate::outgoing::{Address, Outgoing, OutgoingError, Reply};
use bytes::Bytes;
use centinela_domain::status::DimseStatus;
use http::{Request, header};
use http_body_util::Full;
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

const DICOM_JSON: &str = "application/dicom+json";

/// One object to store.
#[derive(Debug, Clone)]
pub struct Object {
    /// Study Instance UID.
    pub study: String,
    /// SOP Instance UID.
    pub instance: String,
    /// The Part 10 file.
    pub part10: Bytes,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The store answered for this instance, in the status codes of C-STORE.
    Answered(DimseStatus),
    /// The store is not to be had now; perhaps it says for how many seconds.
    Later(String, Option<u64>),
    /// The store answered, but not as one that takes our requests: something must be configured.
    Misdirected(String),
    /// This object will never be taken as it is.
    Refused(String),
}

/// Sends objects of one study in one request. Where the store refuses the request as a whole, each
/// object is sent once more by itself, so that one that it does not like does not hold up the others.
pub async fn store(client: &Outgoing, base: &Address, token: Option<&str>, objects: &[Object]) -> Vec<Fate> {
    let Some(first) = objects.first() else { return Vec::new() };
    let together = send(client, base, token, &first.study, objects).await;
    if let Some(fates) = together {
        return fates;
    }
    let mut fates = Vec::with_capacity(objects.len());
    for object in objects {
        let alone = send(client, base, token, &object.study, std::slice::from_ref(object)).await;
        let fate = alone.and_then(|fates| fates.into_iter().next());
        fates.push(fate.unwrap_or_else(|| Fate::Refused("the store gave no answer for this object".to_owned())));
    }
    fates
}

/// One request; `None` where the answer does not say which of several objects is meant.
async fn send(
    client: &Outgoing,
    base: &Address,
    token: Option<&str>,
    study: &str,
    objects: &[Object],
) -> Option<Vec<Fate>> {
    let every = |fate: Fate| Some(vec![fate; objects.len()]);
    let request = match request(base, token, study, objects) {
        Ok(request) => request,
        Err(error) => return every(Fate::Misdirected(OutgoingError::from(error).to_string())),
    };
    let reply = match client.send(request).await {
        Ok(reply) => reply,
        Err(error) => return every(Fate::Later(error.to_string(), None)),
    };
    judge(&reply, objects)
}

fn request(
    base: &Address,
    token: Option<&str>,
    study: &str,
    objects: &[Object],
) -> Result<Request<Full<Bytes>>, http::Error> {
    // Drawn by chance, so that no object can hold it on purpose.
    let boundary = Uuid::new_v4().simple().to_string();
    let mut body = Vec::with_capacity(objects.iter().map(|o| o.part10.len() + 128).sum());
    for object in objects {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").as_bytes());
        body.extend_from_slice(&object.part10);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let mut request = Request::post(base.with(&format!("/studies/{study}")))
        .header(header::CONTENT_TYPE, format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"))
        .header(header::ACCEPT, DICOM_JSON);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::new(body.into()))
}

/// The table of PS3.18 section 10.5.3.1, and of HTTP around it.
fn judge(reply: &Reply, objects: &[Object]) -> Option<Vec<Fate>> {
    let every = |fate: Fate| Some(vec![fate; objects.len()]);
    let alone = objects.len() == 1;
    let status = reply.status;
    match status {
        200 | 202 | 409 => {
            let named = answers(&reply.body);
            let missing = match status {
                // 200 says that all are stored, whatever the body says or leaves out.
                200 => Fate::Answered(DimseStatus::SUCCESS),
                _ if alone => Fate::Answered(DimseStatus::PROCESSING_FAILURE),
                _ => Fate::Refused(String::new()),
            };
            let fates: Vec<Fate> = objects
                .iter()
                .map(|o| named.get(&o.instance).map_or(missing.clone(), |s| Fate::Answered(*s)))
                .collect();
            let unnamed = fates.iter().any(|fate| matches!(fate, Fate::Refused(_)));
            (!unnamed).then_some(fates)
        }
        401 | 403 => every(Fate::Misdirected(format!(
            "the store answered {status}: it does not know our token or certificate, or they may not store"
        ))),
        300..=399 => every(Fate::Misdirected(format!(
            "the store answered {status}, a redirect, which is never followed: write its final address as url"
        ))),
        404 | 405 | 501 => every(Fate::Misdirected(format!(
            "the store answered {status}: there is no STOW-RS at this url; it must end where /studies begins"
        ))),
        406 | 415 => every(Fate::Misdirected(format!(
            "the store answered {status}: it takes no application/dicom, or cannot answer in {DICOM_JSON}"
        ))),
        408 | 425 | 429 | 500..=599 => every(Fate::Later(format!("the store answered {status}"), reply.retry_after)),
        400..=499 if alone => every(Fate::Refused(format!("the store answered {status}"))),
        400..=499 => None,
        _ => every(Fate::Misdirected(format!("the store answered {status}, which says nothing about a store"))),
    }
}

/// Status of each instance that a Store Instances Response names (PS3.18 annex I): Failed SOP Sequence
/// (0008,1198) with its Failure Reason, Referenced SOP Sequence (0008,1199) with its Warning Reason.
fn answers(body: &[u8]) -> HashMap<String, DimseStatus> {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let sets: Vec<&Value> = match &parsed {
        Value::Array(sets) => sets.iter().collect(),
        set => vec![set],
    };
    let mut named = HashMap::new();
    for set in sets {
        for item in items(set, "00081199") {
            let warning = number(item, "00081196").unwrap_or(DimseStatus::SUCCESS);
            if let Some(instance) = instance(item) {
                named.insert(instance, warning);
            }
        }
        for item in items(set, "00081198") {
            let reason = number(item, "00081197").unwrap_or(DimseStatus::PROCESSING_FAILURE);
            if let Some(instance) = instance(item) {
                named.insert(instance, reason);
            }
        }
    }
    named
}

fn items<'a>(set: &'a Value, tag: &str) -> &'a [Value] {
    set[tag]["Value"].as_array().map_or(&[], Vec::as_slice)
}

fn instance(item: &Value) -> Option<String> {
    Some(item["00081155"]["Value"][0].as_str()?.trim_matches(['\0', ' ']).to_owned())
}

fn number(item: &Value, tag: &str) -> Option<DimseStatus> {
    let value = &item[tag]["Value"][0];
    // Some stores write numbers as texts.
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    u16::try_from(number).ok().map(DimseStatus)
}

/// Whether the store lists an instance (QIDO-RS, PS3.18 section 10.6).
///
/// # Errors
/// Why the store could not be asked.
pub async fn holds(
    client: &Outgoing,
    base: &Address,
    token: Option<&str>,
    (study, instance): (&str, &str),
) -> Result<bool, String> {
    let path = format!("/studies/{study}/instances?SOPInstanceUID={instance}");
    let mut request = Request::get(base.with(&path)).header(header::ACCEPT, DICOM_JSON);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::default()).map_err(|error| error.to_string())?;
    let reply = client.send(request).await.map_err(|error| error.to_string())?;
    match reply.status {
        200 => {
            let found: Value = serde_json::from_slice(&reply.body).map_err(|_| "its answer is no JSON".to_owned())?;
            let listed = |set: &Value| set["00080018"]["Value"][0].as_str() == Some(instance);
            Ok(found.as_array().is_some_and(|sets| sets.iter().any(listed)))
        }
        204 | 404 => Ok(false),
        status => Err(format!("the store answered {status} to a query")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::outgoing::script::Script;
    use std::time::Duration;

    fn object(instance: &str) -> Object {
        Object { study: "1.2.3".to_owned(), instance: instance.to_owned(), part10: Bytes::from_static(b"DICM\r\n--x") }
    }

    fn reply(status: u16, body: &str) -> String {
        format!("HTTP/1.1 {status} X\r\ncontent-type: {DICOM_JSON}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn failed(instance: &str, reason: u16) -> String {
        format!(
            r#"{{"00081198":{{"vr":"SQ","Value":[{{"00081155":{{"vr":"UI","Value":["{instance}"]}},"00081197":{{"vr":"US","Value":[{reason}]}}}}]}}}}"#
        )
    }

    async fn stored(answers: &[&str], objects: &[Object]) -> (Vec<Fate>, Vec<String>) {
        let script = Script::start(answers).await;
        let base = Address::parse(&format!("{}/dicom-web/", script.address)).unwrap();
        let client = Outgoing::new(None, Duration::from_secs(2), Duration::from_secs(2));
        let fates = store(&client, &base, Some("t0ken"), objects).await;
        let heard = script.heard().await.into_iter().map(|r| String::from_utf8_lossy(&r).into_owned()).collect();
        (fates, heard)
    }

    #[tokio::test]
    async fn a_batch_is_one_multipart_request_and_a_warning_is_read() {
        let body = r#"[{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.1"]}},
            {"00081155":{"vr":"UI","Value":["1.2"]},"00081196":{"vr":"US","Value":["45056"]}}]}}]"#;
        let (fates, heard) = stored(&[&reply(200, body)], &[object("1.1"), object("1.2"), object("1.3")]).await;
        let status = |code| Fate::Answered(DimseStatus(code));
        assert_eq!(fates, [status(0), status(0xB000), status(0)]);
        assert_eq!(heard.len(), 1);
        let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /dicom-web/studies/1.2.3 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("authorization: bearer t0ken"), "{head}");
        let boundary = head.split("boundary=").nth(1).unwrap().lines().next().unwrap();
        let part = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--x\r\n");
        assert_eq!(body, format!("{part}{part}{part}--{boundary}--\r\n"));
    }

    #[tokio::test]
    async fn failures_have_the_status_of_their_instance() {
        let (fates, _) = stored(&[&reply(409, &failed("1.1", 0xA700))], &[object("1.1")]).await;
        assert_eq!(fates, [Fate::Answered(DimseStatus(0xA700))]);
        let (fates, _) = stored(&[&reply(409, "<xml/>")], &[object("1.1")]).await;
        assert_eq!(fates, [Fate::Answered(DimseStatus::PROCESSING_FAILURE)]);
    }

    #[tokio::test]
    async fn an_answer_that_names_nobody_is_asked_again_one_by_one() {
        let answers = [&reply(400, "")[..], &reply(200, ""), &reply(400, "")];
        let (fates, heard) = stored(&answers, &[object("1.1"), object("1.2")]).await;
        assert_eq!(fates[0], Fate::Answered(DimseStatus::SUCCESS));
        assert!(matches!(&fates[1], Fate::Refused(why) if why.contains("400")), "{fates:?}");
        assert_eq!(heard.len(), 3);
    }

    #[tokio::test]
    async fn the_store_as_a_whole_is_told_apart_from_the_object() {
        for (status, later) in
            [(401, false), (403, false), (307, false), (404, false), (415, false), (429, true), (503, true)]
        {
            let (fates, heard) = stored(&[&reply(status, "")], &[object("1.1"), object("1.2")]).await;
            let same = fates.iter().all(|fate| {
                matches!(fate, Fate::Later(..)) == later && !matches!(fate, Fate::Answered(_) | Fate::Refused(_))
            });
            assert!(same && fates.len() == 2, "{status}: {fates:?}");
            assert_eq!(heard.len(), 1, "{status}");
        }
    }

    #[tokio::test]
    async fn an_address_in_the_answer_is_never_called() {
        let trap = Script::start(&[&reply(200, "")]).await;
        let body = format!(
            r#"{{"00081190":{{"vr":"UR","Value":["{0}/studies/1.2.3"]}},"00081199":{{"vr":"SQ","Value":[{{"00081155":{{"vr":"UI","Value":["1.1"]}},"00081190":{{"vr":"UR","Value":["{0}/x"]}},"00404010":{{"vr":"UR","BulkDataURI":"{0}/bulk"}}}}]}}}}"#,
            trap.address
        );
        let (fates, _) = stored(&[&reply(200, &body)], &[object("1.1")]).await;
        assert_eq!(fates, [Fate::Answered(DimseStatus::SUCCESS)]);
        assert!(trap.heard().await.is_empty());
    }

    #[tokio::test]
    async fn a_look_finds_what_the_store_lists() {
        let found = r#"[{"00080018":{"vr":"UI","Value":["1.1"]}}]"#;
        let script = Script::start(&[&reply(200, found), &reply(200, "[]"), &reply(204, ""), &reply(500, "")]).await;
        let base = Address::parse(&script.address).unwrap();
        let client = Outgoing::new(None, Duration::from_secs(2), Duration::from_secs(2));
        let look = || holds(&client, &base, None, ("1.2.3", "1.1"));
        assert_eq!(look().await, Ok(true));
        assert_eq!(look().await, Ok(false));
        assert_eq!(look().await, Ok(false));
        assert!(look().await.is_err());
    }
}
