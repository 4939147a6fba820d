//! `[shared.etcd]` and `[shared.kubernetes]`: where the lease of a group is kept.

use super::url::StoreUrl;
use crate::settings::CredentialSource;
use serde::Deserialize;
use std::path::PathBuf;

/// Most endpoints of one etcd.
const ENDPOINTS_MAX: usize = 9;
/// Where a pod finds its service account (Kubernetes documentation, "Accessing the Kubernetes API from a Pod").
const IN_CLUSTER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The API server's name within a cluster.
const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";

/// Where the lease is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// etcd 3.4 or later.
    Etcd(EtcdSettings),
    /// A Lease of Kubernetes.
    Kubernetes(KubernetesSettings),
}

/// Who we are to etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where the password is.
    pub password: CredentialSource,
}

/// `[shared.etcd]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SaidEtcd")]
pub struct EtcdSettings {
    /// Members of one cluster, tried in this order.
    pub endpoints: Vec<StoreUrl>,
    /// The authority that signed their certificates; `None`: those that this host trusts.
    pub ca_file: Option<PathBuf>,
    /// `None`: this etcd asks for no password.
    pub login: Option<Login>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidEtcd {
    endpoints: Vec<StoreUrl>,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password_env: Option<String>,
    #[serde(default)]
    password_file: Option<PathBuf>,
}

impl TryFrom<SaidEtcd> for EtcdSettings {
    type Error = String;

    fn try_from(said: SaidEtcd) -> Result<Self, String> {
        if !(1..=ENDPOINTS_MAX).contains(&said.endpoints.len()) {
            return Err(format!("endpoints has {} addresses, expected 1 to {ENDPOINTS_MAX}", said.endpoints.len()));
        }
        let login = login(said.user, said.password_env, said.password_file)?;
        if login.is_some() && !said.endpoints.iter().all(StoreUrl::keeps_secrets) {
            return Err("a password only goes to https://, or to this very host".into());
        }
        Ok(Self { endpoints: said.endpoints, ca_file: absolute("ca_file", said.ca_file)?, login })
    }
}

fn login(user: Option<String>, variable: Option<String>, file: Option<PathBuf>) -> Result<Option<Login>, String> {
    let password = match (variable, absolute("password_file", file)?) {
        (Some(_), Some(_)) => return Err("password_env and password_file are both set, expected one".into()),
        (Some(name), None) => Some(CredentialSource::Variable(variable_name(name)?)),
        (None, Some(path)) => Some(CredentialSource::File(path)),
        (None, None) => None,
    };
    match (user, password) {
        (Some(user), Some(password)) if (1..=128).contains(&user.len()) && !user.chars().any(char::is_control) => {
            Ok(Some(Login { user, password }))
        }
        (Some(_), Some(_)) => Err("user: expected 1 to 128 bytes in one line".into()),
        (None, None) => Ok(None),
        (Some(_), None) => Err("user is set, expected password_env or password_file beside it".into()),
        (None, Some(_)) => Err("a password is named, expected user beside it".into()),
    }
}

fn variable_name(name: String) -> Result<String, String> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = |c: char| c.is_ascii_digit();
    if (1..=128).contains(&name.len()) && !name.starts_with(first) && name.bytes().all(fine) {
        Ok(name)
    } else {
        Err("password_env: expected the name of an environment variable, not the password itself".into())
    }
}

/// `[shared.kubernetes]`. Within a cluster nothing needs to be set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SaidKubernetes")]
pub struct KubernetesSettings {
    /// The API server.
    pub server: StoreUrl,
    /// The authority that signed its certificate.
    pub ca_file: Option<PathBuf>,
    /// A service account's token, read anew for each request, because Kubernetes replaces it; `None`: none is sent.
    pub token_file: Option<PathBuf>,
    /// The Lease's namespace; `None`: the one that a pod's service account names.
    pub namespace: Option<String>,
}

impl KubernetesSettings {
    /// Where a pod finds the name of its namespace.
    #[must_use]
    pub fn namespace_file() -> PathBuf {
        PathBuf::from(IN_CLUSTER).join("namespace")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidKubernetes {
    #[serde(default)]
    server: Option<StoreUrl>,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    token_file: Option<PathBuf>,
    #[serde(default)]
    namespace: Option<String>,
}

impl TryFrom<SaidKubernetes> for KubernetesSettings {
    type Error = String;

    fn try_from(said: SaidKubernetes) -> Result<Self, String> {
        if let Some(namespace) = &said.namespace {
            super::name("namespace", namespace)?;
        }
        let token_file = absolute("token_file", said.token_file)?;
        let ca_file = absolute("ca_file", said.ca_file)?;
        let Some(server) = said.server else {
            let of_account = |name: &str| PathBuf::from(IN_CLUSTER).join(name);
            let server = IN_CLUSTER_SERVER.parse().map_err(|error| format!("{error}"))?;
            return Ok(Self {
                server,
                ca_file: ca_file.or_else(|| Some(of_account("ca.crt"))),
                token_file: token_file.or_else(|| Some(of_account("token"))),
                namespace: said.namespace,
            });
        };
        if token_file.is_some() && !server.keeps_secrets() {
            return Err("a token only goes to https://, or to this very host".into());
        }
        if said.namespace.is_none() {
            return Err("server is set, expected namespace beside it".into());
        }
        Ok(Self { server, ca_file, token_file, namespace: said.namespace })
    }
}

fn absolute(setting: &str, path: Option<PathBuf>) -> Result<Option<PathBuf>, String> {
    match path {
        Some(path) if !path.is_absolute() => Err(format!("{setting} is {}, expected an absolute path", path.display())),
        other => Ok(other),
    }
}
