//! Outgoing HTTP, for destinations that take results by STOW-RS and for those who want to be alerted.
//!
//! Only addresses of the configuration are called, and only exactly these: a redirect is an answer,
//! never an order, no proxy of the environment is asked, and no address in an answer is ever called.

use bytes::Bytes;
use centinela_scp::TlsConnector;
use http::{HeaderMap, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;

/// The longest answer that is read.
const MOST: usize = 1024 * 1024;

/// An address that the configuration may name: `http` or `https`, a host, no user, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Uri);

/// The text is no address that we call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address to call: {problem}")]
pub struct NoAddress {
    text: String,
    problem: &'static str,
}

impl Address {
    /// Reads an address; a slash at its end does not matter.
    ///
    /// # Errors
    /// [`NoAddress`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, NoAddress> {
        let wrong = |problem| NoAddress { text: text.to_owned(), problem };
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| wrong("it cannot be read"))?;
        let authority =
            uri.authority().ok_or_else(|| wrong("write it whole, such as https://pacs.example/dicom-web"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it must begin with https:// or http://"));
        }
        if authority.host().is_empty() {
            return Err(wrong("it has no host"));
        }
        // It would be shown wherever the address is shown.
        if authority.as_str().contains('@') {
            return Err(NoAddress {
                text: "(an address with a user)".to_owned(),
                problem: "a user or password does not belong in it",
            });
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong("it must end with its path: no ? and no #"));
        }
        Ok(Self(uri))
    }

    /// Whether it is called by TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Whether it is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// The address with `path` behind it. The path is ours: digits, dots, letters and slashes.
    #[must_use]
    pub fn with(&self, path: &str) -> String {
        format!("{}{path}", self.to_string().trim_end_matches('/'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Content-Type without its parameters, in lower case.
    pub content_type: String,
    /// Retry-After in seconds; a date is not understood.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Bytes,
}

/// There was no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// The request cannot be written.
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
    /// No connection, a broken one, or no TLS.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer within {0} s")]
    TimedOut(u64),
    /// The answer cannot be read or is too long.
    #[error("the answer cannot be read, or is longer than 1 MiB")]
    Unreadable,
}

/// One client, with its connections.
#[derive(Debug, Clone)]
pub struct Outgoing {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    within: Duration,
}

impl Outgoing {
    /// A client. `tls` is needed for https.
    #[must_use]
    pub fn new(tls: Option<&TlsConnector>, connect_timeout: Duration, within: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        // Without authorities nobody is believed, so that https fails instead of going unchecked.
        let config = tls.map_or_else(TlsConnector::believing_nobody, TlsConnector::client_config);
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_max_idle_per_host(2).pool_idle_timeout(Duration::from_secs(20));
        Self { client: client.build(connector), within }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// [`OutgoingError`] where there is no whole answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, OutgoingError> {
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MOST).collect().await.map_err(|_| OutgoingError::Unreadable)?;
            Ok(Reply {
                status: head.status.as_u16(),
                content_type: content_type(&head.headers),
                retry_after: text(&head.headers, header::RETRY_AFTER).and_then(|t| t.trim().parse().ok()),
                body: body.to_bytes(),
            })
        };
        timeout(self.within, exchange).await.unwrap_or(Err(OutgoingError::TimedOut(self.within.as_secs())))
    }
}

