//! A keyboard at a terminal of sshx.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tokio::{runtime::Runtime, time::sleep};

use super::{ECHO, Keyboard, READY};
use crate::peers::sshx::{Sshx, SshxViewer};

pub(crate) struct InSshx {
    viewer: SshxViewer,
    runtime: Rc<Runtime>,
    _sshx: Sshx,
}

impl InSshx {
    pub(crate) fn start(sshx: Sshx, runtime: &Rc<Runtime>) -> Result<Self> {
        let viewer = runtime.block_on(async {
            let mut viewer = sshx.open(ECHO).await?;
            let mut seen = Vec::new();
            while !seen.ends_with(READY) {
                viewer.receive(&mut seen).await?;
            }
            anyhow::Ok(viewer)
        })?;
        Ok(Self { viewer, runtime: runtime.clone(), _sshx: sshx })
    }
}

impl Keyboard for InSshx {
    fn press(&mut self) -> Result<Duration> {
        let Self { viewer, runtime, .. } = self;
        runtime.block_on(async {
            let mut seen = Vec::new();
            let began = Instant::now();
            viewer.input(b"x").await?;
            let left_out = viewer.receive(&mut seen).await?;
            let took = began.elapsed();
            ensure!(seen == b"x" && left_out == 0, "the echo is {seen:?}");
            Ok(took)
        })
    }

    fn rest(&mut self, time: Duration) {
        self.runtime.block_on(async { sleep(time).await });
    }
}
