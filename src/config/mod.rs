//! Settings: embedded defaults, then the file, then the environment, then flags.
//!
//! Unknown keys are errors, and all problems are told at once.

mod alerts;
mod check;
mod classes;
mod overlay;
pub mod peers;
mod tls;
mod way;

use centinela_domain::UnixMs;
use centinela_domain::code::Vocabulary;
use centinela_domain::result::{Captures, Compression, Language, Negatives};
use centinela_domain::study::Closing;
use overlay::Layers;
use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use alerts::{Alerts, Webhook};
pub use peers::{Commitment, Peer, Peers, Verify};
pub use tls::{Clients, Identity, Mode, PeerTls, Tls};
pub use way::{OAuth, Secret, Way};

/// The commented defaults: the file that `centinela config default` prints.
pub const DEFAULT_SETTINGS: &str = include_str!("../../conf/centinela.toml");
/// The commented example of the peers file.
pub const DEFAULT_PEERS: &str = include_str!("../../conf/ae-titles.toml");

/// All settings of `conf/centinela.toml`; the file explains each key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Settings {
    pub node: Node,
    pub dicom: Dicom,
    pub tls: Tls,
    pub identity: Identity,
    pub study: Study,
    pub storage: Storage,
    pub analyze: Analyze,
    pub report: Report,
    pub delivery: Delivery,
    pub alerts: Alerts,
    pub api: Api,
    pub log: Log,
}

/// `[node]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Node {
    pub language: Language,
}

/// `[dicom]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Dicom {
    pub plain: bool,
    pub bind: IpAddr,
    pub port: u16,
    pub callers: Callers,
    pub called: Called,
    pub associations: usize,
    pub associations_per_caller: usize,
    pub associations_per_address: usize,
    pub requests_per_minute: u32,
    pub connections: usize,
    pub connections_per_address: usize,
    pub max_pdu: u32,
    pub max_instance: u64,
    pub artim_timeout: u64,
    pub idle_timeout: u64,
    pub stall_timeout: u64,
    pub min_rate: u32,
    pub rate_window: u64,
    pub conflicts: Conflicts,
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Callers {
    /// Peers with `sends = true`.
    Listed,
    /// Everybody.
    Any,
}

/// Which called AE titles are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Called {
    /// Ours.
    Own,
    /// Every one.
    Any,
}

/// What to do with other bytes under a known SOP Instance UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conflicts {
    /// Keep them beside the first, answer success, compare later.
    Keep,
    /// Answer 0x0111 and keep nothing.
    Refuse,
}

/// `[study]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Study {
    pub quiet_period: f64,
    pub longest: f64,
}

impl Study {
    /// The quiet period in milliseconds.
    #[must_use]
    pub fn quiet_ms(&self) -> i64 {
        (self.quiet_period * 1_000.0) as i64
    }

    /// When a study closes that opens, or receives, now.
    #[must_use]
    pub fn closing(&self, now: UnixMs) -> Closing {
        Closing::from(now, self.quiet_ms(), (self.longest * 1_000.0) as i64)
    }
}

/// `[storage]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Storage {
    pub data_dir: PathBuf,
    pub min_free: u64,
    pub low_free: u64,
    pub keep_days: f64,
    pub keep_min: f64,
    pub direct_io: bool,
    pub database: String,
}

impl Storage {
    /// Free bytes below which films are deleted before `keep_days`: well before anybody is refused, be it
    /// an association or an instance.
    #[must_use]
    pub fn low_space(&self) -> u64 {
        self.min_free.saturating_mul(3).max(self.low_free.saturating_add(self.low_free / 2))
    }
}

// The database URL may hold a password.
impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = if self.database.is_empty() { "sqlite" } else { "postgres (redacted)" };
        f.debug_struct("Storage")
            .field("data_dir", &self.data_dir)
            .field("min_free", &self.min_free)
            .field("low_free", &self.low_free)
            .field("keep_days", &self.keep_days)
            .field("keep_min", &self.keep_min)
            .field("direct_io", &self.direct_io)
            .field("database", &database)
            .finish()
    }
}

/// `[analyze]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Analyze {
    pub enabled: bool,
    pub model: String,
    pub assume: Assume,
    pub lease: u64,
    pub film_limit: u64,
    pub threads: usize,
    pub precision: Numbers,
}

/// In which numbers the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// Single precision.
    Single,
    /// Bfloat16 where the model's package allows it.
    Bf16,
}

