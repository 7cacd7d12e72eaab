//! Bounds of the settings: what no node could run with, each with what to write instead.

use super::{Callers, Peers, Settings};

/// Checks values by themselves and against each other.
pub(super) fn settings(settings: &Settings, problems: &mut Vec<String>) {
    let (dicom, delivery, storage) = (&settings.dicom, &settings.delivery, &settings.storage);
    settings.tls.check(dicom.plain, problems);
    settings.identity.check(&settings.tls, problems);
    let quiet = settings.study.quiet_period;
    if !(0.0..=86_400.0).contains(&quiet) {
        problems.push(format!("[study] quiet_period = {quiet}: give seconds between 0 and 86400"));
    }
    let longest = settings.study.longest;
    if !(quiet..=604_800.0).contains(&longest) {
        problems.push(format!("[study] longest = {longest}: give seconds between quiet_period and 604800"));
    }
    for (key, number) in [
        ("associations", dicom.associations),
        ("associations_per_caller", dicom.associations_per_caller),
        ("associations_per_address", dicom.associations_per_address),
        ("connections", dicom.connections),
        ("connections_per_address", dicom.connections_per_address),
    ] {
        if number == 0 {
            problems.push(format!("[dicom] {key} = 0: nobody could connect; give at least 1"));
        } else if number > 65_536 {
            problems.push(format!("[dicom] {key} = {number}: give at most 65536"));
        }
    }
    if dicom.connections < dicom.associations {
        problems.push(format!(
            "[dicom] connections = {}: each of the {} associations needs one; give more",
            dicom.connections, dicom.associations
        ));
    }
    if !(4_096..=1_048_576).contains(&dicom.max_pdu) {
        problems.push(format!("[dicom] max_pdu = {}: give bytes between 4096 and 1048576", dicom.max_pdu));
    }
    for (key, seconds, least) in [
        ("[analyze] lease", settings.analyze.lease, 5),
        ("[analyze] film_limit", settings.analyze.film_limit, 1),
        ("[dicom] idle_timeout", dicom.idle_timeout, 1),
        ("[dicom] artim_timeout", dicom.artim_timeout, 1),
        ("[dicom] stall_timeout", dicom.stall_timeout, 1),
        ("[dicom] rate_window", dicom.rate_window, 1),
        ("[delivery] connect_timeout", delivery.connect_timeout, 1),
        ("[delivery] response_timeout", delivery.response_timeout, 1),
        ("[delivery] echo_every", delivery.echo_every, 1),
        ("[delivery] commitment_timeout", delivery.commitment_timeout, 1),
        ("[delivery] probe_every", delivery.probe_every, 1),
    ] {
        if !(least..=86_400).contains(&seconds) {
            problems.push(format!("{key} = {seconds}: give seconds between {least} and 86400"));
        }
    }
    if settings.analyze.threads > 256 {
        problems.push(format!(
            "[analyze] threads = {}: give at most 256, or 0 for half of the cores",
            settings.analyze.threads
        ));
    }
    if dicom.min_rate > 1 << 20 {
        problems.push(format!(
            "[dicom] min_rate = {}: modalities on slow lines would be cut off; give at most 1048576 bytes a second, or 0 for no limit",
            dicom.min_rate
        ));
    }
    if dicom.max_instance < 1 << 20 {
        problems
            .push(format!("[dicom] max_instance = {}: no film would fit; give at least 1048576", dicom.max_instance));
    }
    if storage.data_dir.as_os_str().is_empty() {
        problems.push("[storage] data_dir is empty: name a folder".into());
    }
    let (days, least) = (storage.keep_days, storage.keep_min);
    if !(0.0..=36_500.0).contains(&days) {
        problems.push(format!("[storage] keep_days = {days}: give days between 0 and 36500; 0 keeps films for ever"));
    }
    if least.is_nan() || least < 0.0 || (days > 0.0 && least > days) {
        problems.push(format!("[storage] keep_min = {least}: give days between 0 and keep_days ({days})"));
    }
    let url = &storage.database;
    if !(url.is_empty() || url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        problems.push("[storage] database: leave it empty for SQLite, or give a postgres:// URL".into());
    }
}

/// What is written of callers must have an effect.
pub(super) fn callers(settings: &Settings, peers: &Peers, problems: &mut Vec<String>) {
    for peer in peers.peers.iter().filter(|peer| peer.is_restricted()) {
        if !peer.sends {
            problems.push(format!(
                "peer {:?} has networks, classes, per_minute or associations, but may not call: add sends = true",
                peer.name
            ));
        } else if settings.dicom.callers == Callers::Any {
            problems.push(format!(
                "peer {:?} has networks, classes, per_minute or associations, which [dicom] callers = \"any\" would ignore: set callers = \"listed\"",
                peer.name
            ));
        }
    }
}
