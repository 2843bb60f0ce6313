//! Reaches a machine.
