//! What a relay remembers: accounts, enrolment tokens, machines. The relay asks through
//! [`Registry`]; which database answers is its own business.

pub mod sqlite;
#[cfg(test)]
mod suite;

use std::{fmt, future::Future, pin::Pin, str::FromStr, time::Duration};

use data_encoding::BASE32_NOPAD;
use gantline_login::PublicKey;
use gantline_protocol::{
    Alias, MachineId, Timestamp,
    link::{DenialReason, EnrolmentToken},
};
use sha2::{Digest, Sha256};

pub use sqlite::SqliteRegistry;

/// What a registry answers in its own time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The greatest number of machines that one token admits.
pub const MAX_USES: u32 = 1_000_000;
/// The longest life of a token.
pub const MAX_LIFE: Duration = Duration::from_secs(366 * 24 * 3600);
/// The greatest length of a token's label, in characters.
pub const MAX_LABEL: usize = 64;
/// The account of everything, as long as there is no other.
pub const DEFAULT_ACCOUNT: &str = "default";

/// What a relay remembers. Every question may fail because the database is away; the relay then
/// goes on with what it knows.
pub trait Registry: fmt::Debug + Send + Sync + 'static {
    /// Every machine.
    fn machines(&self) -> Answer<'_, Result<Vec<Machine>, RegistryError>>;

    /// Takes a machine in, if its token is good: both happen or neither. A machine that is known
    /// stays as it is and spends nothing.
    fn enrol<'a>(&'a self, enrolment: &'a Enrolment) -> Answer<'a, Result<Machine, EnrolError>>;

    /// Gives a known machine another alias.
    fn rename<'a>(
        &'a self,
        machine: MachineId,
        alias: &'a Alias,
    ) -> Answer<'a, Result<(), EnrolError>>;

    /// Notes that these machines were there.
    fn note_seen<'a>(&'a self, seen: &'a [Sighting]) -> Answer<'a, Result<(), RegistryError>>;

    /// Stores a token.
    fn add_token<'a>(&'a self, token: &'a TokenEntry) -> Answer<'a, Result<(), RegistryError>>;

    /// Every token, oldest first.
    fn tokens(&self) -> Answer<'_, Result<Vec<TokenEntry>, RegistryError>>;

    /// Makes a token worthless; machines that it admitted stay. Says whether there is one of that
    /// id.
    fn revoke_token<'a>(
        &'a self,
        id: &'a TokenId,
        now: Timestamp,
    ) -> Answer<'a, Result<bool, RegistryError>>;

    /// Ends every connection to the database.
    fn close(&self) -> Answer<'_, ()>;
}

/// The database can't answer.
#[derive(Debug, thiserror::Error)]
#[error("the registry can't be used: {0}")]
pub struct RegistryError(pub String);

/// Why a machine was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The token or the alias won't do.
    #[error("{message}")]
    Denied {
        /// For the node.
        reason: DenialReason,
        /// For people.
        message: &'static str,
    },
    /// The database can't answer.
    #[error(transparent)]
    Unavailable(#[from] RegistryError),
}

/// A machine that the relay knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its id, which follows from its key.
    pub id: MachineId,
    /// Its node's static key.
    pub key: PublicKey,
    /// Its friendly name here; no two machines have the same.
    pub alias: Option<Alias>,
    /// Whose quota it counts on.
    pub account: String,
    /// The software version that it said last.
    pub version: String,
    /// When it was taken in.
    pub enrolled_at: Timestamp,
    /// When it last logged in or went; may be missing the last moments.
    pub last_seen_at: Timestamp,
}

/// A machine that asks to be taken in.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The machine.
    pub machine: MachineId,
    /// Its node's static key.
    pub key: PublicKey,
    /// SHA-256 of its token.
    pub token: TokenHash,
    /// The alias that it would like.
    pub alias: Option<Alias>,
    /// Its software version.
    pub version: String,
    /// Now.
    pub at: Timestamp,
}

/// A known machine was there.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The machine.
    pub machine: MachineId,
    /// Its software version.
    pub version: String,
    /// When.
    pub at: Timestamp,
}

/// SHA-256 of an enrolment token: all that a relay keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of `token`.
    #[must_use]
    pub fn of(token: &EnrolmentToken) -> Self {
        Self(Sha256::digest(token.reveal().as_bytes()).into())
    }
}

/// Names a token to the relay's operator: `tk-` and eight characters `a-z 2-7`. No secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(String);

impl TokenId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TokenId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_id = text.strip_prefix("tk-").is_some_and(|rest| {
            rest.len() == 8 && rest.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
        });
        is_id.then(|| Self(text.to_owned())).ok_or("a token's id is tk- and eight of a-z and 2-7")
    }
}

/// What the relay keeps of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// Its name.
    pub id: TokenId,
    /// Whose quota its machines count on.
    pub account: String,
    /// SHA-256 of it.
    pub hash: TokenHash,
    /// What its maker wrote on it.
    pub label: String,
    /// How many machines it has admitted.
    pub uses: u32,
    /// How many it may admit.
    pub max_uses: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it is worthless.
    pub expires_at: Timestamp,
    /// When it was made worthless before its time.
    pub revoked_at: Option<Timestamp>,
}

/// What is asked of a new token.
#[derive(Debug, Clone)]
pub struct TokenOrder {
    /// How many machines it may admit: 1 to [`MAX_USES`].
    pub uses: u32,
    /// How long it is good: up to [`MAX_LIFE`].
    pub life: Duration,
    /// What its maker writes on it: up to [`MAX_LABEL`] characters.
    pub label: String,
}

/// Why there is no new token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The order is out of bounds.
    #[error("{0}")]
    Order(&'static str),
    /// The system gave no randomness.
    #[error("the system gives no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

impl TokenOrder {
    /// A new token, and what to keep of it.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn fill(self, now: Timestamp) -> Result<(EnrolmentToken, TokenEntry), TokenError> {
        if self.uses == 0 || self.uses > MAX_USES {
            return Err(TokenError::Order("a token admits 1 to 1,000,000 machines"));
        }
        if self.life.is_zero() || self.life > MAX_LIFE {
            return Err(TokenError::Order("a token is good for 1 second to 366 days"));
        }
        if self.label.chars().count() > MAX_LABEL || self.label.chars().any(char::is_control) {
            return Err(TokenError::Order(
                "a label is at most 64 characters, none of them control",
            ));
        }
        let mut random = [0; 25];
        getrandom::fill(&mut random)?;
        let (secret, name) = random.split_at(20);
        let token: EnrolmentToken = base32(secret)
            .parse()
            .map_err(|_| TokenError::Order("a token could not be written as text"))?;
        let entry = TokenEntry {
            id: TokenId(format!("tk-{}", base32(name))),
            account: DEFAULT_ACCOUNT.to_owned(),
            hash: TokenHash::of(&token),
            label: self.label,
            uses: 0,
            max_uses: self.uses,
            created_at: now,
            expires_at: now.after(self.life),
            revoked_at: None,
        };
        Ok((token, entry))
    }
}

fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}
