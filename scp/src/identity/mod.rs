//! User identity negotiation, acceptor's side (PS3.7 section D.3.3.7): user and passcode (type 2)
//! and JSON Web Token (type 5), both only over TLS. What is offered over plain TCP is never looked
//! at, and no name, passcode or token ever reaches a log.

mod jwt;
mod users;

use crate::tls::{CredentialError, Watched};
use dicom_ul::pdu::{UserIdentity, UserIdentityType};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

pub use users::hash_passcode;

/// Sub-item of the A-ASSOCIATE-AC that answers an identity (PS3.7 section D.3.3.7.2).
const RESPONSE: u8 = 0x59;
/// User information item (PS3.8 section 9.3.3.3), the last of an A-ASSOCIATE-AC.
const USER_INFORMATION: u8 = 0x50;
/// Header and fixed fields of an A-ASSOCIATE-AC.
const FIXED: usize = 74;

/// What becomes of identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdentityMode {
    /// They are not looked at.
    #[default]
    Ignore,
    /// One that can be checked must be right; none is needed.
    Optional,
    /// One is needed, of a type that can be checked, over TLS.
    Required,
}

/// What identities are checked against.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdentityFiles {
    /// One `name:hash` a line, the hash in PHC form of Argon2; `#` begins a comment.
    pub users: Option<PathBuf>,
    /// Public keys, PEM (`PUBLIC KEY`): Ed25519, P-256 or RSA of at least 2048 bits.
    pub token_keys: Vec<PathBuf>,
    /// What a token must have as `iss`.
    pub issuer: String,
    /// What a token must have as `aud`, or in it.
    pub audience: String,
}

/// Why an identity was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityRefusal {
    /// One is needed.
    Missing,
    /// It came without TLS.
    WithoutTls,
    /// Its type cannot be checked here.
    Kind,
    /// No such user, or another passcode.
    User,
    /// Not a token, or one that cannot be read.
    TokenMalformed,
    /// No key of ours signed the token.
    TokenSignature,
    /// The token is past its end, or has none.
    TokenExpired,
    /// The token is before its begin.
    TokenNotYetValid,
    /// The token is of another issuer.
    TokenIssuer,
    /// The token is for somebody else.
    TokenAudience,
}

impl IdentityRefusal {
    /// The word in events.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "identity_missing",
            Self::WithoutTls => "identity_without_tls",
            Self::Kind => "identity_kind",
            Self::User => "identity_user",
            Self::TokenMalformed => "identity_token_malformed",
            Self::TokenSignature => "identity_token_signature",
            Self::TokenExpired => "identity_token_expired",
            Self::TokenNotYetValid => "identity_token_not_yet_valid",
            Self::TokenIssuer => "identity_token_issuer",
            Self::TokenAudience => "identity_token_audience",
        }
    }
}

impl fmt::Display for IdentityRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it gave no user identity",
            Self::WithoutTls => "it gave a user identity without TLS",
            Self::Kind => "it gave a user identity of a type that is not checked here",
            Self::User => "its user or passcode is wrong",
            Self::TokenMalformed => "its token cannot be read",
            Self::TokenSignature => "its token is not signed by a known key",
            Self::TokenExpired => "its token has expired",
            Self::TokenNotYetValid => "its token is not valid yet",
            Self::TokenIssuer => "its token is of another issuer",
            Self::TokenAudience => "its token is for another audience",
        })
    }
}

/// What the files hold.
struct Known {
    users: users::Users,
    keys: Vec<jwt::Key>,
}

/// Checks identities. A cheap clone.
#[derive(Clone)]
pub struct Identities {
    mode: IdentityMode,
    issuer: Arc<str>,
    audience: Arc<str>,
    known: Arc<Watched<Known>>,
    /// Seconds since 1970.
    now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// One passcode at a time: each costs memory and time by design.
    one: Arc<Semaphore>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Identities {
    /// Reads the files. `now` gives seconds since 1970.
    ///
    /// # Errors
    /// The first file that is wrong.
    pub fn load(
        mode: IdentityMode,
        files: IdentityFiles,
        now: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Result<Self, CredentialError> {
        let mut paths: Vec<_> = files.users.iter().cloned().collect();
        paths.extend(files.token_keys.iter().cloned());
        let (issuer, audience) = (files.issuer.as_str().into(), files.audience.as_str().into());
        let known = Watched::load(paths, move || {
            let users = files.users.as_deref().map(users::Users::read).transpose()?.unwrap_or_default();
            let keys = files.token_keys.iter().map(|path| jwt::Key::read(path)).collect::<Result<_, _>>()?;
            Ok(Known { users, keys })
        })?;
        let (now, one) = (Arc::new(now), Arc::new(Semaphore::new(1)));
        Ok(Self { mode, issuer, audience, known: Arc::new(known), now, one })
    }

    /// As [`crate::TlsAcceptor::reload`].
    ///
    /// # Errors
    /// The first file that is wrong; what was loaded before stays.
    pub fn reload(&self, force: bool) -> Result<bool, CredentialError> {
        self.known.reload(force)
    }

    /// Checks what the peer offered. True: it was checked, is right, and the peer wants to hear so.
    pub(crate) async fn check(&self, offered: Option<&UserIdentity>, secure: bool) -> Result<bool, IdentityRefusal> {
        let required = match self.mode {
            IdentityMode::Ignore => return Ok(false),
            IdentityMode::Optional => false,
            IdentityMode::Required => true,
        };
        let unless_required = |refusal| if required { Err(refusal) } else { Ok(false) };
        let Some(offered) = offered else { return unless_required(IdentityRefusal::Missing) };
        if !secure {
            return unless_required(IdentityRefusal::WithoutTls);
        }
        match offered.identity_type() {
            UserIdentityType::UsernamePassword => self.passcode(offered).await?,
            UserIdentityType::Jwt => {
                let (known, now) = (self.known.current(), (self.now)());
                jwt::verify(&offered.primary_field(), &known.keys, &self.issuer, &self.audience, now)?;
            }
            _ => return unless_required(IdentityRefusal::Kind),
        }
        Ok(offered.positive_response_requested())
    }

    async fn passcode(&self, offered: &UserIdentity) -> Result<(), IdentityRefusal> {
        let (name, passcode) = (offered.primary_field(), offered.secondary_field());
        let known = self.known.current();
        let turn = Arc::clone(&self.one).acquire_owned().await.map_err(|_| IdentityRefusal::User)?;
        let checked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            known.users.verify(&name, &passcode)
        });
        match checked.await {
            Ok(true) => Ok(()),
            _ => Err(IdentityRefusal::User),
        }
    }
}

/// Adds the positive response, which has no content for these types, to a whole A-ASSOCIATE-AC.
/// `None` if that is not well-formed.
pub(crate) fn add_response(accept: &mut Vec<u8>) -> Option<()> {
    let item = [RESPONSE, 0, 0, 2, 0, 0];
    let mut at = FIXED;
    while *accept.get(at)? != USER_INFORMATION {
        at += 4 + usize::from(length(accept, at + 2)?);
    }
    let user = length(accept, at + 2)?.checked_add(item.len() as u16)?;
    accept.extend(item);
    accept[at + 2..at + 4].copy_from_slice(&user.to_be_bytes());
    let whole = u32::try_from(accept.len() - 6).ok()?;
    accept[2..6].copy_from_slice(&whole.to_be_bytes());
    Some(())
}

fn length(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

#[cfg(test)]
mod tests;
