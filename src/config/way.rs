//! How results reach a peer: by DICOM, by STOW-RS or into a folder; and what we show a DICOMweb store.

use super::{Commitment, Peer, Verify};
use crate::outgoing::Address;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// The way to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way<'p> {
    /// C-STORE to host and port.
    Dicom,
    /// STOW-RS to a DICOMweb store (PS3.18 section 10.5).
    Stow(&'p Address),
    /// Files into a folder.
    Folder(&'p Path),
}

/// A secret: written here, in the environment, or in a file that is read anew whenever it is needed.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    value: Option<String>,
    env: Option<String>,
    file: Option<PathBuf>,
}

// Never shown, wherever it comes from.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Secret {
    /// The secret as it is now.
    ///
    /// # Errors
    /// Where it should be and is not; never the secret itself.
    pub fn read(&self) -> Result<String, String> {
        let text = match (&self.value, &self.env, &self.file) {
            (Some(value), None, None) => value.clone(),
            (None, Some(name), None) => {
                std::env::var(name).map_err(|_| format!("the environment variable {name} is not set"))?
            }
            (None, None, Some(path)) => {
                std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?
            }
            _ => return Err("give exactly one of value, env and file".to_owned()),
        };
        let text = text.trim();
        match text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.is_empty() {
            true => Ok(text.to_owned()),
            false => Err("it is empty, or has characters that no token has".to_owned()),
        }
    }
}

/// `oauth = { ... }` of a peer: OAuth 2 client credentials (RFC 6749 section 4.4).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The token endpoint.
    #[serde(deserialize_with = "address")]
    pub url: Address,
    /// Who we are there.
    pub client_id: String,
    /// Our secret there.
    pub secret: Secret,
    /// What we ask for.
    pub scope: Option<String>,
}

/// Reads an address that we may call.
pub(super) fn address<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Address, D::Error> {
    Address::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// The same where it may be left out.
pub(super) fn optional_address<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Address>, D::Error> {
    address(from).map(Some)
}

/// What is wrong with the way to a peer.
pub(super) fn problems(peer: &Peer) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    let mut say = |text: &str| wrong.push(text.to_owned());
    let dicom = peer.host.is_some() || peer.port.is_some();
    if (peer.sends || dicom) && peer.ae_title.is_none() {
        say("it speaks DICOM, so it needs its ae_title");
    }
    if peer.url.is_some() && peer.folder.is_some() {
        say("results go to its url or into its folder, not both: make two peers of it");
    }
    if peer.deliver.is_any() && peer.way() == Way::Dicom && (peer.host.is_none() || peer.port.is_none()) {
        say("it has deliver, so it needs host and port, or url, or folder");
    }
    if peer.deliver.kinds().is_none() && peer.way() != Way::Dicom {
        say("deliver = \"auto\" asks by DICOM what it takes: name a profile or kinds");
    }
    let (asked, looked) = (peer.commitment == Commitment::Require, peer.verify == Verify::Find);
    if asked && peer.way() != Way::Dicom {
        say("commitment asks by DICOM: in a DICOMweb store verify = \"find\" looks, a file in a folder was read back");
    }
    if looked && matches!(peer.way(), Way::Folder(_)) {
        say("verify looks in a PACS or a DICOMweb store: a file in a folder was read back already");
    }
    if (asked || looked) && !peer.deliver.is_any() {
        say("commitment and verify are about results, and it gets none: it needs deliver");
    }
    if peer.folder.as_ref().is_some_and(|folder| !folder.is_absolute()) {
        say("write its folder whole, from / on");
    }
    if peer.token.is_some() && peer.oauth.is_some() {
        say("token and oauth say the same: give one of them");
    }
    let Some(url) = &peer.url else {
        if peer.token.is_some() || peer.oauth.is_some() {
            say("token and oauth are shown to a DICOMweb store: give its url");
        }
        return wrong;
    };
    let calls = [Some(url), peer.oauth.as_ref().map(|oauth| &oauth.url)];
    if calls.iter().flatten().any(|address| address.is_secure()) && peer.tls.is_none() {
        say("https needs tls = { ca = \"...\" }: the PEM file of the authorities that we believe, \
             such as /etc/ssl/certs/ca-certificates.crt");
    }
    let secret = peer.token.is_some() || peer.oauth.is_some();
    if secret && calls.iter().flatten().any(|address| !address.is_secure() && !address.is_loopback()) {
        say("http:// would send token or secret in the clear: write https://");
    }
    if peer.tls.as_ref().is_some_and(|tls| tls.server_name.is_some()) {
        say("with url the name in its certificate is the host of the url: remove server_name");
    }
    let secrets = [peer.token.as_ref(), peer.oauth.as_ref().map(|oauth| &oauth.secret)];
    for problem in secrets.into_iter().flatten().filter_map(|secret| secret.read().err()) {
        wrong.push(format!("token or secret: {problem}"));
    }
    wrong
}
