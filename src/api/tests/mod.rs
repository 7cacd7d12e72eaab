//! Tests of the API through a real loopback listener, over a node with rows but without roles.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod access;
mod answers;
mod document;
mod retry;
mod seed;

use super::serve;
use crate::app::App;
use crate::blob::hex;
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::store::tokens;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;

const TOKEN: &str = "ctl_secret-of-the-test";

const PEERS: &str = r#"
[node]
ae_title = "CENTINELA"

[[peer]]
name = "pacs"
ae_title = "ORTHANC"
host = "127.0.0.1"
port = 4242
sends = true
deliver = "full"
on_skip = "all"

[[peer]]
name = "archive"
ae_title = "ARCHIVE"
host = "127.0.0.1"
port = 4243
deliver = "research"

[[peer]]
name = "room 1"
ae_title = "XRAY"
sends = true
"#;

/// A node of which only the API runs.
struct Node {
    app: Arc<App>,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
    _dir: tempfile::TempDir,
}

impl Node {
    /// Without a model.
    async fn start() -> Self {
        Self::with(&[("CENTINELA__ANALYZE__ENABLED", "false")]).await
    }

    async fn with(environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (settings, peers) = (dir.path().join("centinela.toml"), dir.path().join("ae-titles.toml"));
        std::fs::write(&settings, "").unwrap();
        std::fs::write(&peers, PEERS).unwrap();
        let sources = Sources {
            settings: Some(settings),
            peers: Some(peers),
            data_dir: Some(dir.path().join("data")),
            environment: environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        let app = App::open(Config::load(&sources).unwrap(), Clock::fixed(START)).await.unwrap();
        let mut tx = app.db.write().await.unwrap();
        tokens::insert(&mut tx, "tester", &hex(&Sha256::digest(TOKEN)), START).await.unwrap();
        tx.commit().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let server = tokio::spawn(serve(Arc::clone(&app), listener, stop.clone()));
        Self { app, address, stop, server, _dir: dir }
    }

    /// One call on a connection of its own.
    async fn call(&self, method: &str, target: &str, authorization: Option<&str>) -> Reply {
        let authorization = authorization.map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
        let request = format!(
            "{} {target} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n{authorization}\r\n",
            method.to_uppercase()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn with_token(&self, method: &str, target: &str) -> Reply {
        self.call(method, target, Some(&format!("Bearer {TOKEN}"))).await
    }

    async fn get(&self, target: &str) -> Reply {
        self.with_token("get", target).await
    }

    async fn post(&self, target: &str) -> Reply {
        self.with_token("post", target).await
    }
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Checks that it is a problem document of this status and gives it.
    #[track_caller]
    fn problem(&self, status: u16, path: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["instance"], path);
        assert!(problem["title"].as_str().is_some_and(|t| !t.is_empty()), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|t| t.ends_with('.')), "{problem}");
        problem
    }
}
