//! What the acceptor allows: who may call, which classes, and the limits of each resource.

use crate::identity::Identities;
use crate::network::Network;
use crate::rejection::RefusalCause;
use crate::tls::Bindings;
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

/// One peer that may call, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its calling AE title, compared case-sensitively.
    pub ae_title: AeTitle,
    /// Where it may call from; empty for everywhere.
    pub networks: Vec<Network>,
    /// The SOP classes that it may send; `None` for all that the node takes. Verification is
    /// always allowed.
    pub classes: Option<Vec<Uid>>,
    /// Associations in a minute; `None` for no limit of its own.
    pub per_minute: Option<u32>,
    /// Associations at once; `None` for [`Limits::associations_per_caller`].
    pub associations: Option<usize>,
}

impl Caller {
    /// A caller without restrictions.
    #[must_use]
    pub const fn new(ae_title: AeTitle) -> Self {
        Self { ae_title, networks: Vec::new(), classes: None, per_minute: None, associations: None }
    }

    fn calls_from(&self, host: IpAddr) -> bool {
        self.networks.is_empty() || self.networks.iter().any(|network| network.contains(host))
    }

    /// Whether it may send this class.
    #[must_use]
    pub fn may_send(&self, class: &Uid) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(class))
    }
}

impl CallerRule {
    /// The rule for `calling` from `host`; `Ok(None)` where everybody may call.
    ///
    /// # Errors
    /// [`RefusalCause::UnknownCaller`], or [`RefusalCause::Network`] if the title may call, but
    /// not from there.
    pub fn admit(&self, calling: &AeTitle, host: IpAddr) -> Result<Option<&Caller>, RefusalCause> {
        let Self::Listed(callers) = self else { return Ok(None) };
        let mut known = callers.iter().filter(|caller| caller.ae_title == *calling).peekable();
        if known.peek().is_none() {
            return Err(RefusalCause::UnknownCaller);
        }
        known.find(|caller| caller.calls_from(host)).map(Some).ok_or(RefusalCause::Network)
    }
}

/// Limits of the acceptor. Each has a default that suits a node beside one PACS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open associations; one more is answered by A-ASSOCIATE-RJ 2/3/2. Default 128.
    pub associations: usize,
    /// Open associations of one calling AE title, likewise. Default 64, so that nobody takes all.
    pub associations_per_caller: usize,
    /// Open associations of one address (IPv6: of one /64), likewise. Default 64.
    pub associations_per_address: usize,
    /// A-ASSOCIATE-RQ of one address in a minute; one more is answered by 2/3/1. 0 for no limit.
    /// Default 6000.
    pub requests_per_minute: u32,
    /// Transport connections, with or without an association; one more is closed. Default 2048.
    pub connections: usize,
    /// Transport connections of one address, likewise. Default 256.
    pub connections_per_address: usize,
    /// The longest P-DATA PDU that we announce and accept, in bytes, at least 1018. Default 131072.
    pub max_pdu: u32,
    /// The longest A-ASSOCIATE-RQ, in bytes. Default 262144: 128 contexts of 20 transfer syntaxes
    /// each, all UIDs of 64 characters, take 184 kB, a user information item at most 64 KiB more.
    pub request_bytes: u32,
    /// The longest data set, in bytes. A longer one is read and thrown away and answered by 0xA700;
    /// one longer than twice this ends the association. Default 2 GiB.
    pub instance_bytes: u64,
    /// ARTIM (PS3.8 section 9.1.5): from connect to the whole A-ASSOCIATE-RQ, and from our last PDU
    /// to the peer's close. Default 30 s.
    pub artim: Duration,
    /// Between two messages. Default 300 s.
    pub idle: Duration,
    /// Without a single byte inside a message; also the time for each block that we send. Default 30 s.
    pub stall: Duration,
    /// Bytes for each second of waiting for the peer inside a message, averaged over
    /// [`Limits::rate_window`]; 0 for no limit. Default 2048, a quarter of an ISDN line.
    pub least_rate: u32,
    /// Default 60 s.
    pub rate_window: Duration,
    /// Probes on a silent connection begin after this time; a dead peer is known three probes of
    /// 15 s later. Default 60 s.
    pub keepalive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            associations: 128,
            associations_per_caller: 64,
            associations_per_address: 64,
            requests_per_minute: 6000,
            connections: 2048,
            connections_per_address: 256,
            max_pdu: 131_072,
            request_bytes: 262_144,
            instance_bytes: 2 << 30,
            artim: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            stall: Duration::from_secs(30),
            least_rate: 2048,
            rate_window: Duration::from_secs(60),
            keepalive: Duration::from_secs(60),
        }
    }
}

/// Who a peer must prove to be, beyond its AE title and address.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// Which certificate may call under which AE title.
    pub bindings: Bindings,
    /// Checks user identities; `None` where they are not looked at.
    pub identities: Option<Identities>,
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
    /// Write them around the page cache (O_DIRECT) where the file system can.
    pub direct_io: bool,
    /// Resource limits.
    pub limits: Limits,
    /// Implementation Class UID that we announce and write into files.
    pub implementation_class_uid: Uid,
    /// Implementation Version Name, 1 to 16 characters; longer is cut.
    pub implementation_version: String,
    /// How long open associations may go on after a stop.
    pub drain_timeout: Duration,
    /// Certificates and identities.
    pub security: Security,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_listed_caller_is_known_by_title_and_network() {
        let title = |text| AeTitle::parse(text).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let from = |name, networks: &[&str]| Caller {
            networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
            ..Caller::new(title(name))
        };
        let rule = CallerRule::Listed(vec![
            from("CR1", &["10.0.0.0/30", "fd00::/8"]),
            Caller { per_minute: Some(7), ..from("CR1", &["192.0.2.1"]) },
            from("PACS", &[]),
        ]);
        let admit = |name, host| rule.admit(&title(name), ip(host)).map(|caller| caller.unwrap().per_minute);
        assert_eq!(admit("CR1", "10.0.0.1"), Ok(None));
        assert_eq!(admit("CR1", "::ffff:10.0.0.1"), Ok(None));
        assert_eq!(admit("CR1", "fd12::1"), Ok(None));
        assert_eq!(admit("CR1", "192.0.2.1"), Ok(Some(7)), "the second entry of the title");
        assert_eq!(admit("CR1", "10.0.0.4"), Err(RefusalCause::Network));
        assert_eq!(admit("cr1", "10.0.0.1"), Err(RefusalCause::UnknownCaller));
        assert_eq!(admit("PACS", "10.9.9.9"), Ok(None));
        assert_eq!(CallerRule::Any.admit(&title("X"), ip("10.9.9.9")), Ok(None));
    }
}
