//! A service on loopback that speaks TLS, with an authority of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub struct TlsService {
    folder: tempfile::TempDir,
    pub port: u16,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl TlsService {
    /// For the name `localhost`. `None` without an `openssl` program to make certificates with.
    pub fn start(answer: String) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path())?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (tell, told) = std::sync::mpsc::channel();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap().port()).unwrap();
                serve(&listener, config, &answer, &shared).await;
            });
        });
        Some(Self { folder, port: told.recv().unwrap(), seen })
    }

    /// The authority, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What came through, decrypted.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

async fn serve(
    listener: &tokio::net::TcpListener,
    config: Arc<rustls::ServerConfig>,
    answer: &str,
    seen: &Mutex<Vec<u8>>,
) {
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let mut part = [0u8; 65_536];
        let mut request = Vec::new();
        // The question is one JSON object, the last thing in the request.
        while !request.ends_with(b"}") {
            match stream.read(&mut part).await {
                Ok(length) if length > 0 => request.extend_from_slice(&part[..length]),
                Ok(_) | Err(_) => break,
            }
        }
        seen.lock().unwrap().extend_from_slice(&request);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
        let _ = stream.write_all(format!("{head}{answer}").as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

fn config(folder: &Path) -> Option<Arc<rustls::ServerConfig>> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer};
    let openssl = |args: &str| {
        let done = Command::new("openssl").args(args.split(' ')).current_dir(folder).output();
        done.is_ok_and(|done| done.status.success())
    };
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let made = openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab-authority -keyout ca.key -out ca.pem")
        && openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out leaf.csr")
        && openssl(
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -outform DER -out cert.der",
        )
        && openssl("rsa -in key.pem -outform DER -out key.der -traditional");
    if !made {
        return None;
    }
    let cert = CertificateDer::from(std::fs::read(folder.join("cert.der")).unwrap());
    let key = PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(std::fs::read(folder.join("key.der")).unwrap()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)
        .unwrap();
    Some(Arc::new(config))
}
