//! A small HTTP server that keeps what it is told and answers with the status that the test wants.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server was told.
#[derive(Debug, Clone)]
pub struct Told {
    pub head: String,
    pub body: String,
}

impl Told {
    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A listening server; it ends with the test process.
#[derive(Debug, Clone)]
pub struct Web {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

/// What it answers, and what it was told.
#[derive(Debug, Default)]
struct State {
    status: u16,
    /// Whole answers for paths of their own.
    pages: Vec<(String, String)>,
    told: Vec<Told>,
}

impl Web {
    /// Listens on loopback and answers 200.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State { status: 200, ..State::default() }));
        let web = Self { port: listener.local_addr().unwrap().port(), state };
        let state = Arc::clone(&web.state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        web
    }

    /// Answers with this status from now on.
    pub fn answer(&self, status: u16) {
        self.state.lock().unwrap().status = status;
    }

    /// Answers requests for this path with more header lines, each with its end, and a body.
    pub fn page(&self, path: &str, status: u16, headers: &str, body: &str) {
        let answer = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        let mut state = self.state.lock().unwrap();
        state.pages.retain(|(known, _)| known != path);
        state.pages.push((path.to_owned(), answer));
    }

    /// Everything so far.
    pub fn told(&self) -> Vec<Told> {
        self.state.lock().unwrap().told.clone()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let told = Told { head, body: String::new() };
            let length: usize = told.header("content-length").map_or(0, |text| text.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                bytes.drain(..end + 4 + length);
                let path = told.head.split_whitespace().nth(1).unwrap_or_default().to_owned();
                let answer = {
                    let mut state = state.lock().unwrap();
                    state.told.push(Told { body, ..told });
                    let page = state.pages.iter().find(|(known, _)| *known == path).map(|(_, answer)| answer.clone());
                    page.unwrap_or_else(|| format!("HTTP/1.1 {} X\r\ncontent-length: 0\r\n\r\n", state.status))
                };
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
                continue;
            }
        }
        match stream.read(&mut part) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&part[..n]),
            _ => return,
        }
    }
}
