//! What our starter left open in us.
//!
//! Invariant: nothing but the three standard streams is passed on to what we start, except what a start names itself.
//! Everything that we open is marked so already; this is for what was open before us: a build's pipe, a lock, a log.

/// Marks all descriptors above the standard streams close-on-exec. Called first thing, before any of ours is open.
pub fn keep_to_ourselves() {
    #[cfg(unix)]
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
}
