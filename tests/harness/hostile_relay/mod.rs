//! A relay that is the enemy. It admits real nodes and takes real clients as a relay does, and then
//! does to their pipes, and says to them, what it was told to. Without orders it is honest, and
//! keeps a recording of what it sees.

mod admission;
mod impostor;
mod joining;
mod messages;
mod tape;
mod trick;
mod websocket;

use std::{
    collections::HashMap,
    io,
    net::Ipv4Addr,
    num::NonZeroU16,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use gantline_protocol::{
    MachineId, RelayAddress, Ticket,
    link::{JoinLink, Purpose},
};
use gantline_transport::{
    Carriers, Identity, Link, PipeReader, PipeWriter, QuicLink, QuicListener,
    quic::{ResetKey, Timing},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub use admission::Greeting;
pub use impostor::{Impostor, guess_a_code};
pub use tape::Tape;
pub use trick::{Cut, Trick};

use tape::Recorder;

/// The one name that it serves.
const HOST: &str = "localhost";
/// Invitations that wait to be sent; whoever has another waits.
const INVITATIONS: usize = 64;

/// A direction of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What the device says.
    ToNode,
    /// What the node says.
    ToDevice,
}

impl Direction {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::ToNode, Self::ToDevice];
}

/// What the relay does with the pipes that clients ask for.
#[derive(Debug, Clone)]
pub enum Scheme {
    /// Joins them to the machine that was asked for, and touches nothing.
    Honest,
    /// The same, with a trick on one direction.
    Play(Direction, Trick),
    /// Joins them to another machine.
    Divert(MachineId),
    /// Sends the device what it says itself.
    Echo,
    /// Joins two pipes, and from this message of each direction on each goes on in the other.
    Cross(usize),
    /// Answers for the node.
    Answer(Impostor),
    /// Says this in place of "spliced", and nothing more.
    Hint(u8),
}

/// A hostile relay, in this process. It ends when this is dropped.
#[derive(Debug)]
pub struct HostileRelay {
    address: RelayAddress,
    carriers: Carriers,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    scheme: Mutex<Scheme>,
    greeting: Mutex<Greeting>,
    nodes: Mutex<HashMap<MachineId, Node>>,
    recorders: Mutex<Vec<Arc<Recorder>>>,
    /// How often a trick was carried out.
    strikes: AtomicUsize,
    /// Cancelled, and replaced, when all pipes are to end.
    hang_up: Mutex<CancellationToken>,
    /// The first of two pipes that are to be crossed.
    first: Mutex<Option<joining::Waiting>>,
    /// Pipes that nodes were invited to.
    invited: Mutex<HashMap<Ticket, oneshot::Sender<Pipe>>>,
}

/// A node that is linked. Its control stream stands for as long as somebody could ask for pipes.
#[derive(Debug, Clone)]
struct Node {
    line: Line,
    invite: mpsc::Sender<Ticket>,
}

/// What a stream came by.
#[derive(Debug, Clone)]
enum Line {
    Quic(QuicLink),
    /// With the exporter of its TLS connection.
    WebSocket([u8; 32]),
}

/// Both directions of a pipe, whatever carries it. Dropping a half gives it up.
pub struct Pipe {
    /// What the other end says.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// What it hears.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Pipe {
    fn new(reader: impl PipeReader, writer: impl PipeWriter) -> Self {
        Self { reader: Box::new(reader), writer: Box::new(writer) }
    }

    /// All that the other end still says, however it ends.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // How it ended is not asked for.
        let _ = self.reader.read_to_end(&mut rest).await;
        rest
    }
}

