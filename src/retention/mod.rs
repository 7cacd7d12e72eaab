//! Retention: deletes the bytes of films that are done with, by age, and earlier where space runs
//! short, so that new films always find room. Rows, digests and results stay.
//!
//! First the rows say that the bytes are gone, then the bytes go: a crash in between leaves bytes
//! that the next sweep removes, never a row that claims what is not there.

mod leap;

use crate::app::App;
use crate::failpoint;
use crate::store::Tx;
use crate::store::events::{self, EventKind};
use crate::store::retention::{self, FilmRow, Remains};
use anyhow::Result;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Films that one sweep deletes at most; the next one follows at once.
const MOST_FILMS: i64 = 200;
/// Films whose bytes are removed in one transaction.
const MOST_REMOVED: i64 = 20;
/// Pause between two sweeps that found nothing more to do.
const PAUSE: Duration = Duration::from_secs(5);
/// Milliseconds of a day.
const DAY_MS: f64 = 86_400_000.0;

/// What one sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Films deleted.
    pub films: usize,
    /// Of these, before their time, for want of space.
    pub early: usize,
    /// Their bytes.
    pub bytes: i64,
}

/// Sweeps until stopped.
///
/// # Errors
/// Never: what cannot be deleted is logged and tried again.
pub async fn run(app: Arc<App>, stop: CancellationToken) -> Result<()> {
    let mut ages = leap::Ages::default();
    while !stop.is_cancelled() {
        match look(&app, &mut ages).await {
            Ok(swept) if swept.early > 0 => {
                let _ = tokio::time::timeout(PAUSE, space_is_back(&app, &stop)).await;
                continue;
            }
            Ok(swept) if swept.films > 0 => continue,
            Ok(_) => {}
            Err(error) => tracing::error!("old films could not be deleted: {error:#}"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.room.wait(PAUSE) => {}
        }
    }
    Ok(())
}

async fn look(app: &Arc<App>, ages: &mut leap::Ages) -> Result<Swept> {
    let by_age = ages.can_be_believed(app).await?;
    sweep(app, by_age).await
}

/// Some file systems give the space of deleted files back later: the next plan made before that would
/// delete too much.
async fn space_is_back(app: &App, stop: &CancellationToken) {
    let wanted = app.config.settings.storage.low_space();
    while !stop.is_cancelled() && app.blobs.free_bytes().is_ok_and(|free| free < wanted) {
        tokio::time::sleep(PAUSE / 50).await;
    }
}

/// One sweep: removes what an earlier one has marked, marks what is due now, by age too where that is to be believed,
/// removes that.
///
/// # Errors
/// If rows cannot be read or written. A file that cannot be removed is logged and stays marked.
pub async fn sweep(app: &Arc<App>, by_age: bool) -> Result<Swept> {
    remove(app).await?;
    let planned = {
        let mut tx = app.db.read().await?;
        plan(app, &mut tx, by_age).await?
    };
    if planned.0.is_empty() {
        return Ok(Swept::default());
    }
    let now = app.clock.now();
    let mut tx = app.db.write().await?;
    // Once more: between the two transactions a variant may have come.
    let (films, early) = plan(app, &mut tx, by_age).await?;
    for film in &films {
        retention::delete(&mut tx, &film.sop_instance, now).await?;
    }
    let swept = Swept { films: films.len(), early, bytes: films.iter().map(|film| film.bytes).sum() };
    if swept.films > 0 {
        let detail = json!({ "films": swept.films, "early": early, "bytes": swept.bytes });
        events::append(&mut tx, now, None, None, EventKind::FilmsDeleted, detail).await?;
    }
    tx.commit().await?;
    failpoint::hit("retention.marked");
    remove(app).await?;
    let held = Arc::clone(app);
    // Nothing comes into the folder of an hour of yesterday.
    tokio::task::spawn_blocking(move || held.blobs.prune("instances", now - DAY_MS as i64)).await??;
    tracing::info!(films = swept.films, early, bytes = swept.bytes, "old films deleted");
    Ok(swept)
}

/// The films to delete now, and how many of them go early.
async fn plan(app: &App, tx: &mut Tx, by_age: bool) -> Result<(Vec<FilmRow>, usize)> {
    let storage = &app.config.settings.storage;
    if storage.keep_days <= 0.0 {
        return Ok((Vec::new(), 0));
    }
    let before = |days: f64| app.clock.now() - (days * DAY_MS) as i64;
    let mut films =
        if by_age { retention::due(tx, before(storage.keep_days), false, MOST_FILMS).await? } else { Vec::new() };
    let wanted = storage.low_space().saturating_sub(app.blobs.free_bytes()?);
    let mut missing = i64::try_from(wanted)?.saturating_sub(films.iter().map(|film| film.bytes).sum());
    if missing <= 0 {
        return Ok((films, 0));
    }
    let aged: HashSet<String> = films.iter().map(|film| film.sop_instance.clone()).collect();
    let mut early = 0;
    for film in retention::due(tx, before(storage.keep_min), true, MOST_FILMS).await? {
        if missing <= 0 {
            break;
        }
        if !aged.contains(&film.sop_instance) {
            missing = missing.saturating_sub(film.bytes);
            early += 1;
            films.push(film);
        }
    }
    Ok((films, early))
}

/// Removes the bytes of everything that is marked as deleted. The files go inside the transaction:
/// its rows are locked until then, so that a film that is sent again at this very moment is either
/// seen here or sees what happened here. A file that cannot be removed stops nothing else: its row
/// stays marked for the next sweep.
async fn remove(app: &Arc<App>) -> Result<()> {
    let (mut after, mut stuck, mut why) = (String::new(), 0_usize, None);
    loop {
        let next = retention::next_remains(&mut app.db.read().await?, &after, MOST_REMOVED).await?;
        let Some(last) = next else { break };
        let mut tx = app.db.write().await?;
        let mut batch = Vec::new();
        for rest in retention::purge(&mut tx, app.clock.now(), (&after, &last)).await? {
            let pictures =
                if rest.variant { Vec::new() } else { retention::pictures(&mut tx, &rest.sop_instance).await? };
            batch.push((rest, pictures));
        }
        let held = Arc::clone(app);
        let left = tokio::task::spawn_blocking(move || {
            let remove = |rest: &Remains, pictures: &[String]| {
                pictures.iter().chain([&rest.blob]).try_for_each(|key| held.blobs.remove(key))
            };
            let tried = batch.into_iter().map(|(rest, pictures)| (remove(&rest, &pictures).err(), rest));
            tried.filter_map(|(error, rest)| error.map(|error| (rest, error))).collect::<Vec<_>>()
        });
        for (rest, error) in left.await? {
            retention::unpurge(&mut tx, &rest).await?;
            stuck += 1;
            why.get_or_insert(error);
        }
        tx.commit().await?;
        failpoint::hit("retention.removed");
        after = last;
    }
    if let Some(error) = why {
        tracing::error!(
            files = stuck,
            "deleted films whose files cannot be removed, tried again later; one: {error:#}"
        );
    }
    Ok(())
}
