//! Status and chain for people.

use crate::api::time::{self, Time};
use crate::api::{Status, StudyChain};
use crate::wall;
use centinela_domain::alert::span;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The status of the node.
pub fn status(status: &Status) -> String {
    let mut text = String::new();
    let (now, works) = (status.at, if status.running { "runs" } else { "does not run" });
    let _ = writeln!(text, "{} {}, {}: the node {works}\n", status.ae_title, status.version, moment(now));
    for trouble in &status.troubles {
        let place = trouble.destination.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        let _ = writeln!(text, "[!!] {place}{}\n     do: {}", trouble.text, trouble.remedy);
    }
    if !status.troubles.is_empty() {
        text.push('\n');
    }
    let width = status.destinations.iter().map(|d| d.name.len()).max().unwrap_or(0).max("destination".len());
    let _ = writeln!(
        text,
        "{:<width$}  {:<7} {:>7}  {:<12} {:<20} {:>7} {:>6}  last taken",
        "destination", "state", "waiting", "oldest", "next try", "refused", "parked"
    );
    for d in &status.destinations {
        let oldest = d.oldest_at.map_or_else(|| "-".to_owned(), |at| span(now.0 - at.0));
        let next = d.next_at.map_or_else(|| "-".to_owned(), |at| soon(at, now));
        let last = d.last_ok_at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", span(now.0 - at.0)));
        let _ = writeln!(
            text,
            "{:<width$}  {:<7} {:>7}  {oldest:<12} {next:<20} {:>7} {:>6}  {last}",
            d.name, d.state, d.undelivered, d.refused, d.parked
        );
    }
    for d in &status.destinations {
        if let Some(until) = d.rests_until {
            let until = wall::time_of_day(until.0);
            let _ = writeln!(text, "{:<width$}  rests until {until}, as ae-titles.toml says: it is not called", d.name);
        }
        if let Some(most) = d.objects_per_minute.filter(|_| d.undelivered > 0) {
            let _ = writeln!(text, "{:<width$}  gets at most {most} objects a minute, as ae-titles.toml says", d.name);
        }
    }
    if status.destinations.is_empty() {
        text += "none: ae-titles.toml has no peer that results are delivered to\n";
    }
    for d in status.destinations.iter().filter(|d| d.undelivered > 0) {
        // Where the plain words above are not the error's own.
        let unsaid = |error: &&String| !status.troubles.iter().any(|trouble| trouble.text.contains(error.as_str()));
        if let Some(error) = d.last_error.as_ref().filter(unsaid) {
            let _ = writeln!(text, "{:<width$}  {} failed attempts, the last: {error}", d.name, d.failures);
        }
    }
    let analysis = &status.analysis;
    let _ = writeln!(
        text,
        "\nanalysis   {} wait, the oldest for {}; {} run; {} were given up; {} studies still receive films",
        analysis.queued,
        span(analysis.oldest_seconds * 1_000),
        analysis.running,
        analysis.dead,
        analysis.receiving
    );
    let free = status.free_bytes.map_or_else(|| "unknown".to_owned(), gib);
    let _ = writeln!(
        text,
        "space      {free} free; calls are refused below {}, films below {}",
        gib(status.low_free_bytes),
        gib(status.min_free_bytes)
    );
    let _ = writeln!(text, "alerts     {}", if status.alerts.is_empty() { "none" } else { "these stand:" });
    for alert in &status.alerts {
        let subject = alert.destination.as_ref().map_or_else(String::new, |name| format!(" {name}"));
        let _ = writeln!(text, "           {} {}{subject}: {}", moment(alert.raised_at), alert.kind, alert.text);
    }
    text += match status.troubles.len() {
        0 => "\nNothing needs a hand.\n",
        _ => "\nLook at [!!] above. Nothing is lost: what a destination lacks is kept and sent when it can be.\n",
    };
    text
}

