//! A TCP proxy that spoils connections on purpose: delay, throttle, cut, drop what comes back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happens to the connections that are opened from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Each block waits this long, both ways.
    Delay(Duration),
    /// The connection is cut once this many bytes went towards the server.
    CutAfter(u64),
    /// What the server answers after this many of its bytes never arrives; the line stays open.
    DropAnswersAfter(u64),
    /// The connection is accepted and nothing ever moves.
    HalfOpen,
}

/// A proxy on the loopback interface.
pub struct Proxy {
    pub port: u16,
    fault: Arc<Mutex<Fault>>,
    connections: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    open: Open,
}

/// The client's side of the connections so far.
type Open = Arc<Mutex<Vec<TcpStream>>>;

impl Proxy {
    /// Forwards to `server`.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let fault = Arc::new(Mutex::new(Fault::None));
        let (connections, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (theirs, counter, stopped) = (Arc::clone(&fault), Arc::clone(&connections), Arc::clone(&stop));
        let open = Open::default();
        let opened = Arc::clone(&open);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let fault = *theirs.lock().unwrap();
                opened.lock().unwrap().extend(client.try_clone());
                thread::spawn(move || connect(client, server, fault));
            }
        });
        Self { port, fault, connections, stop, open }
    }

    /// Changes what happens to new connections.
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Ends all connections that are open now.
    pub fn cut(&self) {
        for client in self.open.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// How many connections were opened.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn connect(client: TcpStream, server: u16, fault: Fault) {
    if fault == Fault::HalfOpen {
        thread::sleep(Duration::from_secs(600));
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
        let _ = client.shutdown(Shutdown::Both);
        return;
    };
    let (client_in, server_out) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let forth = thread::spawn(move || pump(client_in, server_out, fault, true));
    pump(server, client, fault, false);
    let _ = forth.join();
}

fn pump(mut from: TcpStream, mut to: TcpStream, fault: Fault, towards_server: bool) {
    let mut buffer = [0; 4096];
    let mut moved = 0_u64;
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 {
            break;
        }
        let mut block = &buffer[..n];
        match fault {
            Fault::Delay(wait) => thread::sleep(wait),
            Fault::CutAfter(limit) if towards_server && moved + n as u64 > limit => {
                block = &block[..usize::try_from(limit.saturating_sub(moved)).unwrap()];
                let _ = to.write_all(block);
                let _ = from.shutdown(Shutdown::Both);
                break;
            }
            Fault::DropAnswersAfter(limit) if !towards_server && moved + n as u64 > limit => {
                moved += n as u64;
                continue;
            }
            _ => {}
        }
        moved += n as u64;
        if to.write_all(block).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
