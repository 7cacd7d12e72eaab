//! STOW-RS (PS3.18 section 10.5): one object in each request, so that each delivery has its own fate, as with C-STORE.
//! No address in an answer is ever called.

use super::{DICOM_JSON, Fate, Object, no_answer};
use crate::outgoing::{Address, Outgoing, OutgoingError, Reply};
use bytes::Bytes;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use http::{Request, header};
use http_body_util::Full;
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// Sends an object and reads what became of it.
pub(super) async fn send(client: &Outgoing, base: &Address, token: Option<&str>, object: &Object) -> Fate {
    // They become part of an address.
    let is_uid = |text: &str| Uid::parse(text).is_ok_and(|uid| uid.as_str() == text);
    if !is_uid(&object.study) || !is_uid(&object.instance) {
        return Fate::Refused("its study or instance has a name that is no UID".to_owned());
    }
    match request(base, token, object) {
        Ok(request) => match client.send(request).await {
            Ok(reply) => judge(&reply, &object.instance),
            Err(error) => no_answer(&error),
        },
        Err(error) => Fate::Misdirected(OutgoingError::from(error).to_string()),
    }
}

fn request(base: &Address, token: Option<&str>, object: &Object) -> Result<Request<Full<Bytes>>, http::Error> {
    // Drawn by chance, so that no object can hold it on purpose.
    let boundary = Uuid::new_v4().simple().to_string();
    let mut body = Vec::with_capacity(object.part10.len() + 256);
    body.extend_from_slice(format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").as_bytes());
    body.extend_from_slice(&object.part10);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let mut request = Request::post(base.with(&format!("/studies/{}", object.study)))
        .header(header::CONTENT_TYPE, format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"))
        .header(header::ACCEPT, DICOM_JSON);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::new(body.into()))
}

/// The table of PS3.18 section 10.5.3.1, and of HTTP around it.
fn judge(reply: &Reply, instance: &str) -> Fate {
    let status = reply.status;
    let named = || answers(&reply.body).remove(instance);
    match status {
        // 200 says that all are stored, whatever the body leaves out.
        200 => Fate::Answered(named().unwrap_or(DimseStatus::SUCCESS)),
        202 | 409 => Fate::Answered(named().unwrap_or(DimseStatus::PROCESSING_FAILURE)),
        401 | 403 => Fate::Misdirected(format!(
            "the store answered {status}: it does not know our token or certificate, or they may not store"
        )),
        300..=399 => Fate::Misdirected(format!(
            "the store answered {status}, a redirect, which is never followed: write its final address as url"
        )),
        404 | 405 | 501 => Fate::Misdirected(format!(
            "the store answered {status}: there is no STOW-RS at this url; it must end where /studies begins"
        )),
        406 | 415 => Fate::Misdirected(format!(
            "the store answered {status}: it takes no application/dicom, or cannot answer in {DICOM_JSON}"
        )),
        408 | 425 | 429 | 500..=599 => Fate::Later(format!("the store answered {status}"), reply.retry_after),
        400..=499 => Fate::Refused(format!("the store answered {status}")),
        _ => Fate::Misdirected(format!("the store answered {status}, which says nothing about a store")),
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

    fn client() -> Outgoing {
        Outgoing::new(None, Duration::from_secs(2), Duration::from_secs(2))
    }

    async fn stored(answer: &str, object: &Object) -> (Fate, Vec<String>) {
        let script = Script::start(&[answer]).await;
        let base = Address::parse(&format!("{}/dicom-web/", script.address)).unwrap();
        let fate = send(&client(), &base, Some("t0ken"), object).await;
        let heard = script.heard().await.into_iter().map(|r| String::from_utf8_lossy(&r).into_owned()).collect();
        (fate, heard)
    }

    #[tokio::test]
    async fn an_object_is_one_multipart_request_and_a_warning_is_read() {
        let body = r#"[{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.1"]}},
            {"00081155":{"vr":"UI","Value":["1.2"]},"00081196":{"vr":"US","Value":["45056"]}}]}}]"#;
        for (instance, status) in [("1.1", 0), ("1.2", 0xB000), ("1.3", 0)] {
            let (fate, heard) = stored(&reply(200, body), &object(instance)).await;
            assert_eq!(fate, Fate::Answered(DimseStatus(status)));
            assert_eq!(heard.len(), 1);
            let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("POST /dicom-web/studies/1.2.3 HTTP/1.1\r\n"), "{head}");
            assert!(head.to_ascii_lowercase().contains("authorization: bearer t0ken"), "{head}");
            let boundary = head.split("boundary=").nth(1).unwrap().lines().next().unwrap();
            let part = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--x\r\n");
            assert_eq!(body, format!("{part}--{boundary}--\r\n"));
        }
    }

    #[tokio::test]
    async fn failures_have_the_status_of_their_instance() {
        let (fate, _) = stored(&reply(409, &failed("1.1", 0xA700)), &object("1.1")).await;
        assert_eq!(fate, Fate::Answered(DimseStatus(0xA700)));
        let (fate, _) = stored(&reply(409, "<xml/>"), &object("1.1")).await;
        assert_eq!(fate, Fate::Answered(DimseStatus::PROCESSING_FAILURE));
        let (fate, _) = stored(&reply(400, ""), &object("1.1")).await;
        assert!(matches!(&fate, Fate::Refused(why) if why.contains("400")), "{fate:?}");
    }

    #[tokio::test]
    async fn the_store_as_a_whole_is_told_apart_from_the_object() {
        for (status, later) in
            [(401, false), (403, false), (307, false), (404, false), (415, false), (429, true), (503, true)]
        {
            let (fate, heard) = stored(&reply(status, ""), &object("1.1")).await;
            let expected = if later { matches!(fate, Fate::Later(..)) } else { matches!(fate, Fate::Misdirected(_)) };
            assert!(expected, "{status}: {fate:?}");
            assert_eq!(heard.len(), 1, "{status}");
        }
        assert!(matches!(stored("", &object("1.1")).await.0, Fate::Away(_)));
        assert!(matches!(stored("silence", &object("1.1")).await.0, Fate::Later(..)));
    }

    #[tokio::test]
    async fn a_name_that_is_no_uid_is_never_part_of_an_address() {
        for name in [
            "",
            "1.2/../../admin",
            "1.2?x=1",
            "1.2#",
            "1.2%2f",
            "1.2\r\nHost: other",
            "../1.2",
            "1..2",
            "1.2 ",
            "1.2\0",
        ] {
            let wrong = Object { study: name.to_owned(), ..object("1.1") };
            let (fate, heard) = stored(&reply(200, ""), &wrong).await;
            assert!(matches!(fate, Fate::Refused(_)) && heard.is_empty(), "{name:?}: {fate:?}");
        }
    }

    #[tokio::test]
    async fn an_address_in_the_answer_is_never_called() {
        let trap = Script::start(&[&reply(200, "")]).await;
        let body = format!(
            r#"{{"00081190":{{"vr":"UR","Value":["{0}/studies/1.2.3"]}},"00081199":{{"vr":"SQ","Value":[{{"00081155":{{"vr":"UI","Value":["1.1"]}},"00081190":{{"vr":"UR","Value":["{0}/x"]}},"00404010":{{"vr":"UR","BulkDataURI":"{0}/bulk"}}}}]}}}}"#,
            trap.address
        );
        let (fate, _) = stored(&reply(200, &body), &object("1.1")).await;
        assert_eq!(fate, Fate::Answered(DimseStatus::SUCCESS));
        assert!(trap.heard().await.is_empty());
    }
}
