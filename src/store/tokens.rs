//! Rows of API tokens: only the digest is kept.

use super::{Tx, new_id, on};
use anyhow::Result;
use centinela_domain::UnixMs;

/// Inserts a token by the SHA-256 of its secret.
///
/// # Errors
/// If the database fails.
pub async fn insert(tx: &mut Tx, name: &str, sha256: &str, now: UnixMs) -> Result<String> {
    let id = new_id();
    on!(tx, c => sqlx::query("insert into token (id, name, sha256, created_at) values ($1, $2, $3, $4)")
        .bind(&id).bind(name).bind(sha256).bind(now).execute(c).await?.rows_affected());
    Ok(id)
}

/// The name of the token with this digest, if it is valid.
///
/// # Errors
/// If the database fails.
pub async fn name_of(tx: &mut Tx, sha256: &str) -> Result<Option<String>> {
    Ok(on!(tx, c => sqlx::query_scalar("select name from token where sha256 = $1 and revoked_at is null")
        .bind(sha256).fetch_optional(c).await?))
}
