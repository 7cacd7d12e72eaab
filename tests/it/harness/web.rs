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
    state: Arc<Mutex<(u16, Vec<Told>)>>,
}

impl Web {
    /// Listens on loopback and answers 200.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let web = Self { port: listener.local_addr().unwrap().port(), state: Arc::new(Mutex::new((200, Vec::new()))) };
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
        self.state.lock().unwrap().0 = status;
    }

    /// Everything so far.
    pub fn told(&self) -> Vec<Told> {
        self.state.lock().unwrap().1.clone()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<(u16, Vec<Told>)>) {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let told = Told { head, body: String::new() };
            let length: usize = told.header("content-length").map_or(0, |text| text.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                bytes.drain(..end + 4 + length);
                let status = {
                    let mut state = state.lock().unwrap();
                    state.1.push(Told { body, ..told });
                    state.0
                };
                if write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").is_err() {
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
