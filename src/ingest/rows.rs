//! The rows of received instances: new, seen before, or other bytes under a known UID. Whole groups are
//! written by few statements, because each costs a change of threads.

use super::commit::{Fate, Waiting};
use super::error::IngestError;
use super::old_digest;
use crate::app::App;
use crate::config::Conflicts;
use crate::store::events::{self, EventKind, NewEvent};
use crate::store::instances::{self, InstanceRow};
use crate::store::jobs::{self, JobKind, NewJob};
use crate::store::studies::{self, Arrival, StudyRow};
use crate::store::variants::{self, VariantRow};
use crate::store::{Tx, new_id, retention};
use crate::verdict::judge;
use centinela_domain::UnixMs;
use centinela_domain::gate::{Decision, SkipReason};
use centinela_domain::priority::Urgency;
use centinela_domain::study::StudyState;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Writes the rows of a group within one transaction. An instance that the rules refuse gets no row and
/// is marked as a conflict; an error is one of them all.
pub(super) async fn record(tx: &mut Tx, app: &App, group: &mut [Waiting], now: UnixMs) -> Result<(), IngestError> {
    let uids: Vec<_> = group.iter().map(|w| w.row.sop_instance.as_str()).collect();
    let mut seen: HashSet<String> = instances::known(tx, &uids).await?.into_iter().collect();
    let (fresh, again): (Vec<_>, Vec<_>) = group.iter_mut().partition(|w| seen.insert(w.row.sop_instance.clone()));
    if !fresh.is_empty() {
        first_seen(tx, app, fresh, now).await?;
    }
    for waiting in again {
        let first = instances::find(tx, &waiting.row.sop_instance).await?;
        let first = first.ok_or_else(|| IngestError::database("an instance row vanished"))?;
        waiting.fate = repeated(tx, app, waiting, first).await?;
    }
    Ok(())
}

/// The rows of instances whose UIDs are new and differ.
async fn first_seen(tx: &mut Tx, app: &App, mut fresh: Vec<&mut Waiting>, now: UnixMs) -> Result<(), IngestError> {
    let studies = open_studies(tx, app, &fresh, now).await?;
    let (mut events, mut jobs) = (Vec::new(), Vec::new());
    for waiting in &mut fresh {
        let Waiting { row, header, fate, .. } = &mut **waiting;
        *fate = Fate::Kept;
        let study = studies.get(&row.study_uid).ok_or_else(|| IngestError::database("a study row vanished"))?;
        let verdict = judge(app, header, study.identity.as_deref());
        (row.skip, row.chest, row.unknowns) = instances::verdict_columns(&verdict)?;
        // A late instance joins a revision only once it is known that it is analysed.
        row.revision = (study.state() == StudyState::Receiving).then_some(study.revision);
        let mut event = |kind, detail: Value| {
            let (study_uid, sop_instance) = (Some(row.study_uid.clone()), Some(row.sop_instance.clone()));
            events.push(NewEvent { at: now, study_uid, sop_instance, kind, detail });
        };
        let detail = json!({ "calling": row.calling, "bytes": row.bytes, "transfer_syntax": row.transfer_syntax });
        event(EventKind::Received, detail);
        if let Some(doubt) = &header.charset_doubt {
            event(EventKind::TextDoubtful, json!({ "doubt": doubt }));
        }
        match verdict.decision {
            // The whole study is as urgent as its most urgent film.
            Decision::Analyze { .. } => jobs.push((row.sop_instance.clone(), row.study_uid.clone(), study.urgency())),
            Decision::Skip(reason) => {
                if reason == SkipReason::OtherPatient {
                    tracing::warn!(
                        sop.instance = row.sop_instance,
                        calling = row.calling,
                        "a film came under the Study Instance UID of another patient: kept, not analysed"
                    );
                }
                let detail = json!({ "reason": reason.code(), "text": reason.text(&app.language()) });
                event(EventKind::ImageSkipped, detail);
            }
        }
    }
    let rows: Vec<_> = fresh.iter().map(|w| &w.row).collect();
    if instances::insert(tx, &rows).await? != rows.len() as u64 {
        // Only another node on the same database; alone, each of them is found to be known.
        return Err(IngestError::database("an instance of this group came elsewhere meanwhile"));
    }
    events::append_all(tx, &events).await?;
    let jobs: Vec<_> = jobs
        .iter()
        .map(|(sop, study, urgency)| NewJob {
            kind: JobKind::Predict,
            subject: sop,
            study_uid: study,
            revision: studies[study].revision,
            urgency: *urgency,
            since: now,
        })
        .collect();
    jobs::enqueue_all(tx, &jobs, now).await?;
    Ok(())
}

