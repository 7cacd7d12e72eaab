//! Facts about this installation.

use super::{Tx, on};
use anyhow::Result;

/// The stored value, or the one that `make` gives, stored now.
///
/// # Errors
/// If the database fails.
pub async fn get_or_insert(tx: &mut Tx, name: &str, value: &str) -> Result<String> {
    on!(tx, c => sqlx::query("insert into setting (name, value) values ($1, $2) on conflict (name) do nothing")
        .bind(name).bind(value).execute(c).await?.rows_affected());
    Ok(on!(tx, c => sqlx::query_scalar("select value from setting where name = $1").bind(name).fetch_one(c).await?))
}
