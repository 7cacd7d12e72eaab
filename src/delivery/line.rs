//! What carries objects to a destination, kept from batch to batch: an association, a DICOMweb store, a folder.

use super::breaker::Trouble;
use super::folder::{self, Kept};
use super::record::Answer;
use super::{encode, remote, requestor_options};
use crate::app::App;
use crate::config::{Peer, Way};
use crate::dicomweb::{Fate, Object, Store};
use crate::store::results::ResultRow;
use anyhow::Result;
use centinela_domain::uid::Uid;
use centinela_scp::{ProposedContext, RequestError, Requestor};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// For how long an association without work stays open.
const IDLE: Duration = Duration::from_secs(2);
/// How long a peer may take to answer that it was released.
pub const RELEASE: Duration = Duration::from_secs(2);

/// What carries objects.
#[derive(Debug)]
pub struct Line {
    carrier: Carrier,
    last_used: Instant,
    /// Whether it lay idle since its last object: the peer may have closed it meanwhile.
    pub rested: bool,
}

#[derive(Debug)]
enum Carrier {
    Association { requestor: Box<Requestor>, contexts: Vec<ProposedContext> },
    Store(Box<Store>),
    Folder { path: PathBuf, busy: Arc<Semaphore>, within: Duration },
}

impl Line {
    /// Opens a line. The contexts matter to an association only, the writer to a folder only.
    ///
    /// # Errors
    /// The outer error if the entry of the peer is not complete, the inner one if no association comes about.
    pub async fn open(
        app: &App,
        peer: &Peer,
        contexts: Vec<ProposedContext>,
        writer: &Arc<Semaphore>,
    ) -> Result<Result<Self, RequestError>> {
        let settings = &app.config.settings.delivery;
        let within = Duration::from_secs(settings.response_timeout);
        let carrier = match peer.way() {
            Way::Dicom => match Requestor::open(&remote(peer)?, &requestor_options(&app.config), &contexts).await {
                Ok(requestor) => Carrier::Association { requestor: Box::new(requestor), contexts },
                Err(error) => return Ok(Err(error)),
            },
            Way::Stow(base) => {
                let connect = Duration::from_secs(settings.connect_timeout);
                Carrier::Store(Box::new(Store::new(peer, base, connect, within)?))
            }
            Way::Folder(path) => Carrier::Folder { path: path.to_owned(), busy: Arc::clone(writer), within },
        };
        Ok(Ok(Self { carrier, last_used: Instant::now(), rested: false }))
    }

    /// The association, where it is one.
    pub fn association(&mut self) -> Option<&mut Requestor> {
        match &mut self.carrier {
            Carrier::Association { requestor, .. } => Some(requestor),
            Carrier::Store(_) | Carrier::Folder { .. } => None,
        }
    }

    /// Whether all of these were proposed on it.
    pub fn covers(&self, wanted: &[ProposedContext]) -> bool {
        match &self.carrier {
            Carrier::Association { contexts, .. } => wanted.iter().all(|context| contexts.contains(context)),
            Carrier::Store(_) | Carrier::Folder { .. } => true,
        }
    }

    /// Sends one object.
    pub async fn carry(&mut self, app: &App, peer: &Peer, result: &ResultRow) -> Answer {
        let part10 = match app.blobs.get(&result.blob).await {
            Ok(part10) => part10,
            Err(error) => return Answer::Unreadable(format!("{error:#}")),
        };
        match &mut self.carrier {
            Carrier::Association { requestor, .. } => store(requestor, peer, result, &part10).await,
            Carrier::Store(store) => {
                let (study, instance) = (result.study_uid.clone(), result.sop_instance.clone());
                let object = Object { study, instance, part10: part10.into() };
                store.store(&object, app.clock.now()).await.into()
            }
            Carrier::Folder { path, busy, within } => {
                let (path, busy) = (path.clone(), Arc::clone(busy));
                let (study, instance) = (result.study_uid.clone(), result.sop_instance.clone());
                let written = timeout(*within, async move {
                    let alone = busy.acquire_owned().await;
                    let write = move || {
                        let kept = folder::keep(&path, &study, &instance, &part10);
                        drop(alone);
                        kept
                    };
                    tokio::task::spawn_blocking(write).await
                });
                match written.await {
                    Ok(Ok(kept)) => kept.into(),
                    Ok(Err(error)) => Answer::Unreadable(format!("the file could not be written: {error}")),
                    Err(_) => {
                        let error = format!("the folder of {} did not take a file in time", peer.name);
                        Answer::Nothing(Trouble::new("silent", error, true))
                    }
                }
            }
        }
    }

