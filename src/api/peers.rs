//! Peers as configured, with what is on its way to each.

use super::dto::{PeerList, PeerSummary};
use super::problem::Problem;
use crate::app::App;
use crate::store::deliveries;
use axum::extract::State;
use axum::response::Json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// `GET /api/v1/peers`
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<PeerList>, Problem> {
    let mut tx = app.db.read().await?;
    let mut counts: HashMap<String, BTreeMap<String, i64>> = HashMap::new();
    for (destination, state, n) in deliveries::count_by_state(&mut tx).await? {
        counts.entry(destination).or_default().insert(state, n);
    }
    let peers = app.config.peers.peers.iter().map(|peer| PeerSummary {
        name: peer.name.clone(),
        ae_title: peer.ae_title.to_string(),
        host: peer.host.clone(),
        port: peer.port,
        sends: peer.sends,
        deliver: peer.deliver.to_string(),
        on_skip: word(&peer.on_skip),
        deliveries: counts.remove(&peer.name).unwrap_or_default(),
    });
    Ok(Json(PeerList { ae_title: app.config.peers.node.ae_title.to_string(), peers: peers.collect() }))
}

/// The word of a configuration value, as ae-titles.toml has it.
fn word(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_owned()
}
