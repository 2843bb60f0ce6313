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

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use gantline_protocol::link::Denied;

    use super::*;

    /// What a link's end leads to when the links before had not failed.
    fn judged(ended: Ended) -> Verdict {
        let (mut backoff, mut clashes) = (Backoff::default(), Clashes::default());
        ended.judge(&mut backoff, &mut clashes, || false).expect("there is no better link")
    }

    fn denied(reason: DenialReason, retry_after_ms: Option<u32>) -> Ended {
        LoginFailed::Denied(Denied { reason, message: String::new(), retry_after_ms }).into()
    }

    fn relay() -> gantline_protocol::RelayAddress {
        let port = std::num::NonZeroU16::MIN;
        let host = "relay.test".parse().expect("it is a name");
        gantline_protocol::RelayAddress { host, port, pin: None }
    }

    fn seconds(range: RangeInclusive<f64>) -> RangeInclusive<Duration> {
        Duration::from_secs_f64(*range.start())..=Duration::from_secs_f64(*range.end())
    }

    #[test]
    fn each_end_has_a_wait_and_a_state_of_its_own() {
        use LinkState::{Down, Refused};
        let why = || "why".to_owned();
        let minute = Duration::from_secs(60);
        let go_away = |was_up| Ended::GoAway { within: minute, was_up };
        let restarted = |was_up| Ended::Restarted { why: why(), was_up };
        let silent = DialError::Silent { relay: relay(), by: "UDP" };
        let wrong = DialError::WrongRelay { relay: relay(), reason: why() };
        let full = DialError::Refused { relay: relay() };
        // Which end, state, wait in seconds, and whether a change of the network cuts it short.
        let table = [
            (Ended::Lost(why()), Down, 0.0..=0.5, true),
            (Ended::Moved(why()), Down, 0.0..=0.0, true),
            (restarted(true), Down, 0.0..=0.0, true),
            (restarted(false), Down, 0.0..=0.5, true),
            (go_away(true), Down, 0.0..=60.0, false),
            (Ended::Replaced, Down, 0.0..=0.5, false),
            (Ended::AliasTaken(why()), Down, 0.0..=0.5, true),
            (silent.into(), Down, 0.0..=0.5, true),
            (full.into(), Down, 0.0..=15.0, false),
            (wrong.into(), Refused, 60.0..=75.0, false),
            (LinkEnd::Silent.into(), Down, 0.0..=0.5, true),
            (LoginFailed::Slow.into(), Down, 0.0..=0.5, true),
            (LoginFailed::Reply(LinkReply::Rate).into(), Down, 0.0..=15.0, false),
            (LoginFailed::Reply(LinkReply::HostUnknown).into(), Refused, 60.0..=75.0, false),
            (LoginFailed::OtherMachine.into(), Refused, 60.0..=75.0, false),
            (denied(DenialReason::TokenUsed, None), Refused, 60.0..=75.0, false),
            (denied(DenialReason::Quota, Some(300_000)), Refused, 300.0..=315.0, false),
            (denied(DenialReason::Unavailable, Some(10_000)), Down, 10.0..=25.0, false),
            (denied(DenialReason::Rate, Some(u32::MAX)), Down, 3600.0..=3615.0, false),
        ];
        for (number, (ended, state, wait, is_ours)) in table.into_iter().enumerate() {
            let verdict = judged(ended);
            assert_eq!(verdict.state, state, "{number}: {}", verdict.why);
            assert!(seconds(wait.clone()).contains(&verdict.wait), "{number}: {:?}", verdict.wait);
            assert_eq!(verdict.is_ours, is_ours, "{number}: {}", verdict.why);
            assert!(!verdict.why.is_empty(), "{number}: nobody learns why");
        }
    }

    #[test]
    fn a_relay_that_is_gone_at_once_again_is_not_dialled_in_a_loop() {
        let mut backoff = Backoff::default();
        let mut clashes = Clashes::default();
        let mut waits = Duration::ZERO;
        for _ in 0..200 {
            for ended in [
                Ended::Restarted { why: String::new(), was_up: false },
                Ended::GoAway { within: Duration::ZERO, was_up: false },
            ] {
                let verdict = ended.judge(&mut backoff, &mut clashes, || false);
                waits += verdict.expect("there is no better link").wait;
            }
        }
        // 30 s at most each, 15 s on average.
        assert!(waits > Duration::from_secs(400 * 10), "{waits:?}");
    }

    #[test]
    fn a_second_clash_within_a_minute_makes_this_machine_give_way() {
        let mut backoff = Backoff::default();
        let mut clashes = Clashes::default();
        let mut replaced =
            || Ended::Replaced.judge(&mut backoff, &mut clashes, || false).expect("no better link");
        assert_eq!(replaced().state, LinkState::Down);
        let second = replaced();
        assert_eq!(second.state, LinkState::Refused);
        assert_eq!(second.wait, Duration::from_secs(300));
        assert_eq!(second.why, clash::ADVICE);
    }

    #[test]
    fn a_machine_whose_alias_is_taken_goes_on_without_it_at_once_but_only_once() {
        let mut backoff = Backoff::default();
        let mut clashes = Clashes::default();
        for _ in 0..20 {
            backoff.fail(0);
        }
        let mut alias = Some("alpha");
        let mut waits = (0..50).map(|_| {
            let taken = denied(DenialReason::AliasTaken, None);
            let verdict = taken.judge(&mut backoff, &mut clashes, || alias.take().is_some());
            verdict.expect("there is no better link").wait
        });
        assert_eq!(waits.next(), Some(Duration::ZERO));
        assert!(waits.sum::<Duration>() > Duration::from_secs(49 * 5), "a loop");
    }

    #[test]
    fn only_ends_that_leave_the_relay_there_ask_whether_the_link_had_stood() {
        let restarted = Ended::Restarted { why: String::new(), was_up: false };
        assert!(matches!(restarted.having_been_up(true), Ended::Restarted { was_up: true, .. }));
        let go_away = Ended::GoAway { within: Duration::ZERO, was_up: true };
        assert!(matches!(go_away.having_been_up(false), Ended::GoAway { was_up: false, .. }));
        assert!(matches!(Ended::Replaced.having_been_up(true), Ended::Replaced));
    }
}