impl HostileRelay {
    /// Starts one on a free port, which speaks QUIC.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn start() -> Self {
        let identity = identity();
        let listener = QuicListener::bind(
            (Ipv4Addr::LOCALHOST, 0).into(),
            &identity,
            &ResetKey::from_bytes([7; 32]),
            Timing::default(),
        );
        let listener = listener.expect("a free port");
        let port = listener.local_address().expect("a bound socket has an address").port();
        Self::new(port, &identity, Carriers::Quic, |shared| listen(listener, shared))
    }

    /// Starts one on a free port, which speaks nothing but WebSockets.
    ///
    /// # Panics
    /// If there is none.
    pub async fn on_websockets() -> Self {
        let identity = identity();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let tls = identity.https_config().expect("it was just made");
        Self::new(port, &identity, Carriers::WebSocket, |shared| {
            websocket::listen(listener, tls, shared)
        })
    }

    fn new<L>(
        port: u16,
        identity: &Identity,
        carriers: Carriers,
        listen: impl FnOnce(Arc<Shared>) -> L,
    ) -> Self
    where
        L: Future<Output = ()> + Send + 'static,
    {
        let shared = Arc::new(Shared {
            scheme: Mutex::new(Scheme::Honest),
            greeting: Mutex::new(Greeting::Honest),
            nodes: Mutex::default(),
            recorders: Mutex::default(),
            strikes: AtomicUsize::new(0),
            hang_up: Mutex::default(),
            first: Mutex::default(),
            invited: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(shared.clone()));
        let address = RelayAddress {
            host: HOST.parse().expect("a name"),
            port: NonZeroU16::new(port).expect("a bound port"),
            pin: Some(identity.pin()),
        };
        Self { address, carriers, shared, _tasks: tasks }
    }

    /// How it is dialled.
    #[must_use]
    pub const fn address(&self) -> &RelayAddress {
        &self.address
    }

    /// What it speaks.
    #[must_use]
    pub const fn carriers(&self) -> Carriers {
        self.carriers
    }

    /// A link to join it with; it looks at no token.
    ///
    /// # Panics
    /// Never: the token is one.
    #[must_use]
    pub fn join_link(&self) -> JoinLink {
        JoinLink { relay: self.address.clone(), token: "any".parse().expect("a token") }
    }

    /// What it does with the pipes that are asked for from now on.
    pub fn will(&self, scheme: Scheme) {
        *lock(&self.shared.scheme) = scheme;
    }

    /// How it meets the nodes that log in from now on.
    pub fn greets(&self, greeting: Greeting) {
        *lock(&self.shared.greeting) = greeting;
    }

    /// Every pipe so far, oldest first.
    #[must_use]
    pub fn tapes(&self) -> Vec<Tape> {
        lock(&self.shared.recorders).iter().map(|recorder| recorder.tape()).collect()
    }

    /// The pipe that was asked for last.
    ///
    /// # Panics
    /// If there was none.
    #[must_use]
    pub fn last_tape(&self) -> Tape {
        lock(&self.shared.recorders).last().expect("a pipe was asked for").tape()
    }

    /// How often a trick was carried out.
    #[must_use]
    pub fn strikes(&self) -> usize {
        self.shared.strikes.load(Ordering::Relaxed)
    }

    /// Ends every pipe in order, in both directions.
    pub fn hang_up(&self) {
        std::mem::take(&mut *lock(&self.shared.hang_up)).cancel();
    }

    /// Ends the links of all nodes; they dial again.
    pub fn hang_up_on_nodes(&self) {
        for (_, node) in lock(&self.shared.nodes).drain() {
            if let Line::Quic(link) = node.line {
                link.close(0, "");
            }
        }
    }

    /// Opens a pipe to a node, as if a client had asked for it. Nothing is recorded.
    ///
    /// # Errors
    /// When the machine has no link, or takes no pipes.
    pub async fn knock(&self, machine: MachineId) -> io::Result<Pipe> {
        self.shared.open(machine).await
    }
}

impl Shared {
    async fn open(&self, machine: MachineId) -> io::Result<Pipe> {
        let node = lock(&self.nodes).get(&machine).cloned();
        let node = node.ok_or(io::ErrorKind::NotFound)?;
        match node.line {
            Line::Quic(link) => {
                let (writer, reader) = link.open_pipe().await.map_err(io::Error::other)?;
                Ok(Pipe::new(reader, writer))
            }
            Line::WebSocket(_) => {
                let mut ticket = [0; 16];
                getrandom::fill(&mut ticket)?;
                let ticket = Ticket::from_bytes(ticket);
                let (waiting, answer) = oneshot::channel();
                lock(&self.invited).insert(ticket, waiting);
                node.invite.send(ticket).await.map_err(io::Error::other)?;
                answer.await.map_err(io::Error::other)
            }
        }
    }

    fn scheme(&self) -> Scheme {
        lock(&self.scheme).clone()
    }

    fn hang_up(&self) -> CancellationToken {
        lock(&self.hang_up).clone()
    }
}

async fn listen(listener: QuicListener, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    while let Some(incoming) = listener.accept().await {
        let shared = shared.clone();
        tasks.spawn(async move {
            // Whoever does not believe us is no concern of ours.
            if let Ok(link) = incoming.accept().await {
                serve(link, shared).await;
            }
        });
    }
}

async fn serve(link: QuicLink, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    while let Ok((writer, reader)) = link.accept_pipe().await {
        let (line, shared) = (Line::Quic(link.clone()), shared.clone());
        tasks.spawn(async move {
            // What went wrong is told by what the ends make of it.
            let _ = stream(line, shared, reader, writer).await;
        });
    }
}

/// Serves a stream, whatever carries it.
async fn stream(
    line: Line,
    shared: Arc<Shared>,
    mut reader: impl PipeReader,
    writer: impl PipeWriter,
) -> anyhow::Result<()> {
    let mut purpose = [0; Purpose::SIZE];
    reader.read_exact(&mut purpose).await?;
    if purpose == Purpose::Link.encode() {
        let greeting = lock(&shared.greeting).clone();
        let exporter = match &line {
            Line::Quic(link) => link.login_exporter()?,
            Line::WebSocket(exporter) => *exporter,
        };
        if let Some(node) = admission::admit(&exporter, reader, writer, greeting).await? {
            let (invite, invites) = mpsc::channel(INVITATIONS);
            lock(&shared.nodes).insert(node.machine, Node { line, invite });
            node.keep(invites).await?;
        }
        return Ok(());
    }
    let mut id = [0; 16];
    reader.read_exact(&mut id).await?;
    let pipe = Pipe::new(reader, writer);
    if purpose == Purpose::Ticket.encode() {
        if let Some(waiting) = lock(&shared.invited).remove(&Ticket::from_bytes(id)) {
            // Whoever waited may have gone.
            let _ = waiting.send(pipe);
        }
        return Ok(());
    }
    joining::join(shared, MachineId::from_bytes(id), pipe).await
}

fn identity() -> Identity {
    let (chain, key) = Identity::self_signed(&[HOST.to_owned()]).expect("a name");
    Identity::from_pem(&chain, &key).expect("it was just made")
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pipe")
    }
}
