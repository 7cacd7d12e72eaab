//! The way out: name, connection, TLS, association, C-ECHO, and on demand one object.

use super::object;
use super::remedy;
use super::report::{Check, Report};
use crate::config::{Config, Peer};
use crate::delivery::{encode, remote};
use crate::probing::{self, Cause};
use anyhow::Result;
use centinela_domain::ability::{Ability, VERIFICATION};
use centinela_domain::uid::Uid;
use centinela_scp::{Remote, RequestError, Requestor, RequestorOptions, sniff};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// For each question to a port that answered something odd.
const SNIFF: Duration = Duration::from_secs(3);

/// Every check of the way out, in order; those after a failure were not made.
const CHECKS: [&str; 6] = ["name", "connection", "TLS", "association", "C-ECHO", "C-STORE"];

/// Why nothing came about.
#[derive(Debug)]
pub struct Failure {
    /// The word for the row.
    pub cause: Cause,
    /// The sentence for the row.
    pub error: String,
}

/// Whether the name has an address.
pub async fn resolve(report: &mut Report, peer: &Peer, ours: &str, wait: Duration) -> Result<(), Failure> {
    if report.host.parse::<IpAddr>().is_ok() {
        report.checks.push(Check::ok("name", format!("{} is an address", report.host)));
        return Ok(());
    }
    let place = (report.host.clone(), report.port);
    let found = match tokio::time::timeout(wait, tokio::net::lookup_host(place)).await {
        Ok(Ok(found)) => found.map(|address| address.ip().to_string()).collect(),
        _ => Vec::new(),
    };
    if found.is_empty() {
        return Err(fail(report, Cause::Name, None, peer, ours));
    }
    report.checks.push(Check::ok("name", format!("{} is {}", report.host, found.join(", "))));
    Ok(())
}

/// Opens the association in which everything is proposed.
pub async fn associate(
    report: &mut Report,
    peer: &Peer,
    options: &RequestorOptions,
) -> Result<Result<(Requestor, Ability), Failure>> {
    let (remote, ours, begin) = (remote(peer)?, options.calling.as_str(), Instant::now());
    let (requestor, ability) = match probing::ask(&remote, options).await {
        Ok(open) => open,
        Err(error) => {
            let mut cause = Cause::of(&error);
            if cause.is_vague() {
                cause = cause.closer(sniff(&remote, options, SNIFF).await, report.tls);
            }
            if remedy::check(cause) != "connection" {
                report.entry.host = own_address(&remote, options.connect_timeout).await;
            }
            return Ok(Err(fail(report, cause, Some(&error), peer, ours)));
        }
    };
    let (answer, own) = (requestor.answer(), requestor.own_address().ip());
    (report.implementation, report.max_pdu) = (probing::implementation(answer), Some(answer.max_pdu));
    report.entry.host = Some(own.to_string());
    report.checks.push(Check::ok("connection", format!("{}, from {own}", requestor.peer_address())));
    report.checks.push(tls(report.tls));
    let by = report.implementation.as_deref().unwrap_or("an implementation without a name");
    let limit = match answer.max_pdu {
        0 => "P-DATA of any length".to_owned(),
        bytes => format!("P-DATA up to {bytes} bytes"),
    };
    let text = format!("{} accepted {ours} in {} ms: {by}, {limit}", peer.title(), begin.elapsed().as_millis());
    report.checks.push(Check::ok("association", text));
    Ok(Ok((requestor, ability)))
}

/// Our address as the peer sees it, where no association was to tell it.
async fn own_address(remote: &Remote, wait: Duration) -> Option<String> {
    let connecting = TcpStream::connect((remote.host.as_str(), remote.port));
    let stream = tokio::time::timeout(wait, connecting).await.ok()?.ok()?;
    Some(stream.local_addr().ok()?.ip().to_string())
}

fn tls(used: bool) -> Check {
    if used {
        return Check::ok("TLS", "the handshake succeeded, and the peer's certificate is believed");
    }
    Check::not_tested("TLS", "this peer is called without TLS")
}

