//! The one connection that writes to SQLite, held by whoever has a write transaction open.
//!
//! Not one of the pool's: a pool pings a connection before and after its use, each time a change of
//! threads, and on another connection SQLite reads again what the one before has written.

use anyhow::{Context as _, Result};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Where writers stand in line: waiting here beats SQLite's busy sleeps.
#[derive(Debug, Clone)]
pub struct Writers(Arc<Mutex<Line>>);

#[derive(Debug)]
struct Line {
    options: SqliteConnectOptions,
    /// None before its first use, after it failed and in the end.
    connection: Option<SqliteConnection>,
}

impl Writers {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self(Arc::new(Mutex::new(Line { options, connection: None })))
    }

    /// Begins a write transaction.
    pub(super) async fn begin(&self) -> Result<Writing> {
        let mut line = Arc::clone(&self.0).lock_owned().await;
        // Taken out of the line until it is known to be sound: dropped in between, it is closed, and
        // with it whatever was begun.
        let mut connection = match line.connection.take() {
            Some(connection) => connection,
            None => line.options.connect().await.context("open the database for writing")?,
        };
        sqlx::query("begin immediate").execute(&mut connection).await.context("begin a write transaction")?;
        Ok(Writing { line: Some(line), connection: Some(connection) })
    }

    /// Closes the connection, after the open transaction.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.0.lock().await.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database was not closed in good order");
        }
    }
}

/// An open write transaction; dropped, it is rolled back, and the next one waits for that.
#[derive(Debug)]
pub struct Writing {
    line: Option<OwnedMutexGuard<Line>>,
    connection: Option<SqliteConnection>,
}

impl Writing {
    pub(super) async fn commit(mut self) -> Result<()> {
        sqlx::query("commit").execute(&mut *self).await?;
        if let Some(mut line) = self.line.take() {
            line.connection = self.connection.take();
        }
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (Some(mut line), Some(mut connection)) = (self.line.take(), self.connection.take()) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            // SQLite has ended it by itself where the disk was full, which ROLLBACK then reports: such a
            // connection is closed like one that is broken.
            if sqlx::query("rollback").execute(&mut connection).await.is_ok() {
                line.connection = Some(connection);
            }
        });
    }
}

impl Deref for Writing {
    type Target = SqliteConnection;

    #[expect(clippy::expect_used, reason = "only commit and drop take it, and both take self")]
    fn deref(&self) -> &SqliteConnection {
        self.connection.as_ref().expect("an open transaction has its connection")
    }
}

impl DerefMut for Writing {
    #[expect(clippy::expect_used, reason = "only commit and drop take it, and both take self")]
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect("an open transaction has its connection")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::path::Path;
    use std::time::Duration;
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(5);

    fn options(folder: &Path) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new().filename(folder.join("rows.db")).create_if_missing(true);
        options.busy_timeout(SOON)
    }

    async fn make_table(writing: &mut Writing) {
        sqlx::query("create table t (n integer not null)").execute(&mut **writing).await.unwrap();
    }

    async fn add(writing: &mut Writing, row: i64) {
        sqlx::query("insert into t values ($1)").bind(row).execute(&mut **writing).await.unwrap();
    }

    async fn rows(writing: &mut Writing) -> Vec<i64> {
        sqlx::query_scalar("select n from t order by n").fetch_all(&mut **writing).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_not_committed_is_rolled_back_and_nobody_waits_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let writers = Writers::new(options(folder.path()));
        let mut first = writers.begin().await.unwrap();
        make_table(&mut first).await;
        add(&mut first, 1).await;
        first.commit().await.unwrap();
        let mut dropped = writers.begin().await.unwrap();
        add(&mut dropped, 2).await;
        assert!(timeout(Duration::from_millis(100), writers.begin()).await.is_err(), "two writers at once");
        drop(dropped);
        // Another process, which knows of no line, may write as well.
        let mut other = options(folder.path()).connect().await.unwrap();
        sqlx::query("insert into t values (3)").execute(&mut other).await.unwrap();
        let mut last = timeout(SOON, writers.begin()).await.unwrap().unwrap();
        assert_eq!(rows(&mut last).await, [1, 3]);
        drop(last);
        writers.close().await;
        let mut opened_again = writers.begin().await.unwrap();
        assert_eq!(rows(&mut opened_again).await, [1, 3]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_transaction_that_sqlite_ended_by_itself_costs_its_connection_only() {
        let folder = tempfile::tempdir().unwrap();
        let writers = Writers::new(options(folder.path()));
        let mut ended = writers.begin().await.unwrap();
        sqlx::query("rollback").execute(&mut *ended).await.unwrap();
        assert!(ended.commit().await.is_err());
        let mut next = timeout(SOON, writers.begin()).await.unwrap().unwrap();
        make_table(&mut next).await;
        next.commit().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn giving_up_while_it_begins_leaves_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let writers = Writers::new(options(folder.path()));
        for micros in (0..2_000).step_by(40) {
            let _ = timeout(Duration::from_micros(micros), writers.begin()).await;
        }
        let mut other = options(folder.path()).connect().await.unwrap();
        let alone = timeout(SOON, sqlx::query("create table t (n integer)").execute(&mut other)).await;
        alone.unwrap().unwrap();
    }
}
