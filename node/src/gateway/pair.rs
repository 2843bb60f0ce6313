//! Pairs this node's user with another machine, by a code or a link that a person brought.

use std::time::{Duration, Instant};

use gantline_client::{
    Client, KnownMachine, MachineAddress, Pairing, Path, PathError, connection::Request,
};
use gantline_crypto::pairing::{
    CodeAttempts, PairingCode, PairingError, PairingLink, wire::Refusal,
};
use gantline_protocol::{
    MachineId,
    api::{AddMachineRequest, AddedMachine, Machine, MachineKey, ProblemCode},
};

use super::{
    Gateway, MAX_MACHINES,
    book::{Book, BookError},
};
use crate::api::Refused;

/// Codes whose tries are remembered. One more pushes out the oldest.
const MAX_CODES: usize = 32;
/// A code is good for two minutes; after that the machine knows it no longer.
const REMEMBERED: Duration = Duration::from_secs(150);
/// What a machine says of itself is at most so long, in bytes.
const MAX_DESCRIPTION: usize = 64 * 1024;

/// The codes that were tried. Each try lets a malicious relay test one guess, so a code that comes
/// again has not got all of its tries again.
#[derive(Debug, Default)]
pub(super) struct Tries(Vec<Tried>);

#[derive(Debug)]
struct Tried {
    machine: MachineId,
    code: PairingCode,
    attempts: CodeAttempts,
    at: Instant,
}

/// What a person brought, understood.
enum Key {
    Code(MachineAddress, PairingCode),
    Link(PairingLink),
}

impl Gateway {
    /// Pairs with a machine and enters it in the list.
    pub(crate) async fn add(&self, request: AddMachineRequest) -> Result<AddedMachine, Refused> {
        let AddMachineRequest { key, name } = request;
        let key = Key::read(&key)?;
        let (machine, path) = key.door();
        if machine == self.local_id() {
            return Err(Refused::conflict(
                "this is the node's own machine, which is there already",
            ));
        }
        let home = self.common().home.clone();
        let book = self
            .common()
            .blocking(move || Book::load(&home))
            .await
            .map_err(|error: BookError| Refused::from(error))?;
        let known = book.by_id(machine).map(|entry| entry.machine.clone());
        if known.is_none() && book.machines.len() >= MAX_MACHINES {
            let detail = format!("{MAX_MACHINES} machines are paired: forget one first");
            return Err(Refused::conflict(detail));
        }
        if let Some(name) = &name
            && book.free_name(name, machine) != *name
        {
            let detail = format!("another machine is called {name} already; choose another name");
            return Err(Refused::conflict(detail));
        }
        let client = self.common().client().await.map_err(|why| Refused::internal(&why))?.clone();
        let paired = match key {
            Key::Link(link) => {
                let with = Pairing::Link(&link);
                client.pair(with, &path, known.as_ref()).await
            }
            Key::Code(_, code) => {
                // Out of the list while it is tried: the same code at the same time begins anew
                // there, and the machine counts its own.
                let mut attempts = self.tries().take(machine, &code);
                let with = Pairing::Code { machine, attempts: &mut attempts };
                let paired = client.pair(with, &path, known.as_ref()).await;
                self.tries().keep(machine, code, attempts);
                paired
            }
        };
        let paired = paired.map_err(|error| refusal(&error, &path))?;
        let safety_number = paired.safety_number(client.device().key.public()).to_string();
        let entered = paired.clone();
        self.change(move |book| Ok(book.enter(entered, name))).await.map_err(not_stored)?;
        let machine = self.find(machine).await?.summary();
        tokio::spawn(first_session(self.clone(), client, paired, path));
        Ok(AddedMachine { machine, safety_number })
    }

    fn tries(&self) -> std::sync::MutexGuard<'_, Tries> {
        // Nothing in here can panic half-way.
        self.shared.tries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Tries {
    fn take(&mut self, machine: MachineId, code: &PairingCode) -> CodeAttempts {
        self.0.retain(|tried| tried.at.elapsed() < REMEMBERED);
        let place = self.0.iter().position(|tried| tried.machine == machine && tried.code == *code);
        match place {
            Some(place) => self.0.remove(place).attempts,
            None => CodeAttempts::new(code.clone()),
        }
    }

    fn keep(&mut self, machine: MachineId, code: PairingCode, attempts: CodeAttempts) {
        if self.0.len() >= MAX_CODES {
            self.0.remove(0);
        }
        self.0.push(Tried { machine, code, attempts, at: Instant::now() });
    }
}

impl Key {
    fn read(key: &MachineKey) -> Result<Self, Refused> {
        let invalid = |error: gantline_protocol::WireError| Refused::invalid(error.to_string());
        match key {
            MachineKey::Code { code, address } => {
                let code = code.to_string().parse().map_err(invalid)?;
                Ok(Self::Code(address.trim().parse().map_err(invalid)?, code))
            }
            MachineKey::Link { link } => {
                Ok(Self::Link(link.reveal().trim().parse().map_err(invalid)?))
            }
        }
    }

