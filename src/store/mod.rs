//! Rows: the connection to SQLite or PostgreSQL and the two kinds of transaction.
//!
//! The only module that names `sqlx`. Both engines run the same SQL text; [`dialect`] holds what
//! differs. Every function takes a [`Tx`], so that a state and its event are always written together.

pub mod alerts;
pub mod commitments;
pub mod deliveries;
pub mod destinations;
pub mod dialect;
pub mod events;
pub mod handovers;
pub mod heard;
pub mod instances;
pub mod jobs;
pub mod outbox;
pub mod parking;
pub mod predictions;
pub mod probes;
pub mod proofs;
pub mod results;
pub mod retention;
pub mod settings;
pub mod studies;
pub mod timers;
pub mod tokens;
pub mod variants;
mod writer;

use anyhow::{Context as _, Result, bail};
use sqlx::postgres::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, Postgres, Sqlite, Transaction};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use writer::{Writers, Writing};

/// Runs the same statement on whichever engine the transaction is on.
macro_rules! on {
    ($tx:expr, $c:ident => $body:expr) => {
        match $tx {
            crate::store::Tx::Reading(tx) => {
                let $c = &mut **tx;
                $body
            }
            crate::store::Tx::Sqlite(tx) => {
                let $c = &mut **tx;
                $body
            }
            crate::store::Tx::Postgres { tx, .. } => {
                let $c = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use on;

/// A pool of connections.
#[derive(Debug, Clone)]
pub enum Db {
    /// The embedded default.
    Sqlite {
        /// Connections of those who read.
        pool: SqlitePool,
        /// The connection of the one who writes.
        writers: Writers,
    },
    /// The scale-out engine.
    Postgres {
        /// Connections.
        pool: PgPool,
        /// Held by the one open write transaction of this process, so that those who wait hold no
        /// connection.
        writer: Arc<Mutex<()>>,
    },
}

/// An open transaction; dropped without [`Tx::commit`] it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// On SQLite, to read.
    Reading(Transaction<'static, Sqlite>),
    /// On SQLite, to write.
    Sqlite(Writing),
    /// On PostgreSQL.
    Postgres {
        /// The transaction.
        tx: Transaction<'static, Postgres>,
        /// The place in line, for write transactions.
        _writer: Option<OwnedMutexGuard<()>>,
    },
}

impl Db {
    /// Opens (and makes) the SQLite database at `path` and brings its schema up to date.
    ///
    /// # Errors
    /// If the file cannot be opened or a migration fails.
    pub async fn open_sqlite(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(8)
            // On a full disk SQLite ends the transaction by itself, and sqlx then counts it as open for
            // ever: such a connection would refuse every further transaction.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            // There is no server that could have gone away.
            .test_before_acquire(false)
            // In KiB. Each write of another connection empties their caches, so that more would only be memory.
            .connect_with(options.clone().pragma("cache_size", "-512"))
            .await
            .with_context(|| format!("open database {}", path.display()))?;
        sqlx::migrate!("migrations/sqlite").run(&pool).await.context("migrate the SQLite database")?;
        // Not where space is short: it is worth less than the films that would fit.
        if rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_bavail * disk.f_frsize > STRETCH_FREE) {
            stretch(&pool).await.context("make room in the write-ahead log")?;
        }
        Ok(Self::Sqlite { pool, writers: Writers::new(options) })
    }

    /// Connects to PostgreSQL and brings its schema up to date.
    ///
    /// # Errors
    /// If the server does not answer, is older than 14, or a migration fails.
    pub async fn open_postgres(url: &str) -> Result<Self> {
        let pool = PgPool::connect(url).await.context("connect to PostgreSQL")?;
        let version: String =
            sqlx::query_scalar("show server_version_num").fetch_one(&pool).await.context("ask PostgreSQL's version")?;
        if version.parse::<u32>().unwrap_or(0) < 140_000 {
            bail!("PostgreSQL {version} is too old: version 14 or later is needed");
        }
        sqlx::migrate!("migrations/postgres").run(&pool).await.context("migrate the PostgreSQL database")?;
        Ok(Self::Postgres { pool, writer: Arc::default() })
    }

    /// A transaction that only reads.
    ///
    /// # Errors
    /// If no connection can be had.
    #[expect(clippy::disallowed_methods, reason = "a read-only transaction may be deferred")]
    pub async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { pool, .. } => Tx::Reading(pool.begin().await?),
            Self::Postgres { pool, .. } => Tx::Postgres { tx: pool.begin().await?, _writer: None },
        })
    }

    /// A transaction that may write. Keep it short: no network or inference inside, and a file
    /// only where its row must not change meanwhile.
    ///
    /// # Errors
    /// If no connection can be had.
    #[expect(clippy::disallowed_methods, reason = "on PostgreSQL a lock stands for IMMEDIATE")]
    pub async fn write(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { writers, .. } => Tx::Sqlite(writers.begin().await?),
            Self::Postgres { pool, writer } => {
                let guard = Arc::clone(writer).lock_owned().await;
                let mut tx = pool.begin().await?;
                // Writers of all processes come one after the other on both engines, so that what one has read still holds when
                // it writes. Every statement after the lock sees all that the writers before it committed.
                sqlx::query("select pg_advisory_xact_lock($1)").bind(WRITERS).execute(&mut *tx).await?;
                Tx::Postgres { tx, _writer: Some(guard) }
            }
        })
    }

    /// Closes all connections; on SQLite this also folds the WAL back into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { pool, writers } => {
                writers.close().await;
                pool.close().await;
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
}

