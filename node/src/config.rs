//! `config.toml`: what a person decides about their node. The daemon reads it once, at its start;
//! `gantline up --join` adds a relay to it.

use std::{num::NonZeroU16, path::Path, str};

use gantline_protocol::{Alias, Name, RelayAddress};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    history::Retention,
    state::{Home, StateError, read_config, write_config},
};

/// The name of the file in [`Home::config_dir`].
pub const FILE: &str = "config.toml";
/// The port of the local page and API on 127.0.0.1, unless another is asked for.
pub const DEFAULT_LOOPBACK_PORT: u16 = 33120;
/// The greatest number of relays.
pub const MAX_RELAYS: usize = 16;

/// The most days and lives for which history is kept.
pub const MAX_HISTORY_DAYS: u32 = 3650;
/// See [`MAX_HISTORY_DAYS`].
pub const MAX_HISTORY_ROWS: u32 = 10_000_000;

/// What a person decided about their node, checked. A missing file means the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What people call the machine; its host name if left out.
    pub name: Option<Name>,
    /// The machine's subdomain at its relays, if it wants one.
    pub alias: Option<Alias>,
    /// The relays that the node dials, each at most once.
    pub relays: Vec<RelayConfig>,
    /// The API on 127.0.0.1.
    pub loopback: LoopbackConfig,
    /// How long history is kept: the table `[history]`, with `days` and `rows`.
    pub history: Retention,
}

/// A relay that the node dials: a `[[relay]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    /// Where it is and how it is recognised: `address = "host[:port][~pin]"`.
    pub address: RelayAddress,
    /// A proxy in front of the relay ends TLS: `behind-proxy`. The link goes by WebSocket, and its
    /// login can't be tied to the TLS connection.
    pub behind_proxy: bool,
}

impl From<RelayAddress> for RelayConfig {
    /// A relay that ends TLS itself.
    fn from(address: RelayAddress) -> Self {
        Self { address, behind_proxy: false }
    }
}

/// The API on 127.0.0.1: the table `[loopback]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopbackConfig {
    /// Whether there is one at all: `enabled`.
    pub enabled: bool,
    /// Where to listen: `port`.
    pub port: LoopbackPort,
}

/// Where the loopback listener listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopbackPort {
    /// On this port, or if it is taken on the next one that is free.
    From(NonZeroU16),
    /// On whichever the system gives; 0 in the file.
    Any,
}

