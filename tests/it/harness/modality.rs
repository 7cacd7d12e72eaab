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
    let remote = Remote { ae_title: AeTitle::parse("CENTINELA").unwrap(), host: "127.0.0.1".into(), port, tls: None };
    let options = RequestorOptions {
        calling: AeTitle::parse(calling).unwrap(),
        connect_timeout: Duration::from_secs(10),
        response_timeout: Duration::from_secs(60),
        max_pdu: 131_072,
        implementation_class_uid: implementation_class_uid(),
        implementation_version: "TESTMODALITY".into(),
    };
    let context = ProposedContext { abstract_syntax: class.clone(), transfer_syntaxes: vec![syntax.clone()] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut requestor = Requestor::open(&remote, &options, &[context]).await?;
        let status = requestor.store(&class, &instance, &syntax, &bytes[offset..]).await?;
        requestor.release().await;
        Ok(status)
    })
}
