//! One batch over one association: open, fit, send.

use super::record::{answered, give_back, spoiled};
use super::{encode, fit, remote, requestor_options};
use crate::app::App;
use crate::config::Peer;
use crate::failpoint;
use crate::store::deliveries::DeliveryRow;
use crate::store::results::{self, ResultRow};
use anyhow::Result;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{Remote, RequestError, Requestor};

/// Sends a batch in order. A broken association ends it: the rest goes back untouched. True if the destination
/// refused a class.
///
/// # Errors
/// If rows cannot be read or written.
pub async fn batch(app: &App, peer: &Peer, batch: Vec<DeliveryRow>) -> Result<bool> {
    let mut loaded = Vec::with_capacity(batch.len());
    for delivery in batch {
        let mut tx = app.db.read().await?;
        match results::find(&mut tx, &delivery.result).await? {
            Some(result) => loaded.push((delivery, result)),
            None => spoiled(app, peer, &delivery, "the result has no row").await?,
        }
    }
    let contexts = fit::contexts(loaded.iter().map(|(_, result)| result));
    let remote = remote(peer)?;
    let mut requestor = match Requestor::open(&remote, &requestor_options(&app.config), &contexts).await {
        Ok(requestor) => requestor,
        Err(error) => {
            let refused = is_refusal(&error);
            // The first one carries the attempt, the rest waits just as long.
            let mut rest = loaded.into_iter();
            if let Some((delivery, result)) = rest.next() {
                let next_at = answered(app, peer, &delivery, &result, &Err(error)).await?;
                give_back(app, rest, next_at).await?;
            }
            return Ok(refused);
        }
    };
    let mut refused = false;
    let mut rest = loaded.into_iter();
    while let Some((mut delivery, result)) = rest.next() {
        let fitted = fit::fit(app, peer, &requestor, &mut delivery, result).await;
        let sent = match fitted {
            Ok(result) => store(app, &remote, &mut requestor, &result).await.map(|answer| (answer, result)),
            Err(error) => Err(error),
        };
        let (answer, result) = match sent {
            Ok(sent) => sent,
            // Our own fault with this one object must not hold up the others.
            Err(error) => {
                spoiled(app, peer, &delivery, &format!("{error:#}")).await?;
                continue;
            }
        };
        failpoint::hit("delivery.sent");
        let broken = matches!(&answer, Err(error) if !is_refusal(error));
        refused |= matches!(&answer, Err(error) if is_refusal(error));
        let next_at = answered(app, peer, &delivery, &result, &answer).await?;
        failpoint::hit("delivery.recorded");
        if broken {
            give_back(app, rest, next_at).await?;
            return Ok(refused);
        }
    }
    requestor.release().await;
    Ok(refused)
}

const fn is_refusal(error: &RequestError) -> bool {
    matches!(error, RequestError::NoPresentationContext { .. })
}

async fn store(
    app: &App,
    remote: &Remote,
    requestor: &mut Requestor,
    result: &ResultRow,
) -> Result<Result<DimseStatus, RequestError>> {
    let (class, instance) = (Uid::parse(&result.sop_class)?, Uid::parse(&result.sop_instance)?);
    let bytes = app.blobs.get(&result.blob).await?;
    let Some(syntax) = encode::possible(&bytes).into_iter().find(|ts| requestor.accepts(&class, ts)) else {
        return Ok(Err(RequestError::NoPresentationContext { remote: remote.clone(), sop_class: class }));
    };
    let dataset = encode::dataset(&bytes, &syntax)?;
    Ok(requestor.store(&class, &instance, &syntax, &dataset).await)
}
