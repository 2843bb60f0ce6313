//! `gantline add`: pairs this user's device with a machine, by the code or link that it showed.

use std::io::{self, BufRead, IsTerminal};

use gantline_client::{
    Client, KnownMachine, MachineAddress, Pairing, Path, PathError, connection::Request,
};
use gantline_crypto::{
    SafetyNumber,
    pairing::{CodeAttempts, PairingCode, PairingError, PairingLink, wire::Refusal},
};
use gantline_protocol::{MachineId, Name, RelayAddress, Role, api::Machine};
use serde::Serialize;

use super::{
    Context,
    failure::{Exit, Failure},
    out,
    reach::{MAX_ANSWER, PathChoice, no_loopback},
    text,
};
use crate::gateway::book::{Book, Entry};

/// How often a code may be tried. Each try lets a malicious relay test one guess.
const TRIES: u32 = 2;

/// Pair this user with a machine, by the code or link that it showed
///
/// Type what `gantline pair` showed on the machine. Without an address this machine's own node is
/// meant. A link is taken whole, or only what stands behind its #; put it in quotes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline add 2238-4304 k5xq3nzf6m2a7tjw4bhd5ycvoe.relay.example
  gantline add 'https://relay.example/pair#1.k5xq…'
  gantline add 2238-4304                      the node on this machine")]
pub(super) struct Args {
    /// CODE [ADDRESS], or LINK
    #[arg(required = true, num_args = 1..=3, value_name = "CODE [ADDRESS] | LINK")]
    what: Vec<String>,
    /// What you will call the machine; its own name if left out
    #[arg(long)]
    name: Option<Name>,
    /// Print what was paired as JSON
    #[arg(long)]
    json: bool,
}

/// What was typed.
#[derive(Debug)]
enum Key {
    Code { code: PairingCode, address: Option<MachineAddress> },
    Link(PairingLink),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added<'a> {
    machine_id: MachineId,
    name: &'a Name,
    role: Role,
    relays: &'a [RelayAddress],
    /// Six words, to compare.
    safety_number: String,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let key = read(&args.what)?;
    let client = context.reach.client()?;
    let (machine, path) = door(&key, context, &client).await?;
    let book = Book::load(&context.reach.home)?;
    if let Some(name) = &args.name
        && book.free_name(name, machine) != *name
    {
        return Err(Failure::usage(format!("another machine is called {name} already"))
            .next("choose another --name"));
    }
    let known = book.by_id(machine).map(|entry| &entry.machine);
    let paired = match key {
        Key::Link(link) => client
            .pair(Pairing::Link(&link), &path, known)
            .await
            .map_err(|error| explain(&error, &path, "link"))?,
        Key::Code { code, .. } => by_code(&client, machine, code, &path, known).await?,
    };
    let paired = keep(paired, args.name, context)?;
    tell(&paired, &client, args.json)?;
    first_session(&paired, &client, &path, context).await;
    Ok(Exit::Ok)
}

fn read(what: &[String]) -> Result<Key, Failure> {
    let half = |part: &&String| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    match what {
        [link] if link.contains('#') || link.starts_with("1.") => Ok(Key::Link(link.parse()?)),
        [code] => Ok(Key::Code { code: code.parse()?, address: None }),
        [left, right, rest @ ..] if half(&left) && half(&right) => {
            let address = rest.first().map(|address| address.parse()).transpose()?;
            Ok(Key::Code { code: format!("{left}{right}").parse()?, address })
        }
        [code, address] => Ok(Key::Code { code: code.parse()?, address: Some(address.parse()?) }),
        _ => Err(Failure::usage("that is neither CODE [ADDRESS] nor LINK")
            .next("see `gantline add --help`")),
    }
}

/// The machine that is meant, and the one path on which a pairing is tried.
async fn door(key: &Key, context: &Context, client: &Client) -> Result<(MachineId, Path), Failure> {
    let reach = &context.reach;
    let (machine, relay) = match key {
        Key::Link(link) => (link.machine, Some(link.relay.clone())),
        Key::Code { address: Some(address), .. } => (address.machine, Some(address.relay.clone())),
        Key::Code { address: None, .. } => {
            match client.local(&reach.socket()).await {
                Ok(here) => (here.machine().await?, None),
                Err(_) => {
                    return Err(Failure::usage(
                    "the code alone does not say which machine: no node runs on this one",
                )
                .next("type the whole line that `gantline pair` shows, with the machine's address"));
                }
            }
        }
    };
    let loopback = reach.loopback()?.map(Path::Loopback);
    let path = match reach.choice() {
        Some(PathChoice::Unix) => {
            return Err(Failure::usage("a device can't be paired by the Unix socket")
                .next("leave --path out, or use --path loopback"));
        }
        Some(PathChoice::Loopback) => loopback.ok_or_else(no_loopback)?,
        Some(PathChoice::Relay) => Path::Relay(relay.ok_or_else(|| {
            Failure::usage("--path relay needs the machine's address, with its relay")
        })?),
        None => match (loopback, relay) {
            (Some(loopback), None) => loopback,
            (Some(loopback), Some(_)) if reach.is_here(machine)? => loopback,
            (_, Some(relay)) => Path::Relay(relay),
            (None, None) => return Err(no_loopback()),
        },
    };
    Ok((machine, path))
}

