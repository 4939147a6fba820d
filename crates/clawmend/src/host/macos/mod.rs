//! macOS: what `sysinfo` and rustix tell.

pub mod alarm;
pub mod clock;
pub mod connection;
pub mod desktop;
pub mod disk;
pub mod egress;
pub mod family;
pub mod folders;
pub mod limits;
pub mod machine;
pub mod pidfd;
pub mod pressure;
pub mod process;
pub mod protection;
pub mod signal;
pub mod socket;
