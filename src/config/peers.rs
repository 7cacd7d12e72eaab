//! `ae-titles.toml`: who we are, who may call, where results go.

use super::classes::classes;
use super::tls::PeerTls;
use super::way::{self, OAuth, Secret, Way};
use crate::outgoing::Address;
use crate::wall;
use centinela_domain::UnixMs;
use centinela_domain::ae::AeTitle;
use centinela_domain::deliver::Deliver;
use centinela_domain::delivery::hours::{self, Rate, Rest};
use centinela_domain::priority::Urgency;
use centinela_domain::profile::OnSkip;
use centinela_domain::uid::Uid;
use centinela_scp::{Caller, CertificateName, Network};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

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

/// Whether a destination is asked for storage commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Commitment {
    /// Where it offers it.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always; where it does not, the results say so.
    Require,
}

/// How results that nobody promised to keep are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Only where a promised report does not come.
    #[default]
    None,
    /// By C-FIND, or by QIDO-RS in a DICOMweb store, wherever there is no promise.
    Find,
}

/// One `[[peer]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Our name for it.
    pub name: String,
    /// Its AE title; needed where it speaks DICOM.
    pub ae_title: Option<AeTitle>,
    /// Host name or address; needed where results go there by DICOM.
    pub host: Option<String>,
    /// Its DICOM port; needed where results go there by DICOM.
    pub port: Option<u16>,
    /// Results go to this DICOMweb store by STOW-RS: where `/studies` begins.
    #[serde(default, deserialize_with = "way::optional_address")]
    pub url: Option<Address>,
    /// Results go into this folder.
    pub folder: Option<PathBuf>,
    /// The bearer token that the store wants.
    pub token: Option<Secret>,
    /// Where we get that token.
    pub oauth: Option<OAuth>,
    /// Whether it may push studies to us.
    #[serde(default)]
    pub sends: bool,
    /// Where it may call from; empty for everywhere.
    #[serde(default, deserialize_with = "networks")]
    pub networks: Vec<Network>,
    /// The SOP classes that it may send; all if absent.
    #[serde(default, deserialize_with = "sop_classes")]
    pub classes: Option<Vec<Uid>>,
    /// Associations that it may open in a minute.
    pub per_minute: Option<u32>,
    /// Associations that it may have at once; `[dicom] associations_per_caller` otherwise.
    pub associations: Option<usize>,
    /// If there is one, it may call only with one of these client certificates, so only by TLS:
    /// `sha256:<fingerprint>`, `cn:<common name>` or `dns:<name>`.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// We call it by TLS.
    pub tls: Option<PeerTls>,
    /// How urgent the films are that it sends, whatever it says itself.
    pub urgency: Option<Urgency>,
    /// Whether it is asked to commit to what it accepted.
    #[serde(default)]
    pub commitment: Commitment,
    /// How what it accepted without a promise is looked for.
    #[serde(default)]
    pub verify: Verify,
    /// What it receives.
    #[serde(default)]
    pub deliver: Deliver,
    /// When it hears that nothing was analysed.
    #[serde(default)]
    pub on_skip: OnSkip,
    /// Parts of every day, by local time, in which it is not called.
    #[serde(default)]
    pub rests: Vec<Rest>,
    /// The most objects that it gets in a minute.
    pub objects_per_minute: Option<u32>,
}

fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Network>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let parsed =
        texts.iter().map(|text| text.parse().map_err(|error| D::Error::custom(format!("networks: {text:?}: {error}"))));
    parsed.collect()
}

fn sop_classes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Uid>>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    let mut all = Vec::new();
    for name in &names {
        all.extend(classes(name).map_err(|error| D::Error::custom(format!("classes: {error}")))?);
    }
    Ok(Some(all))
}

/// What is wrong with when and how fast it is called.
fn hours_problems(peer: &Peer) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    if !peer.deliver.is_any() && (!peer.rests.is_empty() || peer.objects_per_minute.is_some()) {
        wrong.push("it has rests or objects_per_minute, but gets no results: give deliver, or remove them");
    }
    if !hours::leaves_time(&peer.rests) {
        wrong.push("its rests leave no time in which it may be called: shorten them, or set deliver = \"none\"");
    }
    if peer.objects_per_minute == Some(0) {
        wrong.push("objects_per_minute 0 would let nothing through: give at least 1, or set deliver = \"none\"");
    }
    wrong
}

