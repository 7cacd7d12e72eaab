//! JSON Web Tokens (RFC 7519) in compact form, signed by EdDSA, ES256 or RS256 (RFC 7518, RFC 8037).
//!
//! The key decides the algorithm, never the token: a token that names another one fails.

use super::IdentityRefusal;
use crate::tls::{CredentialError, element, read_file};
use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use std::path::Path;

/// Clocks differ: so many seconds either way.
const LEEWAY: f64 = 60.0;
/// A longer token is none.
const MOST_BYTES: usize = 16 * 1024;

/// A key that signs tokens.
pub(super) struct Key {
    algorithm: &'static str,
    public: UnparsedPublicKey<Vec<u8>>,
}

impl Key {
    /// Reads a PEM file with one `PUBLIC KEY`.
    pub(super) fn read(path: &Path) -> Result<Self, CredentialError> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&read_file(path)?)
            .map_err(|_| CredentialError::new(path, "holds no public key in PEM form (BEGIN PUBLIC KEY)"))?;
        Self::parse(&der)
            .ok_or_else(|| CredentialError::new(path, "is no key of Ed25519, P-256 or RSA with at least 2048 bits"))
    }

    /// SubjectPublicKeyInfo: SEQUENCE { SEQUENCE { OID, parameters }, BIT STRING } (RFC 5280).
    fn parse(der: &[u8]) -> Option<Self> {
        const ED25519_OID: &[u8] = &[0x2B, 0x65, 0x70];
        const EC_OID: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
        const P256_OID: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
        const RSA_OID: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
        let (0x30, whole, _) = element(der)? else { return None };
        let (0x30, kind, rest) = element(whole)? else { return None };
        let (0x06, oid, parameters) = element(kind)? else { return None };
        let (0x03, [0, key @ ..], _) = element(rest)? else { return None };
        let (algorithm, verification): (_, &'static dyn ring::signature::VerificationAlgorithm) = match oid {
            ED25519_OID if key.len() == 32 => ("EdDSA", &ED25519),
            EC_OID if key.len() == 65 && element(parameters)?.1 == P256_OID => ("ES256", &ECDSA_P256_SHA256_FIXED),
            RSA_OID if key.len() >= 256 => ("RS256", &RSA_PKCS1_2048_8192_SHA256),
            _ => return None,
        };
        Some(Self { algorithm, public: UnparsedPublicKey::new(verification, key.to_vec()) })
    }
}

/// Whether a token is signed by one of the keys, valid `now` (seconds since 1970), from `issuer`
/// and for `audience`.
pub(super) fn verify(
    token: &[u8],
    keys: &[Key],
    issuer: &str,
    audience: &str,
    now: i64,
) -> Result<(), IdentityRefusal> {
    use IdentityRefusal as Refused;
    let token = std::str::from_utf8(token).map_err(|_| Refused::TokenMalformed)?;
    // PS3.7 section D.3.3.7 does not pad, implementations do.
    let token = token.trim_end_matches(['\0', ' ']);
    let parts: Vec<&str> = token.splitn(4, '.').collect();
    let &[header, claims, signature] = parts.as_slice() else { return Err(Refused::TokenMalformed) };
    if token.len() > MOST_BYTES {
        return Err(Refused::TokenMalformed);
    }
    let head = json(header)?;
    // Extensions that must be understood, but are not.
    if head.get("crit").is_some() {
        return Err(Refused::TokenMalformed);
    }
    let algorithm = head.get("alg").and_then(Value::as_str).ok_or(Refused::TokenMalformed)?;
    let signature = Base64UrlUnpadded::decode_vec(signature).map_err(|_| Refused::TokenMalformed)?;
    let signed = &token[..header.len() + 1 + claims.len()];
    let good = |key: &&Key| key.algorithm == algorithm && key.public.verify(signed.as_bytes(), &signature).is_ok();
    keys.iter().find(good).ok_or(Refused::TokenSignature)?;

    let (claims, now) = (json(claims)?, now as f64);
    let time = |name: &str| claims.get(name).map(|value| value.as_f64().ok_or(Refused::TokenMalformed)).transpose();
    if time("exp")?.is_none_or(|end| now >= end + LEEWAY) {
        return Err(Refused::TokenExpired);
    }
    if time("nbf")?.is_some_and(|begin| now < begin - LEEWAY) {
        return Err(Refused::TokenNotYetValid);
    }
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(Refused::TokenIssuer);
    }
    let ours = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
        _ => false,
    };
    if ours { Ok(()) } else { Err(Refused::TokenAudience) }
}

fn json(part: &str) -> Result<Value, IdentityRefusal> {
    let bytes = Base64UrlUnpadded::decode_vec(part).map_err(|_| IdentityRefusal::TokenMalformed)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| IdentityRefusal::TokenMalformed)?;
    value.is_object().then_some(value).ok_or(IdentityRefusal::TokenMalformed)
}