/// What to do with a film whose attributes do not say enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assume {
    /// Analyse it.
    Analyze,
    /// Skip it, with that reason.
    Skip,
}

/// `[report]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Report {
    pub negatives: Negatives,
    pub heat_map: bool,
    pub sc_compression: Compression,
    pub findings: PathBuf,
    /// What the file says over the program's own table; there once it was checked.
    #[serde(skip)]
    site: Option<Arc<Vocabulary>>,
}

impl Report {
    /// What is wanted of Secondary Captures.
    #[must_use]
    pub const fn captures(&self) -> Captures {
        Captures { heat_map: self.heat_map, compression: self.sc_compression }
    }

    /// Codes and names of the labels.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        self.site.as_deref().unwrap_or_else(|| Vocabulary::embedded())
    }

    /// Reads the site's file, if there is one.
    fn read(&mut self, problems: &mut Vec<String>) {
        let name = self.findings.display();
        if self.findings.as_os_str().is_empty() {
            return;
        }
        match std::fs::read_to_string(&self.findings) {
            Ok(text) => match Vocabulary::of_site(&text) {
                Ok(table) => self.site = Some(Arc::new(table)),
                Err(error) => problems.push(format!("[report] findings: {name}: {error}")),
            },
            Err(error) => problems.push(format!("[report] findings: {name} cannot be read: {error}")),
        }
    }
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Delivery {
    pub connect_timeout: u64,
    pub response_timeout: u64,
    pub echo_every: u64,
    pub commitment_wait: u64,
    pub commitment_timeout: u64,
    pub probe_every: u64,
}

/// `[api]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Api {
    pub bind: IpAddr,
    pub port: u16,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the keys are explained in conf/centinela.toml")]
pub struct Log {
    pub format: LogFormat,
    pub level: Level,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For log collectors.
    Json,
}

/// Least severity that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    /// The word that the filter takes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Everything that is wrong with the configuration, each with its place and remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// The configuration of one process.
#[derive(Debug, Clone)]
pub struct Config {
    /// `centinela.toml`.
    pub settings: Settings,
    /// `ae-titles.toml`.
    pub peers: Peers,
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`; else `centinela.toml` in the working directory, `/etc/centinela/centinela.toml`, or defaults.
    pub settings: Option<PathBuf>,
    /// `--peers`; else `ae-titles.toml` in the same places.
    pub peers: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `CENTINELA__SECTION__KEY` pairs.
    pub environment: Vec<(String, String)>,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// [`Problems`]: all of them at once.
    pub fn load(sources: &Sources) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut layers = Layers::new(DEFAULT_SETTINGS);
        if let Some(path) = find(sources.settings.as_deref(), "centinela.toml") {
            layers.file(&path, &mut problems);
        }
        layers.environment(&sources.environment, &mut problems);
        let mut settings = layers.settings(&mut problems);
        let peers = match find(sources.peers.as_deref(), "ae-titles.toml") {
            Some(path) => Peers::read(&path, &mut problems),
            None => Peers::parse("the embedded ae-titles.toml", DEFAULT_PEERS, &mut problems),
        };
        if let (Some(settings), Some(dir)) = (settings.as_mut(), &sources.data_dir) {
            settings.storage.data_dir.clone_from(dir);
        }
        if let Some(settings) = &mut settings {
            settings.report.read(&mut problems);
            settings.alerts.load(&mut problems);
            check::settings(settings, &mut problems);
        }
        if let (Some(settings), Some(peers)) = (&settings, &peers) {
            check::callers(settings, peers, &mut problems);
        }
        match (settings, peers) {
            (Some(settings), Some(peers)) if problems.is_empty() => Ok(Self { settings, peers }),
            _ => Err(Problems(problems)),
        }
    }
}

impl Config {
    /// The embedded defaults with these peers: for the demonstration and for tests.
    ///
    /// # Errors
    /// Never in a released program: a test holds the embedded file to it.
    pub fn embedded(peers: Peers) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        match Layers::new(DEFAULT_SETTINGS).settings(&mut problems) {
            Some(settings) => Ok(Self { settings, peers }),
            None => Err(Problems(problems)),
        }
    }
}

fn find(named: Option<&Path>, name: &str) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    [PathBuf::from(name), Path::new("/etc/centinela").join(name)].into_iter().find(|p| p.is_file())
}

#[cfg(test)]
mod tests;
