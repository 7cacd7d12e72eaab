//! How we call others: the requestor's options and the address of a peer, from the configuration.

use crate::config::{Config, Peer};
use anyhow::{Result, bail};
use centinela_domain::implementation::{IMPLEMENTATION_VERSION, implementation_class_uid};
use centinela_scp::{Remote, RequestorOptions};
use std::time::Duration;

/// How we call others: as requestor of every association.
#[must_use]
pub fn requestor_options(config: &Config) -> RequestorOptions {
    let settings = &config.settings.delivery;
    RequestorOptions {
        calling: config.peers.node.ae_title.clone(),
        connect_timeout: Duration::from_secs(settings.connect_timeout),
        response_timeout: Duration::from_secs(settings.response_timeout),
        max_pdu: config.settings.dicom.max_pdu,
        implementation_class_uid: implementation_class_uid(),
        implementation_version: IMPLEMENTATION_VERSION.to_owned(),
    }
}

/// Where a peer is called.
///
/// # Errors
/// If ae-titles.toml gives no AE title, host and port; of destinations that was checked.
pub fn remote(peer: &Peer) -> Result<Remote> {
    let (Some(ae_title), Some(host), Some(port)) = (&peer.ae_title, &peer.host, peer.port) else {
        bail!("peer {:?} has no ae_title, host and port in ae-titles.toml", peer.name);
    };
    let tls = peer.tls.as_ref().and_then(|tls| tls.connector.clone());
    if peer.tls.is_some() && tls.is_none() {
        bail!("peer {:?}: its certificates were not loaded", peer.name);
    }
    Ok(Remote { ae_title: ae_title.clone(), host: host.clone(), port, tls })
}
