//! Where requests of this machine's own user come in.
