//! Who may do how much: rates and counts by address and machine. A pure core; the exchange owns
//! it and brings the clock.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use gantline_protocol::{MachineId, link::PipeReply};

use crate::limits::{Limits, Rate};

/// How often the table of a rate limit is searched for entries that can go.
const SWEEP: Duration = Duration::from_secs(1);

/// An address as limits see it: of IPv6 only the network, since whoever has one address there has
/// 2⁶⁴.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(IpAddr);

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                Self(IpAddr::V6(Ipv6Addr::from(network)))
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// What a newcomer's connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It may go on; [`Admission::disconnected`] gives the place back.
    Welcome,
    /// Its address has to be shown to be its own first.
    Validate,
    /// There is no room.
    Refused,
}

/// Every rate and count of a relay.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    logins: Bucket,
    logins_by_peer: Rates<Peer>,
    requests_by_peer: Rates<Peer>,
    requests_by_machine: Rates<MachineId>,
    connections: Counts<Peer>,
    pipes_by_peer: Counts<Peer>,
    pipes_by_both: Counts<(Peer, MachineId)>,
    pipes_by_machine: Counts<MachineId>,
    handshakes: Counts<Peer>,
}

impl Admission {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            logins: Bucket::default(),
            logins_by_peer: Rates::new(limits.logins_per_ip, limits.tracked),
            requests_by_peer: Rates::new(limits.pipe_requests_per_ip, limits.tracked),
            requests_by_machine: Rates::new(limits.pipe_requests_per_machine, limits.tracked),
            connections: Counts::default(),
            pipes_by_peer: Counts::default(),
            pipes_by_both: Counts::default(),
            pipes_by_machine: Counts::default(),
            handshakes: Counts::default(),
            limits: limits.clone(),
        }
    }

    /// Somebody wants to connect. `is_validated`: it has shown that the address is its own.
    pub fn connecting(&mut self, peer: Peer, is_validated: bool) -> Entry {
        let Limits { connections, connections_per_ip, handshakes, handshakes_unvalidated, .. } =
            self.limits;
        let here = self.connections.of(&peer);
        // An address that may be forged must not fill the place of whoever really has it.
        let is_crowded = self.handshakes.total >= handshakes_unvalidated
            || here >= connections_per_ip.div_ceil(4);
        if !is_validated && is_crowded {
            return Entry::Validate;
        }
        if self.handshakes.total >= handshakes
            || self.handshakes.of(&peer) >= handshakes.div_ceil(4)
            || here >= connections_per_ip
            || self.connections.total >= connections
        {
            return Entry::Refused;
        }
        self.handshakes.enter(peer);
        self.connections.enter(peer);
        Entry::Welcome
    }

    /// A welcomed newcomer's handshake is over, whatever came of it.
    pub fn handshake_over(&mut self, peer: Peer) {
        self.handshakes.leave(&peer);
    }

    /// A connection is gone.
    pub fn disconnected(&mut self, peer: Peer) {
        self.connections.leave(&peer);
    }

    /// A node wants to log in. Those of one address are counted first, so that it can't use up
    /// what all share.
    pub fn login(&mut self, peer: Peer, now: Instant) -> bool {
        self.logins_by_peer.take(peer, now) && self.logins.take(self.limits.logins, now)
    }

    /// A client asks for a pipe, to whatever machine.
    ///
    /// # Errors
    /// The refusal to send.
    pub fn request(&mut self, peer: Peer, now: Instant) -> Result<(), PipeReply> {
        match self.requests_by_peer.take(peer, now) {
            true => Ok(()),
            false => Err(PipeReply::Rate),
        }
    }

    /// The machine is one of the relay's: takes a place, which [`Self::pipe_closed`] gives back.
    ///
    /// # Errors
    /// The refusal to send.
    pub fn pipe(&mut self, peer: Peer, machine: MachineId, now: Instant) -> Result<(), PipeReply> {
        let Limits { pipes, pipes_per_ip, pipes_per_ip_and_machine, pipes_per_machine, .. } =
            self.limits;
        if self.pipes_by_peer.total >= pipes
            || self.pipes_by_peer.of(&peer) >= pipes_per_ip
            || self.pipes_by_both.of(&(peer, machine)) >= pipes_per_ip_and_machine
            || self.pipes_by_machine.of(&machine) >= pipes_per_machine
        {
            return Err(PipeReply::Busy);
        }
        if !self.requests_by_machine.take(machine, now) {
            return Err(PipeReply::Rate);
        }
        self.pipes_by_peer.enter(peer);
        self.pipes_by_both.enter((peer, machine));
        self.pipes_by_machine.enter(machine);
        Ok(())
    }

    /// A pipe is gone.
    pub fn pipe_closed(&mut self, peer: Peer, machine: MachineId) {
        self.pipes_by_peer.leave(&peer);
        self.pipes_by_both.leave(&(peer, machine));
        self.pipes_by_machine.leave(&machine);
    }
}

