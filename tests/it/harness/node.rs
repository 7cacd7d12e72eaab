//! The node under test: the real binary in a temporary folder.

use super::api::{self, Answer};
use super::until;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// A peer for ae-titles.toml.
#[derive(Debug, Clone)]
pub struct Peer {
    pub name: String,
    pub ae_title: String,
    pub port: u16,
    pub sends: bool,
    pub deliver: &'static str,
    pub on_skip: &'static str,
}

impl Peer {
    /// A PACS that receives with a profile.
    pub fn pacs(port: u16, deliver: &'static str) -> Self {
        Self { name: "pacs".into(), ae_title: "PACS".into(), port, sends: false, deliver, on_skip: "all" }
    }
}

/// Where the node lives and how it is configured; survives the process.
#[derive(Debug)]
pub struct Home {
    pub dir: TempDir,
    peers: Vec<Peer>,
    /// More of ae-titles.toml, as text.
    more_peers: String,
    env: Vec<(String, String)>,
    program: PathBuf,
    runs: std::cell::Cell<usize>,
}

impl Home {
    /// A home with a modality `MODALITY` that may send, a quiet period of half a second, and these peers.
    pub fn new(peers: &[Peer]) -> Self {
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
            peers: peers.to_vec(),
            more_peers: String::new(),
            env: Vec::new(),
            program: env!("CARGO_BIN_EXE_centinela").into(),
            runs: 0.into(),
        };
        home.set("CENTINELA__STUDY__QUIET_PERIOD", "0.5")
            .set("CENTINELA__STORAGE__MIN_FREE", "1048576")
            .set("CENTINELA__STORAGE__LOW_FREE", "0")
            .set("CENTINELA__DICOM__BIND", "127.0.0.1")
            // As the unit file and the image have it.
            .set("MALLOC_ARENA_MAX", "2")
            .set("MALLOC_TRIM_THRESHOLD_", "4194304")
            .set("MALLOC_MMAP_THRESHOLD_", "33554432")
    }

    /// Sets an environment variable of the node.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.env.retain(|(k, _)| k != key);
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Another program than the one of this build, from the next start on.
    pub fn program(mut self, path: &Path) -> Self {
        self.program = path.to_owned();
        self
    }

    /// The same home with other peers, from the next start on.
    pub fn with_peers(mut self, peers: &[Peer]) -> Self {
        self.peers = peers.to_vec();
        self
    }

    /// Adds peers in the words of ae-titles.toml.
    pub fn peers_text(mut self, text: &str) -> Self {
        self.more_peers.push_str(text);
        self
    }

    /// Uses the test instrument with known maps instead of the demonstrator.
    pub fn synthetic_map(self) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/test-synthetic-map-1.0.0");
        self.set("CENTINELA__ANALYZE__MODEL", folder.to_str().unwrap())
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// All logs of all runs so far.
    pub fn logs(&self) -> String {
        (0..self.runs.get()).map(|n| fs::read_to_string(self.log(n)).unwrap_or_default()).collect()
    }

    fn log(&self, run: usize) -> PathBuf {
        self.dir.path().join(format!("node-{run}.log"))
    }

    /// A command of the binary with this configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let peers = self.dir.path().join("ae-titles.toml");
        let mut text =
            "[node]\nae_title = \"CENTINELA\"\n[[peer]]\nname = \"modality\"\nae_title = \"MODALITY\"\nsends = true\n"
                .to_owned();
        for p in &self.peers {
            text += &format!(
                "[[peer]]\nname = \"{}\"\nae_title = \"{}\"\nhost = \"127.0.0.1\"\nport = {}\nsends = {}\ndeliver = \"{}\"\non_skip = \"{}\"\n",
                p.name, p.ae_title, p.port, p.sends, p.deliver, p.on_skip
            );
        }
        text += &self.more_peers;
        fs::write(&peers, text).unwrap();
        let config = self.dir.path().join("centinela.toml");
        if !config.exists() {
            fs::write(&config, "").unwrap();
        }
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .arg("--config")
            .arg(config)
            .arg("--peers")
            .arg(peers)
            .arg("--data-dir")
            .arg(self.data());
        command.envs(self.env.iter().map(|(k, v)| (k, v))).stdin(Stdio::null());
        command
    }

    /// Starts `serve` and waits until it listens.
    pub fn start(&self) -> Node<'_> {
        self.start_with(&[])
    }

    /// As [`Home::start`], with more environment for this run only.
    pub fn start_with(&self, env: &[(&str, &str)]) -> Node<'_> {
        let run = self.runs.get();
        self.runs.set(run + 1);
        let log = self.log(run);
        let out = File::create(&log).unwrap();
        let mut command = self.command(&["serve", "--dicom-port", "0", "--api-port", "0"]);
        command.envs(env.iter().copied()).stdout(out.try_clone().unwrap()).stderr(out);
        let mut child = command.spawn().unwrap();
        let ports = until("the node listens", || {
            let text = fs::read_to_string(&log).unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                return Some(Err(format!("the node ended with {status}:\n{text}")));
            }
            // Where there is no plain listener, the secure one is the last word.
            let dicom = port(&text, "scp").or_else(|| port(&text, "scp-tls"))?;
            Some(Ok((dicom, port(&text, "api")?)))
        });
        let (dicom, api) = ports.unwrap_or_else(|e| panic!("{e}"));
        Node { home: self, child, dicom, api, token: std::cell::OnceCell::new(), stopped: false }
    }
}

