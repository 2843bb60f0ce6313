//! A wire for UDP between two ends that loses and delays, to see what survives a bad network.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Datagrams that are under way at most; more are lost, as on any wire.
const CAPACITY: usize = 4096;

/// A proxy for UDP: dial [`LossyPipe::address`] instead of the target.
#[derive(Debug)]
pub struct LossyPipe {
    address: SocketAddr,
    weather: Arc<Weather>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Weather {
    /// Lost datagrams of a million.
    lost: AtomicU32,
    /// In microseconds, each way.
    delay: AtomicU64,
    is_cut: AtomicBool,
    dropped: AtomicU64,
    passed: AtomicU64,
    /// What passed, if that is kept.
    record: Mutex<Option<Vec<u8>>>,
    /// Times that the way was changed.
    ways: watch::Sender<u64>,
}

/// Bytes that are kept of what passes; more are not.
const RECORD: usize = 64 << 20;

impl LossyPipe {
    /// A wire to `target`, perfect at first.
    ///
    /// # Panics
    /// If there is no UDP port to be had.
    pub async fn to(target: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        let weather = Arc::new(Weather::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(carry(Arc::new(socket), target, weather.clone()));
        Self { address, weather, _tasks: tasks }
    }

    /// Where to dial.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loses this share of the datagrams, 0 to 1, each way.
    pub fn lose(&self, share: f64) {
        self.weather.lost.store((share * 1e6) as u32, Ordering::Relaxed);
    }

    /// Holds each datagram up for so long, each way.
    pub fn delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.weather.delay.store(micros, Ordering::Relaxed);
    }

    /// Loses everything, or mends the wire.
    pub fn cut(&self, is_cut: bool) {
        self.weather.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// Keeps what passes from now on, both ways.
    pub fn record(&self) {
        *self.weather.record() = Some(Vec::new());
    }

    /// What has passed since then, datagram after datagram.
    #[must_use]
    pub fn recorded(&self) -> Vec<u8> {
        self.weather.record().clone().unwrap_or_default()
    }

    /// What a NAT does when it forgets: the target sees every dialler at another port from now on,
    /// and what it sends to the old one is lost.
    pub fn rebind(&self) {
        self.weather.ways.send_modify(|ways| *ways += 1);
    }

    /// How many datagrams have come through, both ways.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.weather.passed.load(Ordering::Relaxed)
    }

    /// How many datagrams were lost on purpose.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.weather.dropped.load(Ordering::Relaxed)
    }
}

impl Weather {
    fn record(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, datagram: &[u8]) {
        if let Some(record) = self.record().as_mut()
            && record.len() + datagram.len() <= RECORD
        {
            record.extend_from_slice(datagram);
        }
    }

    /// When a datagram arrives; `None` when it never does.
    fn arrives(&self, dice: &mut u64) -> Option<Instant> {
        // xorshift64: even enough for losses, and the same in every run.
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        let is_lost = *dice % 1_000_000 < u64::from(self.lost.load(Ordering::Relaxed));
        if is_lost || self.is_cut.load(Ordering::Relaxed) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Instant::now() + Duration::from_micros(self.delay.load(Ordering::Relaxed)))
    }
}

/// What comes from a dialler goes to the target from a socket of its own, and back.
async fn carry(front: Arc<UdpSocket>, target: SocketAddr, weather: Arc<Weather>) {
    let mut diallers: HashMap<SocketAddr, tokio::sync::mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; 65_536];
    while let Ok((length, dialler)) = front.recv_from(&mut buffer).await {
        let there = diallers.entry(dialler).or_insert_with(|| {
            let (sender, receiver) = tokio::sync::mpsc::channel(CAPACITY);
            tasks.spawn(serve(front.clone(), dialler, target, receiver, weather.clone()));
            sender
        });
        if there.try_send(buffer[..length].to_vec()).is_err() {
            weather.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn serve(
    front: Arc<UdpSocket>,
    dialler: SocketAddr,
    target: SocketAddr,
    mut from_dialler: tokio::sync::mpsc::Receiver<Vec<u8>>,
    weather: Arc<Weather>,
) {
    let mut ways = weather.ways.subscribe();
    let Ok(mut back) = way_to(target).await else { return };
    let mut dice = 0x9e37_79b9_7f4a_7c15 ^ u64::from(dialler.port());
    let mut under_way: BinaryHeap<Reverse<(Instant, u64)>> = BinaryHeap::new();
    let mut datagrams: HashMap<u64, (bool, Vec<u8>)> = HashMap::new();
    let mut number = 0;
    let mut buffer = vec![0; 65_536];
    let mut arrived = VecDeque::new();
    loop {
        let next = under_way.peek().map(|Reverse((at, _))| *at);
        let due = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            datagram = from_dialler.recv() => match datagram {
                Some(datagram) => arrived.push_back((true, datagram)),
                None => return,
            },
            received = back.recv(&mut buffer) => if let Ok(length) = received {
                arrived.push_back((false, buffer[..length].to_vec()));
            },
            () = due => {}
            Ok(()) = ways.changed() => match way_to(target).await {
                Ok(other) => back = other,
                Err(_) => return,
            },
        }
        while let Some(datagram) = arrived.pop_front() {
            weather.hear(&datagram.1);
            if under_way.len() < CAPACITY
                && let Some(at) = weather.arrives(&mut dice)
            {
                number += 1;
                under_way.push(Reverse((at, number)));
                datagrams.insert(number, datagram);
            }
        }
        while let Some(Reverse((at, number))) = under_way.peek().copied() {
            if at > Instant::now() {
                break;
            }
            under_way.pop();
            weather.passed.fetch_add(1, Ordering::Relaxed);
            // Who is not there hears nothing; that is what UDP promises.
            match datagrams.remove(&number) {
                Some((true, datagram)) => drop(back.send(&datagram).await),
                Some((false, datagram)) => drop(front.send_to(&datagram, dialler).await),
                None => {}
            }
        }
    }
}

async fn way_to(target: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(target).await?;
    Ok(socket)
}
