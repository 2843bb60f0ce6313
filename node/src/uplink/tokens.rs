//! The enrolment tokens of join links, kept until the relay has admitted this machine: it may be
//! away when the link is first used.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use gantline_protocol::{
    RelayAddress,
    link::{EnrolmentToken, JoinLink},
};
use tokio::task::spawn_blocking;

use crate::state::{StateError, StateFiles};

const FILE: &str = "tokens.json";

/// The tokens that were not used yet. Clones are the same.
#[derive(Debug, Clone)]
pub struct Tokens {
    files: StateFiles,
    tokens: Arc<Mutex<BTreeMap<String, EnrolmentToken>>>,
}

impl Tokens {
    /// The tokens in the state files.
    ///
    /// # Errors
    /// [`StateError`] when they can't be read.
    pub fn load(files: StateFiles) -> Result<Self, StateError> {
        let tokens = files.read_json(FILE)?.unwrap_or_default();
        Ok(Self { files, tokens: Arc::new(Mutex::new(tokens)) })
    }

    /// Keeps the token of a join link; it takes the place of an earlier one.
    ///
    /// # Errors
    /// [`StateError`] when it can't be stored.
    pub fn keep(&self, link: &JoinLink) -> Result<(), StateError> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(link.relay.to_string(), link.token.clone());
        self.files.write_json(FILE, &*tokens)
    }

    /// The token for this relay, if one was not used yet.
    pub(super) fn find(&self, relay: &RelayAddress) -> Option<EnrolmentToken> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(&relay.to_string()).cloned()
    }

    /// The relay knows this machine now: the token is good for nothing any more.
    pub(super) async fn used(&self, relay: &RelayAddress) {
        let (relay, this) = (relay.to_string(), self.clone());
        let forget = move || {
            let mut tokens = this.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            match tokens.remove(&relay) {
                Some(_) => this.files.write_json(FILE, &*tokens),
                None => Ok(()),
            }
        };
        if let Ok(Err(error)) = spawn_blocking(forget).await {
            tracing::warn!(%error, "a used join token could not be removed");
        }
    }
}
