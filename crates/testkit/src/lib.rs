//! What the tests of this repository stand on: labs with real gateways, real service managers and real kernels.
//!
//! Start in [`lab`].

#[cfg(target_os = "linux")]
pub mod lab;
#[cfg(target_os = "linux")]
pub mod systemd_lab;
//! Testkit: a simulator in virtual time, and labs with real parts.

pub mod sim;
