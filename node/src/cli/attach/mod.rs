//! `gantline attach`: this terminal becomes the agent's, until it is detached or the agent ends.

mod input;
mod keys;
mod modes;
mod pulse;
mod screen;
mod terminal;
mod viewer;
mod wire;

use std::{
    io::{self, IsTerminal},
    pin::Pin,
    time::{Duration, Instant},
};

use gantline_client::Client;
use gantline_protocol::{
    AgentId, ViewerId,
    terminal::{TerminalSize, ViewerMode},
};
use gantline_transport::{Backoff, NetworkChanges, Way};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{sleep, sleep_until},
};

use self::{
    input::Input,
    keys::Keys,
    pulse::Pulse,
    screen::{Screen, Shown},
    terminal::Terminal,
    viewer::{Act, HOLD, Viewer},
    wire::Wire,
};
use super::{
    Context, agent,
    failure::{Exit, Failure},
    out,
    reach::{Reached, Target},
};

/// How long after Escape another byte may come that belongs to it.
const ESCAPE: Duration = Duration::from_millis(30);
/// A connection that held so long was a good one: the next trouble is a new one.
const HELD: Duration = Duration::from_secs(10);
/// When a process has ended and it is not known yet what follows, a person is told after this time.
const WAITS: Duration = Duration::from_secs(1);

/// Attach this terminal to an agent
///
/// Ctrl-] detaches; the agent goes on. If the connection breaks, it is made again and nothing is
/// lost or typed twice. When the agent ends, so does this, with its exit code; if it is started again,
/// this stays.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline attach ag-x7k2p
  gantline attach build --on ada --read-only
  echo 'make all' | gantline attach shell")]
pub(super) struct Args {
    /// The agent: its id or name
    agent: String,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
    /// Watch: type nothing, decide nothing
    #[arg(long)]
    read_only: bool,
}

/// What the viewer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Type, and decide the size.
    Drive,
    /// Watch.
    Watch,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let id = agent::find(&reached, &args.agent).await?;
    let mode = if args.read_only { Mode::Watch } else { Mode::Drive };
    to(reached, id, mode, context).await
}

/// Attaches to an agent of a machine that is reached.
pub(super) async fn to(
    reached: Reached,
    agent: AgentId,
    mode: Mode,
    context: &Context,
) -> Result<Exit, Failure> {
    let typed_by_hand = io::stdin().is_terminal();
    let mut viewer = Viewer::new(
        random_id()?,
        match mode {
            Mode::Drive => ViewerMode::Drive,
            Mode::Watch => ViewerMode::ReadOnly,
        },
        agent::terminal_size().unwrap_or(TerminalSize::STANDARD),
        typed_by_hand.then_some(HOLD),
    );
    let (target, name) = (reached.target.clone(), super::text::line(&reached.name));
    let client = reached.client.clone();
    // The first time a failure is one: only what stood once is made again.
    let wire = Wire::open(reached, agent, viewer.attach())
        .await
        .map_err(|(reached, error)| wire::refused(&reached, agent, error))?;
    let signals = Signals::listen()?;
    if typed_by_hand {
        let what = if mode == Mode::Watch { "watching" } else { "attached to" };
        out::say(format!("{what} {agent} on {name}; Ctrl-] detaches"));
    }
    let screen = Screen::open();
    let terminal = Terminal::hold(screen.modes())?;
    let mut attached = Attached {
        viewer,
        shown: screen.watch(),
        screen,
        keys: Keys::default(),
        typed_by_hand,
        between: None,
        link: Link::Up { wire: Box::new(wire), since: Instant::now() },
        pulse: Pulse::default(),
        way: match target {
            Target::Here => None,
            Target::Paired(_) => Some(NetworkChanges::start().way_out()),
        },
        backoff: Backoff::default(),
        agent,
        name,
        target,
        client,
        context,
    };
    let ending = attached.run(signals).await;
    let Attached { screen, link, name, .. } = attached;
    if let Link::Up { wire, .. } = link {
        wire.leave().await;
    }
    let later = screen.finish().await;
    drop(terminal);
    for text in later {
        out::say(format!("gantline: {text}"));
    }
    end(ending?, agent, &name, typed_by_hand)
}

fn end(ending: Ending, agent: AgentId, name: &str, by_hand: bool) -> Result<Exit, Failure> {
    match ending {
        Ending::Detached => {
            if by_hand {
                out::say(format!("\ndetached; {agent} goes on on {name}"));
            }
            Ok(Exit::Ok)
        }
        Ending::Ended(status) => {
            if by_hand {
                out::say(format!("\n{agent} ended: {}", agent::ending(status)));
            }
            Ok(agent::exit(status))
        }
        Ending::Signal(number) => Ok(Exit::Passed(128 + number)),
        Ending::NobodyReads => Ok(Exit::Passed(128 + SIGPIPE)),
    }
}

const SIGPIPE: u8 = 13;

