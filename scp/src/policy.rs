//! What the acceptor allows: who may call, which classes, and the limits of each resource.

use centinela_domain::ae::AeTitle;
use centinela_domain::uid::Uid;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Which called AE titles are taken as meaning this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CalledRule {
    /// Every title.
    Any,
    /// Only [`Policy::ae_title`].
    #[default]
    Own,
}

/// Which calling AE titles are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerRule {
    /// Every title from every address.
    Any,
    /// Only these.
    Listed(Vec<Caller>),
}

/// One peer that may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its calling AE title, compared case-sensitively.
    pub ae_title: AeTitle,
    /// The only address it may call from; `None` for any.
    pub host: Option<IpAddr>,
}

impl CallerRule {
    /// Whether `calling` may open an association from `host`.
    #[must_use]
    pub fn allows(&self, calling: &AeTitle, host: IpAddr) -> bool {
        // An IPv4 peer on an IPv6 socket shows as ::ffff:a.b.c.d.
        let host = host.to_canonical();
        match self {
            Self::Any => true,
            Self::Listed(callers) => callers.iter().any(|caller| {
                caller.ae_title == *calling && caller.host.is_none_or(|allowed| allowed.to_canonical() == host)
            }),
        }
    }
}

/// Limits of the acceptor. Each has a default that suits a node beside one PACS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open associations; one more is answered by A-ASSOCIATE-RJ 2/3/2. Default 64.
    pub associations: usize,
    /// Transport connections, with or without an association; one more is closed. Default 2048.
    pub connections: usize,
    /// The longest P-DATA PDU that we announce and accept, in bytes, at least 1018. Default 131072.
    pub max_pdu: u32,
    /// The longest A-ASSOCIATE-RQ, in bytes. Default 65536.
    pub request_bytes: u32,
    /// The longest data set, in bytes. A longer one is read and thrown away and answered by 0xA700;
    /// one longer than twice this ends the association. Default 2 GiB.
    pub instance_bytes: u64,
    /// From connect to A-ASSOCIATE-RQ, and from our last PDU to the peer's close. Default 30 s.
    pub artim: Duration,
    /// Between two messages. Default 300 s.
    pub idle: Duration,
    /// Without a single byte inside a message, either way. Default 30 s.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            associations: 64,
            connections: 2048,
            max_pdu: 131_072,
            request_bytes: 65_536,
            instance_bytes: 2 << 30,
            artim: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            stall: Duration::from_secs(30),
        }
    }
}

/// Everything that the acceptor needs to know.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Our AE title.
    pub ae_title: AeTitle,
    /// Which called titles mean us.
    pub called: CalledRule,
    /// Who may call.
    pub callers: CallerRule,
    /// Also accept SOP classes that are neither Verification nor Storage classes of the standard,
    /// as long as they are not another service of the standard.
    pub accept_any_abstract_syntax: bool,
    /// Also accept the Storage Commitment Push Model, as its SCP.
    pub commitment: bool,
    /// Directory of the files being received; made if it does not exist.
    pub spool: PathBuf,
    /// Resource limits.
    pub limits: Limits,
    /// Implementation Class UID that we announce and write into files.
    pub implementation_class_uid: Uid,
    /// Implementation Version Name, 1 to 16 characters; longer is cut.
    pub implementation_version: String,
    /// How long open associations may go on after a stop.
    pub drain_timeout: Duration,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_listed_caller_is_known_by_title_and_address() {
        let title = |text| AeTitle::parse(text).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let rule = CallerRule::Listed(vec![
            Caller { ae_title: title("CR1"), host: Some(ip("10.0.0.1")) },
            Caller { ae_title: title("PACS"), host: None },
        ]);
        assert!(rule.allows(&title("CR1"), ip("10.0.0.1")));
        assert!(rule.allows(&title("CR1"), ip("::ffff:10.0.0.1")));
        assert!(!rule.allows(&title("CR1"), ip("10.0.0.2")));
        assert!(!rule.allows(&title("cr1"), ip("10.0.0.1")));
        assert!(rule.allows(&title("PACS"), ip("10.9.9.9")));
        assert!(!rule.allows(&title("OTHER"), ip("10.0.0.1")));
    }
}
