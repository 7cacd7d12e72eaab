//! Probing: what a peer takes, asked by negotiation (PS3.8 section 9.3), kept as a row, and what follows from
//! it for `deliver = "auto"`. The delivery loops ask, and so does `centinela doctor`.

mod cause;
mod plain;

pub use cause::Cause;
pub use plain::plain;

use crate::config::{Config, Peer};
use crate::store::events::{self, EventKind};
use crate::store::probes::{self, ProbeRow};
use crate::store::{Tx, deliveries};
use anyhow::{Context as _, Result};
use centinela_domain::UnixMs;
use centinela_domain::ability::{Ability, Advice, ContextRefusal, OFFERS, advise};
use centinela_domain::deliver::Deliver;
use centinela_domain::profile::{Profile, ResultKind};
use centinela_domain::uid::Uid;
use centinela_scp::{PeerAnswer, ProposedContext, Remote, RequestError, Requestor, RequestorOptions};
use serde_json::json;

/// What waits for a peer of which nobody knows what it takes: everything that it may turn out to take.
const UNKNOWN: Profile = Profile::Compat;

/// The outcome of a probe that the peer answered.
pub const ANSWERED: &str = "answered";
/// The outcome of a probe in which every class was refused: a right that is missing there, most likely, and no
/// reason to give results up.
pub const TAKES_NOTHING: &str = "takes_nothing";

/// One context for each class and transfer syntax that we could send, and for each service that we could use.
#[must_use]
pub fn contexts() -> Vec<ProposedContext> {
    let pairs = OFFERS.iter().flat_map(|offer| offer.syntaxes.iter().map(|syntax| (offer.class, *syntax)));
    let parsed = pairs.filter_map(|(class, syntax)| Some((Uid::parse(class).ok()?, Uid::parse(syntax).ok()?)));
    parsed.map(|(class, syntax)| ProposedContext::new(class, vec![syntax])).collect()
}

/// Opens an association in which everything is proposed.
///
/// # Errors
/// Any [`RequestError`] of an association that does not come about.
pub async fn ask(remote: &Remote, options: &RequestorOptions) -> Result<(Requestor, Ability), RequestError> {
    let proposed = contexts();
    let requestor = Requestor::negotiate(remote, options, &proposed).await?;
    let ability = ability(&proposed, requestor.answer());
    Ok((requestor, ability))
}

fn ability(proposed: &[ProposedContext], answer: &PeerAnswer) -> Ability {
    Ability::of(proposed.iter().zip(&answer.contexts).flat_map(|(context, said)| {
        let refusal: Option<ContextRefusal> = said.answer.as_ref().err().copied();
        let class = context.abstract_syntax.to_string();
        context.transfer_syntaxes.iter().map(move |syntax| (class.clone(), syntax.to_string(), refusal))
    }))
}

/// What a peer says that it is.
#[must_use]
pub fn implementation(answer: &PeerAnswer) -> Option<String> {
    let (version, class) = (&answer.implementation_version, &answer.implementation_class_uid);
    match (version, class) {
        (Some(version), Some(class)) => Some(format!("{version} ({class})")),
        (Some(version), None) => Some(version.clone()),
        (None, Some(class)) => Some(class.to_string()),
        (None, None) => None,
    }
}

/// Whom we call for a peer, and as whom: a probe under another address says nothing.
#[must_use]
pub fn address(config: &Config, peer: &Peer) -> String {
    let tls = if peer.tls.is_some() { " by TLS" } else { "" };
    let (host, port) = (peer.host.as_deref().unwrap_or("-"), peer.port.unwrap_or(0));
    format!("{} at {host}:{port}{tls} from {}", peer.title(), config.peers.node.ae_title)
}

/// What the last valid probe of a peer says that it takes.
///
/// # Errors
/// If the row was written by an incompatible version.
pub fn known(config: &Config, peer: &Peer, row: Option<&ProbeRow>) -> Result<Option<Ability>> {
    let Some(row) = row.filter(|row| row.address == address(config, peer)) else { return Ok(None) };
    row.ability.as_deref().map(|text| serde_json::from_str(text).context("read what a peer takes")).transpose()
}

/// The kinds that a peer gets, by its entry or by its probe; `None` where nobody knows yet.
///
/// # Errors
/// As [`known`].
pub fn kinds(config: &Config, peer: &Peer, row: Option<&ProbeRow>) -> Result<Option<Vec<ResultKind>>> {
    if let Some(kinds) = peer.deliver.kinds() {
        return Ok(Some(kinds.to_vec()));
    }
    let advice = known(config, peer, row)?.map(|ability| advise(&ability).deliver);
    Ok(advice.filter(Deliver::is_any).map(|deliver| deliver.kinds().unwrap_or_default().to_vec()))
}

