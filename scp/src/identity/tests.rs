//! Tests of modes, tokens and the answer in the A-ASSOCIATE-AC.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use dicom_ul::pdu::{AssociationAC, Pdu, UserVariableItem, read_pdu, write_pdu};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use std::path::Path;

const NOW: i64 = 1_800_000_000;

/// A signing key whose public half is in a PEM file.
enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair, SystemRandom),
}

impl Signer {
    fn new(ed: bool, path: &Path) -> Self {
        let random = SystemRandom::new();
        let (signer, prefix, public): (_, &[u8], Vec<u8>) = if ed {
            let pair = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
            let public = pair.public_key().as_ref().to_vec();
            (Self::Ed(pair), b"\x30\x2A\x30\x05\x06\x03\x2B\x65\x70\x03\x21\0", public)
        } else {
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
            let public = pair.public_key().as_ref().to_vec();
            let prefix = b"\x30\x59\x30\x13\x06\x07\x2A\x86\x48\xCE\x3D\x02\x01\x06\x08\x2A\x86\x48\xCE\x3D\x03\x01\x07\x03\x42\0";
            (Self::Ec(pair, random), prefix, public)
        };
        let text = Base64::encode_string(&[prefix, &public].concat());
        std::fs::write(path, format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")).unwrap();
        signer
    }

    fn token(&self, header: &str, claims: &str) -> String {
        let signed = [header, claims].map(|part| Base64UrlUnpadded::encode_string(part.as_bytes())).join(".");
        let signature = match self {
            Self::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Self::Ec(pair, random) => pair.sign(random, signed.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature))
    }
}

struct Bench {
    folder: tempfile::TempDir,
    ed: Signer,
    ec: Signer,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [ed, ec] = [true, false].map(|ed| Signer::new(ed, &folder.path().join(format!("{ed}.pem"))));
        let hash = hash_passcode(b"s3cret", &[1; 16]).unwrap();
        std::fs::write(folder.path().join("users"), format!("anna:{hash}\n")).unwrap();
        Self { folder, ed, ec }
    }

    fn identities(&self, mode: IdentityMode) -> Identities {
        let files = IdentityFiles {
            users: Some(self.folder.path().join("users")),
            token_keys: [true, false].map(|ed| self.folder.path().join(format!("{ed}.pem"))).to_vec(),
            issuer: "https://idp.example".into(),
            audience: "CENTINELA".into(),
        };
        Identities::load(mode, files, || NOW).unwrap()
    }
}

fn user(name: &str, passcode: &str, asked: bool) -> UserIdentity {
    UserIdentity::new(asked, UserIdentityType::UsernamePassword, name.into(), passcode.into())
}

fn token(token: &str) -> UserIdentity {
    UserIdentity::new(true, UserIdentityType::Jwt, token.into(), Vec::new())
}

#[tokio::test]
async fn each_mode_takes_what_it_says_and_nothing_over_plain_tcp() {
    let bench = Bench::new();
    let (good, bad) = (user("anna", "s3cret", true), user("anna", "wrong", true));
    let name_only = UserIdentity::new(true, UserIdentityType::Username, "anna".into(), Vec::new());
    use IdentityRefusal as Refused;
    for (mode, expected) in [
        (IdentityMode::Ignore, [Ok(false), Ok(false), Ok(false), Ok(false), Ok(false), Ok(false)]),
        (IdentityMode::Optional, [Ok(true), Err(Refused::User), Ok(false), Ok(false), Ok(false), Ok(false)]),
        (
            IdentityMode::Required,
            [
                Ok(true),
                Err(Refused::User),
                Err(Refused::WithoutTls),
                Err(Refused::WithoutTls),
                Err(Refused::Missing),
                Err(Refused::Kind),
            ],
        ),
    ] {
        let identities = bench.identities(mode);
        let offers = [
            (Some(&good), true),
            (Some(&bad), true),
            (Some(&good), false),
            (Some(&bad), false),
            (None, true),
            (Some(&name_only), true),
        ];
        for (at, (offered, secure)) in offers.into_iter().enumerate() {
            assert_eq!(identities.check(offered, secure).await, expected[at], "{mode:?}, offer {at}");
        }
    }
    let quiet = user("anna", "s3cret", false);
    assert_eq!(bench.identities(IdentityMode::Required).check(Some(&quiet), true).await, Ok(false), "not asked");
}

