//! How the node stands: the same for `GET /api/v1/status` and for `centinela status`.

use super::alerts::AlertSummary;
use super::dto::{AnalysisStatus, DestinationStatus, Status, Trouble};
use super::problem::Problem;
use super::time::Time;
use crate::app::App;
use crate::config::{Config, Peer};
use crate::probing::plain;
use crate::store::deliveries::DeliveryRow;
use crate::store::outbox::{self, Pile, Standing};
use crate::store::{Db, Tx, alerts, handovers, jobs, studies};
use anyhow::Result;
use axum::extract::State;
use axum::response::Json;
use centinela_domain::UnixMs;
use centinela_domain::alert::{AlertKind, span};
use centinela_domain::delivery::hours::Rate;
use centinela_domain::delivery::{DeliveryState, answer_of};
use centinela_domain::job::JobState;
use centinela_domain::status::DimseStatus;
use centinela_domain::study::StudyState;
use std::sync::Arc;

/// `GET /api/v1/status`
pub async fn show(State(app): State<Arc<App>>) -> Result<Json<Status>, Problem> {
    let free = app.blobs.free_bytes().ok();
    Ok(Json(gather(&app.db, &app.config, true, free, app.clock.now()).await?))
}

/// Looks everything up.
///
/// # Errors
/// If the database fails.
pub async fn gather(db: &Db, config: &Config, running: bool, free: Option<u64>, now: UnixMs) -> Result<Status> {
    let mut tx = db.read().await?;
    let mut troubles = Vec::new();
    if !running {
        let remedy = "start it (systemctl start centinela), and read its log if it does not come up";
        troubles.push(trouble(None, "the node does not run: nothing is received, analysed or sent", remedy));
    }
    let piles = outbox::piles(&mut tx).await?;
    let standings = outbox::standings(&mut tx).await?;
    let mut names: Vec<&str> = config.peers.destinations().map(|peer| peer.name.as_str()).collect();
    for pile in piles.iter().filter(|pile| !names.contains(&pile.destination.as_str())).collect::<Vec<_>>() {
        // What was sent to a former peer is history; what still waits for it is trouble.
        if is_waiting(&pile.state) && names.last() != Some(&pile.destination.as_str()) {
            names.push(&pile.destination);
        }
    }
    let mut destinations = Vec::new();
    for name in names {
        let own: Vec<_> = piles.iter().filter(|pile| pile.destination == name).collect();
        let standing = standings.iter().find(|row| row.name == name);
        let peer = config.peers.named(name).filter(|peer| peer.deliver.is_any());
        let rate = peer.and_then(Peer::rate);
        let room_at = match rate {
            Some(rate) => rate.next(&handovers::sent(&mut tx, name, now).await?),
            None => None,
        };
        let waiting = outbox::most_tried(&mut tx, name, &[DeliveryState::Scheduled, DeliveryState::Sending]).await?;
        let refused = outbox::most_tried(&mut tx, name, &[DeliveryState::Refused]).await?;
        let status = destination(name, peer.map(|_| Pace { rate, room_at }), &own, standing, waiting.as_ref(), now);
        troubles.extend(of_destination(&status, standing, waiting.as_ref(), refused.as_ref(), now));
        destinations.push(status);
    }
    let analysis = analysis(&mut tx, now).await?;
    let standing = alerts::standing(&mut tx).await?;
    // Destinations and space speak for themselves; the rest is told as the node told it.
    let told = [AlertKind::DestinationBehind, AlertKind::DeliveryRefused, AlertKind::DiskLow].map(AlertKind::as_str);
    let spoken: Vec<String> = troubles.iter().filter_map(|trouble| trouble.destination.clone()).collect();
    // One that is behind and has nothing to say for itself: it never was tried.
    let behind =
        |row: &alerts::AlertRow| row.kind == AlertKind::DestinationBehind.as_str() && !spoken.contains(&row.subject);
    for row in standing.iter().filter(|row| behind(row) || !told.contains(&row.kind.as_str())) {
        let remedy = AlertKind::parse(&row.kind).map_or("see docs/operations.md", AlertKind::remedy);
        troubles.push(trouble(None, &row.text, remedy));
    }
    let storage = &config.settings.storage;
    if free.is_some_and(|free| free < storage.low_space()) {
        troubles.push(trouble(None, "space runs short for films and results", AlertKind::DiskLow.remedy()));
    }
    Ok(Status {
        ae_title: config.peers.node.ae_title.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: Time(now),
        running,
        troubles,
        destinations,
        analysis,
        alerts: standing.into_iter().map(AlertSummary::of).collect(),
        free_bytes: free,
        low_free_bytes: storage.low_free,
        min_free_bytes: storage.min_free,
    })
}

