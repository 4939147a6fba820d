//! Exit codes: part of the interface, explained by `clawmend help exit-codes`.

/// All is well.
pub const OK: u8 = 0;
/// The command line was not understood (`EX_USAGE`).
pub const USAGE: u8 = 64;
/// Something named does not exist: an incident, a gateway, a case, a file (`EX_NOINPUT`).
pub const NOT_FOUND: u8 = 66;
/// No guard runs, or it did not answer (`EX_UNAVAILABLE`).
pub const NO_GUARD: u8 = 69;
/// A fault of this program (`EX_SOFTWARE`).
pub const INTERNAL: u8 = 70;
/// It did not work this time and may work later (`EX_TEMPFAIL`).
pub const RETRY: u8 = 75;
/// Not permitted, or refused by the guard (`EX_NOPERM`).
pub const REFUSED: u8 = 77;
/// A person must change something first: settings, another guard (`EX_CONFIG`).
pub const NEEDS_PERSON: u8 = 78;

/// The page for people.
pub const HELP: &str = "\
Exit codes:
  0   all is well
  64  the command line was not understood
  66  there is no such incident, gateway, case or file
  69  no guard is running, so the command had no effect yet
  70  a fault of clawmend itself
  75  it did not work this time and may work later
  77  not permitted, or refused by the guard
  78  a person must change something first

`clawmend check` exits with what it found:
  0   healthy
  1   degraded (also while starting, draining or suspect)
  2   down
  3   unknown, also when no guard is running
  4   stopped or paused
With --live only `down` fails, with 2; everything else is 0.

`clawmend cases test` exits with 1 when a case does not find its own lines.
`clawmend config check` exits with what it found:
  0   the config is good
  1   the gateway starts with it, but something will not work as meant
  2   the gateway would not start with it
";
