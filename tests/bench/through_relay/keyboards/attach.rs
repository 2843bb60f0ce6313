//! A keyboard at `gantline attach`, as people use it.

use std::time::Duration;

use anyhow::Result;
use gantline_tests::{TestNode, node::gantline};
use portable_pty::CommandBuilder;

use super::{BareTerminal, Keyboard, PLAIN, PlainKeys, READY, start_echo};
use crate::part::nap;

pub(crate) struct InAttach {
    terminal: BareTerminal,
    keys: PlainKeys,
}

impl InAttach {
    pub(crate) async fn start(node: &TestNode) -> Result<Self> {
        let agent = start_echo(&node.api().await).await?;
        let gantline = gantline(&node.home());
        let mut command = CommandBuilder::new(gantline.get_program());
        command.args(gantline.get_args());
        command.args(["attach", &agent.to_string()]);
        for (name, value) in gantline.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let mut terminal = BareTerminal::running(command)?;
        terminal.until(READY)?;
        Ok(Self { terminal, keys: PLAIN.into_iter().cycle() })
    }
}

impl Keyboard for InAttach {
    fn press(&mut self) -> Result<Duration> {
        self.terminal.press_next(&mut self.keys)
    }

    fn rest(&mut self, time: Duration) {
        nap(time);
    }
}
