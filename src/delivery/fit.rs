//! The form of a result that a destination gets: a report goes in the best class that the destination takes
//! (PS3.3 A.35). Another class than its own makes a result of its own, tied to that destination.

use super::encode;
use crate::app::App;
use crate::blob::{self, hex};
use crate::config::Peer;
use crate::failpoint;
use crate::store::deliveries::{self, DeliveryRow};
use crate::store::events::{self, EventKind};
use crate::store::results::{self, ResultRow};
use anyhow::{Context as _, Result, bail};
use centinela_domain::result::{Predecessor, RLE_LOSSLESS, ResultObject, SrClass, downgrade};
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, Requestor};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The contexts that these results need: a report is proposed in each of its classes.
pub fn contexts<'r>(results: impl Iterator<Item = &'r ResultRow>) -> Vec<ProposedContext> {
    let mut contexts: Vec<ProposedContext> = Vec::new();
    for result in results {
        let classes = match SrClass::of(&result.sop_class) {
            Some(_) => SrClass::ALL.map(SrClass::uid).to_vec(),
            None => vec![result.sop_class.as_str()],
        };
        for class in classes.into_iter().filter_map(|class| Uid::parse(class).ok()) {
            if contexts.iter().all(|known| known.abstract_syntax != class) {
                let compressed = Uid::parse(RLE_LOSSLESS).ok().filter(|_| class.as_str() == encode::CAPTURE);
                contexts.extend(compressed.map(|syntax| ProposedContext::new(class.clone(), vec![syntax])));
                contexts.push(ProposedContext::new(class, encode::offered()));
            }
        }
    }
    contexts
}

/// The best report class that was accepted on an association.
fn best(requestor: &Requestor) -> Option<SrClass> {
    SrClass::ALL.into_iter().find(|class| {
        Uid::parse(class.uid()).is_ok_and(|uid| encode::offered().iter().any(|ts| requestor.accepts(&uid, ts)))
    })
}

/// Gives the form of a result that the destination takes; the delivery points to it from then on. A result that
/// it takes in no form is given back as it is: the refusal will be recorded of it.
///
/// # Errors
/// If rows or bytes cannot be read or written, or the report has no form in that class.
pub async fn fit(
    app: &App,
    peer: &Peer,
    requestor: &Requestor,
    delivery: &mut DeliveryRow,
    result: ResultRow,
) -> Result<ResultRow> {
    let (Some(own), Some(best)) = (SrClass::of(&result.sop_class), best(requestor)) else { return Ok(result) };
    if own == best {
        return Ok(result);
    }
    let (original, predecessor) = {
        let mut tx = app.db.read().await?;
        let original = match &result.derived_from {
            Some(uid) => results::find(&mut tx, uid).await?.context("the original of the report has no row")?,
            None => result.clone(),
        };
        let before = results::latest_report_at(&mut tx, &peer.name, &result.study_uid, result.revision).await?;
        (original, before.map(predecessor_of).transpose()?)
    };
    let fitting = if original.sop_class == best.uid() {
        original
    } else {
        let part10 = app.blobs.get(&original.blob).await?;
        let made = tokio::task::spawn_blocking(move || downgrade(&part10, best, predecessor.as_ref())).await??;
        keep(app, peer, &original, made).await?
    };
    let mut tx = app.db.write().await?;
    results::insert(&mut tx, &fitting).await?;
    if !deliveries::repoint(&mut tx, &delivery.id, &delivery.result, &fitting.sop_instance).await? {
        bail!("the delivery is no longer ours");
    }
    let detail = json!({
        "destination": peer.name, "class": fitting.sop_class, "from": result.sop_instance,
        "from_class": result.sop_class, "revision": result.revision,
    });
    let (study, sop) = (Some(result.study_uid.as_str()), Some(fitting.sop_instance.as_str()));
    events::append(&mut tx, app.clock.now(), study, sop, EventKind::ResultDowngraded, detail).await?;
    tx.commit().await?;
    failpoint::hit("downgrade.committed");
    tracing::info!(delivery.id, peer = peer.name, class = %best, "the report goes in the class that the peer takes");
    delivery.result.clone_from(&fitting.sop_instance);
    Ok(fitting)
}

/// Makes an object durable. If there is a row already, that object stands.
async fn keep(app: &App, peer: &Peer, original: &ResultRow, object: ResultObject) -> Result<ResultRow> {
    let sop = object.sop_instance.as_str();
    let known = {
        let mut tx = app.db.read().await?;
        results::find(&mut tx, sop).await?
    };
    if let Some(row) = known {
        return Ok(row);
    }
    let row = ResultRow {
        sop_instance: sop.to_owned(),
        sop_class: object.sop_class.to_string(),
        series_uid: object.series.to_string(),
        blob: blob::key("results", &hex(&Sha256::digest(sop)), "dcm"),
        bytes: i64::try_from(object.bytes.len())?,
        sha256: hex(&Sha256::digest(&object.bytes)),
        created_at: app.clock.now(),
        destination: Some(peer.name.clone()),
        derived_from: Some(original.sop_instance.clone()),
        withdrawn_at: None,
        reason: None,
        ..original.clone()
    };
    app.blobs.put(&row.blob, object.bytes).await?;
    failpoint::hit("downgrade.blob_durable");
    Ok(row)
}

fn predecessor_of(row: ResultRow) -> Result<Predecessor> {
    Ok(Predecessor {
        series: Uid::parse(&row.series_uid)?,
        sop_class: Uid::parse(&row.sop_class)?,
        sop_instance: Uid::parse(&row.sop_instance)?,
    })
}
