//! What may be deleted, and the marks that say so. A film goes only when nothing is left to do with
//! its study: the study is settled, no job and no delivery waits, nothing is to be compared and
//! nothing in quarantine waits for a person.

use super::instances::InstanceRow;
use super::{Tx, commitments, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// A film that may go.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FilmRow {
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Study Instance UID.
    pub study_uid: String,
    /// Bytes that go with it, variants included.
    pub bytes: i64,
}

/// Bytes of a deleted row that are still to be removed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Remains {
    /// SOP Instance UID.
    pub sop_instance: String,
    /// Key of the bytes.
    pub blob: String,
    /// Whether it is a variant; pictures are of the film itself.
    pub variant: bool,
}

/// The films, the oldest first, whose study got its last film before `before` and is done with; also
/// deleted ones that got a variant since, once that is as old.
/// With `early` the films of failed studies stay: somebody may still want to retry them.
///
/// # Errors
/// If the database fails.
pub async fn due(tx: &mut Tx, before: UnixMs, early: bool, limit: i64) -> Result<Vec<FilmRow>> {
    Ok(on!(tx, c => sqlx::query_as(
        "select i.sop_instance, i.study_uid, cast(case when i.deleted_at is null then i.bytes else 0 end \
         + coalesce((select sum(v.bytes) from variant v where v.sop_instance = i.sop_instance and v.deleted_at is null), 0) as bigint) as bytes \
         from instance i join study s on s.study_uid = i.study_uid \
         where (i.deleted_at is null or exists (select 1 from variant v where v.sop_instance = i.sop_instance \
         and v.deleted_at is null and v.received_at < $1)) and i.received_at < $1 and s.last_at < $1 \
         and (s.state in ('analyzed', 'skipped') or (s.state = 'failed' and not $2)) \
         and not exists (select 1 from job j where j.study_uid = i.study_uid and j.state in ('queued', 'running')) \
         and not exists (select 1 from delivery d where d.study_uid = i.study_uid \
         and d.state in ('scheduled', 'sending')) \
         and not exists (select 1 from variant v join instance o on o.sop_instance = v.sop_instance \
         where o.study_uid = i.study_uid and (v.state = 'pending' or (v.state = 'quarantined' and v.resolution is null) \
         or v.resolution = 'take_second')) \
         order by i.received_at, i.sop_instance limit $3")
        .bind(before).bind(early).bind(limit).fetch_all(c).await?))
}

/// Marks a film and its variants as deleted, and takes back what was about to be promised of it.
/// From the commit on nothing counts on the bytes; [`purge`] names them for removal.
///
/// # Errors
/// If the database fails.
pub async fn delete(tx: &mut Tx, sop_instance: &str, now: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query("update instance set deleted_at = $2 where sop_instance = $1 and deleted_at is null")
        .bind(sop_instance).bind(now).execute(c).await?.rows_affected());
    on!(tx, c => sqlx::query("update variant set deleted_at = $2 where sop_instance = $1 and deleted_at is null")
        .bind(sop_instance).bind(now).execute(c).await?.rows_affected());
    commitments::take_back(tx, sop_instance).await
}

/// The last of the next `limit` films behind `after`, by SOP Instance UID, of which deleted bytes are
/// still there; `None` if there are none.
///
/// # Errors
/// If the database fails.
pub async fn next_remains(tx: &mut Tx, after: &str, limit: i64) -> Result<Option<String>> {
    let found: Vec<String> = on!(tx, c => sqlx::query_scalar(
        "select sop_instance from instance where deleted_at is not null and purged_at is null and sop_instance > $1 \
         union select sop_instance from variant where deleted_at is not null and purged_at is null \
         and sop_instance > $1 order by sop_instance limit $2")
        .bind(after).bind(limit).fetch_all(c).await?);
    Ok(found.into_iter().next_back())
}

