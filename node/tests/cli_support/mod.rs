//! The real program, with a home of its own that ends with the test, and a terminal to run it in.

#![allow(dead_code)]

#[path = "../agents_end/mod.rs"]
pub mod agents_end;

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::{Duration, Instant},
};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a busy machine, short enough to notice what hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A home without a node, or with one.
pub struct Home {
    dir: TempDir,
    node: Option<Child>,
}

impl Home {
    pub fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), node: None }
    }

    /// With a node that is called ada.
    pub fn with_node() -> Self {
        let mut home = Self::empty();
        home.up();
        home
    }

    /// The same, of a node that has joined this relay, which there need not be.
    pub fn with_relay(address: &str) -> Self {
        let mut home = Self::empty();
        let config = home.path().join("config");
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::create_dir_all(&config).unwrap();
        for dir in [&home.path(), &config] {
            std::fs::set_permissions(dir, private.clone()).unwrap();
        }
        let file = config.join("config.toml");
        std::fs::write(&file, format!("[[relay]]\naddress = \"{address}\"\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        home.up();
        home
    }

    /// Starts the node, and gives what it says of itself.
    pub fn up(&mut self) -> Value {
        self.up_with(|_| {})
    }

    /// The same, with more in its environment.
    pub fn up_with(&mut self, more: impl FnOnce(&mut Command)) -> Value {
        let mut command = self.command(&["up", "--json", "--port", "0", "--name", "ada"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        more(&mut command);
        let mut node = command.spawn().unwrap();
        let ready = line(node.stdout.take().unwrap());
        self.node = Some(node);
        serde_json::from_str(&ready).unwrap()
    }

    /// Tells the node to stop, and gives its exit code.
    pub fn down(&mut self) -> Option<i32> {
        let mut node = self.node.take().unwrap();
        kill_process(pid(node.id()), Signal::TERM).unwrap();
        node.wait().unwrap().code()
    }

    /// Sends the node a signal.
    pub fn signal(&self, signal: Signal) {
        let node = self.node.as_ref().unwrap();
        kill_process(pid(node.id()), signal).unwrap();
    }

    pub fn kill(&mut self) {
        let mut node = self.node.take().unwrap();
        node.kill().unwrap();
        node.wait().unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
        command.args(arguments).env("GANTLINE_HOME", self.path()).env_remove("GANTLINE_LOG");
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(self.command(arguments).output().unwrap())
    }

    /// Runs what has to go well, and gives its stdout.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.err);
        ran.out
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// Starts an agent, and gives its id.
    pub fn spawn(&self, script: &str) -> String {
        self.ok(&["spawn", "--", "sh", "-c", script]).trim().to_owned()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(mut node) = self.node.take() {
            let _ = kill_process(pid(node.id()), Signal::TERM);
            let _ = node.wait();
        }
        agents_end::all(&self.path().join("log"));
    }
}

pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn line(stdout: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    line
}

pub fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

/// A person's terminal, with the program in it.
pub struct Terminal {
    master: Box<dyn MasterPty>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    output: Receiver<Vec<u8>>,
    pub seen: String,
    before: String,
}

impl Terminal {
    pub fn run(home: &Home, arguments: &[&str]) -> Self {
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = format!("{:?}", pair.master.get_termios());
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_gantline"));
        command.args(arguments);
        command.env("GANTLINE_HOME", home.path());
        command.env("NO_COLOR", "1");
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        let writer = pair.master.take_writer().unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        // While a test waits for something else, the terminal stands still.
        let (give, output) = sync_channel(2);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if give.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        // The slave stays open, so that its settings can be asked for when the program has ended.
        std::mem::forget(pair.slave);
        Self { master: pair.master, writer, child, output, seen: String::new(), before }
    }

    pub fn types(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Waits until this was shown, after what was waited for before. Gives all of it.
    pub fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                return self.seen.drain(..at + text.len()).collect();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("waited for {text:?} ({error}) and saw {:?}", self.seen),
            }
        }
    }

    pub fn resize(&self, cols: u16, rows: u16) {
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(pid(self.child.process_id().unwrap()), signal).unwrap();
    }

    /// Waits for the program's end, and gives its exit code.
    pub fn end(&mut self) -> u32 {
        self.child.wait().unwrap().exit_code()
    }

    /// Whether the terminal is set as it was before the program was started.
    pub fn is_as_before(&self) -> bool {
        format!("{:?}", self.master.get_termios()) == self.before
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
