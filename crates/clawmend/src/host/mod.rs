//! The machine: clock, processes, sockets, files, folders; one facade, one file per system.