fn trouble(destination: Option<&str>, text: &str, remedy: &str) -> Trouble {
    Trouble { destination: destination.map(str::to_owned), text: text.to_owned(), remedy: remedy.to_owned() }
}

fn is_waiting(state: &str) -> bool {
    [DeliveryState::Scheduled.as_str(), DeliveryState::Sending.as_str()].contains(&state)
}

/// How much a destination gets in a minute.
#[derive(Debug, Clone, Copy)]
struct Pace {
    rate: Option<Rate>,
    /// When it may have the next object, if not now.
    room_at: Option<UnixMs>,
}

/// `pace` is none where ae-titles.toml does not know it as a destination any more.
fn destination(
    name: &str,
    pace: Option<Pace>,
    piles: &[&Pile],
    standing: Option<&Standing>,
    waiting: Option<&DeliveryRow>,
    now: UnixMs,
) -> DestinationStatus {
    let count = |state: DeliveryState| piles.iter().find(|pile| pile.state == state.as_str()).map_or(0, |p| p.count);
    let undelivered = || piles.iter().filter(|pile| is_waiting(&pile.state));
    let oldest_at = undelivered().map(|pile| pile.oldest_at).min();
    let down_since = standing.and_then(|row| row.down_since);
    let parked_at = standing.filter(|row| row.state == "parked").and_then(|row| row.parked_at.or(Some(now)));
    let rests_until = standing.and_then(|row| row.rests_until).filter(|until| *until > now && pace.is_some());
    let (state, since) = match (pace, parked_at, down_since, rests_until) {
        (None, ..) => ("removed", None),
        (_, Some(at), ..) => ("parked", Some(at)),
        (_, None, Some(at), _) => ("down", Some(at)),
        (_, None, None, Some(_)) => ("resting", None),
        (_, None, None, None) => ("open", None),
    };
    let planned = match state {
        "open" | "resting" => undelivered().map(|pile| pile.next_at).min(),
        "down" => standing.and_then(|row| row.probe_at),
        _ => None,
    };
    // Neither a rest nor a full minute is broken.
    let room_at = pace.and_then(|pace| pace.room_at);
    let next_at = planned.map(|at| [rests_until, room_at].into_iter().flatten().fold(at, UnixMs::max));
    let down = standing.filter(|row| row.down_since.is_some());
    let accepted = piles.iter().filter_map(|pile| pile.accepted_at).max();
    DestinationStatus {
        name: name.to_owned(),
        state: state.to_owned(),
        since: since.map(Time),
        undelivered: undelivered().map(|pile| pile.count).sum(),
        oldest_at: oldest_at.map(Time),
        oldest_seconds: oldest_at.map_or(0, |at| (now - at).max(0) / 1_000),
        refused: count(DeliveryState::Refused),
        parked: count(DeliveryState::Parked),
        accepted: count(DeliveryState::Accepted),
        committed: count(DeliveryState::Committed),
        failures: down.map(|row| row.failures).or(waiting.map(|row| row.attempts)).unwrap_or(0),
        cause: down.and_then(|row| row.cause.clone()).or_else(|| waiting.and_then(|row| row.cause.clone())),
        last_error: down.and_then(|row| row.last_error.clone()).or_else(|| waiting.and_then(|r| r.last_error.clone())),
        next_at: next_at.map(Time),
        rests_until: rests_until.map(Time),
        objects_per_minute: pace.and_then(|pace| pace.rate).map(|rate| rate.0),
        last_ok_at: standing.and_then(|row| row.last_ok_at).max(accepted).map(Time),
    }
}

