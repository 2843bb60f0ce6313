//! The bearer token of the loopback listener, and how often it was guessed wrongly.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    time::{Duration, Instant},
};

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// 32 random bytes, written as 43 characters of base64url. Drawn anew at each start of the node.
pub(super) struct Token(Zeroizing<String>);

impl Token {
    pub(super) fn draw() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self(Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_ref()))))
    }

    /// The text, for its file.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `guess` is the token, in a time that does not depend on how much of it is right.
    pub(super) fn is(&self, guess: &str) -> bool {
        self.0.as_bytes().ct_eq(guess.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Wrong guesses of a source within a minute, from which on it is told to wait.
pub(super) const MAX_WRONG: u32 = 10;
const WITHIN: Duration = Duration::from_secs(60);
/// Sources that are remembered; while there are more, each counts as one that guesses too much.
const MAX_SOURCES: usize = 1024;

/// Counts wrong tokens. The right one is let in at any time: otherwise another user of the machine
/// could lock its owner out, and 256 random bits need no such help.
#[derive(Debug, Default)]
pub(super) struct WrongTokens {
    sources: HashMap<IpAddr, (Instant, u32)>,
}

impl WrongTokens {
    /// Notes a wrong token; whether its source has to wait.
    pub(super) fn note(&mut self, source: IpAddr, now: Instant) -> bool {
        let is_recent =
            |(since, _): &mut (Instant, u32)| now.saturating_duration_since(*since) < WITHIN;
        if self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, counted| is_recent(counted));
        }
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            return true;
        }
        let counted = self.sources.entry(source).or_insert((now, 0));
        if !is_recent(counted) {
            *counted = (now, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        counted.1 > MAX_WRONG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_is_told_to_wait_and_only_who_guesses() {
        let (mut wrong, start) = (WrongTokens::default(), Instant::now());
        let (guesser, other) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        for _ in 0..MAX_WRONG {
            assert!(!wrong.note(guesser, start));
        }
        assert!(wrong.note(guesser, start + WITHIN - Duration::from_millis(1)));
        assert!(!wrong.note(other, start));
        assert!(!wrong.note(guesser, start + WITHIN));
    }

    #[test]
    fn guesses_from_everywhere_fill_no_memory() {
        let (mut wrong, now) = (WrongTokens::default(), Instant::now());
        let waits = (0..5000u32).filter(|n| wrong.note(IpAddr::from(n.to_be_bytes()), now)).count();
        assert_eq!((wrong.sources.len(), waits), (MAX_SOURCES, 5000 - MAX_SOURCES));
        assert!(!wrong.note(IpAddr::from([9; 4]), now + WITHIN));
    }

    #[test]
    fn no_token_is_drawn_twice_or_shown() {
        let (one, two) = (Token::draw().unwrap(), Token::draw().unwrap());
        assert!(one.is(one.reveal()) && !one.is(two.reveal()) && !one.is(""));
        assert!(!one.is(&one.reveal()[..42]));
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
