//! Testkit: a simulator in virtual time, and labs with real parts.

pub mod sim;