/// What is wrong with a destination, in words.
fn of_destination(
    status: &DestinationStatus,
    standing: Option<&Standing>,
    waiting: Option<&DeliveryRow>,
    refused: Option<&DeliveryRow>,
    now: UnixMs,
) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let name = status.name.as_str();
    let mut add = |text: &str, remedy: &str| troubles.push(trouble(Some(name), text, remedy));
    let since = status.since.map(|at| span(now - at.0)).unwrap_or_default();
    let last = status.last_error.as_deref().unwrap_or("no answer");
    let words = status.cause.as_deref().and_then(plain);
    let doctor = format!("`centinela doctor {name}` tells more");
    match status.state.as_str() {
        "removed" => add(
            "it is no destination of ae-titles.toml any more, and results still wait for it",
            "put it back, or leave them: they are kept and not sent",
        ),
        "parked" => {
            let reason = standing.and_then(|row| row.parked_reason.as_deref()).unwrap_or("no reason given");
            let remedy = format!("when it may have its results: `centinela delivery resume --destination {name}`");
            add(&format!("parked by an operator for {since}: {reason}"), &remedy);
        }
        "down" => {
            let (what, remedy) = words.unwrap_or((last, ""));
            let remedy = if remedy.is_empty() { doctor } else { format!("{remedy}; {doctor}") };
            add(&format!("down for {since}: {what}"), &remedy);
        }
        _ if status.undelivered > 0 && status.last_error.is_some() => {
            let answer = waiting.and_then(|row| row.last_status).and_then(|code| u16::try_from(code).ok());
            let row = answer.and_then(|code| answer_of(DimseStatus(code)));
            let (what, remedy) = match (words, row) {
                (Some((what, remedy)), _) => (what.to_owned(), remedy),
                (None, Some(row)) => (format!("{last} ({})", row.meaning), row.remedy),
                (None, None) => (last.to_owned(), ""),
            };
            let remedy = if remedy.is_empty() { doctor } else { format!("{remedy}; {doctor}") };
            add(&what, &remedy);
        }
        _ => {}
    }
    if let Some(row) = refused {
        let code = row.last_status.and_then(|code| u16::try_from(code).ok());
        let answer = code.and_then(|code| answer_of(DimseStatus(code)));
        let why = row.last_error.as_deref().unwrap_or("it refused");
        let what = answer.map_or_else(|| why.to_owned(), |answer| format!("{why} ({})", answer.meaning));
        let first = match (code, answer) {
            (_, Some(answer)) => answer.remedy,
            // A status that the standard does not know.
            (Some(_), None) => "look at the destination's log",
            (None, None) => "let the destination take this class",
        };
        let again = format!("`centinela delivery retry --destination {name}`");
        let remedy =
            if first.ends_with("then retry") { format!("{first}: {again}") } else { format!("{first}; then {again}") };
        add(&format!("{} refused: {what}", results(status.refused)), &remedy);
    }
    if status.parked > 0 {
        let remedy = format!("when they may go: `centinela delivery resume --destination {name}`");
        add(&format!("{} parked by an operator", results(status.parked)), &remedy);
    }
    troubles
}

/// `1 result was`, `2 results were`.
fn results(n: i64) -> String {
    if n == 1 { "1 result was".to_owned() } else { format!("{n} results were") }
}

async fn analysis(tx: &mut Tx, now: UnixMs) -> Result<AnalysisStatus> {
    let counted = jobs::count_by_state(tx).await?;
    let count = |state: JobState| counted.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, n)| *n);
    let studies = studies::count_by_state(tx).await?;
    let receiving = studies.iter().find(|(word, _)| word == StudyState::Receiving.as_str()).map_or(0, |(_, n)| *n);
    let oldest = jobs::oldest_waiting(tx, now).await?;
    Ok(AnalysisStatus {
        queued: count(JobState::Queued),
        running: count(JobState::Running),
        dead: count(JobState::Dead),
        oldest_seconds: oldest.map_or(0, |since| (now - since).max(0) / 1_000),
        receiving,
    })
}
