//! Group commit: the file names and rows of all instances that wait are made durable together.
//!
//! While one group is being committed the next one gathers, so that many associations share the
//! costs of a commit, and a single one never waits for company.

use super::error::IngestError;
use super::rows::record;
use crate::app::App;
use crate::failpoint;
use crate::store::instances::{self, InstanceRow};
use anyhow::Result;
use centinela_domain::instance::InstanceHeader;
use centinela_domain::priority::Urgency;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Most instances of one transaction: others wait for the writer's place, too.
const MOST: usize = 64;

/// An instance whose file is durable, waiting for its row to be.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its row; the verdict is added by [`record`].
    pub(super) row: InstanceRow,
    /// Its header.
    pub(super) header: InstanceHeader,
    /// How urgent it is.
    pub(super) urgency: Urgency,
    /// What became of it; [`record`] says so.
    pub(super) fate: Fate,
    answer: oneshot::Sender<Result<(), IngestError>>,
}

/// What the rows say of an instance.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A row names its file.
    Kept,
    /// The same, instead of the file with this key, which has to go once that is durable.
    Restored(String),
    /// The same bytes are here already: a success, and its file is one too many unless it is the same.
    Spare,
    /// Other bytes under a known UID, which are refused: nothing of it stays.
    Conflict,
}

/// Where instances are handed to the committer.
#[derive(Debug, Clone)]
pub(super) struct Committer(mpsc::Sender<Waiting>);

impl Committer {
    /// Returns once the row is durable.
    pub(super) async fn commit(
        &self,
        row: InstanceRow,
        header: InstanceHeader,
        urgency: Urgency,
    ) -> Result<(), IngestError> {
        let gone = || IngestError::database("the committer is gone");
        let (answer, answered) = oneshot::channel();
        self.0.send(Waiting { row, header, urgency, fate: Fate::Kept, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// The committer and the loop that must run for it.
pub(super) fn committer(app: Arc<App>) -> (Committer, impl Future<Output = ()>) {
    let (sender, mut inbox) = mpsc::channel(MOST);
    let running = async move {
        let mut group = Vec::new();
        while inbox.recv_many(&mut group, MOST).await > 0 {
            serve(&app, std::mem::take(&mut group)).await;
        }
    };
    (Committer(sender), running)
}

/// Commits a group. If that fails, each instance is tried alone: one that the database refuses must
/// not take the others with it.
async fn serve(app: &App, mut group: Vec<Waiting>) {
    let together = write(app, &mut group).await;
    // An fsync that failed once proves nothing when it is repeated.
    let final_word = matches!(together, Ok(()) | Err(IngestError::Blob(_)));
    if group.len() > 1 && !final_word {
        for mut waiting in group {
            let done = write(app, std::slice::from_mut(&mut waiting)).await;
            answer(app, waiting, done).await;
        }
        return;
    }
    for waiting in group {
        answer(app, waiting, together.as_ref().map_err(IngestError::shared).copied()).await;
    }
}

/// The names of the files of all, and one transaction for their rows.
async fn write(app: &App, group: &mut [Waiting]) -> Result<(), IngestError> {
    let keys = group.iter().map(|waiting| waiting.row.blob.clone()).collect();
    let rows = async {
        let mut tx = app.db.write().await?;
        record(&mut tx, app, group, app.clock.now()).await?;
        Ok::<_, IngestError>(tx)
    };
    // Both before the commit: a row may not be durable before the name of its file is.
    let (names, rows) = tokio::join!(app.blobs.sync_names(keys), rows);
    names.map_err(IngestError::Blob)?;
    let tx = rows?;
    failpoint::hit("ingest.row_written");
    tx.commit().await?;
    failpoint::hit("ingest.committed");
    Ok(())
}

/// Tells what became of one instance; a conflict is its own, whatever became of the others. Whoever no
/// longer waits has lost the connection: the sender will send again.
async fn answer(app: &App, waiting: Waiting, done: Result<(), IngestError>) {
    let Waiting { row, fate, answer, .. } = waiting;
    let written = done.is_ok();
    let done = if written && fate == Fate::Conflict { Err(IngestError::Conflict) } else { done };
    let _ = answer.send(done);
    match fate {
        Fate::Spare | Fate::Conflict if written => discard(app, &row.blob).await,
        Fate::Restored(former) if written => discard(app, &former).await,
        _ => {}
    }
}

/// Removes a file unless a row names it: within the hour the same bytes have the same key. Nobody else
/// writes rows meanwhile, and whoever restores a film looks for its file.
async fn discard(app: &App, key: &str) {
    let removed = async {
        let mut tx = app.db.read().await?;
        if !instances::names_blob(&mut tx, key).await? {
            app.blobs.remove(key)?;
        }
        Ok::<_, anyhow::Error>(())
    };
    if let Err(error) = removed.await {
        tracing::warn!(blob = key, "a file that no row names was not removed: {error:#}");
    }
}
