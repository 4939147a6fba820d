//! The lease stores of shared mode: real etcd (skipped where it is not installed), and a stand-in of a Kubernetes API
//! server. What is asked and what it does to the record is compared with the model in `clawmend_core`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

#[path = "lease_store/check.rs"]
mod check;
#[path = "lease_store/cluster.rs"]
mod cluster;
#[path = "lease_store/etcd.rs"]
mod etcd;
#[path = "lease_store/hostile.rs"]
mod hostile;
#[path = "lease_store/kubernetes.rs"]
mod kubernetes;
#[path = "lease_store/login.rs"]
mod login;
#[path = "lease_store/scene.rs"]
mod scene;
