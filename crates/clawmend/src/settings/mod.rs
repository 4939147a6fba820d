//! Our own configuration file, parsed into types at the edge.