/// What is wrong with `config.toml`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named is not there.
    #[error("there is no configuration file {0}: name another, or leave --config out")]
    Missing(String),
    /// It is not TOML, or a key or value in it is not known.
    #[error("{path} can't be understood: {why}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong, with its line and key.
        why: String,
    },
    /// A relay can't be added to it by a program.
    #[error(
        "{path} lists its relays in a form that can't be added to: add this yourself: [[relay]] address = \"{address}\""
    )]
    AddByHand {
        /// The file.
        path: String,
        /// The relay to add.
        address: RelayAddress,
    },
    /// It has the relay with another pin.
    #[error(
        "{path} has this relay as {listed}: if its key was changed on purpose, remove that entry and join again"
    )]
    OtherPin {
        /// The file.
        path: String,
        /// What the file says.
        listed: RelayAddress,
    },
    /// The file can't be read or written.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Config {
    /// Reads `config.toml` of `home`; the default if there is none.
    ///
    /// # Errors
    /// [`ConfigError`] if it can't be read or understood.
    pub fn load(home: &Home) -> Result<Self, ConfigError> {
        let path = home.config_dir().join(FILE);
        Self::load_if_there(&path).map(Option::unwrap_or_default)
    }

    /// Reads the file that a person named.
    ///
    /// # Errors
    /// [`ConfigError`] if it is missing, or can't be read or understood.
    pub fn load_from(path: &Path) -> Result<Self, ConfigError> {
        Self::load_if_there(path)?.ok_or_else(|| ConfigError::Missing(path.display().to_string()))
    }

    fn load_if_there(path: &Path) -> Result<Option<Self>, ConfigError> {
        let Some(bytes) = read_config(path)? else {
            return Ok(None);
        };
        let invalid = |why| ConfigError::Invalid { path: path.display().to_string(), why };
        let text = str::from_utf8(&bytes).map_err(|error| invalid(not_utf8(&bytes, error)))?;
        Self::parse(text).map(Some).map_err(invalid)
    }

    /// Adds a relay to `config.toml` of `home`, unless it is there; says whether it was added.
    /// Everything else in the file, comments too, stays as it is.
    ///
    /// # Errors
    /// [`ConfigError`] if the file can't be read, understood, added to or written.
    pub fn add_relay(home: &Home, address: &RelayAddress) -> Result<bool, ConfigError> {
        let path = home.config_dir().join(FILE);
        let before = Self::load(home)?;
        let shown = || path.display().to_string();
        if let Some(listed) = before.relays.iter().find(|relay| relay.is_at(address)) {
            let listed = listed.address.clone();
            return match listed == *address {
                true => Ok(false),
                false => Err(ConfigError::OtherPin { path: shown(), listed }),
            };
        }
        let bytes = read_config(&path)?.unwrap_or_default();
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let gap = if text.is_empty() { "" } else { "\n" };
        // A table of its own may follow anything, except a list written as `relay = […]`.
        text.push_str(&format!("{gap}[[relay]]\naddress = \"{address}\"\n"));
        match Self::parse(&text) {
            Ok(after) if after.relays.len() == before.relays.len() + 1 => {}
            Ok(_) | Err(_) => {
                return Err(ConfigError::AddByHand { path: shown(), address: address.clone() });
            }
        }
        write_config(home, FILE, text.as_bytes())?;
        Ok(true)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut relays: Vec<RelayConfig> = Vec::new();
        for relay in written.relay {
            let line = line_of(text, relay.address.span().start);
            let address = relay.address.into_inner();
            let complaint = if relays.len() >= MAX_RELAYS {
                Some(format!("there are more than {MAX_RELAYS} relays"))
            } else {
                relays
                    .iter()
                    .any(|other| other.is_at(&address))
                    .then(|| format!("port {} of {} is listed twice", address.port, address.host))
            };
            if let Some(complaint) = complaint {
                return Err(format!("line {line}, key `relay.address`: {complaint}"));
            }
            relays.push(RelayConfig { address, behind_proxy: relay.behind_proxy });
        }
        let WrittenHistory { days, rows } = written.history;
        for (key, number, greatest) in
            [("days", &days, MAX_HISTORY_DAYS), ("rows", &rows, MAX_HISTORY_ROWS)]
        {
            if !(1..=greatest).contains(number.get_ref()) {
                let line = line_of(text, number.span().start);
                return Err(format!(
                    "line {line}, key `history.{key}`: it is not within 1 and {greatest}"
                ));
            }
        }
        let WrittenLoopback { enabled, port } = written.loopback;
        let port = NonZeroU16::new(port).map_or(LoopbackPort::Any, LoopbackPort::From);
        Ok(Self {
            name: written.name,
            alias: written.alias,
            relays,
            loopback: LoopbackConfig { enabled, port },
            history: Retention { days: days.into_inner(), rows: rows.into_inner() },
        })
    }
}

impl RelayConfig {
    fn is_at(&self, address: &RelayAddress) -> bool {
        (&self.address.host, self.address.port) == (&address.host, address.port)
    }
}

