//! A connection to a shim: what is said to it goes at once if it takes it at once, and what it says
//! is handed on as it comes. Owned by the host of the agent, whose task drives it.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gantline_protocol::{
    Offset, WireError,
    shim::{Frames, FromShim, Greeting, MarkKind, ReadMode, ToShim, Versions},
};
use gantline_transport::LocalStream;
use rustix::process::geteuid;
use tokio::{
    net::UnixStream,
    sync::{Notify, oneshot},
    time::timeout,
};

use crate::shim::log::Read;

/// The READ that goes on.
pub(super) const FOLLOW: u32 = 0;
/// What is read from a shim at once, in bytes.
const READ: usize = 64 * 1024;
/// How long a shim may take to say HELLO.
const GREET_WITHIN: Duration = Duration::from_secs(2);
/// What a shim has yet to take. One that is so far behind does not work any more: it is hung up on.
const UNTAKEN: usize = 4 << 20;

/// A connection to a shim. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stream: Arc<LocalStream>,
    /// What it has yet to take.
    output: Mutex<Vec<u8>>,
    has_output: Notify,
    asked: Mutex<Asked>,
    next: AtomicU32,
}

/// Who waits for an answer.
#[derive(Debug, Default)]
struct Asked {
    is_over: bool,
    reads: HashMap<u32, oneshot::Sender<Read>>,
    checkpoints: VecDeque<oneshot::Sender<Option<(Offset, Bytes)>>>,
}

/// Why there is no connection to a shim.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// It is not there, or does not answer.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It speaks other versions.
    #[error("it speaks {}, and this node {}", Spoken(*.0), Spoken(Versions::OURS))]
    OtherVersion(Versions),
    /// It breaks the rules.
    #[error("what answers there is no shim: {0}")]
    Wire(#[from] WireError),
    /// It is somebody else's.
    #[error("what answers there is not this agent's shim")]
    Stranger,
}

struct Spoken(Versions);

impl std::fmt::Display for Spoken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Versions { oldest, newest } = self.0;
        match oldest == newest {
            true => write!(f, "version {newest} of the shim's protocol"),
            false => write!(f, "versions {oldest} to {newest} of the shim's protocol"),
        }
    }
}

/// What comes from a shim.
#[derive(Debug)]
pub(super) struct Input {
    stream: Arc<LocalStream>,
    /// What has arrived and was not handed on yet.
    bytes: Vec<u8>,
}

impl Link {
    /// A connection on which nothing was said yet.
    pub(super) fn new(stream: UnixStream) -> io::Result<(Self, Input)> {
        let stream = Arc::new(LocalStream::try_from(stream)?);
        let shared = Shared {
            stream: stream.clone(),
            output: Mutex::default(),
            has_output: Notify::new(),
            asked: Mutex::default(),
            next: AtomicU32::new(FOLLOW + 1),
        };
        Ok((Self { shared: Arc::new(shared) }, Input { stream, bytes: Vec::new() }))
    }

    /// Connects to the shim whose socket this is, and greets it.
    pub(super) async fn connect(socket: &Path) -> Result<(Self, Greeting, Input), LinkError> {
        let stream = UnixStream::connect(socket).await?;
        if stream.peer_cred()?.uid() != geteuid().as_raw() {
            return Err(LinkError::Stranger);
        }
        let (link, mut input) = Self::new(stream)?;
        link.say(&ToShim::Hello(Versions::OURS));
        let greeting = input.greeting().await?;
        Ok((link, greeting, input))
    }

    /// Says something. It is lost if the connection ends, of which the host hears.
    pub(super) fn say(&self, message: &ToShim<'_>) {
        let mut bytes = Vec::new();
        if message.encode(&mut bytes).is_ok() {
            self.send(&bytes);
        }
    }

    /// Sends bytes that are whole messages.
    pub(super) fn send(&self, mut bytes: &[u8]) {
        let mut output = lock(&self.shared.output);
        if output.is_empty()
            && let Ok(written) = self.shared.stream.try_write(bytes)
        {
            bytes = bytes.get(written..).unwrap_or_default();
        }
        if !bytes.is_empty() {
            output.extend_from_slice(bytes);
            drop(output);
            self.shared.has_output.notify_one();
        }
    }