/// The studies of these instances, by UID.
async fn open_studies(
    tx: &mut Tx,
    app: &App,
    fresh: &[&mut Waiting],
    now: UnixMs,
) -> Result<HashMap<String, StudyRow>, IngestError> {
    let closing = app.config.settings.study.closing(now);
    let mut arrivals: Vec<Arrival> = Vec::new();
    for waiting in fresh {
        match arrivals.iter_mut().find(|a| a.study_uid == waiting.row.study_uid) {
            Some(arrival) => arrival.urgency = arrival.urgency.max(waiting.urgency),
            None => arrivals.push(Arrival {
                study_uid: waiting.row.study_uid.clone(),
                identity: waiting.header.identity_digest.clone(),
                urgency: waiting.urgency,
                now,
                closing,
            }),
        }
    }
    // In one order everywhere, so that two nodes cannot wait for each other.
    arrivals.sort_by(|a, b| a.study_uid.cmp(&b.study_uid));
    let rows = studies::arrived(tx, &arrivals).await?;
    for arrival in arrivals.iter().filter(|a| a.urgency > Urgency::Low) {
        jobs::hasten(tx, &arrival.study_uid, arrival.urgency).await?;
    }
    Ok(rows.into_iter().map(|row| (row.study_uid.clone(), row)).collect())
}

/// The UID is known: the same bytes are no new work, other bytes are kept beside the first, or are a
/// conflict that is refused.
async fn repeated(tx: &mut Tx, app: &App, waiting: &Waiting, first: InstanceRow) -> Result<Fate, IngestError> {
    let row = &waiting.row;
    let first = &old_digest::renewed(tx, app, row, first).await?;
    let (now, sop, study) = (row.received_at, &row.sop_instance, &first.study_uid);
    // Bytes that are not where their row says, as after a backup that is older than the database.
    if first.digest == row.digest && first.blob != row.blob && !app.blobs.has(&first.blob)? {
        tracing::warn!(sop.instance = %sop, "the file of a film was gone: kept again");
        retention::mark_damaged(tx, &first.blob, now).await?;
    }
    if let Some(former) = retention::restore(tx, row).await? {
        restored(tx, app, waiting, first).await?;
        return Ok(if former == row.blob { Fate::Kept } else { Fate::Restored(former) });
    }
    if first.digest == row.digest {
        let detail = json!({ "calling": row.calling });
        events::append(tx, now, Some(study), Some(sop), EventKind::Duplicate, detail).await?;
        return Ok(Fate::Spare);
    }
    if app.config.settings.dicom.conflicts == Conflicts::Refuse {
        // Two at once: the second met the first only here.
        return Ok(Fate::Conflict);
    }
    let variant = VariantRow {
        id: new_id(),
        sop_instance: sop.clone(),
        digest: row.digest.clone(),
        transfer_syntax: row.transfer_syntax.clone(),
        blob: row.blob.clone(),
        bytes: row.bytes,
        calling: row.calling.clone(),
        received_at: now,
        state: "pending".to_owned(),
        reason: None,
        deleted_at: None,
        resolution: None,
        resolved_at: None,
    };
    if !variants::insert(tx, &variant).await? {
        return Ok(Fate::Spare);
    }
    let detail = json!({ "calling": row.calling, "transfer_syntax": row.transfer_syntax });
    events::append(tx, now, Some(study), Some(sop), EventKind::VariantReceived, detail).await?;
    let (kind, subject) = (JobKind::Compare, variant.id.as_str());
    let job = NewJob { kind, subject, study_uid: study, revision: 0, urgency: Urgency::Low, since: now };
    jobs::enqueue(tx, &job, now).await?;
    Ok(Fate::Kept)
}

/// Retention had deleted these bytes, or a check had found them damaged: they are kept again, and
/// nothing is analysed again.
async fn restored(tx: &mut Tx, app: &App, waiting: &Waiting, first: &InstanceRow) -> Result<(), IngestError> {
    let row = &waiting.row;
    // Retention may have removed the file between its arrival and this transaction: no success then.
    // It is this row's error: the group is tried one by one, and the others are not refused with it.
    if !app.blobs.has(&row.blob)? {
        return Err(IngestError::database("the file was just being deleted by retention"));
    }
    let now = row.received_at;
    // The age counts from now on.
    let arrival = Arrival {
        study_uid: first.study_uid.clone(),
        identity: waiting.header.identity_digest.clone(),
        urgency: waiting.urgency,
        now,
        closing: app.config.settings.study.closing(now),
    };
    studies::arrived(tx, &[arrival]).await?;
    let detail = json!({ "calling": row.calling, "bytes": row.bytes });
    events::append(tx, now, Some(&first.study_uid), Some(&row.sop_instance), EventKind::FilmRestored, detail).await?;
    Ok(())
}
