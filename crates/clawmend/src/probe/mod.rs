//! Looks at a gateway over HTTP and its WebSocket RPC, and turns what it sees into evidence.
