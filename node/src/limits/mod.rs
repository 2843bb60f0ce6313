//! Limits of what an agent may use, by cgroup version 2. The node finds the [`Ground`] on which
//! groups may be made, and each shim makes one for its process. Where that does not go, why not is
//! told instead, with what to do about it; the agent runs all the same.

mod ground;
mod group;

pub(crate) use ground::{Ground, scope_ending};
pub(crate) use group::Group;

/// What limits need, in the order in which they are told.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];
