//! Who gets in, and how calls that cannot be answered are told so.

use super::Node;
use crate::api::is_api;
use crate::api::routes;

/// The path of a route with something in place of its parameters.
fn concrete(path: &str) -> String {
    path.replace("{uid}", "1.2.3").replace("{id}", "no-such-id")
}

#[tokio::test]
async fn every_api_route_wants_a_token_and_nothing_else_does() {
    let node = Node::start().await;
    let mut protected = 0;
    for route in routes::all() {
        let path = concrete(route.path);
        let without = node.call(route.method, &path, None).await;
        if !is_api(&path) {
            assert_eq!(without.status, 200, "{path}: {without:?}");
            continue;
        }
        protected += 1;
        without.problem(401, &path);
        assert_eq!(without.header("www-authenticate"), Some("Bearer realm=\"centinela\""));
        for wrong in ["Bearer", "Bearer ", "Basic dGVzdDp0ZXN0", super::TOKEN] {
            node.call(route.method, &path, Some(wrong)).await.problem(401, &path);
        }
        let unknown = node.call(route.method, &path, Some("Bearer ctl_another")).await;
        unknown.problem(401, &path);
        let challenge = unknown.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"), "{challenge}");
        assert_ne!(node.with_token(route.method, &path).await.status, 401, "{path}");
        let lower = node.call(route.method, &path, Some(&format!("bearer {}", super::TOKEN))).await;
        assert_ne!(lower.status, 401, "the scheme's case does not matter");
    }
    assert_eq!(protected, 22);
    assert!(is_api("/api"), "the rest of the tests rely on it");
}

#[tokio::test]
async fn unknown_paths_below_api_tell_nothing_without_a_token() {
    let node = Node::start().await;
    for path in ["/api", "/api/", "/api/v1", "/api/v2/studies", "/api/v1/studies/", "/api/v1/openapi.json/x"] {
        node.call("get", path, None).await.problem(401, path);
        node.get(path).await.problem(404, path);
    }
    for path in ["/", "/favicon.ico", "//api/v1/studies", "/%61pi/v1/studies", "/API/v1/studies"] {
        node.call("get", path, None).await.problem(404, path);
    }
}

#[tokio::test]
async fn wrong_methods_are_405_and_name_the_right_ones() {
    let node = Node::start().await;
    for route in routes::all() {
        let path = concrete(route.path);
        let (wrong, right) = if route.method == "get" { ("post", "GET") } else { ("get", "POST") };
        for method in [wrong, "delete", "put"] {
            let reply = node.with_token(method, &path).await;
            reply.problem(405, &path);
            assert!(reply.header("allow").is_some_and(|allow| allow.contains(right)), "{path}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn query_keys_and_values_that_are_wrong_are_named() {
    let node = Node::start().await;
    for route in routes::all() {
        let path = concrete(route.path);
        let problem = node.with_token(route.method, &format!("{path}?frobnicate=1")).await.problem(400, &path);
        assert_eq!(problem["parameter"], "frobnicate");
    }
    for (path, query, key) in [
        ("/api/v1/studies", "limit=0", "limit"),
        ("/api/v1/studies", "limit=501", "limit"),
        ("/api/v1/studies", "limit=many", "limit"),
        ("/api/v1/studies", "limit=1&limit=2", "limit"),
        ("/api/v1/studies", "state=lost", "state"),
        ("/api/v1/studies", "state=", "state"),
        ("/api/v1/studies", "before=yesterday", "before"),
        ("/api/v1/studies", "study=1.2.3", "study"),
        ("/api/v1/jobs", "state=accepted", "state"),
        ("/api/v1/jobs", "study=", "study"),
        ("/api/v1/deliveries", "state=parked&limit=-1", "limit"),
        ("/api/v1/deliveries", "destination=", "destination"),
    ] {
        let problem = node.get(&format!("{path}?{query}")).await.problem(400, path);
        assert_eq!(problem["parameter"], key, "{path}?{query}");
    }
    for good in ["limit=500", "state=failed", "before=2026-01-01T00:00:00Z", "before=2026-01-01T00:00:00.000Z,1.2"] {
        assert_eq!(node.get(&format!("/api/v1/studies?{good}")).await.status, 200, "{good}");
    }
    node.get("/api/v1/studies/%ff").await.problem(400, "/api/v1/studies/%ff");
}

#[tokio::test]
async fn every_answer_has_its_security_headers() {
    let node = Node::start().await;
    for path in ["/healthz", "/metrics", "/nothing", "/api/v1/studies", "/api/v1/nothing", "/api/v1/studies/1.2"] {
        let reply = node.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("cache-control"), is_api(path).then_some("no-store"), "{path}");
    }
}

#[tokio::test]
async fn internal_errors_say_nothing_of_their_cause() {
    let node = Node::start().await;
    node.app.db.close().await;
    let problem = node.get("/api/v1/studies").await.problem(500, "/api/v1/studies");
    assert_eq!(problem["detail"], "The node could not answer; its log says why.");
    assert_eq!(problem.as_object().unwrap().len(), 5);
    let unready = node.call("get", "/readyz", None).await.problem(503, "/readyz");
    assert_eq!(unready["reasons"], serde_json::json!(["the database does not answer"]));
    let metrics = node.call("get", "/metrics", None).await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.contains("centinela_database_up 0\n") && metrics.body.contains("centinela_free_bytes "));
    assert_eq!(node.call("get", "/healthz", None).await.body, "ok");
}

#[tokio::test]
async fn the_server_ends_when_it_is_stopped() {
    let node = Node::start().await;
    assert_eq!(node.call("get", "/healthz", None).await.status, 200);
    node.stop.cancel();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), node.server).await;
    ended.unwrap().unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(node.address).await.is_err());
}
