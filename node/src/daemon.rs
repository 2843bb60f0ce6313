//! The daemon: it owns every part of a running node, starts them in order and ends them in order.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use gantline_protocol::{MachineId, Name};
use gantline_transport::{Carriers, CarriersError, Dialer, quic::Timing};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::timeout_at,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{
        self, App, Links, MachineInfo, Mutations,
        listen::{ListenError, LoopbackListener, OnPipe, OneTimeTokens, Place, UnixSocket},
    },
    config::Config,
    door::{Devices, Door, Nameplate, Sessions},
    events::Events,
    gateway::Gateway,
    history::History,
    memory,
    pty::Shims,
    state::{Home, InstanceLock, StateError, identity},
    supervisor::{Agents, Settings},
    uplink::{Identity, Tokens, Uplinks},
    vitals::Monitor,
};

/// Between two times at which memory that is free is given back.
const GIVE_BACK: Duration = Duration::from_secs(10);
/// How long the history may take to be written when a node stops, though its time is over.
const HISTORY_WITHIN: Duration = Duration::from_millis(500);

/// A running node. Dropping it stops it without waiting for anything; use [`Node::shut_down`].
#[derive(Debug)]
pub struct Node {
    machine_id: MachineId,
    name: Name,
    home: Home,
    loopback: Option<SocketAddr>,
    agents: Agents,
    history: History,
    devices: Devices,
    sessions: Sessions,
    door: Door,
    uplinks: Arc<Mutex<Option<Uplinks>>>,
    closing: CancellationToken,
    listeners: JoinSet<()>,
    _lock: InstanceLock,
}

