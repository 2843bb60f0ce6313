//! From what a person named to a connection: which machine is meant, which paths lead there, and
//! what it means when none does.

use std::{net::SocketAddr, time::SystemTime};

use clap::ValueEnum;
use gantline_client::{
    Client, Connection, Path, PathError, RequestError,
    connection::{Answer, Request},
};
use gantline_protocol::{MachineId, Timestamp, api::Machine};
use gantline_transport::Carriers;
use serde::de::DeserializeOwned;

use super::{
    failure::{Exit, Failure},
    text,
};
use crate::{
    api::listen::{Place, UnixSocket},
    gateway::book::{self, Book, Entry},
    state::{Home, identity},
};

/// The greatest answer that is read whole, in bytes.
pub(super) const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The one path that a person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PathChoice {
    /// The Unix socket of the node on this machine.
    Unix,
    /// 127.0.0.1, with a session.
    Loopback,
    /// A relay.
    Relay,
}

/// What it takes to reach machines.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// Where this user's files are.
    pub(super) home: Home,
    path: Option<PathChoice>,
}

/// Which machine is meant.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// The node of this user on this machine.
    Here,
    /// A machine that this device is paired with.
    Paired(Box<Entry>),
}

/// A machine that is reached. Knows how to be reached again.
#[derive(Debug)]
pub(super) struct Reached {
    /// The way there.
    pub(super) connection: Connection,
    /// The machine that was meant.
    pub(super) target: Target,
    /// What people call it.
    pub(super) name: String,
    /// What reached it.
    pub(super) client: Client,
    home: Home,
}

impl Reach {
    pub(super) const fn new(home: Home, path: Option<PathChoice>) -> Self {
        Self { home, path }
    }

    /// This device.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let carriers = Carriers::from_env().map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Client::with_carriers(book::device(&self.home)?, carriers))
    }

    /// The path that was asked for.
    pub(super) const fn choice(&self) -> Option<PathChoice> {
        self.path
    }

    /// Reaches the machine that a person named, or the node of this machine if they named none.
    pub(super) async fn machine(&self, on: Option<&str>) -> Result<Reached, Failure> {
        let client = self.client()?;
        let target = self.target(&client, on).await?;
        self.open(&client, target).await
    }

    /// The machine that a person named.
    pub(super) async fn target(
        &self,
        client: &Client,
        on: Option<&str>,
    ) -> Result<Target, Failure> {
        let book = Book::load(&self.home)?;
        let Some(wanted) = on else {
            return match self.path {
                None | Some(PathChoice::Unix) => Ok(Target::Here),
                Some(PathChoice::Loopback | PathChoice::Relay) => Err(Failure::usage(
                    "--path loopback and --path relay need --on NAME: without it the node of this \
                     machine is meant, by its socket",
                )),
            };
        };
        if let Some(entry) = book.find(wanted)? {
            return Ok(Target::Paired(Box::new(entry.clone())));
        }
        if matches!(self.path, None | Some(PathChoice::Unix))
            && let Ok(here) = client.local(&self.socket()).await
            && let Ok(answer) = here.request(Request::get("/v1/machine")).await
            && let Ok(machine) = answer.json::<Machine>(MAX_ANSWER).await
            && (machine.name.as_str() == wanted
                || machine.machine_id.to_string() == wanted
                || machine.alias.is_some_and(|alias| alias.as_str() == wanted))
        {
            return Ok(Target::Here);
        }
        Err(Failure::usage(format!("no machine called {} is paired", text::line(wanted)))
            .next(paired(&book)))
    }

    /// Opens a connection to `target`.
    pub(super) async fn open(&self, client: &Client, target: Target) -> Result<Reached, Failure> {
        let connection = match &target {
            Target::Here => self.here(client).await?,
            Target::Paired(entry) => {
                let paths = self.paths(entry)?;
                client.connect(&entry.machine, &paths).await.map_err(|error| {
                    let failure = Failure::from(error)
                        .while_doing(format!("{} can't be reached", entry.machine.name));
                    match entry.revoked_at {
                        Some(_) => failure.next(again(entry.machine.name.as_str())),
                        None => failure,
                    }
                })?
            }
        };
        let name = match &target {
            Target::Here => "this machine".to_owned(),
            Target::Paired(entry) => entry.machine.name.to_string(),
        };
        let (client, home) = (client.clone(), self.home.clone());
        Ok(Reached { connection, target, name, client, home })
    }

    /// The node of this user on this machine.
    async fn here(&self, client: &Client) -> Result<Connection, Failure> {
        let socket = self.socket();
        client.local(&socket).await.map_err(|error| {
            let PathError::Local(error) = error else {
                return Failure::from(error).while_doing("the node on this machine");
            };
            let next = match Book::load(&self.home).ok().and_then(|book| book.names()) {
                Some(names) => format!(
                    "start one with `gantline up`, or name a paired machine with --on: {names}"
                ),
                None => "start one with `gantline up`; no other machine is paired".to_owned(),
            };
            let what = format!("no node runs on this machine ({}: {error})", socket.display());
            Failure::new(Exit::Unreachable, what).next(next)
        })
    }

    /// The paths that are tried for a paired machine.
    pub(super) fn paths(&self, entry: &Entry) -> Result<Vec<Path>, Failure> {
        let relays = || entry.machine.relays.iter().cloned().map(Path::Relay);
        let name = &entry.machine.name;
        Ok(match self.path {
            Some(PathChoice::Unix) => vec![Path::Unix(self.socket())],
            Some(PathChoice::Loopback) => {
                vec![Path::Loopback(self.loopback()?.ok_or_else(no_loopback)?)]
            }
            Some(PathChoice::Relay) => match relays().collect::<Vec<_>>() {
                paths if paths.is_empty() => {
                    return Err(Failure::new(
                        Exit::Unreachable,
                        format!("{name} told of no relay when it was paired"),
                    )
                    .next("let it join one (`gantline up --join LINK` there), then pair again"));
                }
                paths => paths,
            },
            None if self.is_here(entry.machine.machine_id)? => {
                let loopback = self.loopback()?.map(Path::Loopback);
                [Path::Unix(self.socket())].into_iter().chain(loopback).chain(relays()).collect()
            }
            None => relays().collect(),
        })
    }

    /// Where the node of this home listens on 127.0.0.1.
    pub(super) fn loopback(&self) -> Result<Option<SocketAddr>, Failure> {
        let place: Option<Place> = self.home.run_files().read_json(Place::FILE)?;
        Ok(place.map(|place| place.address))
    }

    /// Whether the node of this home is that machine.
    pub(super) fn is_here(&self, machine: MachineId) -> Result<bool, Failure> {
        Ok(identity::machine_id(&self.home.state_files())? == Some(machine))
    }

    /// Where the node of this home has its socket.
    pub(super) fn socket(&self) -> std::path::PathBuf {
        self.home.run_dir().join(UnixSocket::NAME)
    }
}

