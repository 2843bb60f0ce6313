//! Tokens that let one page in, once: what the user's programs hand to a browser, which may show an
//! address to others.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use gantline_protocol::api::{InvitationLink, OneTimeToken};

use super::token::Token;

/// How long a token works.
const LIFE: Duration = Duration::from_secs(60);
/// Tokens that work at a time. One more ends the oldest.
const MAX_LIVE: usize = 16;

/// The tokens that were not used yet. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct OneTimeTokens {
    live: Arc<Mutex<Live>>,
}

#[derive(Debug, Default)]
struct Live(VecDeque<(Token, Instant)>);

impl OneTimeTokens {
    /// A new token, as the address of the page at `address`.
    ///
    /// # Errors
    /// What the system says when it has no randomness.
    pub(in crate::api) fn mint(
        &self,
        address: SocketAddr,
    ) -> Result<OneTimeToken, getrandom::Error> {
        let token = Token::draw()?;
        let url = InvitationLink::new(format!("http://{address}/#once={}", token.reveal()));
        self.live().add(token, Instant::now());
        Ok(OneTimeToken { url, expires_at: (SystemTime::now() + LIFE).into() })
    }

    /// Whether `guess` is a token that works. It has worked then.
    pub(super) fn redeem(&self, guess: &str) -> bool {
        self.live().redeem(guess, Instant::now())
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // Nothing in here can panic half-way.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn add(&mut self, token: Token, now: Instant) {
        self.expire(now);
        if self.0.len() >= MAX_LIVE {
            self.0.pop_front();
        }
        self.0.push_back((token, now));
    }

    fn redeem(&mut self, guess: &str, now: Instant) -> bool {
        self.expire(now);
        match self.0.iter().position(|(token, _)| token.is(guess)) {
            Some(place) => self.0.remove(place).is_some(),
            None => false,
        }
    }

    fn expire(&mut self, now: Instant) {
        self.0.retain(|(_, minted)| now.saturating_duration_since(*minted) < LIFE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(live: &mut Live, now: Instant) -> String {
        let token = Token::draw().unwrap();
        let text = token.reveal().to_owned();
        live.add(token, now);
        text
    }

    #[test]
    fn an_address_in_a_browsers_history_lets_nobody_in() {
        let (mut live, now) = (Live::default(), Instant::now());
        let (used, late) = (mint(&mut live, now), mint(&mut live, now));
        assert!(live.redeem(&used, now + LIFE - Duration::from_millis(1)));
        assert!(!live.redeem(&used, now + LIFE - Duration::from_millis(1)), "it worked twice");
        assert!(!live.redeem(&late, now + LIFE), "it worked for too long");
        assert!(!live.redeem("", now));
    }

    #[test]
    fn tokens_that_nobody_uses_fill_no_memory() {
        let (mut live, now) = (Live::default(), Instant::now());
        let first = mint(&mut live, now);
        let mut last = String::new();
        for _ in 0..MAX_LIVE {
            last = mint(&mut live, now);
        }
        assert_eq!(live.0.len(), MAX_LIVE);
        assert!(!live.redeem(&first, now) && live.redeem(&last, now));
    }
}