/// Why there was no answer, with the cause that the library hides behind its own words.
fn unreachable(error: &hyper_util::client::legacy::Error) -> OutgoingError {
    let mut texts = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
        next = cause.source();
    }
    OutgoingError::Unreachable(texts.join(": "))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn content_type(headers: &HeaderMap) -> String {
    let whole = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::outgoing::script::Script;

    #[test]
    fn only_whole_addresses_without_secrets_are_taken() {
        for text in ["https://pacs.example/dicom-web/", "http://127.0.0.1:8042/dicom-web", "https://[::1]:8443"] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.is_secure(), text.starts_with("https"));
            assert_eq!(address.is_loopback(), !text.contains("example"), "{text}");
        }
        for text in [
            "",
            "pacs.example/dicom-web",
            "ftp://pacs.example",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://user:secret@pacs.example",
            "https://pacs.example/?a=b",
            "https://pacs.example/#x",
            "https://pacs.example/ x",
            "https://pacs.example/\r\nHost: other",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(Address::parse("https://a.example/x/").unwrap().with("/studies"), "https://a.example/x/studies");
        assert_eq!(Address::parse("https://a.example").unwrap().with("/studies"), "https://a.example/studies");
    }

    async fn ask(answer: &str) -> (Result<Reply, OutgoingError>, Script) {
        let script = Script::start(&[answer]).await;
        let client = Outgoing::new(None, Duration::from_secs(2), Duration::from_secs(2));
        let request = Request::get(format!("{}/x", script.address)).body(Full::default()).unwrap();
        (client.send(request).await, script)
    }

    #[tokio::test]
    async fn an_answer_is_read_and_a_redirect_is_not_followed() {
        let target = Script::start(&["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]).await;
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}/secret\r\nretry-after: 17\r\ncontent-type: Text/HTML; charset=x\r\ncontent-length: 2\r\n\r\nhi",
            target.address
        );
        let (reply, script) = ask(&answer).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.retry_after, reply.content_type.as_str()), (307, Some(17), "text/html"));
        assert_eq!(&reply.body[..], b"hi");
        assert_eq!(script.heard().await.len(), 1);
        assert!(target.heard().await.is_empty(), "the redirect was followed");
    }

    #[tokio::test]
    async fn a_long_or_broken_or_late_answer_is_an_error() {
        let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 3 << 20, "x".repeat(2 << 20));
        assert!(matches!(ask(&long).await.0, Err(OutgoingError::Unreadable)));
        let torn = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort";
        assert!(ask(torn).await.0.is_err());
        assert!(matches!(ask("").await.0, Err(OutgoingError::Unreachable(_))));
        assert!(matches!(ask("silence").await.0, Err(OutgoingError::TimedOut(2))));
    }

    #[tokio::test]
    async fn https_without_an_authority_is_refused() {
        let script = Script::start(&["silence"]).await;
        let client = Outgoing::new(None, Duration::from_secs(2), Duration::from_secs(2));
        let address = script.address.replace("http://", "https://");
        let request = Request::get(address).body(Full::default()).unwrap();
        assert!(client.send(request).await.is_err());
    }
}

/// A server for tests that answers each request with the next line of its script.
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(crate) mod script {
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    pub(crate) struct Script {
        pub(crate) address: String,
        heard: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl Script {
        /// Answers in the given order, the last one again and again; "" closes, "silence" says nothing.
        pub(crate) async fn start(answers: &[&str]) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let heard = Arc::new(Mutex::new(Vec::new()));
            let answers: Vec<String> = answers.iter().map(|a| (*a).to_owned()).collect();
            let requests = Arc::clone(&heard);
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (answers, requests) = (answers.clone(), Arc::clone(&requests));
                    tokio::spawn(serve(stream, answers, requests));
                }
            });
            Self { address, heard }
        }

        /// Every request so far: head and body.
        pub(crate) async fn heard(&self) -> Vec<Vec<u8>> {
            tokio::task::yield_now().await;
            self.heard.lock().unwrap().clone()
        }
    }

    async fn serve(mut stream: TcpStream, answers: Vec<String>, requests: Arc<Mutex<Vec<Vec<u8>>>>) {
        while let Some(request) = read(&mut stream).await {
            let n = {
                let mut all = requests.lock().unwrap();
                all.push(request);
                all.len() - 1
            };
            match answers[n.min(answers.len() - 1)].as_str() {
                "" => return,
                "silence" => tokio::time::sleep(std::time::Duration::from_secs(60)).await,
                answer => stream.write_all(answer.as_bytes()).await.unwrap_or(()),
            }
        }
    }

    async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        let mut part = [0; 8192];
        loop {
            let end = all.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = end {
                let head = String::from_utf8_lossy(&all[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
                if all.len() >= end + 4 + length.unwrap_or(0) {
                    return Some(all);
                }
            }
            match stream.read(&mut part).await {
                Ok(n) if n > 0 => all.extend_from_slice(&part[..n]),
                _ => return None,
            }
        }
    }
}
