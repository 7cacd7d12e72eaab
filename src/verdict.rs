//! The one judgement of an instance: the gate, and whether its patient is the study's patient.

use crate::app::App;
use centinela_domain::gate::{Decision, SkipReason, Verdict, gate};
use centinela_domain::instance::InstanceHeader;

/// Judges an instance. The first instance of a study says whose study it is (its `identity`); a film
/// of anybody else is never analysed, whatever the gate says of it.
#[must_use]
pub fn judge(app: &App, header: &InstanceHeader, identity: Option<&str>) -> Verdict {
    let verdict = gate(header, &app.gate_policy());
    if identity.is_some_and(|identity| identity != header.identity_digest) {
        return Verdict { decision: Decision::Skip(SkipReason::OtherPatient), ..verdict };
    }
    verdict
}
