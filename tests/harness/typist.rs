//! A person at `gantline attach` or `gantline spawn --attach`: the real program, typed to by hand, at
//! a terminal, or by a pipe. What it shows is read from a pipe.

use std::{
    fmt,
    fs::File,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::{
    fs::OFlags,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use tokio::sync::mpsc::{Receiver, channel};

use crate::soon;

/// A program that is typed to. Killed when this is dropped.
pub struct Typist {
    child: Child,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    complaints: Receiver<Vec<u8>>,
    /// All that it has shown.
    pub seen: Vec<u8>,
    /// What it said beside that, on stderr.
    pub said: Vec<u8>,
}

impl Typist {
    /// Starts `command`; what is typed comes from a pipe.
    ///
    /// # Panics
    /// If it can't be started.
    #[must_use]
    pub fn by_pipe(mut command: Command) -> Self {
        let mut child = start(command.stdin(Stdio::piped()));
        let keys = child.stdin.take().expect("it is piped");
        Self::of(child, Box::new(keys))
    }

    /// Starts `command`; what is typed comes from a terminal.
    ///
    /// # Panics
    /// If there is no terminal to be had, or it can't be started.
    #[must_use]
    pub fn by_hand(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let name = Path::new(name.to_str().expect("its name is a path"));
        let mut options = File::options();
        options.read(true).write(true).custom_flags(OFlags::NOCTTY.bits() as i32);
        let terminal = options.open(name).expect("it is ours");
        let child = start(command.stdin(terminal));
        Self::of(child, Box::new(File::from(master)))
    }

    fn of(mut child: Child, keys: Box<dyn Write + Send>) -> Self {
        let output = listen(child.stdout.take().expect("it is piped"));
        let complaints = listen(child.stderr.take().expect("it is piped"));
        Self { child, keys, output, complaints, seen: Vec::new(), said: Vec::new() }
    }

    /// Types.
    ///
    /// # Panics
    /// If the program has ended.
    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the program runs");
        self.keys.flush().expect("the program runs");
    }

    /// Waits until this was shown, anywhere in all of it.
    ///
    /// # Panics
    /// If it is not.
    pub async fn until(&mut self, text: &str) {
        let mut from = 0;
        while !contains(self.seen.get(from..).unwrap_or_default(), text) {
            from = self.seen.len().saturating_sub(text.len());
            match soon(text, self.output.recv()).await {
                Some(bytes) => self.seen.extend(bytes),
                None => panic!("waited for {text:?}; it has ended: {}", self.last_words().await),
            }
        }
    }

    /// Waits until it said this on stderr.
    ///
    /// # Panics
    /// If it does not.
    pub async fn until_said(&mut self, text: &str) {
        while !contains(&self.said, text) {
            match soon(text, self.complaints.recv()).await {
                Some(bytes) => self.said.extend(bytes),
                None => panic!("waited for {text:?}; it has ended: {}", self.last_words().await),
            }
        }
    }

    /// Waits for its end, and gives the rest of what it showed and its exit code.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn end(&mut self) -> Option<i32> {
        while let Some(bytes) = soon("the program's end", self.output.recv()).await {
            self.seen.extend(bytes);
        }
        let status = self.child.wait().expect("it is our child");
        status.code()
    }

    async fn last_words(&mut self) -> String {
        while let Some(bytes) = self.complaints.recv().await {
            self.said.extend(bytes);
        }
        let tail = self.seen.len().saturating_sub(2000);
        let (seen, said) = (&self.seen[tail..], &self.said);
        format!("{}\n{}", String::from_utf8_lossy(seen), String::from_utf8_lossy(said))
    }
}

impl fmt::Debug for Typist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typist").field("child", &self.child).finish_non_exhaustive()
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was built")
}

fn listen(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    // A program that shows more than is read waits, as at any pipe.
    let (give, output) = channel(64);
    std::thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if give.blocking_send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    output
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
