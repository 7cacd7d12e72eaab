//! One connection, plain or secure, so that everything above is written and compiled once.

use super::refusal::TlsRefusal;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

/// A connection to a peer.
#[derive(Debug)]
pub(crate) enum Transport {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Secure(Box<Secure>),
}

/// A TLS connection, either side.
#[derive(Debug)]
pub(crate) struct Secure {
    stream: tokio_rustls::TlsStream<TcpStream>,
    /// What TLS said when it last failed.
    fault: Option<TlsRefusal>,
}

impl Transport {
    /// We accepted.
    pub(super) fn accepted(stream: server::TlsStream<TcpStream>) -> Self {
        Self::Secure(Box::new(Secure { stream: stream.into(), fault: None }))
    }

    /// We connected.
    pub(super) fn connected(stream: client::TlsStream<TcpStream>) -> Self {
        Self::Secure(Box::new(Secure { stream: stream.into(), fault: None }))
    }

    /// Why TLS failed after the handshake: in TLS 1.3 an acceptor refuses our certificate only then.
    pub(crate) fn tls_fault(&self) -> Option<TlsRefusal> {
        match self {
            Self::Plain(_) => None,
            Self::Secure(secure) => secure.fault.filter(|fault| matches!(fault, TlsRefusal::PeerAlert(_))),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Secure(secure) => {
                let read = Pin::new(&mut secure.stream).poll_read(cx, buf);
                if let Poll::Ready(Err(error)) = &read {
                    secure.fault = Some(TlsRefusal::of(error));
                }
                read
            }
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Secure(secure) => Pin::new(&mut secure.stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Secure(secure) => secure.stream.is_write_vectored(),
        }
    }
}
