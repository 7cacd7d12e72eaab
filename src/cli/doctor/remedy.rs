//! The likely causes in words, each with what to do about it.

use crate::config::Peer;
use crate::probing::Cause;
use centinela_scp::{RequestError, TlsRefusal};

/// The check that a cause belongs to.
pub const fn check(cause: Cause) -> &'static str {
    match cause {
        Cause::Name => "name",
        Cause::Refused | Cause::NoRoute | Cause::ConnectTimeout | Cause::Connect => "connection",
        Cause::TlsExpected | Cause::PlainExpected | Cause::Tls(_) => "TLS",
        _ => "association",
    }
}

/// What happened, and what to do. `ours` is our AE title.
pub fn words(cause: Cause, error: Option<&RequestError>, peer: &Peer, ours: &str) -> (String, String) {
    let (host, port) = (peer.host.as_deref().unwrap_or("-"), peer.port.unwrap_or(0));
    let place = format!("{host}:{port}");
    let theirs = peer.title();
    let entry = format!("peer {:?} in ae-titles.toml", peer.name);
    let (what, remedy) = match cause {
        Cause::Name => (
            format!("the name {host:?} has no address"),
            format!("correct host of {entry}, or write the address instead of the name; ask for DNS here"),
        ),
        Cause::Refused => (
            format!("{place} refuses connections: nothing listens there"),
            format!("start the DICOM service of the peer, or correct port of {entry} (104, 11112 and 4242 are usual)"),
        ),
        Cause::NoRoute => (
            format!("there is no way to {host}"),
            format!("correct host of {entry}; is it in a network that this machine reaches?"),
        ),
        Cause::ConnectTimeout => (
            format!("{place} does not answer at all"),
            format!("a firewall between here and there drops it, or host of {entry} is wrong, or the machine is off"),
        ),
        Cause::Connect => (
            format!("no connection to {place}: {}", source(error)),
            format!("check host and port of {entry}, and the network of this machine"),
        ),
        Cause::TlsExpected => (
            format!("{place} speaks TLS, and we call it plainly"),
            format!(
                "add tls = {{ ca = \"FILE\" }} to {entry} (FILE: the certificate of the authority that signed the \
                 peer's), or use its port without TLS"
            ),
        ),
        Cause::PlainExpected => (
            format!("{place} speaks DICOM without TLS, and we call it by TLS"),
            format!("use its TLS port (2762 is usual), or remove tls from {entry}"),
        ),
        Cause::Tls(refusal) => (format!("no TLS connection: {refusal}"), tls(refusal, host, &entry)),
        Cause::Http => (
            format!("{place} is a web server, not a DICOM port"),
            format!(
                "ask for the DICOM port of the peer and correct port of {entry} (Orthanc: DicomPort, not HttpPort)"
            ),
        ),
        Cause::Ssh => (
            format!("{place} is an SSH server, not a DICOM port"),
            format!("ask for the DICOM port of the peer and correct port of {entry}"),
        ),
        Cause::NotDicom => (
            format!("what speaks at {place} is no DICOM"),
            format!("ask for the DICOM port of the peer and correct port of {entry}"),
        ),
        Cause::Silent => (
            format!("{place} takes the connection and says nothing"),
            format!(
                "the peer is overloaded or hangs, a firewall lets connections through and no data, or port of {entry} \
                 belongs to another service; look into the peer's log, then try again"
            ),
        ),
        Cause::Closed => (
            format!("{place} closed the connection without a word"),
            "look into the peer's log: it may admit certain addresses only, or have no place".to_owned(),
        ),
        Cause::Aborted => {
            let said = error.map(ToString::to_string).unwrap_or_default();
            (said, "look into the peer's log for the reason".to_owned())
        }
        Cause::Protocol => {
            let said = error.map(ToString::to_string).unwrap_or_default();
            (said, format!("is {place} a DICOM port? If so, the peer's log and maker are to be asked"))
        }
        Cause::CalledTitle => (
            format!("{place} answers: it is not called {theirs} (called AE title not recognized, 1/1/7)"),
            format!("set ae_title of {entry} to the peer's own AE title, exactly, capital letters too"),
        ),
        Cause::CallingTitle => (
            format!("{place} answers: it does not know {ours} (calling AE title not recognized, 1/1/3)"),
            "create the entry for this node on the peer, as shown below".to_owned(),
        ),
        Cause::Congestion => (
            format!("{place} has no place now ({})", rejection(error)),
            "try again in a minute; if it stays so, raise the number of associations that the peer allows".to_owned(),
        ),
        Cause::Rejected(_) => (
            format!("{place} refused the association ({})", rejection(error)),
            format!(
                "the peer may demand something that it does not name: the entry for this node as shown below, a user, \
                 an address; its log tells. AE titles: ours {ours}, its {theirs}"
            ),
        ),
    };
    (what, remedy)
}

fn tls(refusal: TlsRefusal, host: &str, entry: &str) -> String {
    match refusal {
        TlsRefusal::UnknownIssuer | TlsRefusal::BadCertificate => {
            format!("let ca in tls of {entry} name the certificate of the authority that signed the peer's")
        }
        TlsRefusal::Name => format!(
            "the peer's certificate is not for {host:?}: write the name that stands in it as server_name in tls of \
             {entry}, or have a certificate made for {host:?}"
        ),
        TlsRefusal::Expired | TlsRefusal::NotYetValid => {
            "have the peer's certificate renewed; is the clock of this machine right?".to_owned()
        }
        TlsRefusal::PeerAlert(40 | 42..=46 | 48 | 116) => format!(
            "the peer wants a certificate of ours that it believes: name certificate and key in tls of {entry}, and \
             have our authority (or the certificate itself) admitted on the peer"
        ),
        TlsRefusal::Version | TlsRefusal::Cipher | TlsRefusal::PeerAlert(70 | 71) => {
            "update the peer, or choose its \"BCP 195\" profile: TLS 1.2 or 1.3 with ECDHE and AES-GCM".to_owned()
        }
        TlsRefusal::Purpose => "have a certificate made for the peer that may serve (serverAuth)".to_owned(),
        _ => format!("does it speak TLS on that port? Check port and tls of {entry}, and the peer's log"),
    }
}

fn source(error: Option<&RequestError>) -> String {
    match error {
        Some(RequestError::Unreachable { source, .. }) => source.to_string(),
        Some(other) => other.to_string(),
        None => "no reason".to_owned(),
    }
}

/// The standard's words of an A-ASSOCIATE-RJ.
fn rejection(error: Option<&RequestError>) -> String {
    match error {
        Some(RequestError::RejectedTransient { rejection, .. } | RequestError::RejectedPermanent { rejection, .. }) => {
            rejection.to_string()
        }
        _ => "no reason given".to_owned(),
    }
}
