//! What the tests of this repository stand on: a simulator in virtual time, and labs with real gateways, real service
//! managers and real kernels; and stand-ins for the services that alerts go to.
//!
//! Start in [`sim`], [`lease_sim`], [`lab`], `sshd` or `alerts` (stand-ins of the services that alerts go to); made-up
//! secrets, and the proof that none gets out, are in [`canary`].

#[cfg(target_os = "linux")]
pub mod alerts;
pub mod canary;
#[cfg(target_os = "linux")]
pub mod lab;
pub mod lease_sim;
pub mod sim;
#[cfg(target_os = "linux")]
pub mod sshd;
#[cfg(target_os = "linux")]
pub mod systemd_lab;
