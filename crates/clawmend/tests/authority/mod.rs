//! A certificate for `localhost`, and the authority behind it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// What a service needs. The authority is `ca.pem` in the folder, for `SSL_CERT_FILE`. `None` without an `openssl` program.
pub fn config(folder: &Path) -> Option<Arc<rustls::ServerConfig>> {
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
