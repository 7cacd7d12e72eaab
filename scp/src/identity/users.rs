//! A list of users with salted, slow hashes of their passcodes.

use crate::tls::{CredentialError, read_file};
use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier as _};
use std::collections::HashMap;
use std::path::Path;

/// Verified against where there is no such user, so that time does not tell who exists.
const NOBODY: &[u8] = b"nobody";

/// Users by name.
pub(super) struct Users {
    hashes: HashMap<Vec<u8>, PasswordHash>,
    nobody: Option<PasswordHash>,
}

impl Default for Users {
    fn default() -> Self {
        Self { hashes: HashMap::new(), nobody: hash(NOBODY, NOBODY.repeat(3).as_slice()) }
    }
}

impl Users {
    /// Reads a file of `name:hash` lines.
    pub(super) fn read(path: &Path) -> Result<Self, CredentialError> {
        let text =
            String::from_utf8(read_file(path)?).map_err(|_| CredentialError::new(path, "is no text in UTF-8"))?;
        let mut users = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // Neither the line nor a part of it is quoted: it may hold a secret.
            let wrong = |what| CredentialError::new(path, format!("line {}: {what}", number + 1));
            let (name, text) = line
                .split_once(':')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| wrong("write name:hash, as `centinela identity hash` prints it"))?;
            let hash = PasswordHash::new(text)
                .ok()
                .filter(|hash| hash.algorithm.as_str().starts_with("argon2") && hash.hash.is_some())
                .ok_or_else(|| wrong("no Argon2 hash; make one by `centinela identity hash`"))?;
            if users.hashes.insert(name.into(), hash).is_some() {
                return Err(wrong("this user is there twice"));
            }
        }
        Ok(users)
    }

    /// Whether this is the passcode of this user. Slow.
    pub(super) fn verify(&self, name: &[u8], passcode: &[u8]) -> bool {
        let (hash, known) = match self.hashes.get(name) {
            Some(hash) => (Some(hash), true),
            None => (self.nobody.as_ref(), false),
        };
        let right = hash.is_some_and(|hash| Argon2::default().verify_password(passcode, hash).is_ok());
        right && known
    }
}

fn hash(passcode: &[u8], salt: &[u8]) -> Option<PasswordHash> {
    Argon2::default().hash_password_with_salt(passcode, salt).ok()
}

/// The Argon2id hash of a passcode in PHC form, for a line of the users file; `None` if the
/// passcode is too long.
#[must_use]
pub fn hash_passcode(passcode: &[u8], salt: &[u8; 16]) -> Option<String> {
    hash(passcode, salt).map(|hash| hash.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Users, CredentialError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, text).unwrap();
        Users::read(&path)
    }

    #[test]
    fn only_the_right_passcode_of_a_known_user_passes() {
        let (one, other) = (hash_passcode(b"s3cret", &[1; 16]).unwrap(), hash_passcode(b"other", &[2; 16]).unwrap());
        assert!(one.starts_with("$argon2id$v=19$m="), "{one}");
        let users = read(&format!("# users\n\nanna:{one}\nbob:{other}\n")).unwrap();
        assert!(users.verify(b"anna", b"s3cret"));
        for (name, passcode) in [("anna", "other"), ("anna", ""), ("eve", "s3cret"), ("eve", "nobody"), ("", "")] {
            assert!(!users.verify(name.as_bytes(), passcode.as_bytes()), "{name}");
        }
    }

    #[test]
    fn plain_secrets_are_refused_and_never_quoted() {
        for text in ["anna:s3cret", "s3cret", ":s3cret", "anna:$1$s3cret$abc", "anna:$argon2id$v=19$s3cret"] {
            let error = read(text).err().unwrap().to_string();
            assert!(error.contains("line 1") && !error.contains("s3cret"), "{error}");
        }
        let hash = hash_passcode(b"x", &[1; 16]).unwrap();
        assert!(read(&format!("a:{hash}\na:{hash}")).err().unwrap().to_string().contains("line 2: this user"));
    }
}
