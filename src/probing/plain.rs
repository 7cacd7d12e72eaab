//! Causes for the night shift: what it means that a destination cannot be reached, and whom to call.

/// What is wrong, and what to do, by the word of a [`Cause`](super::Cause); none for a word that is not known.
#[must_use]
pub fn plain(code: &str) -> Option<(&'static str, &'static str)> {
    Some(match code {
        "name" => ("its host name has no address", "ask for DNS here, or correct host in ae-titles.toml"),
        "refused" => (
            "nothing listens there: its DICOM service is stopped, or port in ae-titles.toml is wrong",
            "have its DICOM service started",
        ),
        "no_route" => ("there is no way to it", "ask for the network between here and there"),
        "connect_timeout" => (
            "it does not answer at all: it is switched off, or a firewall is in the way",
            "is the machine on? If it is, ask for the network between here and there",
        ),
        "connect" => ("no connection to it can be made", "ask for the network between here and there"),
        "http" | "ssh" | "not_dicom" => ("something else than DICOM answers there", "correct port in ae-titles.toml"),
        "silent" => ("it takes the connection and says nothing: it hangs or is overloaded", "have it looked at"),
        "closed" => ("it closes the connection without a word", "look into its log"),
        "aborted" => ("it breaks the association off", "look into its log"),
        "protocol" => ("it answers what makes no sense", "look into its log, then ask its maker"),
        "called_title" => ("it is not called as ae-titles.toml says", "correct ae_title of this peer"),
        "calling_title" => ("it does not know this node", "have our AE title entered there"),
        "congestion" => ("it has no place for one more association", "wait; if it stays so, raise its limit"),
        "rejected" => ("it refuses the association", "look into its log"),
        "tls_expected" => ("it speaks TLS, and we call it plainly", "add tls to this peer in ae-titles.toml"),
        "plain_expected" => ("it speaks no TLS on that port", "correct port or tls of this peer in ae-titles.toml"),
        "not_committed" => (
            "it answered success and then did not commit to keep the result",
            "look into its storage; the result is sent again, later each time",
        ),
        _ if code.starts_with("tls_") => ("no TLS connection comes about", "its certificate or ours is not believed"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Cause;
    use super::plain;
    use centinela_scp::{Rejection, TlsRefusal};

    #[test]
    fn every_cause_has_plain_words() {
        use Cause::*;
        let all = [
            Name,
            Refused,
            NoRoute,
            ConnectTimeout,
            Connect,
            TlsExpected,
            PlainExpected,
            Tls(TlsRefusal::UnknownIssuer),
            Http,
            Ssh,
            NotDicom,
            Silent,
            Closed,
            Aborted,
            Protocol,
            CalledTitle,
            CallingTitle,
            Congestion,
            Rejected(Rejection::CALLED_AE_TITLE),
        ];
        for cause in all {
            assert!(plain(cause.code()).is_some(), "{} has no words", cause.code());
        }
        assert!(plain("not_committed").is_some());
        assert_eq!(plain("moonlight"), None);
    }
}
