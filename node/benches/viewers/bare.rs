//! A bare terminal with nothing between it and whoever types: what a machine that is busy does to keys
//! all by itself.

use std::{
    io::{Read, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::viewer::PACE;

pub struct BareTerminal {
    reader: Box<dyn Read + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl BareTerminal {
    pub fn start() -> Self {
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut builder = CommandBuilder::new("/bin/sh");
        builder.args(["-c", "stty raw -echo; echo; exec cat"]);
        let child = pair.slave.spawn_command(builder).unwrap();
        let mut bare = Self {
            reader: pair.master.try_clone_reader().unwrap(),
            writer: pair.master.take_writer().unwrap(),
            child,
        };
        bare.hear();
        bare
    }

    /// How long keys take, in order, as long as this `lasts`, and no more than so many.
    pub fn echo(&mut self, lasts: &AtomicBool, keys: usize) -> Vec<Duration> {
        let mut times = Vec::new();
        while lasts.load(Ordering::Relaxed) && times.len() < keys {
            std::thread::sleep(PACE);
            let began = Instant::now();
            self.writer.write_all(b"x").unwrap();
            self.hear();
            times.push(began.elapsed());
        }
        times.sort_unstable();
        times
    }

    fn hear(&mut self) {
        assert!(self.reader.read(&mut [0; 64]).unwrap() > 0, "it goes on");
    }
}

impl Drop for BareTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
