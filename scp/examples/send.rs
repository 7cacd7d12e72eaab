//! A minimal C-STORE sender: `send AE HOST PORT FILES...`, or only C-ECHO without files
//! (PS3.4 annexes A and B). Data sets are sent as the files hold them. With DICOM TLS:
//! `send AE HOST PORT --tls CA [--own CERTIFICATE KEY] FILES...` (PEM files).
#![expect(clippy::print_stdout, reason = "a command line program")]

use centinela_domain::ae::AeTitle;
use centinela_domain::uid::Uid;
use centinela_scp::{ConnectorFiles, ProposedContext, Remote, Requestor, RequestorOptions, TlsConnector, part10_parts};
use std::error::Error;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut remote = Remote {
        ae_title: AeTitle::parse(&arguments.next().ok_or("AE is missing")?)?,
        host: arguments.next().ok_or("HOST is missing")?,
        port: arguments.next().ok_or("PORT is missing")?.parse()?,
        tls: None,
    };
    if arguments.next_if(|argument| argument == "--tls").is_some() {
        let authorities = arguments.next().ok_or("CA is missing")?.into();
        let own = match arguments.next_if(|argument| argument == "--own") {
            Some(_) => {
                let certificate = arguments.next().ok_or("CERTIFICATE is missing")?.into();
                Some((certificate, arguments.next().ok_or("KEY is missing")?.into()))
            }
            None => None,
        };
        remote.tls = Some(TlsConnector::load(ConnectorFiles { authorities, own, server_name: None })?);
    }
    let options = RequestorOptions {
        calling: AeTitle::parse("SEND")?,
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(30),
        max_pdu: 131_072,
        implementation_class_uid: Uid::derive(&["example", "send"]),
        implementation_version: "SEND".to_owned(),
    };
    let files: Vec<Vec<u8>> = arguments.map(std::fs::read).collect::<Result<_, _>>()?;
    let mut contexts = vec![ProposedContext::verification()];
    for file in &files {
        let (abstract_syntax, _, syntax, _) = part10_parts(file)?;
        let context = ProposedContext::new(abstract_syntax, vec![syntax]);
        if !contexts.contains(&context) {
            contexts.push(context);
        }
    }
    let mut requestor = Requestor::open(&remote, &options, &contexts).await?;
    println!("C-ECHO {}", requestor.echo().await?);
    for file in &files {
        let (class, instance, syntax, offset) = part10_parts(file)?;
        match requestor.store(&class, &instance, &syntax, &file[offset..]).await {
            Ok(status) => println!("C-STORE {status} {instance}"),
            Err(error) => println!("{error}"),
        }
    }
    requestor.release().await;
    Ok(())
}