impl Default for Config {
    fn default() -> Self {
        let port =
            NonZeroU16::new(DEFAULT_LOOPBACK_PORT).map_or(LoopbackPort::Any, LoopbackPort::From);
        let loopback = LoopbackConfig { enabled: true, port };
        Self {
            name: None,
            alias: None,
            relays: Vec::new(),
            loopback,
            history: Retention::default(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<Name>,
    alias: Option<Alias>,
    #[serde(default)]
    relay: Vec<WrittenRelay>,
    #[serde(default)]
    loopback: WrittenLoopback,
    #[serde(default)]
    history: WrittenHistory,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRelay {
    address: Spanned<RelayAddress>,
    #[serde(default, rename = "behind-proxy")]
    behind_proxy: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenLoopback {
    enabled: bool,
    port: u16,
}

impl Default for WrittenLoopback {
    fn default() -> Self {
        Self { enabled: true, port: DEFAULT_LOOPBACK_PORT }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenHistory {
    days: Spanned<u32>,
    rows: Spanned<u32>,
}

impl Default for WrittenHistory {
    fn default() -> Self {
        let Retention { days, rows } = Retention::default();
        Self { days: Spanned::new(0..0, days), rows: Spanned::new(0..0, rows) }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn not_utf8(bytes: &[u8], error: str::Utf8Error) -> String {
    let before = bytes.iter().take(error.valid_up_to());
    format!("line {} is not UTF-8", before.filter(|byte| **byte == b'\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PIN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(&dir.path().join("home")).unwrap();
        (dir, home)
    }

    #[test]
    fn a_node_without_configuration_starts_but_one_whose_file_was_named_does_not() {
        let (dir, home) = home();
        assert_eq!(Config::load(&home).unwrap(), Config::default());
        let missing = dir.path().join("mine.toml");
        let error = Config::load_from(&missing).unwrap_err();
        assert!(error.to_string().contains("mine.toml"), "{error}");
        fs::write(&missing, "name = \"ada\"\nloopback.port = 0\n").unwrap();
        let config = Config::load_from(&missing).unwrap();
        assert_eq!(config.name, Some("ada".parse().unwrap()));
        assert_eq!(config.loopback.port, LoopbackPort::Any);
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_key() {
        let (_dir, home) = home();
        let twice = &format!(
            "[[relay]]\naddress = \"a.example\"\n[[relay]]\naddress = \"a.example~{PIN}\"\n"
        );
        for (text, line, key) in [
            ("# x\nnaem = \"ada\"\n", "line 2", "naem"),
            ("\n[loopback]\nport = 70000\n", "line 3", "port"),
            ("\n\nname = \" ada\"\n", "line 3", "name"),
            ("[[relay]]\naddress = \"Relay.Example\"\n", "line 2", "address"),
            ("[history]\ndays = 7\nrows = 0\n", "line 3", "history.rows"),
            ("[history]\ndays = 9999\n", "line 2", "history.days"),
            ("[history]\nweeks = 3\n", "line 2", "weeks"),
            ("[[relay]]\n\ntoken = \"x\"\n", "line 3", "token"),
            (twice, "line 4", "relay.address"),
            ("name = \n", "line 1", "name"),
        ] {
            fs::write(home.config_dir().join(FILE), text).unwrap();
            let error = Config::load(&home).unwrap_err().to_string();
            for part in [line, key, FILE] {
                assert!(error.contains(part), "{part} is missing in: {error}");
            }
        }
        fs::write(home.config_dir().join(FILE), b"\n\"\xff\"").unwrap();
        assert!(Config::load(&home).unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn joining_a_relay_keeps_what_a_person_wrote() {
        let (_dir, home) = home();
        let path = home.config_dir().join(FILE);
        let first: RelayAddress = format!("relay.example:8443~{PIN}").parse().unwrap();
        let second: RelayAddress = "other.example".parse().unwrap();
        assert!(Config::add_relay(&home, &first).unwrap());
        assert!(!Config::add_relay(&home, &first).unwrap(), "it was added twice");
        let mine = "# mine\nname = 'ada' # not eve\n[loopback]\nport = 1 # one\n# end";
        fs::write(&path, mine).unwrap();
        assert!(Config::add_relay(&home, &first).unwrap());
        assert!(Config::add_relay(&home, &second).unwrap());
        assert!(fs::read_to_string(&path).unwrap().starts_with(mine));
        let config = Config::load(&home).unwrap();
        assert_eq!(config.loopback.port, LoopbackPort::From(NonZeroU16::MIN));
        let addresses: Vec<_> = config.relays.into_iter().map(|relay| relay.address).collect();
        assert_eq!(addresses, [first.clone(), second]);
        let renewed: RelayAddress = "relay.example:8443".parse().unwrap();
        let error = Config::add_relay(&home, &renewed).unwrap_err();
        assert!(error.to_string().contains(PIN), "{error}");
        for stubborn in ["relay = []\n", "relay = [{ address = 'x.example' }]\n"] {
            fs::write(&path, stubborn).unwrap();
            let error = Config::add_relay(&home, &first).unwrap_err();
            assert!(matches!(error, ConfigError::AddByHand { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), stubborn);
        }
    }
}