/// A destination and what it gets now.
#[derive(Debug)]
pub struct Destination<'c> {
    /// The peer.
    pub peer: &'c Peer,
    /// What is scheduled for it: all that it may take, as long as nobody knows.
    pub kinds: Vec<ResultKind>,
}

/// Every destination with what it gets now.
///
/// # Errors
/// If rows cannot be read.
pub async fn destinations<'c>(tx: &mut Tx, config: &'c Config) -> Result<Vec<Destination<'c>>> {
    let mut all = Vec::new();
    for peer in config.peers.destinations() {
        let row = if peer.deliver == Deliver::Auto { probes::find(tx, &peer.name).await? } else { None };
        let kinds = kinds(config, peer, row.as_ref())?.unwrap_or_else(|| UNKNOWN.kinds().to_vec());
        all.push(Destination { peer, kinds });
    }
    Ok(all)
}

/// How an attempt to probe ended.
#[derive(Debug)]
pub enum Probe<'a> {
    /// The peer answered.
    Answered(&'a Ability, Option<String>),
    /// It did not; why, as a word and as a sentence.
    Failed(&'a str, String),
}

/// Records an attempt, with all that follows from it: a peer with `deliver = "auto"` that takes other kinds
/// than before gets no more of what it does not take.
///
/// # Errors
/// If rows cannot be read or written.
pub async fn record(tx: &mut Tx, config: &Config, peer: &Peer, probe: Probe<'_>, now: UnixMs) -> Result<ProbeRow> {
    let address = address(config, peer);
    let former = probes::find(tx, &peer.name).await?;
    let before = kinds(config, peer, former.as_ref())?;
    let same = former.filter(|row| row.address == address);
    let row = match probe {
        Probe::Answered(ability, implementation) => {
            let nothing = !advise(ability).deliver.is_any();
            ProbeRow {
                peer: peer.name.clone(),
                address,
                at: now,
                outcome: (if nothing { TAKES_NOTHING } else { ANSWERED }).to_owned(),
                error: nothing.then(|| format!("{} takes none of the objects that we could send", peer.name)),
                failures: if nothing { same.map_or(0, |row| row.failures) + 1 } else { 0 },
                answered_at: Some(now),
                ability: Some(serde_json::to_string(ability)?),
                implementation,
            }
        }
        Probe::Failed(outcome, error) => ProbeRow {
            peer: peer.name.clone(),
            address,
            at: now,
            outcome: outcome.to_owned(),
            error: Some(error),
            failures: same.as_ref().map_or(0, |row| row.failures) + 1,
            answered_at: same.as_ref().and_then(|row| row.answered_at),
            ability: same.as_ref().and_then(|row| row.ability.clone()),
            implementation: same.and_then(|row| row.implementation),
        },
    };
    probes::save(tx, &row).await?;
    if peer.deliver == Deliver::Auto {
        follow(tx, config, peer, &row, before, now).await?;
    }
    Ok(row)
}

/// What follows for a peer whose kinds follow from its probe.
async fn follow(
    tx: &mut Tx,
    config: &Config,
    peer: &Peer,
    row: &ProbeRow,
    before: Option<Vec<ResultKind>>,
    now: UnixMs,
) -> Result<()> {
    if row.outcome != ANSWERED {
        // As with deliveries: 1st, 2nd, 4th, 8th ... attempt.
        if row.failures.count_ones() == 1 {
            let detail =
                json!({ "peer": peer.name, "cause": row.outcome, "error": row.error, "attempt": row.failures });
            events::append(tx, now, None, None, EventKind::ProbeFailed, detail).await?;
        }
        return Ok(());
    }
    let Some(ability) = known(config, peer, Some(row))? else { return Ok(()) };
    let Advice { deliver, sr_class, .. } = advise(&ability);
    let kinds = deliver.kinds().unwrap_or_default();
    for kind in ResultKind::ALL.into_iter().filter(|kind| !kinds.contains(kind)) {
        for taken_back in deliveries::withdraw(tx, &peer.name, kind.as_str()).await? {
            let detail =
                json!({ "destination": peer.name, "kind": kind, "reason": "the destination gets other kinds" });
            let (study, result) = (Some(taken_back.study_uid.as_str()), Some(taken_back.result.as_str()));
            events::append(tx, now, study, result, EventKind::DeliveryWithdrawn, detail).await?;
        }
    }
    if before.as_deref() != Some(kinds) {
        let detail = json!({
            "peer": peer.name, "kinds": kinds, "before": before, "sr_class": sr_class.map(|class| class.uid()),
            "implementation": row.implementation,
        });
        events::append(tx, now, None, None, EventKind::PeerProbed, detail).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_fits_one_association() {
        let all = contexts();
        assert!(all.len() > OFFERS.len() && all.len() <= 128, "{}", all.len());
        assert!(all.iter().all(|context| context.transfer_syntaxes.len() == 1));
    }
}
