//! Commands, one file per subcommand. Parses, asks the daemon or the store, prints.