/// One study's chain.
pub fn chain(chain: &StudyChain) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "study {}: {}, revision {}\n", chain.study_uid, chain.state, chain.revision);
    let films = chain.films.len();
    let analyzed = chain.films.iter().filter(|film| film.status == "analyzed").count();
    let skipped = chain.films.iter().filter(|film| film.status == "skipped").count();
    let first = chain.films.first();
    let from = first.map_or_else(String::new, |film| format!(" from {}", film.calling));
    let objects = counted(chain);
    let mut before = None;
    for (step, at, detail) in [
        ("received", chain.received_at, format!("{}{from}", plural(films, "film"))),
        ("durable", chain.durable_at, "bytes and rows on the disk, then the sender was answered".to_owned()),
        ("analysed", chain.analyzed_at, format!("{analyzed} of {}, {skipped} skipped", plural(films, "film"))),
        ("closed", chain.closed_at, "no further film came".to_owned()),
        ("built", chain.built_at, objects.clone()),
        ("accepted", chain.accepted_at, "every destination answered success for every object".to_owned()),
        ("committed", chain.committed_at, "every destination promised to keep every object".to_owned()),
    ] {
        let Some(at) = at else {
            let _ = writeln!(text, "{step:<10} -");
            continue;
        };
        let after = before.map_or_else(String::new, |before: Time| format!("{:+} ms", at.0 - before.0));
        let _ = writeln!(text, "{step:<10} {}  {after:>10}  {detail}", time::format(at.0));
        before = Some(at);
    }
    for film in chain.films.iter().filter(|film| film.status != "analyzed") {
        let why = film.reason.as_ref().map_or("it waits for its analysis", |reason| reason.text.as_str());
        let _ = writeln!(text, "{:<10} {}: {why}", film.status, film.sop_instance);
    }
    text.push('\n');
    for result in &chain.results {
        let state = match (result.committed_at, result.accepted_at, result.next_at) {
            (Some(at), ..) => {
                let promise =
                    result.transaction_uid.as_ref().map_or_else(String::new, |uid| format!(", transaction {uid}"));
                format!("committed {}{promise}", time::format(at.0))
            }
            (None, Some(at), _) if result.state == "accepted" => {
                let found =
                    result.found_at.map_or_else(String::new, |at| format!(", found there {}", time::format(at.0)));
                format!("accepted {}{found}", time::format(at.0))
            }
            (.., Some(at)) => format!("{}, next try {}", result.state, time::format(at.0)),
            _ => result.state.clone(),
        };
        let error = result.last_error.as_ref().map_or_else(String::new, |error| format!(" ({error})"));
        let _ = writeln!(text, "{:<12} {:<5} {state}{error}", result.destination, result.kind);
    }
    for proof in &chain.proofs {
        let said = match (proof.state.as_str(), proof.asked_at, proof.due_at, proof.reported_at) {
            ("done", .., Some(at)) => format!("reported {}", time::format(at.0)),
            (_, Some(at), Some(due), _) => {
                format!("asked {}, its report is overdue from {}", time::format(at.0), time::format(due.0))
            }
            ("looking", ..) => "no promise: the results are looked for there".to_owned(),
            ("found", ..) => "no promise: looked for there".to_owned(),
            ("unoffered", ..) => "not offered: accepted is the end there".to_owned(),
            ("refused", ..) => "refused".to_owned(),
            (_, _, _, _) => "to be asked".to_owned(),
        };
        let error = proof.last_error.as_ref().map_or_else(String::new, |error| format!(" ({error})"));
        let _ = writeln!(
            text,
            "{:<12} commitment to {}: {said}{error}",
            proof.destination,
            plural(usize::try_from(proof.instances).unwrap_or(0), "object")
        );
    }
    if chain.missing.is_empty() {
        text += "\nNothing is missing.\n";
    } else {
        text.push('\n');
        for missing in &chain.missing {
            let _ = writeln!(text, "[!!] {missing}");
        }
    }
    text
}

/// `2 objects: sr, gsps`.
fn counted(chain: &StudyChain) -> String {
    // Each object once, although it may go to several destinations.
    let objects: BTreeMap<&str, &str> =
        chain.results.iter().map(|r| (r.sop_instance.as_str(), r.kind.as_str())).collect();
    let mut kinds: Vec<&str> = objects.values().copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    format!("{}: {}", plural(objects.len(), "object"), kinds.join(", "))
}

/// `2026-11-25 03:14:07 UTC`.
fn moment(at: Time) -> String {
    let text = time::format(at.0);
    format!("{} {} UTC", &text[..10], &text[11..19])
}

/// `03:14:30 (in 23 s)`.
fn soon(at: Time, now: Time) -> String {
    match at.0 - now.0 {
        wait if wait <= 0 => "now".to_owned(),
        wait => format!("{} (in {})", &time::format(at.0)[11..19], span(wait)),
    }
}

/// `1 film`, `2 films`.
fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
