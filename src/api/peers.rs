//! Peers as configured, with what is on its way to each.

use super::dto::{PeerList, PeerSummary, ProbeSummary};
use super::problem::Problem;
use super::time::Time;
use crate::app::App;
use crate::config::Peer;
use crate::probing;
use crate::store::deliveries;
use crate::store::heard::{self, HeardRow};
use crate::store::probes::{self, ProbeRow};
use anyhow::Result;
use axum::extract::State;
use axum::response::Json;
use centinela_domain::ability::advise;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// `GET /api/v1/peers`
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<PeerList>, Problem> {
    let mut tx = app.db.read().await?;
    let mut counts: HashMap<String, BTreeMap<String, i64>> = HashMap::new();
    for (destination, state, n) in deliveries::count_by_state(&mut tx).await? {
        counts.entry(destination).or_default().insert(state, n);
    }
    let probes = probes::all(&mut tx).await?;
    let heard = heard::all(&mut tx).await?;
    let summary = |peer: &Peer| {
        let probe = probes.iter().find(|row| row.peer == peer.name);
        let heard = heard.iter().find(|row| peer.is_titled(&row.ae_title));
        summary(&app, peer, counts.remove(&peer.name).unwrap_or_default(), probe, heard)
    };
    let peers = app.config.peers.peers.iter().map(summary).collect::<Result<_>>()?;
    Ok(Json(PeerList { ae_title: app.config.peers.node.ae_title.to_string(), peers }))
}

fn summary(
    app: &App,
    peer: &Peer,
    deliveries: BTreeMap<String, i64>,
    probe: Option<&ProbeRow>,
    heard: Option<&HeardRow>,
) -> Result<PeerSummary> {
    let kinds = probing::kinds(&app.config, peer, probe)?;
    Ok(PeerSummary {
        name: peer.name.clone(),
        ae_title: peer.ae_title.as_ref().map(ToString::to_string),
        host: peer.host.clone(),
        port: peer.port,
        url: peer.url.as_ref().map(ToString::to_string),
        folder: peer.folder.as_ref().map(|folder| folder.display().to_string()),
        sends: peer.sends,
        deliver: peer.deliver.to_string(),
        kinds: kinds.map(|kinds| kinds.iter().map(ToString::to_string).collect()),
        on_skip: word(&peer.on_skip),
        probe: probe.map(|row| asked(app, peer, row)).transpose()?.flatten(),
        heard_at: heard.map(|row| Time(row.at)),
        heard_from: heard.map(|row| row.address.clone()),
        deliveries,
    })
}

/// What the peer said; nothing where its entry has changed since.
fn asked(app: &App, peer: &Peer, row: &ProbeRow) -> Result<Option<ProbeSummary>> {
    if row.address != probing::address(&app.config, peer) {
        return Ok(None);
    }
    let ability = probing::known(&app.config, peer, Some(row))?;
    let advice = ability.as_ref().map(advise);
    let classes = ability.into_iter().flat_map(|ability| ability.classes).map(|said| (said.class, said.accepted));
    Ok(Some(ProbeSummary {
        at: Time(row.at),
        outcome: row.outcome.clone(),
        error: row.error.clone(),
        answered_at: row.answered_at.map(Time),
        implementation: row.implementation.clone(),
        classes: classes.collect(),
        sr_class: advice.as_ref().and_then(|advice| advice.sr_class).map(|class| class.uid().to_owned()),
        recommended: advice.map(|advice| advice.deliver.to_string()),
    }))
}

/// The word of a configuration value, as ae-titles.toml has it.
fn word(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}