    /// It has nothing to carry from now on.
    pub fn rest(&mut self) {
        (self.rested, self.last_used) = (true, Instant::now());
    }

    /// Whether it had nothing to carry for too long.
    pub fn is_idle(&self) -> bool {
        self.last_used.elapsed() >= IDLE
    }

    /// Releases it.
    pub async fn release(self) {
        if let Carrier::Association { requestor, .. } = self.carrier {
            let _ = timeout(RELEASE, requestor.release()).await;
        }
    }
}

/// What a C-STORE takes.
struct Prepared {
    class: Uid,
    instance: Uid,
    syntax: Uid,
    dataset: Vec<u8>,
}

/// C-STORE, in the best transfer syntax that the peer takes.
async fn store(requestor: &mut Requestor, peer: &Peer, result: &ResultRow, part10: &[u8]) -> Answer {
    let prepare = || -> Result<Option<Prepared>> {
        let (class, instance) = (Uid::parse(&result.sop_class)?, Uid::parse(&result.sop_instance)?);
        let Some(syntax) = encode::possible(part10).into_iter().find(|ts| requestor.accepts(&class, ts)) else {
            return Ok(None);
        };
        let dataset = encode::dataset(part10, &syntax)?;
        Ok(Some(Prepared { class, instance, syntax, dataset }))
    };
    let Prepared { class, instance, syntax, dataset } = match prepare() {
        Ok(Some(prepared)) => prepared,
        Ok(None) => {
            let error =
                format!("{} does not accept SOP class {} in the needed transfer syntax", peer.name, result.sop_class);
            return Answer::Refused("no_context", error);
        }
        Err(error) => return Answer::Unreadable(format!("{error:#}")),
    };
    match requestor.store(&class, &instance, &syntax, &dataset).await {
        Ok(status) => Answer::Status(status),
        Err(error @ RequestError::NoPresentationContext { .. }) => Answer::Refused("no_context", error.to_string()),
        Err(error) => Answer::Nothing(Trouble::broken(&error)),
    }
}

impl From<Fate> for Answer {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Answered(status) => Self::Status(status),
            Fate::Refused(error) => Self::Refused("refused", error),
            Fate::Away(error) => Self::Nothing(Trouble::new("connect", error, false)),
            Fate::Misdirected(error) => Self::Nothing(Trouble::new("misdirected", error, false)),
            Fate::Later(error, after) => {
                let trouble = Trouble::new("busy", error, true);
                Self::Nothing(Trouble { patience_ms: after.map_or(0, patience_ms), ..trouble })
            }
        }
    }
}

/// What a store asks for, at most a quarter of an hour.
fn patience_ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000).min(centinela_domain::delivery::MAX_BACKOFF_MS)
}

impl From<Kept> for Answer {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Yes => Self::Status(centinela_domain::status::DimseStatus::SUCCESS),
            Kept::Other => {
                Self::Refused("other_file", "another file, or a link, has its name; it stays as it is".to_owned())
            }
            Kept::Later(error) => Self::Nothing(Trouble::new("folder", error, false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_cannot_put_us_off_for_longer_than_a_quarter_of_an_hour() {
        let patience = |seconds| match Answer::from(Fate::Later(String::new(), seconds)) {
            Answer::Nothing(trouble) => trouble.patience_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(patience(None), 0);
        assert_eq!(patience(Some(17)), 17_000);
        for asked in [901, 1_000_000, u64::MAX] {
            assert_eq!(patience(Some(asked)), 900_000, "{asked}");
        }
    }
}
