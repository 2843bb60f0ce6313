//! A pipe on which a device opens a session, and the sessions that are open.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use gantline_client::session::{Arrival, Arrivals, Session, drive};
use gantline_crypto::{
    Admission, Device,
    devices::Seen,
    places::Verdict,
    session::{NodeHandshake, handshake::S1},
};
use gantline_protocol::{
    DeviceId,
    session::{CloseCode, GoAwayCode, MAX_STREAMS},
};
use gantline_transport::{PipeReader, PipeWriter};
use tokio::{io::AsyncReadExt, sync::Semaphore};

use super::{Place, devices::rng, requests};
use crate::access::{Entrance, Principal, Subject};

/// Sessions that one device may have at a time. One more ends the oldest.
const SESSIONS_PER_DEVICE: usize = 32;
/// Sessions that may be open at a time. One more is closed with `overload`.
const MAX_SESSIONS: usize = 512;

/// The sessions that are open. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    last: AtomicU64,
    open: Mutex<HashMap<DeviceId, Vec<Open>>>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    session: Session,
}

/// A session's entry in the list, until this is dropped.
struct Entry {
    sessions: Sessions,
    device: DeviceId,
    number: u64,
}

impl Sessions {
    /// How many sessions are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open().values().map(Vec::len).sum()
    }

    /// Takes no more requests; those that are being answered go on.
    pub fn go_away(&self) {
        for session in self.all() {
            session.go_away(GoAwayCode::Shutdown);
        }
    }

    /// Ends every session.
    pub fn close(&self) {
        for session in self.all() {
            session.close(CloseCode::Shutdown, "");
        }
    }

    /// A device was removed: its sessions end, and it is told why.
    pub(super) fn revoke(&self, device: DeviceId) {
        self.end(device, CloseCode::Revoked, "");
    }

    /// A device has paired again and uses its new entry: the sessions of the old one end.
    pub(super) fn replace(&self, device: DeviceId) {
        self.end(device, CloseCode::Done, "paired again");
    }

    fn end(&self, device: DeviceId, code: CloseCode, reason: &str) {
        for open in self.open().remove(&device).unwrap_or_default() {
            open.session.close(code, reason);
        }
    }

    fn enter(&self, device: DeviceId, session: &Session) -> Option<Entry> {
        let mut open = self.open();
        if open.values().map(Vec::len).sum::<usize>() >= MAX_SESSIONS {
            return None;
        }
        let of_device = open.entry(device).or_default();
        if of_device.len() >= SESSIONS_PER_DEVICE {
            of_device.remove(0).session.close(CloseCode::Overload, "too many sessions");
        }
        let number = self.shared.last.fetch_add(1, Ordering::Relaxed);
        of_device.push(Open { number, session: session.clone() });
        Some(Entry { sessions: self.clone(), device, number })
    }

    fn all(&self) -> Vec<Session> {
        self.open().values().flatten().map(|open| open.session.clone()).collect()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<DeviceId, Vec<Open>>> {
        // Nothing in here can panic half-way.
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.sessions.open();
        if let Some(of_device) = open.get_mut(&self.device) {
            of_device.retain(|open| open.number != self.number);
            if of_device.is_empty() {
                open.remove(&self.device);
            }
        }
    }
}

/// Lets a known device open a session. Everybody else is met with silence.
pub(super) async fn welcome(
    place: Place,
    mut reader: impl PipeReader,
    mut writer: impl PipeWriter,
) {
    let shared = place.shared.clone();
    let mut s1 = [0; S1];
    if reader.read_exact(&mut s1).await.is_err() {
        return;
    }
    let Ok(handshake) = NodeHandshake::read(&shared.nameplate.key, &s1, &mut rng()) else {
        tracing::debug!("a session was asked for by somebody who does not know this machine");
        return;
    };
    let (device, is_revoked) = match shared.devices.admit(handshake.device()) {
        Admission::Serve(device) => (device, false),
        Admission::Revoked(device) => (device, true),
        Admission::Unknown => {
            tracing::info!("an unknown device asked for a session");
            return;
        }
    };
    if !place.show_s1(device.id) {
        return;
    }
    let Ok((core, s2)) = handshake.accept(&device.psk, Instant::now()) else { return };
    if writer.write_chunk(Bytes::copy_from_slice(&s2)).await.is_err() {
        return;
    }
    let (session, mut arrivals) = drive(core, reader, writer, BytesMut::new());
    // Until the device has proved itself, the session ends with this future.
    let unproved = AbortOnDrop(Some(session.clone()));
    if is_revoked {
        session.close(CloseCode::Revoked, "");
        session.ended().await;
        // The last word waits for the device's first, and this for both; its place has a deadline.
        session.finished().await;
        return;
    }
    let Some(Arrival::Hello) = arrivals.next().await else { return };
    match shared.devices.seen(device.id).await {
        Seen::Serve { .. } => {}
        Seen::Revoked => return unproved.close(CloseCode::Revoked, ""),
        Seen::Unknown => return unproved.close(CloseCode::Done, "this device is not paired"),
    }
    let Some(entry) = shared.sessions.enter(device.id, &session) else {
        return unproved.close(CloseCode::Overload, "this machine has too many sessions");
    };
    // It may have been removed after it was looked up and before it was on the list.
    if !shared.devices.is_served(device.id) {
        return unproved.close(CloseCode::Revoked, "");
    }
    unproved.keep();
    tokio::spawn(serve(place.shared.router.clone(), device, entry, arrivals));
}

async fn serve(router: axum::Router, device: Device, entry: Entry, mut arrivals: Arrivals) {
    tracing::debug!(device = %device.id, name = %device.name, "a session is open");
    let principal = Principal {
        subject: Subject::Device(device.id),
        role: device.role,
        entrance: Entrance::Session,
    };
    // A stream that was reset is over for the session, and its request may not be.
    let requests = Arc::new(Semaphore::new(MAX_STREAMS));
    while let Ok(permit) = requests.clone().acquire_owned().await {
        let Some(arrival) = arrivals.next().await else { break };
        if let Arrival::Stream { open, sending, receiving } = arrival {
            let router = router.clone();
            tokio::spawn(async move {
                requests::answer(router, principal, open, sending, receiving).await;
                drop(permit);
            });
        }
    }
    drop(entry);
    tracing::debug!(device = %device.id, "a session is over");
}

impl Place {
    fn show_s1(&self, device: DeviceId) -> bool {
        let mut waiting = self.shared.waiting();
        let stays = match waiting.places.show_s1(self.number, device) {
            Verdict::Stay => true,
            Verdict::StayInsteadOf(other) => {
                waiting.send_away(other);
                true
            }
            Verdict::Leave => false,
        };
        drop(waiting);
        self.shared.changed.notify_one();
        stays
    }
}

/// A session of somebody who has not proved to be there.
struct AbortOnDrop(Option<Session>);

impl AbortOnDrop {
    fn keep(mut self) {
        self.0 = None;
    }

    fn close(mut self, code: CloseCode, reason: &str) {
        if let Some(session) = self.0.take() {
            session.close(code, reason);
        }
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.abort();
        }
    }
}
