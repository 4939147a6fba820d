//! What the tests of this repository stand on: labs with real gateways and real kernels.
//!
//! Start in [`lab`].

#[cfg(target_os = "linux")]
pub mod lab;
