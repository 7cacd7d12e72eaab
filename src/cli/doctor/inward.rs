//! The way in: does the peer reach us? Where it offers storage commitment, we ask about an instance that
//! nobody has, and it reports on an association of its own (PS3.4 section J.3.3): nothing is stored. Else a
//! person there presses "echo", "verify" or "test".
//!
//! Heard by the node where one runs with this data directory, by its rows; else by listening ourselves.

use super::report::{Check, Entry, Report};
use crate::cli::serve;
use crate::clock::Clock;
use crate::config::{Config, Peer};
use crate::credentials::Credentials;
use crate::store::events;
use crate::store::{Db, heard};
use anyhow::Result;
use centinela_domain::UnixMs;
use centinela_domain::ability::Ability;
use centinela_domain::commitment::{self, Reference, Request};
use centinela_domain::implementation::{IMPLEMENTATION_VERSION, implementation_class_uid};
use centinela_domain::result::SrClass;
use centinela_domain::status::DimseStatus;
use centinela_domain::uid::Uid;
use centinela_scp::{
    AssociationChange, AssociationEvent, CallerRule, Limits, Policy, ReceivedInstance, Requestor, StoreHandler,
    StoreRequest, serve_all,
};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const NAME: &str = "inward";
/// How long a peer may take to report without being told otherwise.
const USUAL: Duration = Duration::from_secs(10);
const OFTEN: Duration = Duration::from_millis(100);

/// Who hears calls.
enum Ear {
    /// A node with this data directory runs; it writes who called.
    Node(Db),
    /// We listen in its place.
    Own { calls: Arc<Calls>, stop: CancellationToken, _spool: TempDir },
}

impl Drop for Ear {
    fn drop(&mut self) {
        if let Self::Own { stop, .. } = self {
            stop.cancel();
        }
    }
}

/// A call that came.
#[derive(Debug, Clone)]
struct Call {
    title: String,
    from: String,
    /// Why it was not let in.
    refused: Option<String>,
}

/// Hears calls and stores nothing.
#[derive(Debug, Default)]
struct Calls(Mutex<Vec<Call>>);

impl Calls {
    fn of(&self, title: &str) -> Option<Call> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().find(|call| call.title == title).cloned()
    }

    fn others(&self) -> Vec<String> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().map(|call| format!("{} from {}", call.title, call.from)).collect()
    }
}

impl StoreHandler for Calls {
    async fn admit(&self, _request: &StoreRequest) -> Result<(), DimseStatus> {
        // Whoever sends a film now sends it again, when the node runs.
        Err(DimseStatus::OUT_OF_RESOURCES)
    }

    async fn store(&self, _received: ReceivedInstance) -> DimseStatus {
        DimseStatus::OUT_OF_RESOURCES
    }

    fn observe(&self, event: AssociationEvent) {
        let (title, refused) = match &event.change {
            AssociationChange::Accepted { .. } => (event.calling.as_ref().map(ToString::to_string), None),
            AssociationChange::Refused { cause, claimed } => (Some(claimed.clone()), Some(cause.to_string())),
            _ => return,
        };
        let Some(title) = title else { return };
        let from = event.peer.ip().to_canonical().to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Call { title, from, refused });
    }
}

impl Ear {
    /// The node that runs here, or we; else why nobody can hear.
    fn open(config: &Config, db: Option<&Db>) -> Result<Self, String> {
        if is_held(&config.settings.storage.data_dir) {
            let db = db.cloned().ok_or("a node runs here, and its database cannot be read");
            return db.map(Self::Node).map_err(Into::into);
        }
        let credentials = Credentials::load(config, Clock::System, true).map_err(|error| format!("{error:#}"))?;
        let listeners = serve::listeners(config, &credentials).map_err(|error| {
            format!("no node with this data directory runs, and another program has its port ({error:#})")
        })?;
        let spool = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let policy = Policy {
            ae_title: config.peers.node.ae_title.clone(),
            called: serve::called(config),
            // Everybody: who may not call the node is told so.
            callers: CallerRule::Any,
            accept_any_abstract_syntax: true,
            commitment: false,
            spool: spool.path().to_owned(),
            direct_io: false,
            limits: Limits::default(),
            implementation_class_uid: implementation_class_uid(),
            implementation_version: IMPLEMENTATION_VERSION.to_owned(),
            drain_timeout: Duration::from_secs(2),
            security: credentials.security(config),
        };
        let (calls, stop) = (Arc::new(Calls::default()), CancellationToken::new());
        tokio::spawn(serve_all(listeners, Arc::new(policy), Arc::clone(&calls), stop.clone()));
        Ok(Self::Own { calls, stop, _spool: spool })
    }

    /// The call of this title since `begin`.
    async fn call(&self, title: &str, begin: UnixMs) -> Result<Option<Call>> {
        let db = match self {
            Self::Own { calls, .. } => return Ok(calls.of(title)),
            Self::Node(db) => db,
        };
        let mut tx = db.read().await?;
        let row = heard::all(&mut tx).await?.into_iter().find(|row| row.ae_title == title && row.at >= begin);
        if let Some(row) = row {
            return Ok(Some(Call { title: row.ae_title, from: row.address, refused: None }));
        }
        let refused = events::latest(&mut tx, Some("call_refused"), 20).await?;
        let refused = refused.into_iter().filter(|event| event.at >= begin).find_map(|event| {
            let detail: serde_json::Value = serde_json::from_str(&event.detail).ok()?;
            let word = |key: &str| detail[key].as_str().map(str::to_owned);
            (detail["calling"] == title).then(|| Call {
                title: title.to_owned(),
                from: word("address").unwrap_or_default(),
                refused: Some(word("reason").unwrap_or_default()),
            })
        });
        Ok(refused)
    }
}

