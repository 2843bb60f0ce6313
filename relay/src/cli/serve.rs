//! `gantline-relay serve`: a relay in the foreground, until a signal.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use gantline_protocol::{HostName, Name};
use gantline_relay::{
    Config, Limits, Relay,
    config::{MAX_DRAIN, PORT},
    limits::Rate,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{Place, duration::duration, output};

/// Run a relay in the foreground. Needs no configuration: state is made on the first start.
/// SIGTERM and Ctrl-C stop it in order, a second one at once.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address for UDP and TCP. Port 0 takes one that is free for both
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        env = "GANTLINE_RELAY_LISTEN",
        default_value_t = SocketAddr::from(([0, 0, 0, 0], PORT))
    )]
    listen: SocketAddr,
    /// Name under which nodes and browsers reach the relay; may be given several times. Machines
    /// are hosts below it. The first is the one in join links
    #[arg(
        long = "domain",
        value_name = "NAME",
        env = "GANTLINE_RELAY_DOMAIN",
        value_delimiter = ',',
        default_value = "localhost"
    )]
    domains: Vec<HostName>,
    /// A proxy in front ends TLS for browsers: serve plain HTTP to anybody, and believe the proxy's
    /// X-Forwarded-For
    #[arg(long, env = "GANTLINE_RELAY_BEHIND_PROXY")]
    behind_proxy: bool,
    /// Who operates the relay, for the dashboard that it serves: whoever opens it there trusts you
    /// for its code
    #[arg(long, value_name = "NAME", env = "GANTLINE_RELAY_OPERATOR")]
    operator: Option<Name>,
    /// How long open pipes may go on when the relay stops
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration,
        env = "GANTLINE_RELAY_DRAIN",
        default_value = "10s"
    )]
    drain: Duration,
    /// How many nodes may log in each second
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        env = "GANTLINE_RELAY_LOGINS_PER_SECOND",
        default_value_t = 100
    )]
    logins_per_second: u32,
    /// How many pipes may be open at once
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000),
        env = "GANTLINE_RELAY_MAX_PIPES",
        default_value_t = Limits::default().pipes
    )]
    max_pipes: u32,
    /// When ready, print one line of JSON instead of a summary
    #[arg(long)]
    json: bool,
}

/// The line of `--json`.
#[derive(Serialize)]
struct Ready {
    /// Where it listens, UDP and TCP.
    address: SocketAddr,
    /// What its key is recognised by.
    pin: String,
    /// The first of its names.
    domain: HostName,
    /// How nodes and native clients dial it.
    relay: String,
}

impl Serve {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        if self.drain > MAX_DRAIN {
            bail!("--drain is at most 1h");
        }
        raise_descriptor_limit();
        // Before anything is announced: a signal from now on must not be lost.
        let mut stop = Stop::new()?;
        let state_dir = place.path()?;
        let limits = Limits {
            logins: Rate::new(self.logins_per_second, self.logins_per_second),
            pipes: self.max_pipes,
            ..Limits::default()
        };
        let config = Config {
            listen: self.listen,
            domains: self.domains,
            behind_proxy: self.behind_proxy,
            operator: self.operator,
            drain: self.drain,
            limits,
            ..Config::new(state_dir.clone())
        };
        let relay = Relay::start(config).await?;
        let dialled = relay.address().context("the relay has no name")?;
        let ready = Ready {
            address: relay.local_address(),
            pin: relay.pin().to_string(),
            domain: dialled.host.clone(),
            relay: dialled.to_string(),
        };
        if self.json {
            output::json(&ready)?;
        } else {
            output::line(&format!(
                "Serving {domain} on {address}, UDP and TCP.\n\
                 Pin:    {pin}\n\
                 State:  {state}\n\
                 \n\
                 Let a machine in:  gantline-relay token create{flag}\n\
                 Ctrl-C stops the relay.",
                domain = ready.domain,
                address = ready.address,
                pin = ready.pin,
                state = state_dir.display(),
                flag = place.flag(),
            ))?;
        }
        stop.asked().await;
        tracing::info!("stopping; open pipes get {:?}. A second signal ends them now", self.drain);
        select! {
            () = relay.drain() => {}
            () = stop.asked() => tracing::warn!("stopping at once"),
        }
        select! {
            () = relay.close() => {}
            () = stop.asked() => {}
        }
        Ok(())
    }
}

/// Every TCP connection takes a file descriptor, and what a process gets without asking is often
/// too few. If the system says no, the relay runs with what it has.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!("the limit on file descriptors stays as it is: {error}");
    }
}

/// SIGTERM and SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("can't listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