/// Writes the failed check, those before it as passed and those after it as not made.
fn fail(report: &mut Report, cause: Cause, error: Option<&RequestError>, peer: &Peer, ours: &str) -> Failure {
    let (text, remedy) = remedy::words(cause, error, peer, ours);
    let failed = remedy::check(cause);
    for name in CHECKS {
        if report.checks.iter().any(|check| check.name == name) {
            continue;
        }
        let at = |wanted| CHECKS.iter().position(|known| *known == wanted);
        report.checks.push(match (name == failed, at(name) < at(failed)) {
            (true, _) => Check::failed(name, cause.code(), &text, &remedy),
            (_, true) if name == "TLS" => tls(report.tls),
            (_, true) => Check::ok(name, format!("{}:{} takes connections", report.host, report.port)),
            _ => Check::not_tested(name, "not reached"),
        });
    }
    Failure { cause, error: text }
}

/// C-ECHO. False if the association broke.
pub async fn echo(report: &mut Report, requestor: &mut Requestor, ability: &Ability) -> bool {
    let begin = Instant::now();
    if !ability.takes(VERIFICATION) {
        let remedy = "results may arrive all the same; allow \"echo\" or \"verification\" for this node on the peer";
        report.checks.push(Check::warning("C-ECHO", "echo_refused", "the peer does not take C-ECHO from us", remedy));
        return true;
    }
    let check = match requestor.echo().await {
        Ok(status) if status.is_stored() => {
            Check::ok("C-ECHO", format!("answered {status} in {} ms", begin.elapsed().as_millis()))
        }
        Ok(status) => {
            let text = format!("answered {status}: the peer is there, and not well");
            Check::warning("C-ECHO", "echo_failed", text, "look into the peer's log for the reason of this status")
        }
        Err(error) => {
            let text = format!("no answer: {error}");
            report.checks.push(Check::failed("C-ECHO", Cause::of(&error).code(), text, "look into the peer's log"));
            return false;
        }
    };
    report.checks.push(check);
    true
}

/// C-STORE of one test object. False if the association broke or it was not stored.
pub async fn store(
    report: &mut Report,
    requestor: &mut Requestor,
    config: &Config,
    ability: &Ability,
    now: i64,
) -> Result<bool> {
    let Some(made) = object::make(config, ability, now)? else {
        let why = "it takes neither reports nor burned-in films, and the rest cannot stand alone";
        report.checks.push(Check::not_tested("C-STORE", why));
        return Ok(true);
    };
    let class = Uid::parse(made.class)?;
    let Some(syntax) = encode::offered().into_iter().find(|ts| requestor.accepts(&class, ts)) else {
        report.checks.push(Check::not_tested("C-STORE", "it takes the class in no syntax of ours"));
        return Ok(true);
    };
    let data_set = encode::dataset(&made.part10, &syntax)?;
    let (check, stored) = match requestor.store(&class, &made.instance, &syntax, &data_set).await {
        Ok(status) if status.is_stored() => {
            let text = format!(
                "answered {status}: a test object ({}) of the invented patient {} {:?}; delete its study there",
                made.what,
                object::PATIENT_ID,
                object::PATIENT_NAME
            );
            (Check::ok("C-STORE", text), true)
        }
        Ok(status) => {
            let text = format!("a test object ({}) was answered with {status}", made.what);
            (Check::failed("C-STORE", "store_failed", text, status_remedy(status.0)), false)
        }
        Err(error) => {
            let text = format!("a test object ({}) had no answer: {error}", made.what);
            let remedy = "most likely this node has no right to store there: create the entry below on the peer (Orthanc: \
                          DicomModalities with AllowStore, or DicomAlwaysAllowStore); its log tells";
            (Check::failed("C-STORE", Cause::of(&error).code(), text, remedy), false)
        }
    };
    report.checks.push(check);
    Ok(stored)
}

/// What a failing C-STORE status means for an administrator (PS3.4 table B.2-1, PS3.7 annex C).
const fn status_remedy(status: u16) -> &'static str {
    match status {
        0xA700..=0xA7FF => "out of resources: is the peer's disk full?",
        0x0124 => "not authorized: allow this node to store on the peer",
        0x0122 => "SOP class not supported, although it was accepted: allow the class for this node on the peer",
        0xA900..=0xA9FF => "the peer finds that the object does not fit its class; its log tells what it misses",
        0xC000..=0xCFFF => "the peer cannot understand the object; its log tells what it misses",
        _ => "look into the peer's log for the reason of this status",
    }
}
