//! Names that go onto git's command line.
//!
//! Invariant: what comes out of here cannot be taken for an option, a helper program or another ref.

use crate::openclaw::redact::holds_secret;
use std::fmt;

/// Longest address of a remote.
const MAX_URL: usize = 1024;
/// Longest name of a branch.
const MAX_BRANCH: usize = 100;
/// Longest name of a node.
const MAX_NODE: usize = 32;
/// Branches of ours begin with this.
pub(super) const OURS: &str = "clawmend/";
/// Shortest run of letters and digits, some of each, that is a token and no user's name.
const TOKEN: usize = 20;
const SCHEMES: [&str; 6] = ["https", "http", "ssh", "git", "file", "git+ssh"];

/// A name that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Of the remote.
    #[error(
        "the workspace's git remote must be an address such as git@host:folder.git, ssh://…, https://… or an absolute path, without spaces"
    )]
    Remote,
    /// A credential in it would stand in the process list.
    #[error(
        "the address of the workspace's git remote must not hold a password or a token; use a key, or a credential \
         helper of the workspace's own repository"
    )]
    Password,
    /// Of the branch.
    #[error(
        "a branch is named with up to 100 letters, digits and . _ / -, and not `clawmend/…`, which are Clawmend's own"
    )]
    Branch,
    /// Of the node.
    #[error("a node is named with up to 32 small letters, digits and -")]
    Node,
}

/// Where the workspace is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote(String);

impl Remote {
    /// An address as git takes it.
    ///
    /// # Errors
    /// It could be taken for something else, or holds a password or a token.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let plain =
            text.len() <= MAX_URL && !text.starts_with('-') && !text.chars().any(|c| c.is_control() || c == ' ');
        // `name::address` runs a program of that name.
        if !plain || text.is_empty() || text.contains("::") {
            return Err(BadName::Remote);
        }
        match text.split_once("://") {
            Some((scheme, rest)) => {
                let host = rest.split('/').next().unwrap_or_default();
                if !SCHEMES.contains(&scheme) || rest.is_empty() || host.starts_with('-') {
                    return Err(BadName::Remote);
                }
                match host.rsplit_once('@') {
                    Some((user, _)) if user.contains(':') => Err(BadName::Password),
                    // A service takes a token for a name as well.
                    Some((user, _)) if scheme.starts_with("http") && is_token(user) => Err(BadName::Password),
                    Some((_, host)) if host.starts_with('-') => Err(BadName::Remote),
                    Some(_) | None => Ok(Self(text.to_owned())),
                }
            }
            None if std::path::Path::new(text).is_absolute() => Ok(Self(text.to_owned())),
            None => {
                let host = text.split_once(':').map(|(host, path)| (host.rsplit('@').next().unwrap_or(host), path));
                match host {
                    Some((host, path))
                        if !host.is_empty() && !host.contains('/') && !host.starts_with('-') && !path.is_empty() =>
                    {
                        Ok(Self(text.to_owned()))
                    }
                    Some(_) | None => Err(BadName::Remote),
                }
            }
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A credential, and no name such as `git`, `oauth2` or `x-access-token`.
fn is_token(user: &str) -> bool {
    let mixed = |run: &str| run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic());
    holds_secret(user) || user.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| run.len() >= TOKEN && mixed(run))
}

impl fmt::Display for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A branch of the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch(String);

impl Branch {
    /// A name without `refs/heads/`.
    ///
    /// # Errors
    /// Git would not take it, or it is one of ours.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-'));
        let parts = text.split('/').all(|part| {
            !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.') && !part.ends_with(".lock")
        });
        let fits = text.len() <= MAX_BRANCH && letters && parts && !text.contains("..") && text != "HEAD";
        if fits && !text.starts_with(OURS) && text != "clawmend" {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName::Branch)
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn full(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

/// This node, as it stands in names of branches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node(String);

impl Node {
    /// A short name.
    ///
    /// # Errors
    /// It would not fit into the name of a branch.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let fits = !text.is_empty() && text.len() <= MAX_NODE && letters && !text.starts_with('-');
        // `clawmend/local-…` stays on the node.
        if fits && !text.starts_with("local-") && text != "local" {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName::Node)
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_is_no_option_no_program_and_holds_no_password() {
        for good in [
            "git@host:w.git",
            "host:w.git",
            "ssh://git@host:22/w",
            "https://user@host/w.git",
            "/srv/w.git",
            "file:///srv/w",
        ] {
            assert_eq!(Remote::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "w.git",
            "-u",
            "--upload-pack=x",
            "ext::sh -c x",
            "fd::3",
            "ssh://-oProxyCommand=x/y",
            "-o@host:x",
            "x@-o:y",
            "a b:c",
            "ftp://x/y",
            "https://",
            "host:\n",
            ":x",
            "./w.git",
        ] {
            assert_eq!(Remote::parse(bad), Err(BadName::Remote), "{bad}");
        }
        assert_eq!(Remote::parse("https://user:pw@host/w"), Err(BadName::Password));
    }

    #[test]
    fn a_token_in_the_place_of_a_users_name_is_a_password() {
        for user in [
            "ghp_a1b2c3d4e5f6a1b2c3d4",
            "github_pat_a1b2c3d4e5f6_g7h8",
            "glpat-a1b2c3d4-e5f6g7h8",
            "0123456789abcdef0123456789abcdef01234567",
            "a1b2c3d4e5f6a1b2c3d4",
        ] {
            for scheme in ["https", "http"] {
                assert_eq!(Remote::parse(&format!("{scheme}://{user}@host/w.git")), Err(BadName::Password), "{user}");
            }
        }
        for user in [
            "git",
            "me",
            "oauth2",
            "x-access-token",
            "gitlab+deploy-token-1234567",
            "a-user-with-a-long-name-2026",
            "anotherlongnamewithoutdigits",
        ] {
            assert!(Remote::parse(&format!("https://{user}@host/w.git")).is_ok(), "{user}");
        }
    }

    #[test]
    fn a_branch_is_one_that_git_takes_and_not_ours() {
        assert!(["main", "feature/x", "v1.2_a-b"].iter().all(|name| Branch::parse(name).is_ok()));
        for bad in [
            "",
            "-x",
            "a..b",
            "a//b",
            "/a",
            "a/",
            ".a",
            "a.lock",
            "a b",
            "HEAD",
            "clawmend/x",
            "clawmend",
            "a~1",
            "a:b",
            "ä",
        ] {
            assert_eq!(Branch::parse(bad), Err(BadName::Branch), "{bad}");
        }
        assert!(Node::parse("node-b2").is_ok());
        for bad in ["", "-b", "B", "a/b", "a b", "local", "local-2026", &"x".repeat(33)] {
            assert_eq!(Node::parse(bad), Err(BadName::Node), "{bad}");
        }
    }
}
