//! `gantline up`: the node of this machine, in the foreground.

use std::{env, io, num::NonZeroU16, time::Duration};

use gantline_protocol::{Alias, Name, RelayAddress, link::JoinLink};
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{
    Context,
    failure::{Exit, Failure},
    out,
};
use crate::{
    config::{Config, LoopbackPort, RelayConfig},
    daemon::Node,
    state::{Home, InstanceLock, StateError},
    uplink::Tokens,
};

/// How long answers that are being given may take when the node is told to stop.
const FAREWELL: Duration = Duration::from_secs(15);
/// Says what is logged, as in `info,gantline_node=debug`; `RUST_LOG` does if this is not set.
const LOG: &str = "GANTLINE_LOG";

/// Run this machine's node in the foreground
///
/// It runs agents, and lets its user and paired devices reach them: here by a socket and 127.0.0.1,
/// from elsewhere through the relays that it has joined. Ctrl-C stops it, a second one at once. What
/// runs goes on without it, and the next `gantline up` has it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline up
  gantline up --join gantline://relay.example/TOKEN   the link comes from `gantline-relay token create`")]
pub(super) struct Args {
    /// Join the relay that made this link; it is kept for the next time. In the variable nobody sees
    /// it in the list of processes
    #[arg(long, value_name = "LINK", env = "GANTLINE_JOIN", hide_env_values = true)]
    join: Option<JoinLink>,
    /// What people call this machine
    #[arg(long)]
    name: Option<Name>,
    /// The subdomain that this machine would like to have at its relays
    #[arg(long)]
    alias: Option<Alias>,
    /// The port on 127.0.0.1, or the first one tried; 0 for any
    #[arg(long)]
    port: Option<u16>,
    /// Print one line of JSON when the node is there
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    machine_id: String,
    name: &'a Name,
    pid: u32,
    socket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    loopback: Option<String>,
    relays: Vec<&'a RelayAddress>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    // From now on a signal is a wish to stop, also while the node is being started.
    let mut stop = Stop::listen()?;
    log_to_stderr();
    let home = &context.reach.home;
    let config = configure(&args, home)?;
    let relays = config.relays.clone();
    let node = Node::start(config, home.clone()).await?;
    tell(&node, &relays, context, args.json)?;
    stop.wished().await;
    out::say("stopping; once more to stop at once");
    tokio::select! {
        () = node.shut_down(FAREWELL) => Ok(Exit::Ok),
        () = stop.wished() => Ok(Exit::Interrupted),
    }
}

/// What the files say, and on top of it what was asked for this time.
fn configure(args: &Args, home: &Home) -> Result<Config, Failure> {
    // Nothing is changed below a node that runs.
    match InstanceLock::take(home) {
        Ok(lock) => drop(lock),
        Err(error @ StateError::Running { .. }) => {
            let failure = Failure::failed(error);
            return Err(match args.join {
                Some(_) => failure.next("to join a relay, stop it and run this again"),
                None => failure.next("`gantline status` shows how it is doing"),
            });
        }
        Err(error) => return Err(error.into()),
    }
    if let Some(link) = &args.join {
        Tokens::load(home.state_files())?.keep(link)?;
        Config::add_relay(home, &link.relay)?;
    }
    let mut config = Config::load(home)?;
    if let Some(name) = &args.name {
        config.name = Some(name.clone());
    }
    if let Some(alias) = &args.alias {
        config.alias = Some(alias.clone());
    }
    if let Some(port) = args.port {
        config.loopback.enabled = true;
        config.loopback.port = NonZeroU16::new(port).map_or(LoopbackPort::Any, LoopbackPort::From);
    }
    Ok(config)
}

fn tell(
    node: &Node,
    relays: &[RelayConfig],
    context: &Context,
    as_json: bool,
) -> Result<(), Failure> {
    let ready = Ready {
        machine_id: node.machine_id().to_string(),
        name: node.name(),
        pid: std::process::id(),
        socket: context.reach.socket().display().to_string(),
        loopback: node.loopback().map(|address| address.to_string()),
        relays: relays.iter().map(|relay| &relay.address).collect(),
    };
    if as_json {
        return out::json(&ready);
    }
    let mut text = format!("node of {}\n  machine   {}\n", ready.name, ready.machine_id);
    text.push_str(&format!("  socket    {}\n", ready.socket));
    if let Some(address) = &ready.loopback {
        text.push_str(&format!("  loopback  {address}\n"));
    }
    for relay in &ready.relays {
        text.push_str(&format!("  relay     {}:{}\n", relay.host, relay.port));
    }
    if ready.relays.is_empty() {
        text.push_str("  relay     none; join one with `gantline up --join LINK`\n");
    }
    text.push_str(
        "In another terminal, `gantline pair` lets a device in. Ctrl-C stops the node; agents go on.\n",
    );
    out::data(text)
}

/// SIGTERM and SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wished(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn log_to_stderr() {
    let usual = Targets::new().with_default(LevelFilter::INFO);
    let said = env::var(LOG).or_else(|_| env::var("RUST_LOG")).ok();
    let (wanted, problem) = match said.map(|said| said.parse::<Targets>()) {
        Some(Ok(wanted)) => (wanted, None),
        Some(Err(why)) => (usual, Some(why)),
        None => (usual, None),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    // Fails only if something logs already.
    let _ = tracing_subscriber::registry().with(lines).with(wanted).try_init();
    if let Some(why) = problem {
        tracing::warn!(%why, "{LOG} is not understood; write it like info,gantline_node=debug");
    }
}
