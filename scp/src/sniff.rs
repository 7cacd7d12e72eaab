//! What speaks on a port where no association came about: DICOM after all, TLS, HTTP, something else.
//!
//! Asked only after a failure, to name its cause: a plain A-ASSOCIATE-RQ, a TLS ClientHello and an HTTP
//! request, each on a connection of its own; the first bytes of the answer tell.

use crate::proposal::{ProposedContext, request_pdu};
use crate::remote::Remote;
use crate::scu::RequestorOptions;
use crate::tls::client_hello;
use crate::wire::kind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What was found on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// DICOM without TLS: it answered an A-ASSOCIATE-RQ, however it did.
    Dicom,
    /// TLS, with whatever inside.
    Tls,
    /// HTTP.
    Http,
    /// SSH.
    Ssh,
    /// Bytes that are none of these.
    Other,
    /// It closed every connection without a byte.
    Closes,
    /// It takes connections and is silent.
    Silent,
    /// No connection could be made.
    Unreachable,
}

/// The first bytes of an answer, enough to tell protocols apart.
const FIRST: usize = 5;

/// Looks at a port, at most `patience` for each of three questions.
pub async fn sniff(remote: &Remote, options: &RequestorOptions, patience: Duration) -> Speaks {
    let get = b"GET / HTTP/1.0\r\n\r\n".to_vec();
    let questions = [request_pdu(remote, options, &[ProposedContext::verification()]), client_hello(), Some(get)];
    let mut worst = Speaks::Unreachable;
    for question in questions.into_iter().flatten() {
        let heard = match timeout(patience, ask(remote, &question)).await {
            Err(_) => Speaks::Silent,
            Ok(Err(_)) => Speaks::Unreachable,
            Ok(Ok(None)) => Speaks::Closes,
            Ok(Ok(Some(bytes))) => recognize(&bytes),
        };
        match heard {
            Speaks::Silent | Speaks::Other => worst = heard,
            Speaks::Closes if worst == Speaks::Unreachable => worst = heard,
            Speaks::Closes | Speaks::Unreachable => {}
            known => return known,
        }
    }
    worst
}

/// The first bytes that the port answers; none if it closes.
async fn ask(remote: &Remote, question: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    let mut stream = TcpStream::connect((remote.host.as_str(), remote.port)).await?;
    // A peer that reads nothing may still have spoken.
    let _ = stream.write_all(question).await;
    let mut bytes = Vec::with_capacity(FIRST);
    while bytes.len() < FIRST {
        match stream.read_buf(&mut bytes).await {
            Ok(count) if count > 0 => {}
            _ => break,
        }
    }
    if recognize(&bytes) == Speaks::Dicom {
        let abort = [kind::ABORT, 0, 0, 0, 0, 4, 0, 0, 0, 0];
        let _ = stream.write_all(&abort).await;
    }
    Ok((!bytes.is_empty()).then_some(bytes))
}

fn recognize(bytes: &[u8]) -> Speaks {
    match bytes {
        [kind::ASSOCIATE_AC | kind::ASSOCIATE_RJ | kind::ABORT, 0, ..] => Speaks::Dicom,
        // Handshake or alert of TLS 1.x (RFC 8446 section 5.1).
        [0x15 | 0x16, 3, ..] => Speaks::Tls,
        bytes if bytes.starts_with(b"HTTP/") => Speaks::Http,
        bytes if bytes.starts_with(b"SSH-") => Speaks::Ssh,
        _ => Speaks::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_protocols_apart() {
        for (bytes, speaks) in [
            (&[2_u8, 0, 0, 0, 0, 200][..], Speaks::Dicom),
            (&[3, 0, 0, 0, 0, 4], Speaks::Dicom),
            (&[7, 0, 0, 0, 0, 4], Speaks::Dicom),
            (&[0x16, 3, 3, 0, 80], Speaks::Tls),
            (&[0x15, 3, 1, 0, 2, 2, 70], Speaks::Tls),
            (b"HTTP/", Speaks::Http),
            (b"SSH-2.0-", Speaks::Ssh),
            (b"220 smtp", Speaks::Other),
            (&[1, 0], Speaks::Other),
        ] {
            assert_eq!(recognize(bytes), speaks, "{bytes:?}");
        }
        let hello = client_hello().unwrap_or_default();
        assert_eq!(recognize(&hello), Speaks::Tls, "our own hello is TLS");
    }
}
