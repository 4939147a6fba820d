//! Testkit.

#[cfg(target_os = "linux")]
pub mod systemd_lab;