    fn door(&self) -> (MachineId, Path) {
        match self {
            Self::Code(address, _) => (address.machine, Path::Relay(address.relay.clone())),
            Self::Link(link) => (link.machine, Path::Relay(link.relay.clone())),
        }
    }
}

/// Opens the first session, without which the machine forgets the pairing in 10 minutes.
async fn first_session(gateway: Gateway, client: Client, mut paired: KnownMachine, path: Path) {
    let id = paired.machine_id;
    // Only with the new secret: an earlier one would prove nothing about it.
    paired.earlier = None;
    let opened = async {
        let connection =
            client.connect(&paired, &[path]).await.map_err(|error| error.to_string())?;
        let answer = connection.request(Request::get("/v1/machine")).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let said: Result<Machine, _> = answer.json(MAX_DESCRIPTION).await;
        connection.close().await;
        said.map_err(|error| error.to_string())
    };
    match opened.await {
        Ok(said) => {
            let noted = gateway.change(move |book| {
                if let Some(entry) = book.by_id_mut(id) {
                    entry.machine.earlier = None;
                    entry.alias = said.alias;
                }
                Ok(())
            });
            if let Err(Refused(problem)) = noted.await {
                tracing::warn!(machine = %id, %problem, "not noted that the pairing works");
            }
        }
        Err(error) => tracing::warn!(machine = %id, error, "the first session failed"),
    }
}

/// What it means that a pairing failed.
fn refusal(error: &PathError, path: &Path) -> Refused {
    const NEW: &str = "ask for a new one: `gantline pair` on the machine";
    let PathError::Pairing(pairing) = error else {
        let code = match error {
            PathError::Slow(_) => ProblemCode::TimedOut,
            PathError::Dial(_)
            | PathError::NoSocket(_)
            | PathError::Refused(_)
            | PathError::Local(_)
            | PathError::OtherMachine
            | PathError::Broken(_)
            | PathError::HungUp
            | PathError::NotProved
            | PathError::Pairing(_) => ProblemCode::Unreachable,
        };
        let detail = format!(
            "nothing was paired, and the code was not spent if it was not sent: {path}: {error}"
        );
        return Refused::new(code, detail);
    };
    match pairing {
        PairingError::NotConfirmed | PairingError::Refused(Refusal::Wrong) => {
            Refused::conflict(format!("the code or link is wrong, or somebody interferes; {NEW}"))
        }
        PairingError::NotOpen | PairingError::Refused(Refusal::NotOpen) => {
            Refused::conflict(format!(
                "the machine takes no such code or link now: it has expired, was used, or was burnt by wrong tries; {NEW}"
            ))
        }
        PairingError::AskForNewCode => {
            Refused::conflict(format!("two tries with this code have failed; {NEW}"))
        }
        PairingError::Refused(Refusal::Busy) => Refused::new(
            ProblemCode::Unavailable,
            "the machine has too many pairings under way, or too many devices: try again in a minute",
        ),
        PairingError::ForeignMachine => Refused::conflict(
            "whoever answered is another machine than the address names; nothing was paired. If the address is right, somebody interferes",
        ),
        PairingError::Refused(Refusal::Broken | Refusal::Other(_))
        | PairingError::Wire(_)
        | PairingError::Over => {
            let detail =
                format!("{pairing}; nothing was paired. Is one of the two programs older?");
            Refused::new(ProblemCode::Unreachable, detail)
        }
    }
}

fn not_stored(Refused(mut problem): Refused) -> Refused {
    let why = problem.detail.take().unwrap_or_default();
    problem.detail = Some(format!(
        "the machine agreed, but the pairing can't be stored here: {why}. The machine forgets it in 10 minutes; mend this, then ask for a new code"
    ));
    Refused(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_comes_again_has_not_got_all_of_its_tries_again() {
        let mut tries = Tries::default();
        let (machine, code) = (MachineId::from_bytes([1; 16]), "12345678".parse().unwrap());
        for number in 0..MAX_CODES as u8 * 2 {
            let other = MachineId::from_bytes([number.wrapping_add(2); 16]);
            tries.keep(other, PairingCode::clone(&code), tries_of(&code));
        }
        assert_eq!(tries.0.len(), MAX_CODES);
        tries.keep(machine, code.clone(), tries_of(&code));
        assert_eq!(tries.0.len(), MAX_CODES, "codes fill the memory");
        let before = tries.0.len();
        drop(tries.take(machine, &code));
        assert_eq!(tries.0.len(), before - 1, "the tries of this code were not found");
    }

    fn tries_of(code: &PairingCode) -> CodeAttempts {
        CodeAttempts::new(code.clone())
    }
}