/// Why a viewer leaves.
enum Ending {
    /// Somebody wanted to.
    Detached,
    /// The agent's process ended.
    Ended(Option<gantline_protocol::api::ExitStatus>),
    /// This program was told to end, by this signal.
    Signal(u8),
    /// Nobody reads the output any more.
    NobodyReads,
}

/// A viewer at work.
struct Attached<'a> {
    viewer: Viewer,
    screen: Screen,
    keys: Keys,
    typed_by_hand: bool,
    /// The process has ended, and another one may follow.
    between: Option<Between>,
    link: Link,
    pulse: Pulse,
    /// How packets leave; none do to the node of this machine.
    way: Option<Way>,
    shown: watch::Receiver<Shown>,
    backoff: Backoff,
    agent: AgentId,
    name: String,
    target: Target,
    client: Client,
    context: &'a Context,
}

/// A process has ended, and another one may follow.
#[derive(Debug, Clone, Copy)]
struct Between {
    status: Option<gantline_protocol::api::ExitStatus>,
    is_said: bool,
}

type ComingBack = Pin<Box<dyn Future<Output = Result<(Box<Wire>, Backoff), Failure>> + Send>>;

enum Link {
    Up { wire: Box<Wire>, since: Instant },
    Down(ComingBack),
}

/// What happened.
enum Happened {
    Typed(Option<Vec<u8>>),
    EscapeAlone,
    /// The node said something; `false` when that was all.
    Heard(Vec<Act>, bool),
    Back(Result<(Box<Wire>, Backoff), Failure>),
    Progress(Shown),
    /// The network has changed, or time is missing.
    Moved,
    /// A key has had no answer for too long.
    Unanswered,
    /// The machine was asked whether it is there; whether it answered in time.
    Pulse(bool),
    Tick,
    /// No process has followed yet.
    StillBetween,
    Resized,
    Signal(u8),
}

