//! Who watches an agent, who drives, and which size the terminal has. `Drivers` decides and does
//! no I/O; [`Hub`] tells the host and the viewers.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gantline_protocol::terminal::TerminalSize;
use tokio::sync::watch;

use super::{
    host::Host,
    screen::{Origin, Screen},
};

/// Viewers that one agent may have at a time.
pub const MAX_VIEWERS: usize = 64;
/// After how long of silence somebody else becomes the driver by typing.
const TAKE_OVER_AFTER: Duration = Duration::from_secs(10);

/// An attachment of a viewer, as the hub numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Seat(u64);

/// Who drives, and what follows for the size. A pure core.
#[derive(Debug)]
struct Drivers {
    size: TerminalSize,
    viewers: Vec<(Seat, TerminalSize)>,
    driver: Option<Driver>,
    last: u64,
}

#[derive(Debug, Clone, Copy)]
struct Driver {
    seat: Seat,
    typed: Instant,
}

impl Drivers {
    const fn new(size: TerminalSize) -> Self {
        Self { size, viewers: Vec::new(), driver: None, last: 0 }
    }

    /// A viewer arrives; watching changes nothing. `None` when there are as many as there may be.
    fn enter(&mut self, size: TerminalSize) -> Option<Seat> {
        if self.viewers.len() >= MAX_VIEWERS {
            return None;
        }
        self.last += 1;
        let seat = Seat(self.last);
        self.viewers.push((seat, size));
        Some(seat)
    }

    /// A viewer leaves. Whoever types next drives.
    fn leave(&mut self, seat: Seat) {
        self.viewers.retain(|(other, _)| *other != seat);
        self.driver = self.driver.filter(|driver| driver.seat != seat);
    }

    /// A viewer types: it drives if nobody does, or if the driver has not typed for a while.
    fn typed(&mut self, seat: Seat, now: Instant) {
        match &mut self.driver {
            Some(driver) if driver.seat == seat => driver.typed = now,
            Some(driver) if now.saturating_duration_since(driver.typed) < TAKE_OVER_AFTER => {}
            Some(_) | None => self.take(seat, now),
        }
    }

    /// A viewer wants to drive.
    fn take(&mut self, seat: Seat, now: Instant) {
        if let Some((_, size)) = self.viewers.iter().find(|(other, _)| *other == seat) {
            self.size = *size;
            self.driver = Some(Driver { seat, typed: now });
        }
    }

    /// A viewer's window has another size, which counts if it drives.
    fn resize(&mut self, seat: Seat, size: TerminalSize) {
        if let Some((_, own)) = self.viewers.iter_mut().find(|(other, _)| *other == seat) {
            *own = size;
        }
        if self.driver.is_some_and(|driver| driver.seat == seat) {
            self.size = size;
        }
    }

    fn situation(&self) -> Situation {
        Situation { size: self.size, driver: self.driver.map(|driver| driver.seat) }
    }
}

/// What all viewers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Situation {
    size: TerminalSize,
    driver: Option<Seat>,
}

/// The viewers of one agent. Clones are the same.
#[derive(Debug, Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    host: Host,
    screen: Screen,
    drivers: Mutex<Drivers>,
    situation: watch::Sender<Situation>,
}

/// A viewer's place among the others, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Viewer {
    hub: Hub,
    seat: Seat,
    situation: watch::Receiver<Situation>,
}

impl Hub {
    /// The hub of a process whose terminal has this size. Needs a Tokio runtime.
    #[must_use]
    pub fn new(host: Host, size: TerminalSize, origin: Origin) -> Self {
        let drivers = Drivers::new(size);
        let situation = watch::Sender::new(drivers.situation());
        let screen = Screen::keep(host.clone(), size, origin);
        let drivers = Mutex::new(drivers);
        Self { shared: Arc::new(Shared { host, screen, drivers, situation }) }
    }

    /// What its terminal shows.
    #[must_use]
    pub fn screen(&self) -> &Screen {
        &self.shared.screen
    }

