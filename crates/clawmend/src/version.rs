//! Which version this build is.
//!
//! `CLAWMEND_NEXT_BUILD`, set to a version while this is compiled, makes a build that stands for the one after this:
//! another version, a newer database, and a keeper's language with more words. `cargo xtask matrix` makes it, to
//! upgrade and downgrade between two builds that really differ. No release is built with it.

/// Its version.
pub const VERSION: &str = match option_env!("CLAWMEND_NEXT_BUILD") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// It stands for the next version.
pub(crate) const IS_NEXT: bool = option_env!("CLAWMEND_NEXT_BUILD").is_some();

/// A JSON object on its way to a keeper or guard, with what the next version says more.
#[cfg(target_os = "linux")]
pub(crate) fn onto_wire(mut object: Vec<u8>) -> Vec<u8> {
    if IS_NEXT && object.ends_with(b"}") {
        object.pop();
        object.extend_from_slice(br#","next_version":{"words":[1,"two",null]}}"#);
    }
    object
}