/// The place in line for writers on PostgreSQL, among all processes of a database ("centinel").
const WRITERS: i64 = 0x6365_6E74_696E_656C;

/// The write-ahead log is stretched only where so many bytes are free.
const STRETCH_FREE: u64 = 256 << 20;

/// Writes as many pages as fit between two checkpoints, so that the write-ahead log has its full length:
/// a commit that overwrites is synced without a change of the file's metadata, one that appends is not.
async fn stretch(pool: &SqlitePool) -> Result<()> {
    let mut connection = pool.acquire().await?;
    for statement in [
        "create table stretch (filler blob)",
        "insert into stretch values (zeroblob(4096 * 1000))",
        "drop table stretch",
        "pragma wal_checkpoint(restart)",
    ] {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(())
}

impl Tx {
    /// Makes the transaction durable.
    ///
    /// # Errors
    /// If the engine cannot; then nothing of it happened.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Reading(tx) => tx.commit().await?,
            Self::Sqlite(writing) => writing.commit().await?,
            Self::Postgres { tx, .. } => tx.commit().await?,
        }
        Ok(())
    }
}

/// Identifiers that sort by time.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[tokio::test]
    async fn results_of_older_versions_outlive_the_table_that_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("centinela.db");
        let mut former = sqlx::migrate!("migrations/sqlite");
        former.migrations.to_mut().truncate(3);
        let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path).create_if_missing(true));
        let pool = pool.await.unwrap();
        former.run(&pool).await.unwrap();
        let insert =
            "insert into result values ('1.2', '1.1', 2, 'sr', '1.3', '1.4', null, true, 'k', 5, 's', 'm', 0, 7)";
        sqlx::query(insert).execute(&pool).await.unwrap();
        pool.close().await;

        let db = Db::open_sqlite(&path).await.unwrap();
        let mut tx = db.write().await.unwrap();
        let mut row = results::find(&mut tx, "1.2").await.unwrap().unwrap();
        assert_eq!((row.revision, row.not_analyzed, row.created_at), (2, true, 7));
        assert_eq!((&row.destination, &row.derived_from), (&None, &None));
        (row.sop_instance, row.kind, row.derived_from) = ("1.9".into(), "seg".into(), Some("1.2".into()));
        assert!(results::insert(&mut tx, &row).await.unwrap());
        let indexes: Vec<String> = on!(&mut tx, c => sqlx::query_scalar(
            "select name from sqlite_master where type = 'index' and name = 'result_study'")
            .fetch_all(c).await.unwrap());
        assert_eq!(indexes, ["result_study"]);
        row.kind = "pdf".into();
        row.sop_instance = "1.10".into();
        assert!(results::insert(&mut tx, &row).await.is_err(), "kinds are a closed set");
    }
}
