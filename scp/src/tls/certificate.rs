//! What a verified certificate says of its holder (RFC 5280): digest, common name, host names.

use rustls::pki_types::CertificateDer;
use std::fmt;

/// Object identifier of the common name (2.5.4.3), encoded.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// A certificate that was verified in the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// SHA-256 of the whole certificate (DER).
    pub fingerprint: [u8; 32],
    /// Last common name of the subject, if it has one.
    pub common_name: Option<String>,
    /// DNS names of the subject alternative name.
    pub dns_names: Vec<String>,
}

impl PeerCertificate {
    /// Reads a certificate that was verified before.
    pub(super) fn read(der: &CertificateDer<'_>) -> Self {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, der).as_ref());
        let parsed = webpki::EndEntityCert::try_from(der);
        let (common_name, dns_names) = parsed.map_or((None, Vec::new()), |parsed| {
            (common_name(parsed.subject()), parsed.valid_dns_names().map(str::to_owned).collect())
        });
        Self { fingerprint, common_name, dns_names }
    }
}

/// A name by which a peer's certificate is recognized.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// SHA-256 of the certificate, 32 bytes.
    Fingerprint([u8; 32]),
    /// Common name of the subject, compared exactly.
    CommonName(String),
    /// A DNS name of the subject alternative name, without regard to case.
    DnsName(String),
}

impl CertificateName {
    /// Reads `sha256:<64 hex digits, colons allowed>`, `cn:<name>` or `dns:<name>`; `None` for
    /// anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        let value = value.trim();
        match kind {
            "sha256" => {
                let digits: String = value.chars().filter(|c| *c != ':').collect();
                if digits.len() != 64 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
                    return None;
                }
                let mut bytes = [0; 32];
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok()?;
                }
                Some(Self::Fingerprint(bytes))
            }
            "cn" if !value.is_empty() => Some(Self::CommonName(value.to_owned())),
            "dns" if !value.is_empty() => Some(Self::DnsName(value.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// Whether it names this certificate.
    #[must_use]
    pub fn matches(&self, certificate: &PeerCertificate) -> bool {
        match self {
            Self::Fingerprint(digest) => *digest == certificate.fingerprint,
            Self::CommonName(name) => certificate.common_name.as_ref() == Some(name),
            Self::DnsName(name) => certificate.dns_names.iter().any(|known| known.eq_ignore_ascii_case(name)),
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(bytes) => {
                f.write_str("sha256:")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::CommonName(name) => write!(f, "cn:{name}"),
            Self::DnsName(name) => write!(f, "dns:{name}"),
        }
    }
}

/// When a certificate ends, in seconds since 1970; `None` if it is malformed.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    const VERSION: u8 = 0xA0;
    let (_, certificate, _) = element(der)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, algorithm, issuer; then the validity: two times.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields)?;
    let (tag, text, _) = element(element(validity)?.2)?;
    seconds(tag, std::str::from_utf8(text).ok()?)
}

/// UTCTime `YYMMDDhhmmssZ` or GeneralizedTime `YYYYMMDDhhmmssZ` (RFC 5280 section 4.1.2.5).
fn seconds(tag: u8, text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|c| c.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (0x17, 12) => {
            let year: i64 = digits[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
        }
        (0x18, 14) => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<i64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    // Days since 0000-03-01, in years that begin in March, so that the odd day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    // Since 1970-01-01.
    let days = days - 719_468;
    Some(((days * 24 + part(4)?) * 60 + part(6)?) * 60 + part(8)?)
}

/// One element of DER: its tag, its content, and what follows it.
pub(crate) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        // Nothing that is looked at here is longer than 64 KiB.
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The last common name of a Name: SEQUENCE OF SET OF SEQUENCE { OID, string }, without the outer
/// header.
fn common_name(mut name: &[u8]) -> Option<String> {
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    let mut found = None;
    while let Some((SET, mut attributes, rest)) = element(name) {
        name = rest;
        while let Some((SEQUENCE, attribute, others)) = element(attributes) {
            attributes = others;
            let Some((OBJECT_IDENTIFIER, COMMON_NAME, value)) = element(attribute) else { continue };
            // UTF8String, PrintableString, IA5String; what is older is not compared.
            if let Some((0x0C | 0x13 | 0x16, text, _)) = element(value) {
                found = std::str::from_utf8(text).ok().map(str::to_owned);
            }
        }
    }
    found
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_matched() {
        let digits = "AB:".repeat(31) + "ab";
        let fingerprint = CertificateName::parse(&format!("sha256:{digits}")).unwrap();
        assert_eq!(fingerprint, CertificateName::Fingerprint([0xAB; 32]));
        assert_eq!(CertificateName::parse(&fingerprint.to_string()), Some(fingerprint.clone()));
        let holder = PeerCertificate {
            fingerprint: [0xAB; 32],
            common_name: Some("CR1".into()),
            dns_names: vec!["cr1.example".into()],
        };
        for name in ["cn:CR1", "dns:CR1.example"] {
            assert!(CertificateName::parse(name).unwrap().matches(&holder), "{name}");
        }
        assert!(fingerprint.matches(&holder));
        for name in ["cn:cr1", "dns:cr2.example", "dns:CR1"] {
            assert!(!CertificateName::parse(name).unwrap().matches(&holder), "{name}");
        }
        for wrong in ["CR1", "cn:", "sha1:00", "sha256:00", "dns: ", "sha256:é"] {
            assert_eq!(CertificateName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (tag, text, expected) in [
            (0x17, "700101000000Z", Some(0)),
            (0x17, "261124083000Z", Some(1_795_509_000)),
            (0x17, "491231235959Z", Some(2_524_607_999)),
            (0x18, "20500101000000Z", Some(2_524_608_000)),
            (0x18, "20000229120000Z", Some(951_825_600)),
            (0x18, "99991231235959Z", Some(253_402_300_799)),
            (0x17, "20500101000000Z", None),
            (0x17, "2611240830Z", None),
            (0x17, "26112408300\u{e9}Z", None),
            (0x17, "261124083000", None),
        ] {
            assert_eq!(seconds(tag, text), expected, "{text}");
        }
        assert_eq!(not_after(&[0x30, 0x02, 0x30, 0x00]), None);
    }

    #[test]
    fn the_last_common_name_counts() {
        let attribute = |oid: u8, text: &str| {
            let mut value = vec![6, 3, 0x55, 4, oid, 0x0C, text.len() as u8];
            value.extend(text.bytes());
            [vec![0x31, value.len() as u8 + 2, 0x30, value.len() as u8], value].concat()
        };
        let name = [attribute(10, "Hospital"), attribute(3, "first"), attribute(3, "CR1")].concat();
        assert_eq!(common_name(&name).as_deref(), Some("CR1"));
        assert_eq!(common_name(&attribute(10, "Hospital")), None);
        for cut in 0..name.len() {
            let _ = common_name(&name[..cut]);
        }
        assert_eq!(element(&[0x30, 0x82, 0xFF]), None);
        assert_eq!(element(&[0x30, 0x84, 0, 0, 0, 0]), None);
    }
}