fn port(log: &str, role: &str) -> Option<u16> {
    let line = log.lines().find(|l| l.contains("listening") && l.contains(&format!("role=\"{role}\"")))?;
    line.split_whitespace().find_map(|w| w.strip_prefix("port="))?.parse().ok()
}

/// A running node. Dropped, it is stopped, and nothing may be left half done.
#[derive(Debug)]
pub struct Node<'h> {
    pub home: &'h Home,
    child: Child,
    pub dicom: u16,
    pub api: u16,
    token: std::cell::OnceCell<String>,
    stopped: bool,
}

impl Node<'_> {
    /// The port of the TLS listener.
    pub fn tls(&self) -> u16 {
        let log = self.home.log(self.home.runs.get() - 1);
        until("the node listens by TLS", || port(&fs::read_to_string(&log).unwrap(), "scp-tls"))
    }

    /// Sends a signal, `HUP` for example.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until a line of the log has all these words; gives it.
    pub fn logged(&self, words: &[&str]) -> String {
        until(&format!("the log says {words:?}"), || {
            let logs = self.home.logs();
            logs.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
    }

    /// A token, made once.
    pub fn token(&self) -> &str {
        self.token.get_or_init(|| {
            let made = self.home.command(&["token", "create", "--name", "test"]).output().unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            String::from_utf8(made.stdout).unwrap().trim().to_owned()
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// GET with the token; the answer must be 200.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.json()
    }

    /// A request with the token.
    pub fn ask(&self, method: &str, path: &str) -> Answer {
        api::request(self.api, method, path, Some(self.token())).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }

    /// A study by the API, if it is known.
    pub fn study(&self, uid: &str) -> Option<Value> {
        let answer = self.ask("GET", &format!("/api/v1/studies/{uid}"));
        (answer.status == 200).then(|| answer.json())
    }

    /// Waits until the study is settled at this revision and every destination has all its results.
    pub fn settled(&self, uid: &str, revision: i64) -> Value {
        until(&format!("revision {revision} of study {uid} settles and is delivered"), || {
            let study = self.study(uid)?;
            let state = study["study"]["state"].as_str()?;
            assert_ne!(state, "failed", "{study:#}");
            let accepted =
                study["deliveries"].as_array()?.iter().all(|d| d["state"] == "accepted" || d["state"] == "committed");
            let done = ["analyzed", "skipped"].contains(&state) && study["study"]["revision"] == revision && accepted;
            done.then_some(study)
        })
    }

    /// SIGKILL, at once.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.stopped = true;
    }

    /// Waits for the process to end by itself (a failpoint, for example).
    pub fn wait(mut self) -> ExitStatus {
        let status = until("the node ends", || self.child.try_wait().unwrap());
        self.stopped = true;
        status
    }

    /// SIGTERM; the drain must end with success.
    pub fn stop(mut self) {
        self.terminate();
    }

    fn terminate(&mut self) {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let status = until("the node drains", || self.child.try_wait().unwrap());
        self.stopped = true;
        if !std::thread::panicking() {
            assert!(status.success(), "the node ended with {status}:\n{}", self.home.logs());
            assert_no_rest(&self.home.data());
        }
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        if self.stopped {
            return;
        }
        if std::thread::panicking() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            println!("---- log of the node ----\n{}", self.home.logs());
            return;
        }
        self.terminate();
    }
}

/// After a drain nothing unfinished lies about.
fn assert_no_rest(data: &Path) {
    let rest: Vec<_> = fs::read_dir(data.join("spool")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(rest.is_empty(), "unfinished files are left: {rest:?}");
}
