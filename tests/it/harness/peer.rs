//! pynetdicom as a destination that follows a script: `tests/it/scripts/outbox_peer.py`.

use super::tools::{python, script};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The running script.
#[derive(Debug)]
pub struct Scripted {
    pub port: u16,
    child: Child,
    input: ChildStdin,
    told: Arc<Mutex<Vec<Value>>>,
}

impl Scripted {
    /// Starts it with these options.
    pub fn start(options: &Value) -> Self {
        let mut child = Command::new(python())
            .arg(script("outbox_peer.py"))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("the script did not start: {line:?}"));
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                heard.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let input = child.stdin.take().unwrap();
        Self { port, child, input, told }
    }

    /// Changes options.
    pub fn change(&mut self, options: &Value) {
        writeln!(self.input, "{options}").unwrap();
    }

    /// Ends it; what happened is still told.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What happened so far, of one kind.
    pub fn told(&self, what: &str) -> Vec<Value> {
        self.told.lock().unwrap().iter().filter(|event| event["what"] == what).cloned().collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop();
    }
}