    /// Asks for output; `None` when the connection ends before there is an answer.
    pub(super) async fn read(&self, from: Offset, limit: usize) -> Option<Read> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed).max(FOLLOW + 1);
        let (answer, answered) = oneshot::channel();
        {
            let mut asked = lock(&self.shared.asked);
            if asked.is_over {
                return None;
            }
            asked.reads.insert(id, answer);
        }
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.say(&ToShim::Read { id, from, mode: ReadMode::Once(limit) });
        answered.await.ok()
    }

    /// Asks for the state of the terminal that was kept last.
    pub(super) async fn checkpoint(&self) -> Option<(Offset, Bytes)> {
        let (answer, answered) = oneshot::channel();
        {
            let mut asked = lock(&self.shared.asked);
            if asked.is_over {
                return None;
            }
            asked.checkpoints.push_back(answer);
        }
        self.say(&ToShim::Checkpoint(None));
        answered.await.ok().flatten()
    }

    /// Hands on what the shim says, until the connection ends.
    /// `pause` is called when those who take it further had their turn.
    pub(super) async fn run(
        &self,
        mut input: Input,
        mut hear: impl FnMut(FromShim<'_>),
        mut pause: impl FnMut(),
    ) -> Result<(), LinkError> {
        let _over = Over(self);
        loop {
            let mut frames = Frames::new(&input.bytes);
            while let Some(message) = frames.next_message()? {
                match FromShim::decode(message)? {
                    FromShim::Output(output) if output.id != FOLLOW => {
                        let gap = output.marks.iter().find_map(|mark| match mark.kind {
                            MarkKind::Gap(to) => Some(Read::Gap { from: output.from, to }),
                            MarkKind::Resize(_) | MarkKind::Stdout | MarkKind::Stderr => None,
                        });
                        let read = gap.unwrap_or_else(|| match output.bytes {
                            [] => Read::End,
                            bytes => Read::Bytes(Bytes::copy_from_slice(bytes)),
                        });
                        if let Some(answer) = lock(&self.shared.asked).reads.remove(&output.id) {
                            // Whoever asked may have gone.
                            let _ = answer.send(read);
                        }
                    }
                    FromShim::Checkpoint(kept) => {
                        let kept = kept.map(|(at, state)| (at, Bytes::copy_from_slice(state)));
                        if let Some(answer) = lock(&self.shared.asked).checkpoints.pop_front() {
                            let _ = answer.send(kept);
                        }
                    }
                    message @ (FromShim::Hello(_)
                    | FromShim::OtherVersion(_)
                    | FromShim::Output(_)
                    | FromShim::Written { .. }
                    | FromShim::Exited(_)
                    | FromShim::Ignored(_)) => hear(message),
                }
            }
            let taken = frames.taken();
            input.bytes.drain(..taken);
            if input.bytes.is_empty() {
                input.bytes = Vec::new();
            }
            // A flood of output must not starve those who take it further.
            tokio::task::yield_now().await;
            pause();
            tokio::select! {
                biased;
                filled = input.fill() => filled?,
                flushed = self.flush() => flushed?,
            }
        }
    }

    /// Sends what the shim has yet to take, and waits until there is more.
    async fn flush(&self) -> io::Result<()> {
        loop {
            // Whoever waits here is sent away by each output of the shim: so there is a try first.
            let is_empty = {
                let mut output = lock(&self.shared.output);
                if !output.is_empty() {
                    match self.shared.stream.try_write(&output) {
                        Ok(written) => drop(output.drain(..written)),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
                if output.len() > UNTAKEN {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                output.is_empty()
            };
            match is_empty {
                true => self.shared.has_output.notified().await,
                false => self.shared.stream.writable().await?,
            }
        }
    }
}

impl Input {
    /// Waits for the answer to HELLO.
    pub(super) async fn greeting(&mut self) -> Result<Greeting, LinkError> {
        let greeting = async {
            loop {
                let mut frames = Frames::new(&self.bytes);
                let message = frames.next_message()?.map(FromShim::decode).transpose()?;
                let taken = frames.taken();
                match message {
                    Some(FromShim::Hello(greeting)) => {
                        self.bytes.drain(..taken);
                        return Ok(greeting);
                    }
                    Some(FromShim::OtherVersion(versions)) => {
                        return Err(LinkError::OtherVersion(versions));
                    }
                    Some(_) => return Err(LinkError::Stranger),
                    None => {}
                }
                self.fill().await?;
            }
        };
        let late = |_| LinkError::Io(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"));
        timeout(GREET_WITHIN, greeting).await.map_err(late)?
    }

    /// Waits for more, and reads what there is. Giving the wait up loses nothing.
    async fn fill(&mut self) -> io::Result<()> {
        // An agent that says nothing costs no buffer.
        let missing = Frames::new(&self.bytes).missing();
        match self.stream.read_into(&mut self.bytes, missing.max(READ)).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Nobody is answered any more.
struct Over<'a>(&'a Link);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut asked = lock(&self.0.shared.asked);
        *asked = Asked { is_over: true, ..Asked::default() };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
