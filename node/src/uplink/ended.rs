//! Why a link ended, and what is to be done about it. Pure but for its dice.

use std::time::{Duration, Instant};

use gantline_protocol::{
    api::LinkState,
    link::{DenialReason, LinkReply},
};
use gantline_transport::{Backoff, DialError, LinkEnd, RelayLink};
use getrandom::{
    SysRng,
    rand_core::{Rng, UnwrapErr},
};

use super::{
    clash::{self, Clashes},
    login::LoginFailed,
};

/// How long to wait before asking a relay again that does not want this machine.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Why a link ended, by what is to be done next.
pub(super) enum Ended {
    /// It broke, or the relay could not be reached.
    Lost(String),
    /// The network has changed, and the link did not follow: another one may be there at once.
    Moved(String),
    /// A link of a better carrier is there.
    Better(RelayLink),
    /// The relay was restarted: it is there already. `was_up`: the link had stood for a while, so
    /// that coming back at once is no loop.
    Restarted { why: String, was_up: bool },
    /// The relay has too much to do; it may have said for how long at least.
    Busy { why: String, at_least: Duration },
    /// The relay does not want this machine; only a person can change that.
    Refused { why: String, at_least: Duration },
    /// Another machine has the alias: go on without it.
    AliasTaken(String),
    /// The relay is about to stop; another link is wanted within this time, and the pipes of the
    /// old one go on. `was_up` as above.
    GoAway { within: Duration, was_up: bool },
    /// A newer login with this machine's key took over.
    Replaced,
}

/// What is to be done about it.
pub(super) struct Verdict {
    pub(super) state: LinkState,
    pub(super) why: String,
    /// How long to wait before dialling again.
    pub(super) wait: Duration,
    /// Whether a change of the network cuts the wait short: nobody asked for it.
    pub(super) is_ours: bool,
}

impl Ended {
    /// What is to be done, unless a better link is there already. `gives_up_alias`: goes on
    /// without the alias, and says whether there was one.
    pub(super) fn judge(
        self,
        backoff: &mut Backoff,
        clashes: &mut Clashes,
        gives_up_alias: impl FnOnce() -> bool,
    ) -> Result<Verdict, RelayLink> {
        let down = |why, wait| Verdict { state: LinkState::Down, why, wait, is_ours: true };
        let asked = |state, why, wait| Verdict { state, why, wait, is_ours: false };
        Ok(match self {
            Self::Better(link) => return Err(link),
            Self::Lost(why) => down(why, backoff.fail(random())),
            Self::Moved(why) => down(why, Duration::ZERO),
            Self::Restarted { why, was_up: true } => down(why, Duration::ZERO),
            Self::Restarted { why, was_up: false } => down(why, backoff.fail(random())),
            Self::Busy { why, at_least } => {
                asked(LinkState::Down, why, backoff.refused(at_least, random()))
            }
            Self::Refused { why, at_least } => {
                let wait = backoff.refused(at_least.max(REFUSED_FOR), random());
                asked(LinkState::Refused, why, wait)
            }
            Self::AliasTaken(why) => match gives_up_alias() {
                true => down(why, Duration::ZERO),
                // It says so of a login that has none.
                false => down(why, backoff.fail(random())),
            },
            Self::GoAway { within, was_up } => {
                let spread = within.mul_f64(fraction(random()));
                let wait = if was_up { spread } else { spread.max(backoff.fail(random())) };
                asked(LinkState::Down, "the relay is being stopped".to_owned(), wait)
            }
            Self::Replaced => match clashes.replaced(Instant::now()) {
                None => {
                    let why = "another login with this machine's key took over".to_owned();
                    asked(LinkState::Down, why, backoff.fail(random()))
                }
                Some(wait) => asked(LinkState::Refused, clash::ADVICE.to_owned(), wait),
            },
        })
    }

    /// The same end of a link that had stood for a while, or had not.
    pub(super) fn having_been_up(self, was_up: bool) -> Self {
        match self {
            Self::GoAway { within, .. } => Self::GoAway { within, was_up },
            Self::Restarted { why, .. } => Self::Restarted { why, was_up },
            other @ (Self::Lost(_)
            | Self::Moved(_)
            | Self::Better(_)
            | Self::Busy { .. }
            | Self::Refused { .. }
            | Self::AliasTaken(_)
            | Self::Replaced) => other,
        }
    }
}

impl From<DialError> for Ended {
    fn from(error: DialError) -> Self {
        match &error {
            DialError::Refused { .. } => {
                Self::Busy { why: error.to_string(), at_least: Duration::ZERO }
            }
            DialError::WrongRelay { .. } => {
                Self::Refused { why: error.to_string(), at_least: Duration::ZERO }
            }
            DialError::Name { .. }
            | DialError::Silent { .. }
            | DialError::Proxy { .. }
            | DialError::Broken { .. }
            | DialError::Neither { .. } => Self::Lost(error.to_string()),
        }
    }
}

impl From<LinkEnd> for Ended {
    fn from(end: LinkEnd) -> Self {
        match end {
            LinkEnd::Restarted => Self::Restarted { why: end.to_string(), was_up: false },
            LinkEnd::ClosedByPeer { .. }
            | LinkEnd::ClosedHere
            | LinkEnd::Silent
            | LinkEnd::Broken(_) => Self::Lost(end.to_string()),
        }
    }
}

impl From<LoginFailed> for Ended {
    fn from(failed: LoginFailed) -> Self {
        let why = failed.to_string();
        let at_once = Duration::ZERO;
        match failed {
            LoginFailed::Reply(LinkReply::Rate) => Self::Busy { why, at_least: at_once },
            LoginFailed::Reply(
                LinkReply::HostUnknown | LinkReply::Version | LinkReply::Other(_) | LinkReply::GoOn,
            )
            | LoginFailed::OtherMachine => Self::Refused { why, at_least: at_once },
            LoginFailed::Denied(denied) => {
                let at_least = Duration::from_millis(denied.retry_after_ms.unwrap_or(0).into())
                    .min(Duration::from_secs(3600));
                match denied.reason {
                    DenialReason::Rate | DenialReason::Unavailable => Self::Busy { why, at_least },
                    DenialReason::AliasTaken => Self::AliasTaken(why),
                    DenialReason::TokenRequired
                    | DenialReason::TokenUnknown
                    | DenialReason::TokenExpired
                    | DenialReason::TokenUsed
                    | DenialReason::Quota
                    | DenialReason::HostUnknown
                    | DenialReason::Version
                    | DenialReason::Other => Self::Refused { why, at_least },
                }
            }
            LoginFailed::Link(_)
            | LoginFailed::Read(_)
            | LoginFailed::Pipe(_)
            | LoginFailed::Login(_)
            | LoginFailed::Wire(_)
            | LoginFailed::Channel(_)
            | LoginFailed::Unexpected
            | LoginFailed::Slow => Self::Lost(why),
        }
    }
}

/// Any number, all equally likely.
pub(super) fn random() -> u64 {
    UnwrapErr(SysRng).next_u64()
}

/// Evenly between 0 and 1.
fn fraction(random: u64) -> f64 {
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}
