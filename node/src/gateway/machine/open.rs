//! How a session is made, and what the machine says of itself first.

use std::time::Duration;

use gantline_client::{
    ConnectError, Connection, Path, PathError, RequestError, connection::Request,
};
use gantline_protocol::api::{Machine as Described, MachineSoftware};
use tokio::time::timeout;

use super::{Shared, told::now};
use crate::gateway::{
    book::{Book, BookError, Entry},
    failure::{Failure, Why},
};

/// How long a machine may take for its first word, once its session stands.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// What a machine says of itself is at most so long, in bytes.
const MAX_DESCRIPTION: usize = 64 * 1024;
/// What is kept of a word that a machine says of its software, in characters.
const MAX_WORD: usize = 64;

impl Shared {
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let name = self.name();
        let machine = self.known().entry.machine.clone();
        let client = self.common.client().await.map_err(|why| Failure::away(&name, &why))?;
        let paths: Vec<_> = machine.relays.iter().cloned().map(Path::Relay).collect();
        if paths.is_empty() {
            return Err(Failure::no_path(&name));
        }
        let mut way = self.common.changes().way_out();
        let connection = {
            let mut connecting = std::pin::pin!(client.connect(&machine, &paths));
            loop {
                tokio::select! {
                    connected = &mut connecting => {
                        break connected.map_err(|error| unreached(&name, &error))?;
                    }
                    _ = way.changed() => client.follow_the_way(),
                }
            }
        };
        let described = timeout(FIRST_WORD, describe(&connection)).await;
        match described.unwrap_or_else(|_| Err(RequestError::Path(PathError::Slow(FIRST_WORD)))) {
            Ok(described) => {
                self.note(described).await;
                Ok(connection)
            }
            Err(error) if error.is_revoked() => {
                self.note_revoked().await;
                Err(Failure::revoked(&name))
            }
            Err(error) => Err(Failure::away(&name, &error)),
        }
    }

    /// What the machine said of itself, and that it knows this device.
    async fn note(&self, described: Described) {
        let software = MachineSoftware {
            version: word(&described.version),
            os: word(&described.os),
            arch: word(&described.arch),
        };
        let is_news = {
            let mut known = self.known();
            known.software = Some(software);
            known.last_seen = Some(now());
            let entry = &known.entry;
            entry.alias != described.alias
                || entry.machine.role != described.role
                || entry.revoked_at.is_some()
        };
        if is_news {
            self.change_entry(move |entry| {
                entry.alias.clone_from(&described.alias);
                entry.machine.role = described.role;
                entry.revoked_at = None;
            })
            .await;
        }
    }

    pub(super) async fn note_revoked(&self) {
        let at = now();
        self.change_entry(move |entry| {
            entry.revoked_at.get_or_insert(at);
        })
        .await;
    }

    /// Changes what is known of the machine, here and in the book.
    async fn change_entry(&self, change: impl Fn(&mut Entry) + Send + 'static) {
        change(&mut self.known().entry);
        let (home, id) = (self.common.home.clone(), self.id);
        let changed = self.common.blocking(move || {
            Book::change(&home, |book| {
                if let Some(entry) = book.by_id_mut(id) {
                    change(entry);
                }
                Ok::<_, BookError>(())
            })
        });
        if let Err(error) = changed.await {
            tracing::warn!(machine = %self.id, %error, "what the machine said could not be noted");
        }
    }
}

async fn describe(connection: &Connection) -> Result<Described, RequestError> {
    connection.request(Request::get("/v1/machine")).await?.json(MAX_DESCRIPTION).await
}

fn unreached(name: &str, error: &ConnectError) -> Failure {
    let is_slow = |(_, error): &(Path, PathError)| matches!(error, PathError::Slow(_));
    match !error.paths.is_empty() && error.paths.iter().all(is_slow) {
        true => Failure { why: Why::Slow, ..Failure::away(name, error) },
        false => Failure::away(name, error),
    }
}

fn word(text: &str) -> String {
    text.chars().take(MAX_WORD).collect()
}
