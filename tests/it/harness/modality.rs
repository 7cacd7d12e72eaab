//! A modality: pushes a film as it is, under any AE title, and tells the status.

use super::films::Film;
use centinela_domain::ae::AeTitle;
use centinela_domain::implementation::implementation_class_uid;
use centinela_domain::status::DimseStatus;
use centinela_scp::{ProposedContext, Remote, RequestError, Requestor, RequestorOptions, part10_parts};
use std::time::Duration;

/// Pushes as MODALITY.
pub fn push(port: u16, film: &Film) -> Result<DimseStatus, RequestError> {
    push_as("MODALITY", port, film)
}

/// Pushes and demands success.
pub fn must_push(port: u16, film: &Film) {
    let status = push(port, film).unwrap_or_else(|e| panic!("{}: {e}", film.path.display()));
    assert_eq!(status, DimseStatus::SUCCESS, "{}", film.path.display());
}

/// Pushes under a calling AE title, one film over one association.
pub fn push_as(calling: &str, port: u16, film: &Film) -> Result<DimseStatus, RequestError> {
    let bytes = std::fs::read(&film.path).unwrap();
    let (class, instance, syntax, offset) = part10_parts(&bytes)?;
    let context = ProposedContext::new(class.clone(), vec![syntax.clone()]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut requestor = Requestor::open(&remote(port), &options(calling), &[context]).await?;
        let status = requestor.store(&class, &instance, &syntax, &bytes[offset..]).await?;
        requestor.release().await;
        Ok(status)
    })
}

/// Pushes films on one association for as long as `next` gives some and the peer answers; each is handed
/// back with whether it was answered 0000.
pub fn push_all<'f>(port: u16, next: impl Fn() -> Option<&'f Film>, told: impl Fn(&'f Film, bool)) {
    let Some(mut film) = next() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut bytes = std::fs::read(&film.path).unwrap();
    let (class, _, syntax, _) = part10_parts(&bytes).unwrap();
    let context = ProposedContext::new(class, vec![syntax]);
    runtime.block_on(async {
        let Ok(mut requestor) = Requestor::open(&remote(port), &options("MODALITY"), &[context]).await else {
            return told(film, false);
        };
        loop {
            let (class, instance, syntax, offset) = part10_parts(&bytes).unwrap();
            let stored = requestor.store(&class, &instance, &syntax, &bytes[offset..]).await;
            let stored = matches!(stored, Ok(DimseStatus::SUCCESS));
            told(film, stored);
            match next() {
                Some(another) if stored => film = another,
                Some(another) => return told(another, false),
                None => return requestor.release().await,
            }
            bytes = std::fs::read(&film.path).unwrap();
        }
    });
}

/// An association that stays open between films.
pub struct OpenAssociation {
    runtime: tokio::runtime::Runtime,
    requestor: Requestor,
}

impl OpenAssociation {
    /// Opens one as MODALITY, for films of the classes and transfer syntaxes of these.
    pub fn for_films<'f>(port: u16, films: impl IntoIterator<Item = &'f [u8]>) -> Self {
        let contexts: Vec<_> = films
            .into_iter()
            .map(|bytes| {
                let (class, _, syntax, _) = part10_parts(bytes).unwrap();
                ProposedContext::new(class, vec![syntax])
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let requestor = runtime.block_on(Requestor::open(&remote(port), &options("MODALITY"), &contexts)).unwrap();
        Self { runtime, requestor }
    }

    /// Sends a film and demands success.
    pub fn must_store(&mut self, bytes: &[u8]) {
        let (class, instance, syntax, offset) = part10_parts(bytes).unwrap();
        let stored = self.runtime.block_on(self.requestor.store(&class, &instance, &syntax, &bytes[offset..]));
        assert_eq!(stored.unwrap(), DimseStatus::SUCCESS, "{instance}");
    }

    /// Ends it in good order.
    pub fn release(self) {
        self.runtime.block_on(self.requestor.release());
    }
}

fn remote(port: u16) -> Remote {
    Remote { ae_title: AeTitle::parse("CENTINELA").unwrap(), host: "127.0.0.1".into(), port, tls: None }
}

fn options(calling: &str) -> RequestorOptions {
    RequestorOptions {
        calling: AeTitle::parse(calling).unwrap(),
        connect_timeout: Duration::from_secs(10),
        response_timeout: Duration::from_secs(60),
        max_pdu: 131_072,
        implementation_class_uid: implementation_class_uid(),
        implementation_version: "TESTMODALITY".into(),
    }
}
