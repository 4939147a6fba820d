//! The loop that wires core to adapters, and nothing else.