/// Why a node could not be started. Each says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its state can't be used, or another node uses it.
    #[error(transparent)]
    State(#[from] StateError),
    /// It can't listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It is told to dial them in a way that there is not.
    #[error(transparent)]
    Carriers(#[from] CarriersError),
    /// It can't dial relays.
    #[error("there is no socket to dial relays with: {0}")]
    Dial(io::Error),
}

impl Node {
    /// Starts a node on what is in `home`. Once this returns it answers on the Unix socket and, if
    /// configured, on 127.0.0.1, and dials its relays. Needs a multi-threaded Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config, home: Home) -> Result<Self, StartError> {
        Self::start_with_shim(config, home, this_program()).await
    }

    /// The same in a program that is no `gantline` itself: `shim` is one, to hold the agents.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start_with_shim(
        config: Config,
        home: Home,
        shim: PathBuf,
    ) -> Result<Self, StartError> {
        let lock = InstanceLock::take(&home)?;
        let events = Events::new();
        let sessions = Sessions::default();
        let name = config.name.clone().unwrap_or_else(host_name);
        let links_to = config.relays;
        let relays: Vec<_> = links_to.iter().map(|relay| relay.address.clone()).collect();
        let (nameplate, devices, tokens, agents) = {
            let (files, name, relays) = (home.state_files(), name.clone(), relays.clone());
            let (events, sessions) = (events.clone(), sessions.clone());
            let (log_dir, run_dir) = (home.log_dir().to_owned(), home.run_dir().to_owned());
            let shims = Shims { program: shim, log_dir, run_dir };
            blocking(move || {
                let nameplate = Nameplate { key: identity::load_or_create(&files)?, name, relays };
                let settings = Settings::default();
                let agents = Agents::kept_in(Some(files.clone()), shims, events.clone(), settings);
                let devices = Devices::load(nameplate.clone(), files.clone(), events, sessions)?;
                Ok((nameplate, devices, Tokens::load(files)?, agents))
            })
            .await?
        };
        let history = History::open(home.state_dir(), config.history, events.clone());
        agents.note_in(history.journal().clone());
        agents.find_again().await;
        history.settle_with({
            let agents = agents.clone();
            move || agents.list_with_env()
        });
        let socket = UnixSocket::bind(&home).await?;
        let loopback = match config.loopback.enabled {
            true => Some(LoopbackListener::bind(&home, config.loopback.port).await?),
            false => None,
        };
        let address = loopback.as_ref().map(LoopbackListener::address);
        let dialer =
            Dialer::new(Timing::default(), Carriers::from_env()?).map_err(StartError::Dial)?;
        let machine_id = nameplate.key.public().machine_id();
        let uplinks = Arc::new(Mutex::new(None));
        let closing = CancellationToken::new();
        let machine = Arc::new(MachineInfo {
            machine_id,
            alias: config.alias.clone(),
            name: name.clone(),
            relays,
            started_at: SystemTime::now().into(),
            started: Instant::now(),
        });
        let gateway = Gateway::new(home.clone(), machine.clone(), events.clone(), closing.clone());
        let one_time_tokens = OneTimeTokens::default();
        let vitals = Monitor::of(agents.clone(), closing.clone());
        let router = api::router(App {
            machine,
            events: events.clone(),
            links: links(&uplinks),
            agents: agents.clone(),
            history: history.clone(),
            vitals: vitals.clone(),
            devices: devices.clone(),
            mutations: Mutations::new(agents.clone(), devices.clone()),
            loopback: address,
            one_time_tokens: one_time_tokens.clone(),
            gateway,
            closing: closing.clone(),
        });
        let key = nameplate.key.clone();
        let door = Door::new(nameplate, devices.clone(), sessions.clone(), router.clone());
        let mut listeners = JoinSet::new();
        listeners.spawn(sampled(history.clone(), vitals));
        listeners.spawn(socket.serve(router.clone(), closing.clone()));
        if let Some(loopback) = loopback {
            let door = door.clone();
            let on_pipe: OnPipe = Arc::new(move |(reader, writer)| door.admit(reader, writer));
            listeners.spawn(loopback.serve(router, on_pipe, one_time_tokens, closing.clone()));
        }
        let identity = Identity { key, alias: config.alias };
        let started = Uplinks::start(&links_to, &identity, &dialer, &tokens, &door, &events);
        *uplinks.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
        Ok(Self {
            machine_id,
            name,
            home,
            loopback: address,
            agents,
            history,
            devices,
            sessions,
            door,
            uplinks,
            closing,
            listeners,
            _lock: lock,
        })
    }

    /// The machine's name for ever.
    #[must_use]
    pub const fn machine_id(&self) -> MachineId {
        self.machine_id
    }

    /// What people call the machine.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Where the API is on 127.0.0.1, if it is there.
    #[must_use]
    pub const fn loopback(&self) -> Option<SocketAddr> {
        self.loopback
    }

    /// The devices that may reach the machine.
    #[must_use]
    pub const fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Ends the node: it takes nothing new, leaves the agents to their shims, gives the answers that
    /// are being given until `within` has passed, and then ends what is left. The agents go on.
    pub async fn shut_down(mut self, within: Duration) {
        let deadline = tokio::time::Instant::now() + within;
        self.door.close();
        self.sessions.go_away();
        self.agents.leave();
        self.agents.is_kept().await;
        self.closing.cancel();
        let listeners = async { while self.listeners.join_next().await.is_some() {} };
        if timeout_at(deadline, listeners).await.is_err() {
            tracing::warn!("some answers were cut off, since the time to stop was over");
        }
        self.listeners.shutdown().await;
        self.sessions.close();
        let uplinks = self.uplinks.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(uplinks) = uplinks {
            let _ = timeout_at(deadline, uplinks.stop()).await;
        }
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        self.history.close(left.max(HISTORY_WITHIN)).await;
        let files = self.home.run_files();
        if let Err(error) = blocking(move || files.remove(Place::FILE)).await {
            tracing::warn!(%error, "the note of where the node listened stays behind");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.door.close();
        self.closing.cancel();
        self.sessions.close();
        self.history.end();
    }
}

/// Has the history remember each look that is made, and the system have back what is free by then.
async fn sampled(history: History, mut vitals: Monitor) {
    let mut given_back = Instant::now();
    while let Some(look) = vitals.next().await {
        history.sample(look);
        if given_back.elapsed() >= GIVE_BACK {
            given_back = Instant::now();
            // When the runtime ends all of it is given back.
            let _ = spawn_blocking(memory::give_back).await;
        }
    }
}

fn links(uplinks: &Arc<Mutex<Option<Uplinks>>>) -> Links {
    let uplinks = uplinks.clone();
    Links::new(move || {
        let uplinks = uplinks.lock().unwrap_or_else(PoisonError::into_inner);
        uplinks.as_ref().map(Uplinks::statuses).unwrap_or_default()
    })
}

/// The file of this program, also when another version has taken its name since it was started.
fn this_program() -> PathBuf {
    let own = Path::new("/proc/self/exe");
    match own.exists() {
        true => own.to_owned(),
        false => std::env::current_exe().unwrap_or_else(|_| "gantline".into()),
    }
}

/// Runs what waits for the disk where that holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StateError::Io {
            doing: "use",
            path: Path::new("the node's state").to_owned(),
            source: io::Error::other(error),
        }),
    }
}

/// What the system calls the machine, as far as it is fit for people to see.
fn host_name() -> Name {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok().and_then(|name| name.parse().ok());
    name.unwrap_or_else(|| "machine".parse().expect("the word is a name"))
}
