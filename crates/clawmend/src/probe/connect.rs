//! Connections to the gateway's socket, plain or TLS.
//!
//! Invariant: the caller proved, by process and socket table, that the gateway itself owns the address. Over TLS no
//! name is verified: the gateway makes its own certificate, and the owner of the socket is already proven by the
//! kernel, which is more than a certificate could say. So such a connection may be *probed*, but no secret is sent
//! over it (see [`super::rpc`]).

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How the gateway speaks on its port (`gateway.tls.enabled`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP and ws.
    Plain,
    /// HTTPS and wss.
    Tls,
}

/// A socket that the gateway was proven to own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where.
    pub address: SocketAddr,
    /// How.
    pub scheme: Scheme,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NoConnection {
    /// Nobody listens.
    Refused,
    /// It broke while it was made.
    Broken,
    /// A reason on our side.
    Ours(String),
}

/// Connects; the caller bounds the time.
pub(super) async fn connect(target: Target) -> Result<Stream, NoConnection> {
    let tcp = TcpStream::connect(target.address).await.map_err(|error| classify(&error))?;
    // Small requests, each waiting for its answer: no reason to hold them back.
    let _ = tcp.set_nodelay(true);
    match target.scheme {
        Scheme::Plain => Ok(Stream::Plain(tcp)),
        Scheme::Tls => {
            let config = tls_config().ok_or_else(|| NoConnection::Ours("no TLS provider".into()))?;
            let name = ServerName::IpAddress(target.address.ip().into());
            match TlsConnector::from(config).connect(name, tcp).await {
                Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
                Err(_) => Err(NoConnection::Broken),
            }
        }
    }
}

fn classify(error: &io::Error) -> NoConnection {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset};
    let kind = error.kind();
    if kind == ConnectionRefused {
        NoConnection::Refused
    } else if matches!(kind, ConnectionReset | ConnectionAborted | BrokenPipe) {
        NoConnection::Broken
    } else {
        // No descriptors, no memory, no route, not allowed: says nothing of the gateway.
        NoConnection::Ours(kind.to_string())
    }
}

/// A plain or encrypted connection.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Not encrypted, and both of its ends are on this host, whatever the address looks like.
    pub(super) fn is_plain_and_local(&self) -> bool {
        match self {
            Self::Plain(tcp) => matches!(
                (tcp.local_addr(), tcp.peer_addr()),
                (Ok(own), Ok(peer)) if peer.ip().is_loopback() || own.ip() == peer.ip()
            ),
            Self::Tls(_) => false,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn tls_config() -> Option<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
    CONFIG
        .get_or_init(|| {
            let provider = Arc::new(ring::default_provider());
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .ok()?;
            let verifier = Arc::new(ProvenOwner(provider));
            Some(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
        })
        .clone()
}

/// Accepts any certificate, but only from a peer that holds its key.
#[derive(Debug)]
struct ProvenOwner(Arc<CryptoProvider>);

impl ServerCertVerifier for ProvenOwner {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