impl Peer {
    /// Whether it may call only under conditions.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        !self.networks.is_empty() || self.classes.is_some() || self.per_minute.is_some() || self.associations.is_some()
    }

    /// Whether it is asked for storage commitment; then it may call to report.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.deliver.is_any() && self.way() == Way::Dicom && self.commitment != Commitment::Off
    }

    /// Whether its results are looked for even without any request that they be kept.
    #[must_use]
    pub fn is_looked_at(&self) -> bool {
        self.deliver.is_any() && self.verify == Verify::Find && !matches!(self.way(), Way::Folder(_))
    }

    /// What the acceptor has to know of it, if it may call: to send, or only to report on storage commitment.
    #[must_use]
    pub fn caller(&self) -> Option<Caller> {
        let ae_title = self.ae_title.clone().filter(|_| self.sends || self.is_asked())?;
        Some(Caller {
            ae_title,
            networks: self.networks.clone(),
            classes: if self.sends { self.classes.clone() } else { Some(Vec::new()) },
            per_minute: self.per_minute,
            associations: self.associations,
        })
    }

    /// How results reach it.
    #[must_use]
    pub fn way(&self) -> Way<'_> {
        match (&self.url, &self.folder) {
            (Some(url), _) => Way::Stow(url),
            (None, Some(folder)) => Way::Folder(folder),
            (None, None) => Way::Dicom,
        }
    }

    /// Until when it is not called, if it rests at this time.
    #[must_use]
    pub fn resting_until(&self, now: UnixMs) -> Option<UnixMs> {
        hours::resting_until(&self.rests, now, wall::minute_of_day)
    }

    /// How many objects it gets in a minute, if that is limited.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        self.objects_per_minute.map(Rate)
    }

    /// Its AE title, for people.
    #[must_use]
    pub fn title(&self) -> &str {
        self.ae_title.as_ref().map_or("-", AeTitle::as_str)
    }

    /// Whether this is its AE title.
    #[must_use]
    pub fn is_titled(&self, title: &str) -> bool {
        self.ae_title.as_ref().is_some_and(|own| own.as_str() == title)
    }

    /// Where results go, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match self.way() {
            Way::Stow(url) => url.to_string(),
            Way::Folder(folder) => folder.display().to_string(),
            Way::Dicom => self.title().to_owned(),
        }
    }
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
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                problems.push(format!("{name}: {}", error.to_string().trim()));
                return None;
            }
        };
        let mut peers = Self::assemble(name, table, problems)?;
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
            if peer.per_minute == Some(0) || peer.associations == Some(0) {
                problems.push(format!(
                    "{name}: peer {:?} has per_minute or associations 0: it could not call; give at least 1, or sends = false",
                    peer.name
                ));
            }
            if peer.classes.as_ref().is_some_and(Vec::is_empty) {
                problems.push(format!(
                    "{name}: peer {:?} has no class in classes: it could send nothing; name some, or remove the line",
                    peer.name
                ));
            }
            problems.extend(hours_problems(peer).iter().map(|wrong| format!("{name}: peer {:?}: {wrong}", peer.name)));
            problems.extend(way::problems(peer).iter().map(|wrong| format!("{name}: peer {:?}: {wrong}", peer.name)));
        }
        for peer in &mut peers.peers {
            for wrong in peer.certificates.iter().filter(|text| CertificateName::parse(text).is_none()) {
                problems.push(format!(
                    "{name}: peer {:?}: {wrong:?} names no certificate; write sha256:<64 hex digits>, cn:<common name> or dns:<name>",
                    peer.name
                ));
            }
            if !peer.certificates.is_empty() && !peer.sends && !peer.is_asked() {
                problems
                    .push(format!("{name}: peer {:?} has certificates, but may not call: add sends = true", peer.name));
            }
            if let Some(Err(error)) = peer.tls.as_mut().map(PeerTls::load) {
                problems.push(format!("{name}: peer {:?}: tls: {error}", peer.name));
            }
        }
        Some(peers)
    }

    /// Each part by itself, so that one wrong value does not hide the others.
    fn assemble(name: &str, mut table: Table, problems: &mut Vec<String>) -> Option<Self> {
        let before = problems.len();
        let node = table.remove("node").and_then(|node| {
            let node: Result<NodeTitle, _> = node.try_into();
            node.map_err(|error| problems.push(format!("{name}: [node]: {}", error.to_string().trim()))).ok()
        });
        if node.is_none() && problems.len() == before {
            problems.push(format!("{name}: there is no [node] with our ae_title"));
        }
        let peers = match table.remove("peer") {
            None => Vec::new(),
            Some(Value::Array(peers)) => peers,
            Some(other) => {
                problems.push(format!("{name}: peer is {}: write [[peer]] before each peer", other.type_str()));
                Vec::new()
            }
        };
        for key in table.keys() {
            problems.push(format!("{name}: unknown section [{key}]; known are node, peer"));
        }
        let mut known = Vec::new();
        for (n, peer) in peers.into_iter().enumerate() {
            let title = peer.get("name").and_then(Value::as_str).map_or(String::new(), |name| format!(" ({name:?})"));
            match peer.try_into() {
                Ok(peer) => known.push(peer),
                Err(error) => {
                    problems.push(format!("{name}: [[peer]] number {}{title}: {}", n + 1, error.to_string().trim()));
                }
            }
        }
        Some(Self { node: node?, peers: known })
    }

    /// The peers that receive results.
    pub fn destinations(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|p| p.deliver.is_any())
    }

    /// The peer that calls under this AE title.
    #[must_use]
    pub fn calling(&self, ae_title: &AeTitle) -> Option<&Peer> {
        self.peers.iter().find(|p| p.sends && p.ae_title.as_ref() == Some(ae_title))
    }

    /// The peer with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Peer> {
        self.peers.iter().find(|p| p.name == name)
    }
}