#[tokio::test]
async fn a_token_must_be_signed_timely_and_for_us() {
    let bench = Bench::new();
    let identities = bench.identities(IdentityMode::Required);
    let claims = |exp: i64, nbf: i64, iss: &str, aud: &str| {
        format!(r#"{{"iss":"{iss}","aud":{aud},"exp":{exp},"nbf":{nbf},"sub":"anna"}}"#)
    };
    let (iss, aud) = ("https://idp.example", r#""CENTINELA""#);
    let good = claims(NOW + 10, NOW - 10, iss, aud);
    let (eddsa, es256) = (r#"{"alg":"EdDSA"}"#, r#"{"alg":"ES256","typ":"JWT"}"#);
    let check = async |text: String| identities.check(Some(&token(&text)), true).await;
    use IdentityRefusal as Refused;
    assert_eq!(check(bench.ed.token(eddsa, &good)).await, Ok(true));
    assert_eq!(check(bench.ec.token(es256, &good)).await, Ok(true));
    assert_eq!(check(bench.ec.token(es256, &claims(NOW - 59, NOW + 60, iss, r#"["X","CENTINELA"]"#))).await, Ok(true));
    for (expected, claims) in [
        (Refused::TokenExpired, claims(NOW - 60, NOW - 100, iss, aud)),
        (Refused::TokenExpired, r#"{"iss":"https://idp.example","aud":"CENTINELA"}"#.into()),
        (Refused::TokenNotYetValid, claims(NOW + 100, NOW + 61, iss, aud)),
        (Refused::TokenIssuer, claims(NOW + 10, NOW, "https://other.example", aud)),
        (Refused::TokenAudience, claims(NOW + 10, NOW, iss, r#""OTHER""#)),
        (Refused::TokenAudience, claims(NOW + 10, NOW, iss, "[]")),
        (Refused::TokenMalformed, r#"{"exp":"soon"}"#.into()),
        (Refused::TokenMalformed, "[]".into()),
    ] {
        assert_eq!(check(bench.ed.token(eddsa, &claims)).await, Err(expected), "{claims}");
    }
    let stranger = Signer::new(true, &bench.folder.path().join("stranger.pem"));
    assert_eq!(check(stranger.token(eddsa, &good)).await, Err(Refused::TokenSignature));
    // The algorithm is the key's: neither another one nor none at all passes.
    for header in [r#"{"alg":"ES256"}"#, r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#] {
        assert_eq!(check(bench.ed.token(header, &good)).await, Err(Refused::TokenSignature), "{header}");
    }
    assert_eq!(check(bench.ed.token(r#"{"alg":"EdDSA","crit":["x"]}"#, &good)).await, Err(Refused::TokenMalformed));
    let whole = bench.ed.token(eddsa, &good);
    for broken in [String::new(), "a.b".into(), format!("{whole}.x"), whole.replace('.', "!"), "..".into()] {
        assert_eq!(check(broken.clone()).await, Err(Refused::TokenMalformed), "{broken}");
    }
    let (signed, _) = whole.rsplit_once('.').unwrap();
    assert_eq!(check(format!("{signed}.")).await, Err(Refused::TokenSignature), "no signature");
}

#[test]
fn keys_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let load = || {
        let files = IdentityFiles { token_keys: vec![path.clone()], ..IdentityFiles::default() };
        Identities::load(IdentityMode::Optional, files, || NOW).err().unwrap().what
    };
    std::fs::write(&path, "nothing").unwrap();
    assert!(load().contains("no public key"));
    std::fs::write(&path, "-----BEGIN PUBLIC KEY-----\nMAUwAwYBKg==\n-----END PUBLIC KEY-----\n").unwrap();
    assert!(load().contains("is no key of Ed25519"));
}

#[test]
fn the_answer_is_one_more_user_item() {
    let accept = Pdu::AssociationAC(AssociationAC {
        protocol_version: 1,
        calling_ae_title: "A".into(),
        called_ae_title: "B".into(),
        application_context_name: "1.2.840.10008.3.1.1.1".into(),
        presentation_contexts: Vec::new(),
        user_variables: vec![UserVariableItem::MaxLength(4096)],
    });
    let mut pdu = Vec::new();
    write_pdu(&mut pdu, &accept).unwrap();
    add_response(&mut pdu).unwrap();
    let Ok(Some(Pdu::AssociationAC(read))) = read_pdu(pdu.as_slice(), 65_536, true) else { panic!("{pdu:02X?}") };
    assert_eq!(read.user_variables, [UserVariableItem::MaxLength(4096), UserVariableItem::Unknown(0x59, vec![0, 0])]);
    assert_eq!(add_response(&mut vec![2; 80]), None, "no user information");
    assert_eq!(add_response(&mut Vec::new()), None);
}
