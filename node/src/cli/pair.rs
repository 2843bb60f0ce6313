//! `gantline pair`: lets another device in, by a code or a link.

use std::{
    io::{self, IsTerminal},
    time::{Duration, SystemTime},
};

use clap::ValueEnum;
use gantline_client::{MachineAddress, connection::Request};
use gantline_protocol::{
    Role, Timestamp,
    api::{
        EventKind, InvitationRequest, MintedCode, MintedInvitation, PairingCode, PairingCodeRequest,
    },
};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Context,
    events::Listener,
    failure::{Exit, Failure},
    out,
    reach::Reached,
    text,
};
use crate::config::{Config, RelayConfig};

/// Let another device reach this machine, by a code or a link
///
/// Shows a code of eight digits, good for one device and 120 seconds, and what to type on the
/// device. With --link it makes an invitation instead, for whoever cannot type a code or is to
/// share the machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline pair
  gantline pair --role observer
  gantline pair --link --expires 7d --uses 3 --role operator")]
pub(super) struct Args {
    /// What the device may do
    #[arg(long, value_enum, default_value_t)]
    role: RoleChoice,
    /// Make an invitation: a link, good for as many devices and as long as you say
    #[arg(long)]
    link: bool,
    /// How long the link is good: a number and s, m, h or d
    #[arg(long, default_value = "24h", value_parser = super::agent::duration, requires = "link")]
    expires: Duration,
    /// How many devices the link may pair
    #[arg(long, default_value_t = 1, value_name = "N", requires = "link")]
    uses: u32,
    /// Print the code or link as JSON, and wait for nothing
    #[arg(long)]
    json: bool,
}

/// A role, as it is typed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum RoleChoice {
    /// May do everything, also pair other devices.
    #[default]
    Owner,
    /// May start, stop and type into agents.
    Operator,
    /// May watch.
    Observer,
}

impl From<RoleChoice> for Role {
    fn from(choice: RoleChoice) -> Self {
        match choice {
            RoleChoice::Owner => Self::Owner,
            RoleChoice::Operator => Self::Operator,
            RoleChoice::Observer => Self::Observer,
        }
    }
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let node = context.reach.machine(None).await?;
    if args.link {
        return invite(&args, &node).await;
    }
    // Listens first, so that no device is paired unheard.
    let events = Listener::open(&node).await?;
    let request = PairingCodeRequest { role: args.role.into() };
    let minted: MintedCode = node.json(Request::post("/v1/pairing-codes", &request)?).await?;
    let addresses = addresses(&node, context)?;
    if args.json {
        out::json(&Shown { minted: &minted, addresses: &addresses })?;
        return Ok(Exit::Ok);
    }
    show(&minted, &addresses)?;
    wait(&minted, events).await
}

/// The code with what is to be typed beside it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    minted: &'a MintedCode,
    addresses: &'a [String],
}

/// The addresses of this machine, one for each relay.
fn addresses(node: &Reached, context: &Context) -> Result<Vec<String>, Failure> {
    let machine = node.connection.machine();
    let relays = Config::load(&context.reach.home)?.relays;
    let address = |relay: RelayConfig| MachineAddress { machine, relay: relay.address }.to_string();
    Ok(relays.into_iter().map(address).collect())
}

/// The code, and what to type on the device.
fn show(minted: &MintedCode, addresses: &[String]) -> Result<(), Failure> {
    let code = hyphenated(&minted.code);
    let mut text = format!("code  {code}\n\n");
    if addresses.is_empty() {
        text.push_str(&format!(
            "This machine has joined no relay, so only devices on it can be paired. Type there:\n\n  \
             gantline add {code}\n\nTo be reached from elsewhere: gantline up --join LINK\n"
        ));
    } else {
        text.push_str("On the other device, type:\n\n");
        for address in addresses {
            text.push_str(&format!("  gantline add {code} {address}\n"));
        }
    }
    out::data(text)
}

/// Waits until a device was paired or the code is over.
async fn wait(minted: &MintedCode, mut events: Listener) -> Result<Exit, Failure> {
    let counts = io::stderr().is_terminal();
    let clear = if counts { "\r\u{1b}[K" } else { "" };
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let left = minted.expires_at.since(Timestamp::from(SystemTime::now()));
        tokio::select! {
            event = events.next() => {
                let Some(event) = event? else {
                    return Err(Failure::failed("the node has stopped, and the code with it"));
                };
                if let EventKind::DevicePaired { name, role, .. } = event.what {
                    let (name, role) = (text::line(name.as_str()), format!("{role:?}"));
                    out::tell(clear);
                    out::say(format!("paired: {name} ({})", role.to_lowercase()));
                    out::say("to compare safety numbers, run `gantline device verify` there");
                    return Ok(Exit::Ok);
                }
            }
            _ = tick.tick() => {
                if left.is_zero() {
                    out::tell(clear);
                    return Err(Failure::new(Exit::TimedOut, "the code has expired; no device was paired with it")
                        .next("for a new one: gantline pair"));
                }
                if counts {
                    let (minutes, seconds) = (left.as_secs() / 60, left.as_secs() % 60);
                    out::tell(format!("{clear}waiting for the device; {minutes}:{seconds:02} left"));
                }
            }
            _ = tokio::signal::ctrl_c() => {
                out::tell(clear);
                return Ok(Exit::Interrupted);
            }
        }
    }
}

async fn invite(args: &Args, node: &Reached) -> Result<Exit, Failure> {
    let out_of_bounds = || Failure::usage("--expires is out of bounds: 1 s to 30 days");
    let valid_for_ms = u32::try_from(args.expires.as_millis()).map_err(|_| out_of_bounds())?;
    let request = InvitationRequest { role: args.role.into(), valid_for_ms, uses: args.uses };
    let minted: MintedInvitation = node.json(Request::post("/v1/invitations", &request)?).await?;
    if args.json {
        out::json(&minted)?;
        return Ok(Exit::Ok);
    }
    out::data(format!("{}\n", minted.link.reveal()))?;
    out::say(format!(
        "Good for {} and {} device(s). Whoever has the link gets in: send it as you would a key.\n\
         On the other device: gantline add 'LINK'\n\
         To withdraw it: gantline invitation revoke {}",
        text::span(args.expires),
        minted.invitation.uses_left,
        minted.invitation.invitation_id.0,
    ));
    Ok(Exit::Ok)
}

/// The code in one word, so that it can be pasted into a command.
fn hyphenated(code: &PairingCode) -> String {
    code.to_string().replace(' ', "-")
}
