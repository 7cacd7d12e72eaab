//! `ae-titles.toml`: who we are, who may call, where results go.

use centinela_domain::ae::AeTitle;
use centinela_domain::profile::{OnSkip, Profile};
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Who we are.
    pub node: NodeTitle,
    /// Modalities and archives.
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
}

/// `[node]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeTitle {
    /// Our AE title.
    pub ae_title: AeTitle,
    /// The DICOM port; `[dicom] port` of the settings otherwise.
    pub port: Option<u16>,
}

/// One `[[peer]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Our name for it.
    pub name: String,
    /// Its AE title.
    pub ae_title: AeTitle,
    /// Host name or address; needed where results go there.
    pub host: Option<String>,
    /// Its DICOM port; needed where results go there.
    pub port: Option<u16>,
    /// Whether it may push studies to us.
    #[serde(default)]
    pub sends: bool,
    /// What it receives.
    #[serde(default)]
    pub deliver: Profile,
    /// When it hears that nothing was analysed.
    #[serde(default)]
    pub on_skip: OnSkip,
}

impl Peers {
    /// Reads the file and appends everything that is wrong with it.
    pub fn read(path: &Path, problems: &mut Vec<String>) -> Option<Self> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&name, &text, problems),
            Err(error) => {
                problems.push(format!("{name}: cannot be read: {error}"));
                None
            }
        }
    }

    /// Parses the text of the file `name`.
    pub fn parse(name: &str, text: &str, problems: &mut Vec<String>) -> Option<Self> {
        let peers: Self = match toml::from_str(text) {
            Ok(peers) => peers,
            Err(error) => {
                problems.push(format!("{name}: {}", error.to_string().trim()));
                return None;
            }
        };
        let mut seen = HashSet::new();
        for peer in &peers.peers {
            if !seen.insert(&peer.name) {
                problems.push(format!("{name}: two peers are named {:?}; names must differ", peer.name));
            }
            if peer.name.trim().is_empty() {
                problems.push(format!("{name}: a peer has no name; every peer needs one"));
            }
            if peer.host.as_ref().is_some_and(|h| h.trim().is_empty()) || peer.port == Some(0) {
                problems.push(format!("{name}: peer {:?} has an empty host or port 0", peer.name));
            }
            let receives = peer.deliver != Profile::None;
            if receives && (peer.host.is_none() || peer.port.is_none()) {
                problems.push(format!("{name}: peer {:?} has deliver, so it needs host and port", peer.name));
            }
        }
        Some(peers)
    }

    /// The peers that receive results.
    pub fn destinations(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|p| p.deliver != Profile::None)
    }

    /// The peer with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Peer> {
        self.peers.iter().find(|p| p.name == name)
    }
}
