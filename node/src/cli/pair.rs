//! `gantline pair`: lets another device in, by a code or a link.

use std::{
    io::{self, IsTerminal},
    time::{Duration, SystemTime},
};

use clap::{ArgGroup, ValueEnum};
use gantline_client::connection::Request;
use gantline_protocol::{
    DeviceId, Role, Timestamp,
    api::{
        EventKind, InvitationLink, InvitationRequest, MintedCode, MintedInvitation, PairingCode,
        PairingCodeRequest,
    },
};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Context, device,
    events::Listener,
    failure::{Exit, Failure},
    out, qr,
    reach::Reached,
    text,
};

/// How many codes are shown in a row: half an hour of them. A machine that always had one could be
/// guessed at for ever.
const CODES: u32 = 15;
/// How long a link is good, if nothing else is asked for: handed over, or scanned at once.
const LINK_FOR: Duration = Duration::from_secs(24 * 3600);
const QR_FOR: Duration = Duration::from_secs(600);

/// Let another device reach this machine, by a code or a link
///
/// Shows a code of eight digits, good for one device and 120 seconds, and where to type it: the
/// machine's page for a browser, a line for another command line. On a terminal the next code
/// follows when one has expired. With --qr it shows a picture for the camera of a phone, with --link
/// it makes an invitation for whoever cannot type a code or is to share the machine.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("invitation").args(["link", "qr"]).multiple(true)), after_help = "\
Examples:
  gantline pair
  gantline pair --qr
  gantline pair --role observer
  gantline pair --link --expires 7d --uses 3 --role operator")]
pub(super) struct Args {
    /// What the device may do
    #[arg(long, value_enum, default_value_t)]
    role: RoleChoice,
    /// Make an invitation: a link, good for as many devices and as long as you say
    #[arg(long)]
    link: bool,
    /// Make an invitation for 10 minutes, and show it as a QR code
    #[arg(long)]
    qr: bool,
    /// How long the link is good: a number and s, m, h or d [default: 24h, with --qr 10m]
    #[arg(long, value_parser = super::agent::duration, requires = "invitation")]
    expires: Option<Duration>,
    /// How many devices the link may pair
    #[arg(long, default_value_t = 1, value_name = "N", requires = "invitation")]
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
    // Listens first, so that no device is paired unheard.
    let mut events = Listener::open(&node).await?;
    if args.link || args.qr {
        return invite(&args, &node, &mut events, context).await;
    }
    let request = PairingCodeRequest { role: args.role.into() };
    let renews = io::stdout().is_terminal() && io::stderr().is_terminal();
    for shown in 1..=CODES {
        let minted: MintedCode = node.json(Request::post("/v1/pairing-codes", &request)?).await?;
        if args.json {
            out::json(&minted)?;
            return Ok(Exit::Ok);
        }
        show(&minted)?;
        match wait(minted.expires_at, &mut events).await? {
            Waited::Paired(device) => return welcome(&device, &node).await,
            Waited::Interrupted => return Ok(Exit::Interrupted),
            Waited::Expired if renews && shown < CODES => {
                out::say("that code has expired; the next one:\n");
            }
            Waited::Expired => break,
        }
    }
    Err(Failure::new(Exit::TimedOut, "the code has expired; no device was paired with it")
        .next("for a new one: gantline pair"))
}

/// The code, and where to type it.
fn show(minted: &MintedCode) -> Result<(), Failure> {
    let code = hyphenated(&minted.code);
    let mut text = format!("code  {code}\n\n");
    if minted.addresses.is_empty() {
        text.push_str(&format!(
            "This machine has joined no relay, so only devices on it can be paired. Type there:\n\n  \
             gantline add {code}\n\nTo be reached from elsewhere: gantline up --join LINK\n"
        ));
        return out::data(text);
    }
    text.push_str("In a browser, open this page and type the code:\n\n");
    for page in &minted.pages {
        text.push_str(&format!("  {page}\n"));
    }
    text.push_str("\nWith the command line of another machine:\n\n");
    for address in &minted.addresses {
        text.push_str(&format!("  gantline add {code} {address}\n"));
    }
    out::data(text)
}

/// A device that was just paired.
struct Paired {
    id: DeviceId,
    name: String,
    role: Role,
}