/// Pairs with a code. After the first wrong one a person is asked once more.
async fn by_code(
    client: &Client,
    machine: MachineId,
    code: PairingCode,
    path: &Path,
    known: Option<&KnownMachine>,
) -> Result<KnownMachine, Failure> {
    let mut typed = code.reveal();
    let mut attempts = CodeAttempts::new(code);
    for tried in 1.. {
        let with = Pairing::Code { machine, attempts: &mut attempts };
        let error = match client.pair(with, path, known).await {
            Ok(paired) => return Ok(paired),
            Err(error) => error,
        };
        if !is_wrong(&error) || tried >= TRIES || !io::stdin().is_terminal() {
            return Err(explain(&error, path, "code"));
        }
        out::say("that is not the code of the machine, or somebody interferes");
        out::tell("the code, once more: ");
        let Some(again) = ask().await? else {
            return Err(explain(&error, path, "code"));
        };
        let code: PairingCode = again.parse()?;
        if code.reveal() != typed {
            typed = code.reveal();
            attempts = CodeAttempts::new(code);
        }
    }
    Err(Failure::failed("the code was tried as often as it may be"))
}

async fn ask() -> Result<Option<String>, Failure> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|length| (length > 0).then_some(line))
    });
    let line = read.await.map_err(Failure::failed)??;
    Ok(line.map(|line| line.trim().to_owned()))
}

const fn is_wrong(error: &PathError) -> bool {
    matches!(
        error,
        PathError::Pairing(PairingError::NotConfirmed | PairingError::Refused(Refusal::Wrong))
    )
}

/// What it means that a pairing failed, and what to do next.
fn explain(error: &PathError, path: &Path, what: &str) -> Failure {
    let new_one = match what {
        "link" => "ask for a new link: `gantline pair --link` on the machine",
        _ => "for a new code: `gantline pair` on the machine. Three wrong codes burn a code",
    };
    let PathError::Pairing(pairing) = error else {
        let failure = Failure::new(Exit::Unreachable, error).while_doing(path);
        return failure.next("nothing was paired, and the code was not spent if it was not sent");
    };
    match pairing {
        PairingError::NotConfirmed | PairingError::Refused(Refusal::Wrong) => {
            Failure::failed(format!("the {what} is wrong, or somebody interferes")).next(new_one)
        }
        PairingError::NotOpen | PairingError::Refused(Refusal::NotOpen) => Failure::failed(format!(
            "the machine takes no {what} now: it has expired, was used, or was burnt by wrong tries"
        ))
        .next(new_one),
        PairingError::Refused(Refusal::Busy) => {
            Failure::failed("the machine has too many pairings under way, or too many devices")
                .next("try again in a minute; `gantline device list` there shows the devices")
        }
        PairingError::ForeignMachine => {
            Failure::failed("whoever answered is another machine than the address names")
                .next("nothing was paired; check the address. If it is right, somebody interferes")
        }
        PairingError::AskForNewCode => Failure::failed(pairing).next(new_one),
        PairingError::Refused(Refusal::Broken | Refusal::Other(_))
        | PairingError::Wire(_)
        | PairingError::Over => {
            Failure::failed(pairing).next("nothing was paired; is one of the two programs older?")
        }
    }
}

/// Stores what was paired, before anybody is told.
fn keep(paired: KnownMachine, name: Option<Name>, context: &Context) -> Result<Entry, Failure> {
    let stored =
        Book::change(&context.reach.home, |book| Ok::<_, Failure>(book.enter(paired, name)));
    stored.map_err(|failure| {
        failure.while_doing("the machine agreed, but the pairing can't be stored here").next(
            "nothing was paired; the machine forgets it in 10 minutes. Mend this, then ask for a \
             new code",
        )
    })
}

fn tell(entry: &Entry, client: &Client, as_json: bool) -> Result<(), Failure> {
    let machine = &entry.machine;
    let safety: SafetyNumber = machine.safety_number(client.device().key.public());
    if as_json {
        return out::json(&Added {
            machine_id: machine.machine_id,
            name: &machine.name,
            role: machine.role,
            relays: &machine.relays,
            safety_number: safety.to_string(),
        });
    }
    out::data(format!(
        "paired with {name} ({id}), as {role}\nsafety number  {safety}\n",
        name = text::line(machine.name.as_str()),
        id = machine.machine_id,
        role = format!("{:?}", machine.role).to_lowercase(),
    ))
}

/// Opens the first session, without which the machine forgets the pairing in 10 minutes.
async fn first_session(entry: &Entry, client: &Client, path: &Path, context: &Context) {
    // Only with the new secret: an earlier one would prove nothing about it.
    let mut machine = entry.machine.clone();
    machine.earlier = None;
    let alias = async {
        let connection = client.connect(&machine, std::slice::from_ref(path)).await?;
        let answer = connection.request(Request::get("/v1/machine")).await?;
        let said: Machine = answer.json(MAX_ANSWER).await?;
        connection.close().await;
        Ok::<_, Failure>(said.alias)
    }
    .await;
    let name = &entry.machine.name;
    match alias {
        Ok(alias) => {
            let noted = Book::change(&context.reach.home, |book| {
                if let Some(entry) = book.by_id_mut(machine.machine_id) {
                    entry.machine.earlier = None;
                    entry.alias = alias;
                }
                Ok::<_, Failure>(())
            });
            if let Err(failure) = noted {
                out::say(format!("not noted that the pairing works: {failure}"));
            }
            out::say(format!("worth trying: gantline exec --on {name} -- uname -a"));
        }
        Err(failure) => out::say(format!(
            "the first session failed: {failure}\n\
             use {name} within 10 minutes (`gantline machines --check`), or it forgets this device"
        )),
    }
}
