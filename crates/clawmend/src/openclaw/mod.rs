//! All that knows OpenClaw: discovery, endpoints, config, locks, logs, installation.
