//! The binary `gantline-relay`.
fn main() {}