/// One rate limit for one thing: the moment at which all that was taken will have been paid for.
#[derive(Debug, Default, Clone, Copy)]
struct Bucket {
    paid_at: Option<Instant>,
}

impl Bucket {
    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let price = Duration::from_secs(1) / rate.per_second.max(1);
        let paid_at = self.paid_at.map_or(now, |at| at.max(now)) + price;
        let is_within = paid_at.duration_since(now) <= price * rate.burst.max(1);
        if is_within {
            self.paid_at = Some(paid_at);
        }
        is_within
    }

    fn is_full(&self, now: Instant) -> bool {
        self.paid_at.is_none_or(|at| at <= now)
    }
}

/// One rate limit for each of many, up to a number; beyond it, newcomers share one.
#[derive(Debug)]
struct Rates<K> {
    rate: Rate,
    capacity: usize,
    buckets: HashMap<K, Bucket>,
    shared: Bucket,
    swept_at: Option<Instant>,
}

impl<K: Eq + Hash> Rates<K> {
    fn new(rate: Rate, capacity: usize) -> Self {
        Self { rate, capacity, buckets: HashMap::new(), shared: Bucket::default(), swept_at: None }
    }

    fn take(&mut self, key: K, now: Instant) -> bool {
        let is_due = self.swept_at.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP);
        if self.buckets.len() >= self.capacity && is_due {
            self.swept_at = Some(now);
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        let has_room = self.buckets.len() < self.capacity;
        match self.buckets.get_mut(&key) {
            Some(bucket) => bucket.take(self.rate, now),
            None if has_room => self.buckets.entry(key).or_default().take(self.rate, now),
            None => self.shared.take(self.rate, now),
        }
    }
}

#[derive(Debug)]
struct Counts<K> {
    of: HashMap<K, u32>,
    total: u32,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { of: HashMap::new(), total: 0 }
    }
}

impl<K: Eq + Hash> Counts<K> {
    fn of(&self, key: &K) -> u32 {
        self.of.get(key).copied().unwrap_or(0)
    }

    fn enter(&mut self, key: K) {
        *self.of.entry(key).or_default() += 1;
        self.total += 1;
    }

