//! Which certificate may call under which AE title: two lists, of titles and of certificates, that must agree.

use super::acceptor::Secured;
use super::certificate::CertificateName;
use centinela_domain::ae::AeTitle;
use std::fmt;

/// Why a certificate does not fit an AE title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindingRefusal {
    /// The title is bound, and there was no TLS.
    WithoutTls,
    /// The title is bound, and the peer showed no certificate.
    NoCertificate,
    /// The title is bound to another certificate.
    OtherCertificate,
    /// The certificate is bound to another title.
    OtherTitle,
}

impl BindingRefusal {
    /// The word in events.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WithoutTls => "binding_without_tls",
            Self::NoCertificate => "binding_no_certificate",
            Self::OtherCertificate => "binding_other_certificate",
            Self::OtherTitle => "binding_other_title",
        }
    }
}

impl fmt::Display for BindingRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithoutTls => "its AE title is bound to a certificate, but it called without TLS",
            Self::NoCertificate => "its AE title is bound to a certificate, but it showed none",
            Self::OtherCertificate => "its certificate is not the one that its AE title is bound to",
            Self::OtherTitle => "its certificate is bound to another AE title",
        })
    }
}

/// One certificate of one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The calling AE title.
    pub ae_title: AeTitle,
    /// The certificate that may use it.
    pub certificate: CertificateName,
}

/// All of them. A title with bindings needs one of its certificates, and so TLS; a bound
/// certificate may call only under its own titles. Titles without bindings are free.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bindings(pub Vec<Binding>);

impl Bindings {
    /// Whether `calling` may be used on a connection of this kind; the error says why not.
    pub(crate) fn check(&self, calling: &AeTitle, secured: Option<&Secured>) -> Result<(), BindingRefusal> {
        let certificate = secured.and_then(|secured| secured.certificate.as_ref());
        let bound_title = self.0.iter().any(|binding| binding.ae_title == *calling);
        let Some(certificate) = certificate else {
            return match (bound_title, secured) {
                (false, _) => Ok(()),
                (true, None) => Err(BindingRefusal::WithoutTls),
                (true, Some(_)) => Err(BindingRefusal::NoCertificate),
            };
        };
        let mut titles = self.0.iter().filter(|binding| binding.certificate.matches(certificate)).peekable();
        let bound_certificate = titles.peek().is_some();
        if titles.any(|binding| binding.ae_title == *calling) {
            return Ok(());
        }
        match (bound_title, bound_certificate) {
            (false, false) => Ok(()),
            (true, _) => Err(BindingRefusal::OtherCertificate),
            (false, true) => Err(BindingRefusal::OtherTitle),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::certificate::PeerCertificate;
    use super::*;

    fn with(common_name: &str) -> Secured {
        let certificate =
            PeerCertificate { fingerprint: [1; 32], common_name: Some(common_name.into()), dns_names: Vec::new() };
        Secured { certificate: Some(certificate) }
    }

    #[test]
    fn bound_titles_and_certificates_belong_together_and_the_rest_is_free() {
        let title = |text| AeTitle::parse(text).unwrap();
        let bind = |ae, name: &str| Binding { ae_title: title(ae), certificate: CertificateName::parse(name).unwrap() };
        let bindings = Bindings(vec![bind("CR1", "cn:one"), bind("CR1", "cn:spare"), bind("CR2", "cn:two")]);
        let check = |ae, secured: Option<&Secured>| bindings.check(&title(ae), secured).is_ok();
        assert!(check("CR1", Some(&with("one"))));
        assert!(check("CR1", Some(&with("spare"))));
        assert!(!check("CR1", Some(&with("two"))));
        assert!(!check("CR1", Some(&with("stranger"))));
        assert!(!check("CR1", Some(&Secured { certificate: None })));
        assert!(!check("CR1", None));
        assert!(check("FREE", None));
        assert!(check("FREE", Some(&with("stranger"))));
        assert!(!check("FREE", Some(&with("one"))), "a bound certificate under another title");
        assert!(Bindings::default().check(&title("CR1"), None).is_ok());
    }
}
