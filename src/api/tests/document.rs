//! The OpenAPI document against the router and against what is really answered.

use super::Node;
use super::seed::{self, FRONTAL, STUDY};
use crate::api::{is_api, openapi, routes, time};
use crate::store::jobs::JobKind;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Whether a value fits a schema. Keywords that this does not know are an error, so that none is
/// believed to be checked.
fn fits(value: &Value, schema: &Value, document: &Value) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {value} against {schema}"));
    for (keyword, rule) in schema.as_object().ok_or("a schema is an object")? {
        match keyword.as_str() {
            "description" => {}
            "$ref" => {
                let name = rule.as_str().and_then(|r| r.strip_prefix('#')).ok_or("a local reference")?;
                let target = document.pointer(name).ok_or(format!("{name} is not in the document"))?;
                fits(value, target, document)?;
            }
            "anyOf" => {
                let any = rule.as_array().is_some_and(|all| all.iter().any(|s| fits(value, s, document).is_ok()));
                if !any {
                    return wrong("none of anyOf");
                }
            }
            "type" => {
                let right = match rule.as_str() {
                    Some("string") => value.is_string(),
                    Some("integer") => value.is_i64() || value.is_u64(),
                    Some("number") => value.is_number(),
                    Some("boolean") => value.is_boolean(),
                    Some("null") => value.is_null(),
                    Some("array") => value.is_array(),
                    Some("object") => value.is_object(),
                    _ => false,
                };
                if !right {
                    return wrong("type");
                }
            }
            "const" if rule != value => return wrong("const"),
            "const" => {}
            "format" if rule == "date-time" => {
                if value.as_str().and_then(time::parse).is_none() {
                    return wrong("date-time");
                }
            }
            "items" => value.as_array().into_iter().flatten().try_for_each(|item| fits(item, rule, document))?,
            "minItems" | "maxItems" => {
                let n = value.as_array().map_or(0, Vec::len) as u64;
                let limit = rule.as_u64().ok_or("a limit is a number")?;
                if (keyword == "minItems" && n < limit) || (keyword == "maxItems" && n > limit) {
                    return wrong(keyword);
                }
            }
            "required" => {
                let missing =
                    rule.as_array().into_iter().flatten().find(|key| value.get(key.as_str().unwrap()).is_none());
                if missing.is_some() {
                    return wrong("required");
                }
            }
            "properties" => {
                for (key, member) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = rule.get(key) {
                        fits(member, schema, document).map_err(|e| format!("{key}: {e}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let named = schema.get("properties");
                for (key, member) in value.as_object().into_iter().flatten() {
                    match rule {
                        _ if named.is_some_and(|n| n.get(key).is_some()) => {}
                        Value::Bool(false) => return wrong(&format!("key {key:?} is not in the document")),
                        rule => fits(member, rule, document)?,
                    }
                }
            }
            other => return Err(format!("schema keyword {other:?} is not known to this test")),
        }
    }
    Ok(())
}

/// Path and method of every operation of the document.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = paths.iter().flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |m| (path, m)));
    methods.map(|(path, method)| (path.clone(), method.clone())).collect()
}

#[tokio::test]
async fn document_and_router_have_the_same_routes() {
    let node = Node::start().await;
    let served = node.get("/api/v1/openapi.json").await.json();
    assert_eq!(served, openapi::document());
    assert_eq!(served["openapi"], "3.1.0");
    let table: BTreeSet<_> = routes::all().iter().map(|r| (r.path.to_owned(), r.method.to_owned())).collect();
    assert_eq!(operations(&served), table);
    let mut ids = BTreeSet::new();
    for (path, method) in operations(&served) {
        // Something must answer: any status but those of the fallbacks.
        let concrete = path.replace("{uid}", STUDY).replace("{id}", "x");
        let reply = node.with_token(&method, &concrete).await;
        assert_ne!(reply.status, 405, "{method} {path}");
        assert!(reply.status != 404 || !reply.body.contains("no such route"), "{method} {path}");
        let operation = &served["paths"][&path][&method];
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
        assert_eq!(operation["security"].as_array().unwrap().len(), usize::from(is_api(&path)), "{path}");
        assert_eq!(operation["responses"].get("401").is_some(), is_api(&path), "{path}");
        let in_path = operation["parameters"].as_array().unwrap().iter().filter(|p| p["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{path}");
    }
}

#[tokio::test]
async fn every_answer_fits_the_document() {
    let node = Node::start().await;
    seed::delivered_study(&node).await;
    seed::received(&node, "1.2.4", "1.2.4.1", super::START).await;
    seed::dead_job(&node, JobKind::Predict, "1.2.4", "1.2.4.1").await;
    let commitment = seed::commitment(&node).await;
    seed::second_quarantined(&node).await;
    let modelled = Node::with(&[]).await;
    // Any DICOM file will do for the bytes of the report.
    let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dicom-fixtures/lateral_only.dcm");
    node.app.blobs.put("results/aa/aa.dcm", std::fs::read(film).unwrap()).await.unwrap();
    let document = openapi::document();
    let refused = node.get("/api/v1/deliveries?state=refused").await.json();
    let refused = refused["deliveries"][0]["id"].as_str().unwrap().to_owned();
    // The last, since it takes away what the others show.
    let mut all = routes::all();
    all.sort_by_key(|route| route.path.ends_with("/withdraw"));
    for route in all {
        let uid = match route.path {
            "/api/v1/studies/{uid}/retry" => "1.2.4",
            "/api/v1/instances/{uid}" => FRONTAL,
            _ => STUDY,
        };
        let id = match route.path {
            path if path.contains("/commitments/") => commitment.as_str(),
            path if path.contains("/quarantine/{id}/keep") => "variant-1",
            path if path.contains("/quarantine/{id}/take") => "variant-2",
            _ => refused.as_str(),
        };
        let operation = &document["paths"][route.path][route.method];
        let target = route.path.replace("{uid}", uid).replace("{id}", id);
        let node = if route.path.ends_with("/models/reload") { &modelled } else { &node };
        let (target, and) = match route.path.ends_with("/withdraw") {
            true => (format!("{target}?reason=test"), '&'),
            false => (target, '?'),
        };
        let good = node.with_token(route.method, &target).await;
        assert_eq!(good.status, route.status, "{target}: {good:?}");
        check(&good, operation, &document, &target);
        let bad = node.with_token(route.method, &format!("{target}{and}frobnicate=1")).await;
        assert_eq!(bad.status, 400, "{target}");
        check(&bad, operation, &document, &target);
        if is_api(&target) {
            check(&node.call(route.method, &target, None).await, operation, &document, &target);
        }
        if route.problems.contains(&404) {
            let missing = node.with_token(route.method, &target.replace(uid, "9.9").replace(id, "x")).await;
            assert_eq!(missing.status, 404, "{target}");
            check(&missing, operation, &document, &target);
        }
        if route.problems.contains(&409) {
            // The second time there is nothing left, or it is under way.
            let again = node.with_token(route.method, &target).await;
            assert!([202, 409].contains(&again.status), "{target}");
            check(&again, operation, &document, &target);
        }
    }
}

#[track_caller]
fn check(reply: &super::Reply, operation: &Value, document: &Value, target: &str) {
    let response = &operation["responses"][reply.status.to_string()];
    assert!(response.is_object(), "{target}: status {} is not in the document", reply.status);
    let content = response["content"].as_object().unwrap();
    let media = reply.header("content-type").unwrap();
    let schema = &content.get(media).unwrap_or_else(|| panic!("{target}: {media} is not in the document"))["schema"];
    if media.ends_with("json") {
        fits(&reply.json(), schema, document).unwrap_or_else(|e| panic!("{target}: {e}"));
    }
}

#[test]
fn the_check_can_fail() {
    let document = openapi::document();
    let page = serde_json::json!({ "$ref": "#/components/schemas/StudyPage" });
    let good = serde_json::json!({ "studies": [], "next": null });
    assert_eq!(fits(&good, &page, &document), Ok(()));
    for bad in [
        serde_json::json!({ "studies": [] }),
        serde_json::json!({ "studies": [], "next": 1 }),
        serde_json::json!({ "studies": [{}], "next": null }),
        serde_json::json!({ "studies": [], "next": null, "more": true }),
        serde_json::json!([]),
    ] {
        assert!(fits(&bad, &page, &document).is_err(), "{bad}");
    }
}
