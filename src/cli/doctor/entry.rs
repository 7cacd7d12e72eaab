//! The entry for this node that has to be created on the peer.

use super::report::Entry;
use crate::config::{Config, Peer};
use std::fmt::Write as _;

/// Our side of it; the host is known once there is a connection.
pub fn of(config: &Config, peer: &Peer) -> Entry {
    let settings = &config.settings;
    // Who is called by TLS will call by TLS.
    let tls = settings.tls.enabled && (peer.tls.is_some() || !settings.dicom.plain);
    let port = if tls { settings.tls.port } else { settings.dicom.port };
    Entry { ae_title: config.peers.node.ae_title.to_string(), host: None, port, tls }
}

/// In words, and as some archives write it.
pub fn text(entry: &Entry, peer: &Peer) -> String {
    let Entry { ae_title, port, tls, .. } = entry;
    let host = entry.host.as_deref().unwrap_or("THIS-MACHINE");
    let mut text = String::new();
    let by = if *tls { "yes" } else { "no" };
    let _ = writeln!(text, "  AE title {ae_title}   host {host}   port {port}   TLS {by}");
    let rights =
        if peer.sends { "it may store results, echo and be sent films" } else { "it may store results and echo" };
    let _ = writeln!(text, "  rights: {rights}");
    match &entry.host {
        None => text.push_str("  host: the address of this machine as the peer sees it\n"),
        Some(_) => text.push_str("  (behind address translation or in a container: the host's address instead)\n"),
    }
    let key = ae_title.to_lowercase();
    let secure = if *tls { ", \"UseDicomTls\": true" } else { "" };
    let _ = writeln!(text, "  Orthanc, orthanc.json:");
    let _ = writeln!(
        text,
        "    \"DicomModalities\": {{ \"{key}\": {{ \"AET\": \"{ae_title}\", \"Host\": \"{host}\", \"Port\": {port}{secure},"
    );
    let _ = writeln!(text, "      \"AllowEcho\": true, \"AllowStore\": true, \"AllowStorageCommitment\": true }} }}");
    let _ = writeln!(text, "  DCMTK, dcmqrscp.cfg, HostTable:");
    let _ = writeln!(text, "    {key} = ({ae_title}, {host}, {port})");
    let _ = writeln!(text, "  dcm4chee-arc, Configuration, AE list: new AE title {ae_title}, connection {host}:{port}");
    text
}