    fn leave(&mut self, key: &K) {
        let Some(count) = self.of.get_mut(key) else { return };
        *count -= 1;
        self.total -= 1;
        if *count == 0 {
            self.of.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn peer(number: u8) -> Peer {
        IpAddr::from(Ipv4Addr::new(192, 0, 2, number)).into()
    }

    fn machine(number: u8) -> MachineId {
        MachineId::from_bytes([number; 16])
    }

    #[test]
    fn a_neighbour_in_the_same_ipv6_network_shares_the_limit_and_ipv4_does_not() {
        let v6 = |text: &str| Peer::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(v6("2001:db8::1"), v6("2001:db8::ffff:1"));
        assert_ne!(v6("2001:db8::1"), v6("2001:db8:0:1::1"));
        assert_eq!(v6("::ffff:192.0.2.1"), peer(1));
        assert_ne!(peer(1), peer(2));
    }

    #[test]
    fn one_address_cannot_use_up_the_logins_of_all() {
        let limits = Limits {
            logins: Rate::new(10, 10),
            logins_per_ip: Rate::new(1, 2),
            ..Limits::default()
        };
        let mut admission = Admission::new(&limits);
        let now = Instant::now();
        let noisy = (0..100).filter(|_| admission.login(peer(1), now)).count();
        assert_eq!(noisy, 2);
        assert_eq!((2..100).filter(|n| admission.login(peer(*n), now)).count(), 8);
        assert!(admission.login(peer(200), now + Duration::from_secs(1)));
    }

    #[test]
    fn a_machine_that_is_busy_leaves_the_others_reachable() {
        let limits = Limits { pipes_per_machine: 2, ..Limits::default() };
        let mut admission = Admission::new(&limits);
        let now = Instant::now();
        let mut ask = |n| admission.pipe(peer(1), machine(n), now);
        assert_eq!(
            [ask(1), ask(1), ask(1), ask(2)],
            [Ok(()), Ok(()), Err(PipeReply::Busy), Ok(())]
        );
        admission.pipe_closed(peer(1), machine(1));
        assert_eq!(admission.pipe(peer(1), machine(1), now), Ok(()));
    }

    #[test]
    fn one_address_cannot_have_all_the_pipes_of_a_machine() {
        let limits =
            Limits { pipes_per_machine: 4, pipes_per_ip_and_machine: 3, ..Limits::default() };
        let mut admission = Admission::new(&limits);
        let now = Instant::now();
        let greedy = (0..9).filter(|_| admission.pipe(peer(1), machine(1), now).is_ok()).count();
        assert_eq!(greedy, 3);
        assert_eq!(admission.pipe(peer(2), machine(1), now), Ok(()));
    }

    #[test]
    fn a_forged_address_cannot_fill_the_places_of_its_owner() {
        let limits = Limits { connections_per_ip: 8, ..Limits::default() };
        let mut admission = Admission::new(&limits);
        for _ in 0..2 {
            assert_eq!(admission.connecting(peer(1), false), Entry::Welcome);
        }
        assert_eq!(admission.connecting(peer(1), false), Entry::Validate);
        for _ in 0..6 {
            assert_eq!(admission.connecting(peer(1), true), Entry::Welcome);
        }
        assert_eq!(admission.connecting(peer(1), true), Entry::Refused);
        admission.disconnected(peer(1));
        assert_eq!(admission.connecting(peer(1), true), Entry::Welcome);
    }

    #[test]
    fn under_load_a_newcomer_has_to_show_its_address() {
        let limits = Limits { handshakes_unvalidated: 2, handshakes: 4, ..Limits::default() };
        let mut admission = Admission::new(&limits);
        assert_eq!(admission.connecting(peer(1), false), Entry::Welcome);
        assert_eq!(admission.connecting(peer(2), false), Entry::Welcome);
        assert_eq!(admission.connecting(peer(3), false), Entry::Validate);
        assert_eq!(admission.connecting(peer(3), true), Entry::Welcome);
        assert_eq!(admission.connecting(peer(3), true), Entry::Refused, "it has its quarter");
        assert_eq!(admission.connecting(peer(4), true), Entry::Welcome);
        assert_eq!(admission.connecting(peer(5), true), Entry::Refused);
        admission.handshake_over(peer(1));
        assert_eq!(admission.connecting(peer(5), true), Entry::Welcome);
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_more_than_the_rate_allows(
            per_second in 1..200u32,
            burst in 1..50u32,
            gaps in vec(0..100u64, 1..300),
        ) {
            let mut bucket = Bucket::default();
            let rate = Rate::new(per_second, burst);
            let start = Instant::now();
            let mut now = start;
            let mut taken = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.take(rate, now) {
                    taken.push(now);
                }
            }
            for (index, from) in taken.iter().enumerate() {
                for (count, to) in taken[index..].iter().enumerate() {
                    let seconds = to.duration_since(*from).as_secs_f64();
                    let allowed = f64::from(burst) + seconds * f64::from(per_second) + 0.01;
                    prop_assert!((count + 1) as f64 <= allowed + 1.0);
                }
            }
        }

        #[test]
        fn memory_is_bounded_however_many_addresses_come(keys in vec(any::<u16>(), 0..500)) {
            let mut rates = Rates::new(Rate::new(1, 1), 16);
            let now = Instant::now();
            for key in keys {
                rates.take(key, now);
                prop_assert!(rates.buckets.len() <= 16);
            }
        }

        #[test]
        fn every_place_comes_back(steps in vec((0..4u8, 0..4u8), 0..200)) {
            let mut admission = Admission::new(&Limits::default());
            let now = Instant::now();
            let mut open = Vec::new();
            for (a, b) in steps {
                if admission.pipe(peer(a), machine(b), now).is_ok() {
                    open.push((peer(a), machine(b)));
                }
            }
            prop_assert_eq!(admission.pipes_by_peer.total as usize, open.len());
            for (peer, machine) in open {
                admission.pipe_closed(peer, machine);
            }
            prop_assert_eq!(admission.pipes_by_peer.total, 0);
            prop_assert!(admission.pipes_by_peer.of.is_empty());
            prop_assert!(admission.pipes_by_both.of.is_empty());
            prop_assert!(admission.pipes_by_machine.of.is_empty());
        }
    }
}
