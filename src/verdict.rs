//! The one judgement of an instance: the gate, and whether its patient is the study's patient.

use crate::app::App;
use crate::store::{Tx, instances};
use anyhow::Result;
use centinela_domain::gate::{Decision, SkipReason, Verdict, gate};
use centinela_domain::instance::InstanceHeader;

/// Judges an instance within the transaction that keeps it. The first instance of a study says whose
/// study it is; a film of anybody else is never analysed, whatever the gate says of it.
///
/// # Errors
/// If the database fails.
pub async fn judge(tx: &mut Tx, app: &App, header: &InstanceHeader) -> Result<Verdict> {
    let verdict = gate(header, &app.gate_policy());
    let first = instances::first_of_study(tx, header.study.as_str()).await?;
    let stranger = match first {
        Some(first) => first.header()?.identity_digest != header.identity_digest,
        None => false,
    };
    Ok(if stranger { Verdict { decision: Decision::Skip(SkipReason::OtherPatient), ..verdict } } else { verdict })
}
