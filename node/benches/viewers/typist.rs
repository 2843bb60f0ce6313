//! Somebody who types, on a thread of their own: what others are shown meanwhile takes nothing of it.

use std::{sync::atomic::AtomicBool, time::Duration};

use gantline_protocol::api::Agent;
use tokio::runtime::{Builder, Runtime};

use crate::{
    node::Node,
    viewer::{Behaviour, Viewer},
};

pub struct Typist {
    runtime: Runtime,
    viewer: Viewer,
}

impl Typist {
    /// Blocks, as the others here do.
    pub fn start(node: &Node, agent: &Agent) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let viewer = Viewer::from_the_beginning(node, agent, Behaviour::Acknowledges);
        let viewer = runtime.block_on(viewer);
        Self { runtime, viewer }
    }

    /// How long keys take, in order, as long as this `lasts`, and no more than so many.
    pub fn echo(&mut self, lasts: &AtomicBool, keys: usize) -> Vec<Duration> {
        self.runtime.block_on(self.viewer.echo(lasts, keys))
    }

    pub fn leave(self) {
        self.viewer.leave();
        self.runtime.shutdown_background();
    }
}
