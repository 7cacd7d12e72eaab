//! What a person does with deliveries by hand: has them tried again, takes them out of the outbox, puts them back.

use super::{Tx, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// Which deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// One, by its identifier.
    Delivery(&'a str),
    /// All of a study, to whatever destination.
    Study(&'a str),
    /// All to a destination.
    Destination(&'a str),
}

impl<'a> Which<'a> {
    /// Identifier, study and destination; exactly one is there.
    const fn columns(self) -> (Option<&'a str>, Option<&'a str>, Option<&'a str>) {
        match self {
            Self::Delivery(id) => (Some(id), None, None),
            Self::Study(uid) => (None, Some(uid), None),
            Self::Destination(name) => (None, None, Some(name)),
        }
    }
}

/// The deliveries that are meant.
macro_rules! meant {
    () => {
        "(cast($1 as text) is null or id = $1) and (cast($2 as text) is null or study_uid = $2) \
         and (cast($3 as text) is null or destination = $3)"
    };
}

/// A delivery that was touched.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Touched {
    /// Its identifier.
    pub id: String,
    /// Name of the peer.
    pub destination: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// SOP Instance UID of the result.
    pub result: String,
}

/// Has what was refused, waits for its next attempt, or was accepted without a promise to keep it, tried now; what is
/// parked stays so.
///
/// # Errors
/// If the database fails.
pub async fn retry(tx: &mut Tx, which: Which<'_>, now: UnixMs) -> Result<Vec<Touched>> {
    let (id, study, destination) = which.columns();
    Ok(on!(tx, c => sqlx::query_as(concat!(
        "update delivery set state = 'scheduled', next_at = $4, lease_until = null, proof = null where ", meant!(),
        " and (state = 'refused' or (state = 'scheduled' and (next_at > $4 or attempts > 0)) \
         or (state = 'accepted' and cause = 'not_committed')) \
         returning id, destination, study_uid, result"))
        .bind(id).bind(study).bind(destination).bind(now).fetch_all(c).await?))
}

/// Takes what waits or was refused out of the outbox; what is on its way stays.
///
/// # Errors
/// If the database fails.
pub async fn park(tx: &mut Tx, which: Which<'_>, reason: &str, now: UnixMs) -> Result<Vec<Touched>> {
    let (id, study, destination) = which.columns();
    Ok(on!(tx, c => sqlx::query_as(concat!(
        "update delivery set state = 'parked', parked_at = $4, parked_reason = $5 where ", meant!(),
        " and state in ('scheduled', 'refused') returning id, destination, study_uid, result"))
        .bind(id).bind(study).bind(destination).bind(now).bind(reason).fetch_all(c).await?))
}

/// Puts what was parked back into the outbox.
///
/// # Errors
/// If the database fails.
pub async fn resume(tx: &mut Tx, which: Which<'_>, now: UnixMs) -> Result<Vec<Touched>> {
    let (id, study, destination) = which.columns();
    Ok(on!(tx, c => sqlx::query_as(concat!(
        "update delivery set state = 'scheduled', next_at = $4, parked_at = null, parked_reason = null where ", meant!(),
        " and state = 'parked' returning id, destination, study_uid, result"))
        .bind(id).bind(study).bind(destination).bind(now).fetch_all(c).await?))
}
