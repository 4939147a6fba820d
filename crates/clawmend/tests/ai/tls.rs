//! A service on loopback that speaks TLS, with an authority of its own.

use crate::authority;
use std::path::PathBuf;
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
        let config = authority::config(folder.path())?;
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