/// Where no node listens on 127.0.0.1.
pub(super) fn no_loopback() -> Failure {
    Failure::new(Exit::Unreachable, "no node of this home listens on 127.0.0.1")
        .next("start one with `gantline up`, or leave --path out")
}

impl Target {
    /// Whether both mean one machine.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here, Self::Here) => true,
            (Self::Paired(one), Self::Paired(other)) => {
                one.machine.machine_id == other.machine.machine_id
            }
            (Self::Here, Self::Paired(_)) | (Self::Paired(_), Self::Here) => false,
        }
    }
}

impl Reached {
    /// Which machine it is.
    pub(super) async fn machine_id(&self) -> Result<MachineId, Failure> {
        self.connection.machine().await.map_err(|error| self.failed(error))
    }

    /// Asks the machine for something.
    pub(super) async fn request(&self, request: Request) -> Result<Answer, Failure> {
        self.connection.request(request).await.map_err(|error| self.failed(error))
    }

    /// Asks the machine for something, and reads the answer as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<T, Failure> {
        let answer = self.request(request).await?;
        answer.json(MAX_ANSWER).await.map_err(|error| self.failed(error))
    }

    /// What it means that a request failed.
    pub(super) fn failed(&self, error: RequestError) -> Failure {
        if error.is_revoked()
            && let Target::Paired(entry) = &self.target
        {
            return revoked(&self.home, entry);
        }
        let failure = Failure::from(error);
        match &self.target {
            Target::Here => failure,
            Target::Paired(entry) => failure.while_doing(&entry.machine.name),
        }
    }
}

/// Notes that a machine has removed this device, and says so. The machine itself said it, inside
/// the session; the entry is kept all the same.
pub(super) fn revoked(home: &Home, entry: &Entry) -> Failure {
    let now = Timestamp::from(SystemTime::now());
    let noted = Book::change(home, |book| {
        if let Some(entry) = book.by_id_mut(entry.machine.machine_id) {
            entry.revoked_at.get_or_insert(now);
        }
        Ok::<_, Failure>(())
    });
    let name = entry.machine.name.as_str();
    let failure = Failure::failed(format!("{name} has removed this device: it was revoked"));
    match noted {
        Ok(()) => failure.next(again(name)),
        Err(error) => failure.next(format!("{}\n(not noted: {error})", again(name))),
    }
}

fn again(name: &str) -> String {
    format!(
        "to pair again: run `gantline pair` on {name}, and here the `gantline add …` that it shows"
    )
}

/// What may be named, for a message.
pub(super) fn paired(book: &Book) -> String {
    match book.names() {
        Some(names) => format!("paired machines: {names}"),
        None => "none is paired yet: run `gantline pair` on a machine, and here the \
                 `gantline add …` that it shows"
            .to_owned(),
    }
}
