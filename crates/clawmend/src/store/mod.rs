//! SQLite: events, incidents, standing wishes, what the guard must remember.
