//! The few SQL texts that differ between SQLite and PostgreSQL.

use super::Tx;

/// A statement in both dialects.
pub struct Sql {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

impl Sql {
    /// The text for the engine of this transaction.
    #[must_use]
    pub const fn on(&self, tx: &Tx) -> &'static str {
        match tx {
            Tx::Reading(_) | Tx::Sqlite(_) => self.sqlite,
            Tx::Postgres { .. } => self.postgres,
        }
    }
}

/// Writes one statement twice: PostgreSQL's with `for update skip locked` before its last part.
macro_rules! claim_sql {
    ([$($before:expr),+], $after:literal) => {
        crate::store::dialect::Sql {
            sqlite: concat!($($before),+, $after),
            postgres: concat!($($before),+, " for update skip locked", $after),
        }
    };
    ($before:literal, $after:literal) => {
        crate::store::dialect::claim_sql!([$before], $after)
    };
}
pub(crate) use claim_sql;
