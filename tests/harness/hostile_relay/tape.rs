//! What a relay keeps of a pipe: every message, as it came.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use gantline_protocol::{MachineId, session::PipeKind};

use super::Direction;

/// Bytes that are kept of one pipe; more are not.
const MAX: usize = 16 << 20;

/// A recorded pipe.
#[derive(Debug, Clone)]
pub struct Tape {
    /// The machine that was asked for.
    pub machine: MachineId,
    /// What the pipe is for.
    pub kind: PipeKind,
    /// What the device said.
    pub to_node: Vec<Bytes>,
    /// What the node said.
    pub to_device: Vec<Bytes>,
}

impl Tape {
    /// All that passed in one direction.
    #[must_use]
    pub fn bytes(&self, direction: Direction) -> Bytes {
        self.side(direction).concat().into()
    }

    fn side(&self, direction: Direction) -> &Vec<Bytes> {
        match direction {
            Direction::ToNode => &self.to_node,
            Direction::ToDevice => &self.to_device,
        }
    }
}

/// A tape that is being recorded.
#[derive(Debug)]
pub(super) struct Recorder(Mutex<Tape>);

impl Recorder {
    pub(super) const fn new(machine: MachineId, kind: PipeKind) -> Self {
        Self(Mutex::new(Tape { machine, kind, to_node: Vec::new(), to_device: Vec::new() }))
    }

    pub(super) fn hear(&self, direction: Direction, message: &Bytes) {
        let mut tape = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = tape.to_node.iter().chain(&tape.to_device).map(Bytes::len).sum();
        if kept + message.len() <= MAX {
            match direction {
                Direction::ToNode => tape.to_node.push(message.clone()),
                Direction::ToDevice => tape.to_device.push(message.clone()),
            }
        }
    }

    pub(super) fn tape(&self) -> Tape {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