enum Waited {
    Paired(Paired),
    Expired,
    Interrupted,
}

/// Waits until a device was paired or nothing can be paired any more.
async fn wait(until: Timestamp, events: &mut Listener) -> Result<Waited, Failure> {
    let counts = io::stderr().is_terminal();
    let clear = if counts { "\r\u{1b}[K" } else { "" };
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let left = until.since(Timestamp::from(SystemTime::now()));
        tokio::select! {
            event = events.next() => {
                let Some(event) = event? else {
                    return Err(Failure::failed("the node has stopped, and the code with it"));
                };
                if let EventKind::DevicePaired { device_id, name, role } = event.what {
                    out::tell(clear);
                    let name = text::line(name.as_str());
                    return Ok(Waited::Paired(Paired { id: device_id, name, role }));
                }
            }
            _ = tick.tick() => {
                if left.is_zero() {
                    out::tell(clear);
                    return Ok(Waited::Expired);
                }
                if counts {
                    let (minutes, seconds) = (left.as_secs() / 60, left.as_secs() % 60);
                    out::tell(format!("{clear}waiting for the device; {minutes}:{seconds:02} left"));
                }
            }
            _ = tokio::signal::ctrl_c() => {
                out::tell(clear);
                return Ok(Waited::Interrupted);
            }
        }
    }
}

/// Says who has come, and by what both ends can be compared.
async fn welcome(paired: &Paired, node: &Reached) -> Result<Exit, Failure> {
    let Paired { id, name, role } = paired;
    out::say(format!("paired: {name} ({})", format!("{role:?}").to_lowercase()));
    let devices = device::devices(node).await?;
    let known = devices.into_iter().find(|device| device.device_id == *id);
    if let Some(number) = known.and_then(|device| device.safety_number) {
        out::say(format!(
            "safety number  {}\nthe device shows the same six words, unless somebody sat in between",
            text::line(&number)
        ));
    }
    Ok(Exit::Ok)
}

async fn invite(
    args: &Args,
    node: &Reached,
    events: &mut Listener,
    context: &Context,
) -> Result<Exit, Failure> {
    let expires = args.expires.unwrap_or(if args.qr { QR_FOR } else { LINK_FOR });
    let out_of_bounds = || Failure::usage("--expires is out of bounds: 1 s to 30 days");
    let valid_for_ms = u32::try_from(expires.as_millis()).map_err(|_| out_of_bounds())?;
    let request = InvitationRequest { role: args.role.into(), valid_for_ms, uses: args.uses };
    let minted: MintedInvitation = node.json(Request::post("/v1/invitations", &request)?).await?;
    if args.json {
        out::json(&minted)?;
        return Ok(Exit::Ok);
    }
    if args.qr {
        return show_qr(&minted.link, minted.invitation.expires_at, node, events, context).await;
    }
    out::data(format!("{}\n", minted.link.reveal()))?;
    out::say(format!(
        "Good for {} and {} device(s). Whoever has the link gets in: send it as you would a key.\n\
         On the other device: gantline add 'LINK'\n\
         To withdraw it: gantline invitation revoke {}",
        text::span(expires),
        minted.invitation.uses_left,
        minted.invitation.invitation_id.0,
    ));
    Ok(Exit::Ok)
}

async fn show_qr(
    link: &InvitationLink,
    expires_at: Timestamp,
    node: &Reached,
    events: &mut Listener,
    context: &Context,
) -> Result<Exit, Failure> {
    let picture = qr::drawn(link.reveal(), context.color.on_stdout()).map_err(Failure::failed)?;
    out::data(format!("{picture}\n{}\n", link.reveal()))?;
    out::say("Point the camera of a phone at it. Whoever sees it gets in.");
    match wait(expires_at, events).await? {
        Waited::Paired(device) => welcome(&device, node).await,
        Waited::Interrupted => Ok(Exit::Interrupted),
        Waited::Expired => {
            Err(Failure::new(Exit::TimedOut, "the link has expired; no device was paired with it")
                .next("for a new one: gantline pair --qr"))
        }
    }
}

/// The code in one word, so that it can be pasted into a command.
fn hyphenated(code: &PairingCode) -> String {
    code.to_string().replace(' ', "-")
}
