//! The programs themselves, as processes: started, awaited, killed.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::SOON;

/// One of our programs, running. Killed when this is dropped; what it wrote to stderr is shown if
/// the scenario failed.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
    is_over: bool,
}

/// The program `name` of this workspace, as it was built last with the tests.
///
/// # Panics
/// If it was not built: `cargo build --workspace --bins`.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a process knows its program");
    let built = test.ancestors().nth(2).expect("tests are built into target/<profile>/deps");
    let path = built.join(name);
    assert!(path.exists(), "{} is not built: cargo build --workspace --bins", path.display());
    path
}

impl Program {
    /// Starts a program that prints one line of JSON when it is ready, and waits for that line.
    ///
    /// # Panics
    /// If it ends or prints anything else.
    #[must_use]
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> (Self, Value) {
        let stderr = fs::OpenOptions::new().create(true).append(true).open(log);
        let stderr = stderr.expect("the scratch directory can be written to");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the program was built");
        let stdout = child.stdout.take().expect("it is piped");
        let mut program = Self { name, child, log: log.to_owned(), is_over: false };
        let (sender, line) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = sender.send(lines.next());
            // Read to the end, so that the program never waits for us.
            lines.for_each(drop);
        });
        let line = line.recv_timeout(SOON).ok().flatten();
        let ready = line.and_then(Result::ok).and_then(|line| serde_json::from_str(&line).ok());
        match ready {
            Some(ready) => (program, ready),
            None => {
                program.kill();
                panic!("{name} did not start:\n{}", program.log());
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stderr so far, and those before it with the same log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it with SIGKILL: it notices nothing.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.is_over = true;
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < SOON {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                self.is_over = true;
                return status;
            }
            thread::yield_now();
        }
        panic!("{} does not stop:\n{}", self.name, self.log());
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// If it is not there any more.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("it is a pid");
        kill_process(pid, signal).expect("the process is there");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("== {} ({})\n{}", self.name, self.pid(), self.log());
        }
        if !self.is_over {
            self.kill();
        }
    }
}
