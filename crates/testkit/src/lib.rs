//! Testkit: a simulator in virtual time, and labs with real parts.

pub mod sim;
#[cfg(target_os = "linux")]
pub mod systemd_lab;
