//! Service managers: what they say of the gateway's unit, and the few calls that we make.
