//! Who is compared: a way from a client to something that answers, and the relay in its middle.

use std::{any::Any, ops::Range};

use anyhow::Result;

use crate::{
    part::{Part, Weight, forget_peak_of, weight_of},
    peers::Ground,
    ways::Way,
};

/// Who can read what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encrypts {
    /// Everybody.
    No,
    /// The relay.
    Hop,
    /// The two ends alone.
    EndToEnd,
}

pub(crate) struct Contestant {
    pub(crate) way: Box<dyn Way>,
    /// `None` where nothing is in the middle.
    pub(crate) relay: Option<Relay>,
    /// The processes that end with it.
    pub(crate) _keeps: Vec<Box<dyn Any>>,
}

/// What is between the client and the agent, as a process.
pub(crate) struct Relay {
    pid: u32,
    crowd: Crowd,
}

/// Starts the idle agents with these numbers, and waits until the relay knows them.
type Crowd = Box<dyn Fn(&Ground, Range<usize>) -> Result<Vec<Part>>>;

impl Relay {
    pub(crate) fn new(
        pid: u32,
        crowd: impl Fn(&Ground, Range<usize>) -> Result<Vec<Part>> + 'static,
    ) -> Self {
        Self { pid, crowd: Box::new(crowd) }
    }

    pub(crate) fn weight(&self) -> Result<Weight> {
        weight_of(self.pid)
    }

    pub(crate) fn forget_peak(&self) -> Result<()> {
        forget_peak_of(self.pid)
    }

    pub(crate) fn crowd(&self, ground: &Ground, which: Range<usize>) -> Result<Vec<Part>> {
        (self.crowd)(ground, which)
    }
}