/// Whether a process holds the lock of the data directory.
fn is_held(data: &Path) -> bool {
    File::open(data.join("lock")).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// The test of the way in, begun while the association is open.
pub struct Inward {
    ear: Ear,
    begin: UnixMs,
    wait: Duration,
    how: &'static str,
}

impl Inward {
    /// Asks the peer to call us, or prepares to wait for a person; else writes why that is not tested.
    pub async fn begin(
        report: &mut Report,
        (config, peer, db): (&Config, &Peer, Option<&Db>),
        (requestor, ability): (&mut Requestor, &Ability),
        wait: Option<u64>,
    ) -> Result<Option<Self>> {
        let asks = ability.takes(commitment::SOP_CLASS);
        let why = match (wait, peer.sends, asks) {
            (Some(_), ..) | (None, true, true) => None,
            (None, false, _) => {
                Some("this peer is not to call us (sends = false); --wait SECONDS tests it all the same")
            }
            (None, true, false) => Some(
                "it offers no storage commitment, by which it could be made to call; --wait SECONDS waits for a \
                      call while somebody there presses \"echo\" or \"verify\"",
            ),
        };
        if let Some(why) = why {
            report.checks.push(Check::not_tested(NAME, why));
            return Ok(None);
        }
        let ear = match Ear::open(config, db) {
            Ok(ear) => ear,
            Err(why) => {
                report.checks.push(Check::not_tested(NAME, why));
                return Ok(None);
            }
        };
        let begin = Clock::System.now();
        let mut how = "somebody there had it call";
        if asks {
            let uid = |what: &str| Uid::derive(&["doctor", what, peer.name.as_str(), &begin.to_string()]);
            let nothing =
                Reference { sop_class: Uid::parse(SrClass::Comprehensive3d.uid())?, sop_instance: uid("nothing") };
            let request = Request { transaction: uid("transaction"), references: vec![nothing] };
            match requestor.ask_commitment(&request).await {
                Ok(status) if status.is_stored() => {
                    how = "asked about an instance that it does not have, it called back"
                }
                said if wait.is_none() => {
                    let said = said.map_or_else(|error| error.to_string(), |status| format!("answered {status}"));
                    let why =
                        format!("asked for storage commitment, so that it would call: {said}; use --wait SECONDS");
                    report.checks.push(Check::not_tested(NAME, why));
                    return Ok(None);
                }
                _ => {}
            }
        }
        Ok(Some(Self { ear, begin, wait: wait.map_or(USUAL, Duration::from_secs), how }))
    }

    /// Waits for the call. To be used after the release, so that the peer opens an association of its own.
    pub async fn end(self, report: &mut Report, peer: &Peer) -> Result<()> {
        let title = peer.title();
        let until = Instant::now() + self.wait;
        let call = loop {
            if let Some(call) = self.ear.call(title, self.begin).await? {
                break Some(call);
            }
            if Instant::now() >= until {
                break None;
            }
            sleep(OFTEN).await;
        };
        let heard = match &self.ear {
            Ear::Node(_) => "the node heard it",
            Ear::Own { .. } => "heard by this command, as no node runs here",
        };
        report.checks.push(match call {
            Some(Call { from, refused: None, .. }) => {
                let text = format!("{title} called us from {from}: {}; {heard}", self.how);
                if peer.sends {
                    Check::ok(NAME, text)
                } else {
                    let remedy = format!("if it is to send films, write sends = true into peer {:?}", peer.name);
                    Check::warning(NAME, "unknown_caller", format!("{text}; the node would refuse it"), remedy)
                }
            }
            Some(Call { from, refused: Some(reason), .. }) => {
                let text = format!("{title} called us from {from} and was refused: {reason}");
                Check::warning(NAME, "call_refused", text, refused_remedy(&reason, peer))
            }
            None => nobody(&self.ear, &report.entry, title, self.wait),
        });
        Ok(())
    }
}

fn nobody(ear: &Ear, entry: &Entry, title: &str, wait: Duration) -> Check {
    let mut text = format!("{title} did not call us within {} s", wait.as_secs());
    if let Ear::Own { calls, .. } = ear {
        let others = calls.others();
        if !others.is_empty() {
            text += &format!("; others did: {}", others.join(", "));
        }
    }
    let remedy = format!(
        "create the entry below on the peer; is port {} of this machine open for it? Results arrive all the same, \
         films and storage commitment do not",
        entry.port
    );
    Check::warning(NAME, "not_called", text, remedy)
}

fn refused_remedy(reason: &str, peer: &Peer) -> String {
    let entry = format!("peer {:?} in ae-titles.toml", peer.name);
    match reason {
        "unknown_caller" => format!("write sends = true into {entry}, if it is to send films"),
        "network" => format!("its address is not among networks of {entry}"),
        reason if reason.starts_with("called_title") => {
            "it calls us by another AE title: correct the entry for this node on the peer".to_owned()
        }
        _ => "see \"Who may call\" in docs/operations.md for this reason".to_owned(),
    }
}

/// What a person is to do, while we wait.
pub fn prompt(entry: &Entry, peer: &Peer, wait: u64) -> String {
    let host = entry.host.as_deref().unwrap_or("this machine");
    format!(
        "Now have {} call {} at {host}:{} (\"echo\", \"verify\" or \"test\" of its entry for this node); waiting {wait} s ...",
        peer.title(),
        entry.ae_title,
        entry.port
    )
}
