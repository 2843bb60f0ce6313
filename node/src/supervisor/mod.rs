//! Agents: the commands that this machine runs and looks after.
