//! A throwaway home with a minimal config, for trying things out.
//!
//! Invariant: it lives in a folder of its own (0700), listens on loopback only, and its token is random; nothing of
//! the user's real home is read or touched.

use super::discovery::{Home, discover};
use secrecy::{ExposeSecret, SecretString};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// A home made by [`create`].
#[derive(Debug)]
pub struct Sandbox {
    /// The home, ready for [`super::commands::gateway_run`]; its `user_home` is to be `HOME`.
    pub home: Home,
    /// The port in its config.
    pub port: u16,
    /// The token in its config.
    pub token: SecretString,
}

/// Makes a home in `folder`, which must not exist yet.
///
/// # Errors
/// Those of the file system and of the random source; the caller removes what is left of `folder`.
pub fn create(folder: &Path) -> io::Result<Sandbox> {
    private_dir(folder)?;
    let home = discover(|_| None, folder).remove(0);
    private_dir(&home.state_dir)?;
    let port = free_port()?;
    let token = random_token()?;
    let config = serde_json::json!({"gateway": {
        "mode": "local", "port": port, "bind": "loopback",
        "auth": {"mode": "token", "token": token.expose_secret()},
    }});
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&home.config_path)?;
    writeln!(file, "{config:#}")?;
    file.sync_all()?;
    Ok(Sandbox { home, port, token })
}

fn private_dir(path: &Path) -> io::Result<()> {
    #[cfg_attr(not(unix), allow(unused_mut))]
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A port that is free now; another program may take it before the gateway does, which then says so.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A token for a gateway's own clients: 256 random bits as hexadecimal digits.
///
/// # Errors
/// The system gives no random bytes.
pub fn random_token() -> io::Result<SecretString> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(SecretString::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::openclaw::config;
    use clawmend_core::observation::ConfigValidity;

    #[test]
    fn a_sandbox_is_private_and_its_config_is_valid() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("box");
        let sandbox = create(&folder).unwrap();
        let seen = config::read(&sandbox.home, |_| None);
        assert_eq!(seen.seen.validity, ConfigValidity::Valid);
        let view = seen.view.unwrap();
        assert_eq!(view.port, Some(sandbox.port));
        let config::Token::Known(token) = &view.token else { panic!("{view:?}") };
        assert_eq!(token.expose_secret(), sandbox.token.expose_secret());
        assert_eq!(token.expose_secret().len(), 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&folder), mode(&sandbox.home.config_path)), (0o700, 0o600));
        }
        assert!(create(&folder).is_err(), "an existing folder is never reused");
    }
}
