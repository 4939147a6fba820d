//! What keeps a gateway from going on without its lease: who ends it, and who shuts it off.
//!
//! The deadman is the keeper's (`keeper`): it ends the whole gateway at the lease's deadline without the guard's help.
//! [`egress`] covers the case that guard *and* keeper are frozen while the machine runs. What neither covers is in
//! `docs/fence.md`.

pub mod egress;

use clawmend_core::gateway::Form;

/// Why a gateway in this form can have no deadman, so that shared mode does not start it; `None` where the keeper is its
/// deadman. The sentence is for people.
#[must_use]
pub const fn no_deadman(form: Form) -> Option<&'static str> {
    match form {
        Form::Child => None,
        Form::Systemd => Some(
            "shared mode needs a gateway that Clawmend runs as its child: systemd would start it again after its lease, \
             and has no timer that ends it on time after the machine slept",
        ),
        Form::Launchd | Form::ScheduledTask | Form::Foreign => {
            Some("shared mode needs a gateway that Clawmend runs as its child")
        }
    }
}
