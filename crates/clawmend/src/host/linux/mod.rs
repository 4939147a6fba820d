//! Linux: `/proc`, cgroups, pidfds.

pub mod alarm;
pub mod clock;
pub mod connection;
pub mod desktop;
pub mod disk;
pub mod egress;
pub mod family;
pub mod limits;
pub mod machine;
pub mod pidfd;
pub mod pressure;
pub mod process;
pub mod protection;
pub mod signal;
pub mod socket;

mod cgroup;
pub mod folders;
mod inspector;
mod procfs;
mod sampler;
mod tcp;