/// Marks the deleted rows of these films, behind the first UID and up to the last, as removed. Remove
/// their bytes before the commit: the rows stay locked until then, so that a film that comes again
/// meanwhile is not lost (see [`restore`]); what cannot be removed is for [`unpurge`].
///
/// # Errors
/// If the database fails.
pub async fn purge(tx: &mut Tx, now: UnixMs, (after, last): (&str, &str)) -> Result<Vec<Remains>> {
    let mut remains: Vec<Remains> = on!(tx, c => sqlx::query_as(
        "update instance set purged_at = $1 where deleted_at is not null and purged_at is null \
         and sop_instance > $2 and sop_instance <= $3 returning sop_instance, blob, false as variant")
        .bind(now).bind(after).bind(last).fetch_all(c).await?);
    let variants: Vec<Remains> = on!(tx, c => sqlx::query_as(
        "update variant set purged_at = $1 where deleted_at is not null and purged_at is null \
         and sop_instance > $2 and sop_instance <= $3 returning sop_instance, blob, true as variant")
        .bind(now).bind(after).bind(last).fetch_all(c).await?);
    remains.extend(variants);
    Ok(remains)
}

/// Takes the mark of [`purge`] back: the bytes are still there.
///
/// # Errors
/// If the database fails.
pub async fn unpurge(tx: &mut Tx, rest: &Remains) -> Result<()> {
    let sql = if rest.variant {
        "update variant set purged_at = null where sop_instance = $1 and blob = $2"
    } else {
        "update instance set purged_at = null where sop_instance = $1 and blob = $2"
    };
    on!(tx, c => sqlx::query(sql).bind(&rest.sop_instance).bind(&rest.blob).execute(c).await?.rows_affected());
    Ok(())
}

/// The grey pictures of a film, which go with it.
///
/// # Errors
/// If the database fails.
pub async fn pictures(tx: &mut Tx, sop_instance: &str) -> Result<Vec<String>> {
    Ok(on!(tx, c => sqlx::query_scalar("select picture from prediction where sop_instance = $1")
        .bind(sop_instance).fetch_all(c).await?))
}

/// A check found that bytes are not what was received: the same film sent again may take their place.
///
/// # Errors
/// If the database fails.
pub async fn mark_damaged(tx: &mut Tx, blob: &str, now: UnixMs) -> Result<()> {
    on!(tx, c => sqlx::query("update instance set damaged_at = $2 where blob = $1")
        .bind(blob).bind(now).execute(c).await?.rows_affected());
    on!(tx, c => sqlx::query("update variant set damaged_at = $2 where blob = $1")
        .bind(blob).bind(now).execute(c).await?.rows_affected());
    Ok(())
}

/// A deleted or damaged film came again with the same bytes, now under the key of `row`: they count
/// again. Gives the former key, or `None` if there was nothing to restore. Before the commit the
/// caller makes sure that the bytes are there, for [`purge`] may just have had them removed, and
/// removes what the former key holds, if it is another.
///
/// # Errors
/// If the database fails.
pub async fn restore(tx: &mut Tx, row: &InstanceRow) -> Result<Option<String>> {
    let (sop, digest) = (&row.sop_instance, &row.digest);
    let first: Option<String> = on!(tx, c => sqlx::query_scalar(
        "select blob from instance where sop_instance = $1 and digest = $2 \
         and (deleted_at is not null or damaged_at is not null)")
        .bind(sop).bind(digest).fetch_optional(c).await?);
    if first.is_some() {
        on!(tx, c => sqlx::query(
            "update instance set blob = $2, bytes = $3, transfer_syntax = $4, deleted_at = null, purged_at = null, damaged_at = null \
             where sop_instance = $1")
            .bind(sop).bind(&row.blob).bind(row.bytes).bind(&row.transfer_syntax).execute(c).await?.rows_affected());
        return Ok(first);
    }
    let variant: Option<String> = on!(tx, c => sqlx::query_scalar(
        "select blob from variant where sop_instance = $1 and digest = $2 \
         and (deleted_at is not null or damaged_at is not null)")
        .bind(sop).bind(digest).fetch_optional(c).await?);
    if variant.is_some() {
        on!(tx, c => sqlx::query(
            "update variant set blob = $3, bytes = $4, transfer_syntax = $5, deleted_at = null, purged_at = null, damaged_at = null \
             where sop_instance = $1 and digest = $2")
            .bind(sop).bind(digest).bind(&row.blob).bind(row.bytes).bind(&row.transfer_syntax).execute(c).await?.rows_affected());
    }
    Ok(variant)
}