    /// The process.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.shared.host
    }

    /// The size of the terminal.
    #[must_use]
    pub fn size(&self) -> TerminalSize {
        self.shared.situation.borrow().size
    }

    /// A viewer with a window of this size; `None` when there are as many as there may be.
    pub(super) fn enter(&self, size: TerminalSize) -> Option<Viewer> {
        let seat = self.drivers().enter(size)?;
        let situation = self.shared.situation.subscribe();
        Some(Viewer { hub: self.clone(), seat, situation })
    }

    fn change(&self, change: impl FnOnce(&mut Drivers)) {
        let mut drivers = self.drivers();
        let before = drivers.situation();
        change(&mut drivers);
        let after = drivers.situation();
        if before.size != after.size {
            self.shared.host.resize(after.size);
        }
        if before != after {
            self.shared.situation.send_replace(after);
        }
    }

    fn drivers(&self) -> MutexGuard<'_, Drivers> {
        // Nothing in here can panic half-way.
        self.shared.drivers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Viewer {
    pub(super) fn typed(&self) {
        self.hub.change(|drivers| drivers.typed(self.seat, Instant::now()));
    }

    pub(super) fn take(&self) {
        self.hub.change(|drivers| drivers.take(self.seat, Instant::now()));
    }

    pub(super) fn resize(&self, size: TerminalSize) {
        self.hub.change(|drivers| drivers.resize(self.seat, size));
    }

    /// The size of the terminal, and whether this viewer drives.
    pub(super) fn situation(&self) -> (TerminalSize, bool) {
        let situation = *self.situation.borrow();
        (situation.size, situation.driver == Some(self.seat))
    }

    /// Waits until size or driver are others than `known`. Giving the wait up loses nothing.
    pub(super) async fn changes(&self, known: (TerminalSize, bool)) {
        let is_new = |now: &Situation| (now.size, now.driver == Some(self.seat)) != known;
        // The sender lives in the hub, which the viewer holds.
        let _ = self.situation.clone().wait_for(is_new).await;
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.hub.change(|drivers| drivers.leave(self.seat));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(cols: u16) -> TerminalSize {
        TerminalSize::new(cols, 24).unwrap()
    }

    #[test]
    fn watching_resizes_nothing_and_typing_does() {
        let mut drivers = Drivers::new(size(80));
        let now = Instant::now();
        let desk = drivers.enter(size(200)).unwrap();
        let phone = drivers.enter(size(40)).unwrap();
        drivers.resize(phone, size(41));
        assert_eq!(drivers.situation(), Situation { size: size(80), driver: None });
        drivers.typed(desk, now);
        assert_eq!(drivers.situation(), Situation { size: size(200), driver: Some(desk) });
        drivers.resize(desk, size(180));
        drivers.resize(phone, size(42));
        assert_eq!(drivers.situation().size, size(180));
    }

    #[test]
    fn the_driver_is_not_thrown_out_in_the_middle_of_a_word() {
        let mut drivers = Drivers::new(size(80));
        let now = Instant::now();
        let desk = drivers.enter(size(200)).unwrap();
        let phone = drivers.enter(size(40)).unwrap();
        drivers.typed(desk, now);
        drivers.typed(phone, now + Duration::from_secs(9));
        assert_eq!(drivers.situation().driver, Some(desk));
        drivers.typed(phone, now + Duration::from_secs(10));
        assert_eq!(drivers.situation(), Situation { size: size(40), driver: Some(phone) });
        drivers.take(desk, now + Duration::from_secs(11));
        assert_eq!(drivers.situation(), Situation { size: size(200), driver: Some(desk) });
    }

    #[test]
    fn when_the_driver_leaves_whoever_types_next_drives() {
        let mut drivers = Drivers::new(size(80));
        let now = Instant::now();
        let desk = drivers.enter(size(200)).unwrap();
        let phone = drivers.enter(size(40)).unwrap();
        drivers.typed(desk, now);
        drivers.leave(desk);
        assert_eq!(drivers.situation(), Situation { size: size(200), driver: None });
        drivers.typed(phone, now);
        assert_eq!(drivers.situation().driver, Some(phone));
    }

    #[test]
    fn a_crowd_has_an_end() {
        let mut drivers = Drivers::new(size(80));
        let seats: Vec<_> = (0..MAX_VIEWERS).map(|_| drivers.enter(size(80)).unwrap()).collect();
        assert!(drivers.enter(size(80)).is_none());
        drivers.leave(seats[0]);
        assert!(drivers.enter(size(80)).is_some());
    }
}
