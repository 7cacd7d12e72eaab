//! Results are taken back: what waits is not sent any more, and whoever has some of them gets a note that names
//! exactly those (`domain::result::reject`). The objects themselves are never altered.

use crate::app::App;
use crate::blob::{self, hex};
use crate::store::events::{self, EventKind};
use crate::store::results::{self, NOTE, ResultRow};
use crate::store::studies::StudyRow;
use crate::store::{Tx, deliveries, instances, studies};
use anyhow::{Context as _, Result};
use centinela_domain::UnixMs;
use centinela_domain::header;
use centinela_domain::instance::InstanceHeader;
use centinela_domain::result::{Context, Predecessor, Rejection, reject};
use centinela_domain::study::StudyState;
use centinela_domain::uid::Uid;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What was set in motion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Results that no longer count.
    pub results: u64,
    /// Deliveries that will not be made.
    pub deliveries: u64,
    /// SOP Instance UIDs of the notes.
    pub notes: Vec<String>,
    /// Who gets one.
    pub destinations: Vec<String>,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no such study.
    Unknown,
    /// It is in this state: its report is not built yet.
    Open(String),
    /// It has no result that counts.
    Nothing,
    /// Something was delivered meanwhile.
    Changed,
}

/// What is to be taken back, as the rows stand.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    revision: i64,
    results: Vec<String>,
    /// Destination and result.
    reached: Vec<(String, String)>,
}

/// Takes back every result of a study that counts.
///
/// # Errors
/// If bytes or rows cannot be read or written.
pub async fn withdraw(
    app: &App,
    study_uid: &str,
    rejection: Rejection,
    reason: &str,
    by: &str,
) -> Result<Result<Done, Refused>> {
    let now = app.clock.now();
    let (study, rows, standing, films) = {
        let mut tx = app.db.read().await?;
        let Some(study) = studies::find(&mut tx, study_uid).await? else { return Ok(Err(Refused::Unknown)) };
        let (rows, standing) = look(&mut tx, &study).await?;
        let films = instances::of_study(&mut tx, study_uid).await?;
        let headers = films.iter().map(instances::InstanceRow::header).collect::<Result<Vec<_>>>()?;
        (study, rows, standing, headers)
    };
    if matches!(study.state(), StudyState::Receiving | StudyState::Complete) {
        return Ok(Err(Refused::Open(study.state)));
    }
    if rows.is_empty() {
        return Ok(Err(Refused::Nothing));
    }
    // One note for each set of results that some destination has.
    let mut held: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (destination, result) in &standing.reached {
        held.entry(destination).or_default().push(result);
    }
    let mut notes: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for (destination, set) in held {
        notes.entry(set).or_default().push(destination);
    }
    let mut written = Vec::with_capacity(notes.len());
    for (set, destinations) in notes {
        let objects: Vec<&ResultRow> = rows.iter().filter(|row| set.contains(&row.sop_instance.as_str())).collect();
        let why = Why { rejection, reason, now };
        written.push((note(app, &study, &objects, &films, why).await?, destinations));
    }

    let mut tx = app.db.write().await?;
    let again = studies::find(&mut tx, study_uid).await?.context("the study is gone")?;
    if again.state != study.state || look(&mut tx, &again).await?.1 != standing {
        return Ok(Err(Refused::Changed));
    }
    let unsent = deliveries::withdraw_study(&mut tx, study_uid).await?;
    let mut done = Done {
        results: results::withdraw(&mut tx, study_uid, now).await?,
        deliveries: unsent.len() as u64,
        notes: Vec::new(),
        destinations: Vec::new(),
    };
    for (row, destinations) in &written {
        results::insert(&mut tx, row).await?;
        for destination in destinations {
            deliveries::schedule(&mut tx, &row.sop_instance, study_uid, destination, study.urgency(), now).await?;
            done.destinations.push((*destination).to_owned());
        }
        done.notes.push(row.sop_instance.clone());
    }
    // The reason stays in the note's row: it is free text.
    let detail = json!({
        "by": by, "title": rejection.as_str(), "results": done.results, "deliveries": done.deliveries,
        "notes": done.notes, "destinations": done.destinations,
    });
    events::append(&mut tx, now, Some(study_uid), None, EventKind::ResultsWithdrawn, detail).await?;
    tx.commit().await?;
    app.outbox.ring();
    tracing::info!(study.uid = study_uid, results = done.results, by, "results withdrawn");
    Ok(Ok(done))
}

async fn look(tx: &mut Tx, study: &StudyRow) -> Result<(Vec<ResultRow>, Standing)> {
    let rows = results::standing(tx, &study.study_uid).await?;
    let results = rows.iter().map(|row| row.sop_instance.clone()).collect();
    let reached = deliveries::reached(tx, &study.study_uid).await?;
    Ok((rows, Standing { revision: study.revision, results, reached }))
}

#[derive(Clone, Copy)]
struct Why<'a> {
    rejection: Rejection,
    reason: &'a str,
    now: UnixMs,
}

/// Builds the note of these results and makes its bytes durable.
async fn note(
    app: &App,
    study: &StudyRow,
    objects: &[&ResultRow],
    films: &[InstanceHeader],
    why: Why<'_>,
) -> Result<ResultRow> {
    let first = objects.first().context("a note of nothing")?;
    // A report, a state and a capture carry the same patient and study: any of them leads.
    let lead = header::read(&app.blobs.get(&first.blob).await?).context("read a result of ours again")?;
    let named: Vec<Predecessor> = objects.iter().map(|row| named(row)).collect::<Result<_>>()?;
    let context = Context {
        node: app.node.clone(),
        model: serde_json::from_str(&first.model).context("read the model of a result")?,
        threshold_set: String::new(),
        language: app.language(),
        negatives: app.config.settings.report.negatives,
        captures: app.config.settings.report.captures(),
        study: Uid::parse(&study.study_uid)?,
        revision: study.revision,
        closed_at: why.now,
        predecessor: None,
    };
    let object = reject(&context, why.rejection, why.reason, &lead, films, &named)?;
    let sop = object.sop_instance.to_string();
    let key = blob::key("results", &hex(&Sha256::digest(&sop)), "dcm");
    let sha256 = hex(&Sha256::digest(&object.bytes));
    let bytes = i64::try_from(object.bytes.len())?;
    app.blobs.put(&key, object.bytes).await?;
    Ok(ResultRow {
        sop_instance: sop,
        study_uid: study.study_uid.clone(),
        revision: study.revision,
        kind: NOTE.to_owned(),
        sop_class: object.sop_class.to_string(),
        series_uid: object.series.to_string(),
        source: None,
        not_analyzed: false,
        blob: key,
        bytes,
        sha256,
        model: first.model.clone(),
        // After everything that it takes back.
        position: 1_000,
        created_at: why.now,
        destination: None,
        derived_from: None,
        withdrawn_at: None,
        reason: Some(why.reason.to_owned()),
    })
}

fn named(row: &ResultRow) -> Result<Predecessor> {
    Ok(Predecessor {
        series: Uid::parse(&row.series_uid)?,
        sop_class: Uid::parse(&row.sop_class)?,
        sop_instance: Uid::parse(&row.sop_instance)?,
    })
}
