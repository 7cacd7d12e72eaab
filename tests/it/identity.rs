//! User identity negotiation (PS3.7 section D.3.3.7) with pynetdicom as the caller.

use crate::harness::films::studies;
use crate::harness::node::Home;
use crate::harness::tls::{Certificates, pynetdicom};
use crate::harness::tools::must;
use std::io::Write as _;
use std::process::Stdio;

const PASSCODE: &str = "correct horse battery staple";

/// A line of the users file, made by the program.
fn line(home: &Home, name: &str, passcode: &str) -> String {
    let mut made = home.command(&["identity", "hash", name]);
    let mut made = made.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    made.stdin.take().unwrap().write_all(passcode.as_bytes()).unwrap();
    let done = made.wait_with_output().unwrap();
    assert!(done.status.success());
    String::from_utf8(done.stdout).unwrap()
}

/// A home that asks for identities, and the key that signs tokens.
fn home(certificates: &Certificates, mode: &str) -> (Home, String) {
    let (users, key, public) = (certificates.path("users"), certificates.path("idp.key"), certificates.path("idp.pem"));
    must("openssl", &["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &key]);
    must("openssl", &["pkey", "-in", &key, "-pubout", "-out", &public]);
    let home = certificates.home(&[]).set("CENTINELA__ANALYZE__ENABLED", "false");
    std::fs::write(&users, line(&home, "anna", PASSCODE)).unwrap();
    let home = home
        .set("CENTINELA__IDENTITY__MODE", mode)
        .set("CENTINELA__IDENTITY__USERS", &users)
        .set("CENTINELA__IDENTITY__TOKEN_KEYS", &public)
        .set("CENTINELA__IDENTITY__TOKEN_ISSUER", "https://idp.example")
        .set("CENTINELA__IDENTITY__TOKEN_AUDIENCE", "CENTINELA");
    (home, key)
}

#[test]
fn a_required_identity_is_checked_over_tls_and_answered() {
    let certificates = Certificates::make();
    let (home, key) = home(&certificates, "required");
    let node = home.start();
    let dir = tempfile::tempdir().unwrap();
    let film = &studies(dir.path(), 1, 256)[0];
    let path = film.path.to_str().unwrap();
    let (plain, tls) = (node.dicom.to_string(), node.tls().to_string());
    let ask = format!("-{tls}");
    let over_tls =
        |port: &str, rest: &[&str]| pynetdicom(&certificates, port, "CR2", "1.3", &[&["MODALITY"], rest].concat());
    assert_eq!(over_tls(&ask, &["--user", "anna", PASSCODE, path]), "identity \nstored");
    assert_eq!(over_tls(&tls, &["--user", "anna", PASSCODE]), "stored", "no answer where none is asked for");
    let (past, future) = (1_000_000_000, 4_000_000_000);
    let claims = |exp: u64, aud: &str| format!(r#"{{"iss":"https://idp.example","aud":"{aud}","exp":{exp}}}"#);
    assert_eq!(over_tls(&ask, &["--jwt", &key, &claims(future, "CENTINELA")]), "identity \nstored");
    for (offered, reason) in [
        (&["--user", "anna", "Correct horse"][..], "its user or passcode is wrong"),
        (&["--user", "eve", PASSCODE], "its user or passcode is wrong"),
        (&["--jwt", &key, &claims(past, "CENTINELA")], "its token has expired"),
        (&["--jwt", &key, &claims(future, "OTHER")], "its token is for another audience"),
        (&["--jwt", &certificates.path("other.key"), &claims(future, "CENTINELA")], "not signed by a known key"),
        (&[], "it gave no user identity"),
    ] {
        if offered.iter().any(|word| word.ends_with("other.key")) {
            must("openssl", &["genpkey", "-quiet", "-algorithm", "RSA", "-out", &certificates.path("other.key")]);
        }
        assert_eq!(over_tls(&ask, offered), "rejected 1/1/1", "{offered:?}");
        node.logged(&["WARN", reason]);
    }
    let offered = ["MODALITY", "--user", "anna", PASSCODE];
    assert_eq!(pynetdicom(&certificates, &plain, "-", "-", &offered), "rejected 1/1/1", "right, but without TLS");
    node.logged(&["WARN", "user identity without TLS"]);
    // Another passcode takes hold without a restart.
    std::fs::write(certificates.path("users"), line(&home, "anna", "new")).unwrap();
    node.signal("HUP");
    node.logged(&["INFO", "[identity]", "credentials read again"]);
    assert_eq!(over_tls(&tls, &["--user", "anna", "new"]), "stored");
    assert_eq!(over_tls(&tls, &["--user", "anna", PASSCODE]), "rejected 1/1/1");
    drop(node);
    for secret in ["horse", "anna", "argon2"] {
        assert!(!home.logs().contains(secret), "{secret} is in the log");
    }
}

#[test]
fn an_optional_identity_must_be_right_and_over_plain_tcp_it_is_not_looked_at() {
    let certificates = Certificates::make();
    let (home, _) = home(&certificates, "optional");
    let node = home.start();
    let (plain, tls) = (format!("-{}", node.dicom), format!("-{}", node.tls()));
    let (right, wrong) = (["MODALITY", "--user", "anna", PASSCODE], ["MODALITY", "--user", "anna", "wrong"]);
    assert_eq!(pynetdicom(&certificates, &tls, "CR2", "1.2", &["MODALITY"]), "stored", "none");
    assert_eq!(pynetdicom(&certificates, &tls, "CR2", "1.2", &right), "identity \nstored");
    assert_eq!(pynetdicom(&certificates, &tls, "CR2", "1.2", &wrong), "rejected 1/1/1");
    for offered in [&right[..], &wrong] {
        assert_eq!(pynetdicom(&certificates, &plain, "-", "-", offered), "stored", "not looked at, not answered");
    }
}

#[test]
fn wrong_configuration_of_identities_is_told() {
    let home =
        Home::new(&[]).set("CENTINELA__IDENTITY__MODE", "required").set("CENTINELA__IDENTITY__TOKEN_KEYS", "a.pem");
    let done = home.command(&["config", "check"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    for part in ["set [tls] enabled = true", "token_keys need token_issuer and token_audience"] {
        assert!(said.contains(part), "{part} missing in:\n{said}");
    }
    // A passcode in the clear is refused, and not shown.
    let certificates = Certificates::make();
    let users = certificates.path("users");
    std::fs::write(&users, "anna:swordfish\n").unwrap();
    let home =
        certificates.home(&[]).set("CENTINELA__IDENTITY__MODE", "optional").set("CENTINELA__IDENTITY__USERS", &users);
    let done = home.command(&["config", "check"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("line 1: no Argon2 hash") && !said.contains("swordfish"), "{said}");
}
