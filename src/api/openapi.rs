//! The OpenAPI 3.1 document, made from the table of routes and the schemas of the answers.

use super::is_api;
use super::problem;
use super::routes::{self, Route};
use axum::http::StatusCode;
use axum::response::Json;
use serde_json::{Map, Value, json};

/// `GET /api/v1/openapi.json`
pub async fn show() -> Json<Value> {
    Json(document())
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Map::new();
    schemas.insert("Problem".to_owned(), problem_schema());
    let mut paths = Map::new();
    for route in routes::all() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation(&route, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Centinela admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Studies, jobs, deliveries, peers and models of one node. \
                            Evaluation software, not a medical device.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Made by `centinela token create`.",
                },
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut Map<String, Value>) -> Value {
    let in_path = route
        .path_params()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = route.params.iter().map(|param| {
        let schema = param.kind.schema();
        json!({ "name": param.key, "in": "query", "description": param.help, "schema": schema })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut responses = Map::new();
    let content = json!({ route.media: { "schema": (route.schema)(schemas) } });
    responses.insert(route.status.to_string(), json!({ "description": route.summary, "content": content }));
    for status in statuses(route) {
        responses.insert(status.to_string(), problem_response(status));
    }
    let security = if is_api(route.path) { json!([{ "token": [] }]) } else { json!([]) };
    json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "parameters": parameters,
        "responses": responses,
        "security": security,
    })
}

/// Every route refuses unknown query keys; every one below /api wants a token and may fail inside.
fn statuses(route: &Route) -> Vec<u16> {
    let common: &[u16] = if is_api(route.path) { &[400, 401, 500, 503] } else { &[400] };
    let mut statuses: Vec<u16> = [common, route.problems].concat();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn problem_response(status: u16) -> Value {
    let reason = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("Error");
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": reason, "content": { problem::MEDIA_TYPE: { "schema": schema } } })
}

/// `get` and `/api/v1/studies/{uid}` give `get_studies_uid`.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    [route.method].into_iter().chain(words).collect::<Vec<_>>().join("_")
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "A problem document (RFC 9457).",
        "properties": {
            "type": { "type": "string", "const": "about:blank" },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "What is wrong and what to do." },
            "instance": { "type": "string", "description": "The path that was called." },
            "parameter": { "type": "string", "description": "The query parameter that is wrong (400)." },
            "reasons": {
                "type": "array",
                "items": { "type": "string" },
                "description": "Everything that keeps the node from being ready (503 of /readyz).",
            },
        },
        "required": ["type", "title", "status", "detail", "instance"],
        "additionalProperties": false,
    })
}