impl Attached<'_> {
    async fn run(&mut self, mut signals: Signals) -> Result<Ending, Failure> {
        let mut input = Input::open();
        let mut at_end = false;
        loop {
            if at_end && self.viewer.is_through() {
                return Ok(Ending::Detached);
            }
            let happened = self.next(&mut input, at_end, &mut signals).await;
            let (acts, goes_on) = match happened {
                Happened::Typed(None) if self.typed_by_hand => return Ok(Ending::Detached),
                Happened::Typed(None) => {
                    at_end = true;
                    (Vec::new(), true)
                }
                Happened::Typed(Some(bytes)) if self.typed_by_hand => {
                    let sorted = self.keys.sort(&bytes);
                    let acts = self.viewer.type_in(&sorted.typed, Instant::now());
                    if sorted.detach {
                        self.obey(acts).await;
                        return Ok(Ending::Detached);
                    }
                    (acts, true)
                }
                Happened::Typed(Some(bytes)) => (self.viewer.type_in(&bytes, Instant::now()), true),
                Happened::EscapeAlone => {
                    let typed = self.keys.flush();
                    (self.viewer.type_in(&typed, Instant::now()), true)
                }
                Happened::Heard(acts, goes_on) => (acts, goes_on),
                Happened::Back(back) => {
                    let (wire, backoff) = back?;
                    self.backoff = backoff;
                    self.link = Link::Up { wire, since: Instant::now() };
                    self.pulse = Pulse::default();
                    (Vec::new(), true)
                }
                Happened::Moved => {
                    self.client.follow_the_way();
                    match self.link {
                        Link::Up { .. } => self.ask(),
                        // There it may be back at once.
                        Link::Down(_) => {
                            self.backoff = Backoff::default();
                            self.come_back();
                        }
                    }
                    (Vec::new(), true)
                }
                Happened::Unanswered => {
                    self.ask();
                    (Vec::new(), true)
                }
                Happened::Pulse(true) => (Vec::new(), true),
                Happened::Pulse(false) => {
                    // Whatever carried it leads nowhere: the next try begins from nothing.
                    self.client.forget_links();
                    (Vec::new(), false)
                }
                Happened::Progress(Shown::Broken) => return Ok(Ending::NobodyReads),
                Happened::Progress(Shown::Upto(upto)) => (self.viewer.shown(upto), true),
                Happened::StillBetween => {
                    if let Some(between) = &mut self.between {
                        between.is_said = true;
                        let ending = agent::ending(between.status);
                        let text = format!("it ended: {ending}; waits to be started again");
                        self.screen.notice(&text).await;
                    }
                    (Vec::new(), true)
                }
                Happened::Tick => (self.viewer.tick(Instant::now()), true),
                Happened::Resized => match agent::terminal_size() {
                    Some(size) => (self.viewer.resize(size), true),
                    None => (Vec::new(), true),
                },
                Happened::Signal(number) => return Ok(Ending::Signal(number)),
            };
            self.obey(acts).await;
            if !goes_on {
                if let Some(Between { status, .. }) = self.between {
                    return Ok(Ending::Ended(status));
                }
                self.lose();
            }
        }
    }

    /// Waits for the next thing to happen. Nothing is lost of what did not come first.
    async fn next(&mut self, input: &mut Input, at_end: bool, signals: &mut Signals) -> Happened {
        // A person must be able to leave, whatever the agent takes.
        let takes_input = !at_end && (self.typed_by_hand || self.viewer.has_room());
        let due = self.viewer.due();
        let tick = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let unanswered = match &self.link {
            Link::Up { since, .. } => {
                self.pulse.due(self.viewer.unanswered_since().map(|at| at.max(*since)))
            }
            Link::Down(_) => None,
        };
        let unanswered = async {
            match unanswered {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let escape = self.keys.is_unfinished();
        let is_between = self.between.is_some_and(|between| !between.is_said);
        let moved = async {
            match &mut self.way {
                Some(way) => drop(way.changed().await),
                None => std::future::pending().await,
            }
        };
        let (viewer, screen) = (&mut self.viewer, &self.screen);
        let link = async {
            match &mut self.link {
                Link::Down(coming) => Happened::Back(coming.await),
                Link::Up { wire, .. } => {
                    screen.has_room().await;
                    let mut acts = Vec::new();
                    let heard = wire.receiver.receive(|message| {
                        acts.extend(viewer.hear(message, Instant::now()));
                    });
                    let goes_on = heard.await.unwrap_or(false);
                    Happened::Heard(acts, goes_on)
                }
            }
        };
        tokio::select! {
            number = signals.ending.next() => Happened::Signal(number),
            typed = input.next(), if takes_input => Happened::Typed(typed),
            () = sleep(ESCAPE), if escape => Happened::EscapeAlone,
            _ = signals.resized.recv() => Happened::Resized,
            () = tick => Happened::Tick,
            () = sleep(WAITS), if is_between => Happened::StillBetween,
            () = unanswered => Happened::Unanswered,
            () = moved => Happened::Moved,
            is_felt = self.pulse.felt() => Happened::Pulse(is_felt),
            shown = Screen::progress(&mut self.shown) => Happened::Progress(shown),
            happened = link => happened,
        }
    }

    /// Does what the viewer decided.
    async fn obey(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Show { bytes, upto } => self.screen.show(bytes, upto).await,
                Act::Redraw { bytes, upto } => self.screen.redraw(bytes, upto).await,
                Act::Notice(text) => self.screen.notice(&text).await,
                Act::Away => self.screen.away(&self.name).await,
                Act::Back => self.screen.back().await,
                Act::Ended(status) => self.between = Some(Between { status, is_said: false }),
                Act::Anew => {
                    let ended = self.between.take();
                    let ended = ended.map_or("ended".to_owned(), |Between { status, .. }| {
                        format!("ended: {}", agent::ending(status))
                    });
                    self.screen.notice(&format!("it {ended}; this is its next process")).await;
                }
                Act::Fault(why) => {
                    tracing::debug!(why, "the node broke the terminal's protocol");
                    self.lose();
                    return;
                }
                act @ (Act::Input { .. } | Act::Say(_)) => {
                    let stuck = match &self.link {
                        Link::Up { wire, .. } => wire.send(act).is_err(),
                        Link::Down(_) => false,
                    };
                    if stuck {
                        self.lose();
                        return;
                    }
                }
            }
        }
    }

    /// Asks the machine whether it is there, if there is a session to ask in.
    fn ask(&mut self) {
        if let Link::Up { wire, .. } = &self.link
            && let Some(session) = wire.session()
        {
            self.pulse.ask(session, Instant::now());
        }
    }

    /// The conversation broke; a new one is begun.
    fn lose(&mut self) {
        let Link::Up { since, .. } = &self.link else { return };
        if since.elapsed() > HELD {
            self.backoff = Backoff::default();
        }
        self.viewer.lose(Instant::now());
        self.pulse = Pulse::default();
        self.come_back();
    }

    fn come_back(&mut self) {
        self.link = Link::Down(Box::pin(wire::come_back(
            self.context.reach.clone(),
            self.client.clone(),
            self.target.clone(),
            self.agent,
            self.viewer.attach(),
            self.backoff.clone(),
        )));
    }
}

fn random_id() -> Result<ViewerId, Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(Failure::failed)?;
    Ok(ViewerId::from_bytes(id))
}

/// The signals that matter to a viewer.
struct Signals {
    ending: EndingSignals,
    resized: Signal,
}

/// Those that end this program.
struct EndingSignals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let ending = EndingSignals {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        };
        Ok(Self { ending, resized: signal(SignalKind::window_change())? })
    }
}

impl EndingSignals {
    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.hangup.recv() => 1,
            _ = self.interrupt.recv() => 2,
            _ = self.quit.recv() => 3,
            _ = self.terminate.recv() => 15,
        }
    }
}
