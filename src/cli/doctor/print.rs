//! The report for people.

use super::entry;
use super::report::{ClassLine, Outcome, Report};
use crate::config::Peer;
use centinela_domain::ability::{EXPLICIT, IMPLICIT, RLE};
use std::fmt::Write as _;

/// The whole report.
pub fn text(report: &Report, peer: &Peer) -> String {
    let mut text = String::new();
    let by = if report.tls { " by TLS" } else { "" };
    let Report { ae_title, host, port, .. } = report;
    let ours = &report.entry.ae_title;
    let _ = writeln!(text, "Peer {:?}: {ae_title} at {host}:{port}{by}, called as {ours}\n", report.peer);
    for check in &report.checks {
        let mark = match check.outcome {
            Outcome::Ok => "[ok]",
            Outcome::Warning => "[??]",
            Outcome::Failed => "[!!]",
            Outcome::NotTested => "[--]",
        };
        let not = if check.outcome == Outcome::NotTested { "not tested: " } else { "" };
        let _ = writeln!(text, "{mark} {:<12} {not}{}", check.name, check.text);
        if let Some(remedy) = &check.remedy {
            let _ = writeln!(text, "     {:<12} do: {remedy}", "");
        }
    }
    if !report.classes.is_empty() {
        table(&mut text, &report.classes);
    }
    if let Some(fits) = &report.recommended {
        let _ = writeln!(text, "\nRecommended: deliver = {} ({})", fits.deliver, fits.reason);
        let _ = writeln!(text, "Configured:  deliver = {}", report.configured);
        match &report.not_kept {
            None => text += "What it takes was kept for the node.\n",
            Some(why) => {
                let _ = writeln!(text, "What it takes was not kept for the node: {why}.");
            }
        }
    }
    let _ = writeln!(text, "\nThe entry for this node on the peer:");
    text += &entry::text(&report.entry, peer);
    let stored = report.checks.iter().any(|check| check.name == "C-STORE" && check.outcome == Outcome::Ok);
    let verdict = match (report.deliverable, stored) {
        (true, true) => "Results can be delivered as configured.",
        (true, false) => "Results can be delivered as configured, by what the peer says; --store proves it.",
        (false, _) => "Results can NOT be delivered as configured: see [!!] above.",
    };
    let _ = writeln!(text, "\n{verdict}");
    text
}

fn table(text: &mut String, classes: &[ClassLine]) {
    let _ = writeln!(text, "\n{:<38} Explicit VR  Implicit VR  RLE", "What it takes");
    for line in classes {
        let takes = |syntax: &str| if line.accepted.iter().any(|ts| ts == syntax) { "yes" } else { "no" };
        let rle = if line.accepted.iter().any(|ts| ts == RLE) { "yes" } else { "" };
        let kind = line.kind.map_or(String::new(), |kind| format!(" ({kind})"));
        let name = format!("  {}{kind}", line.name);
        let why = line.refusal.unwrap_or_default();
        let row = format!("{name:<38} {:<12} {:<12} {rle:<5} {why}", takes(EXPLICIT), takes(IMPLICIT));
        let _ = writeln!(text, "{}", row.trim_end());
    }
}
