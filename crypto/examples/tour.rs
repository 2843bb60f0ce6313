//! `make run`: a machine, a device and a blind splice between them, over real sockets on
//! loopback. The device pairs with the code that the machine shows, opens a session and asks a
//! question; then the splice tells everything that it could find out.

#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use gantline_crypto::{
    Admission, DeviceBook, Now, Session, StaticKey,
    pairing::{CodeAttempts, DevicePairing, NodePairing, Paired, PairingDesk, node::NodeSide},
    session::{DeviceHandshake, Event, NodeHandshake, handshake},
};
use gantline_protocol::{
    MachineId, Name, RelayAddress, Role, Timestamp,
    session::{CloseCode, Head, Open, PipeKind, Preface},
};
use getrandom::{SysRng, rand_core::UnwrapErr};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const SECRET: &[u8] = b"the launch code is swordfish";

fn main() -> Outcome<()> {
    let mut machine = Machine {
        key: StaticKey::generate(&mut system_rng()),
        name: "closet-server".parse()?,
        relays: vec!["relay.example".parse()?],
        desk: PairingDesk::default(),
        book: DeviceBook::default(),
    };
    let id = machine.key.public().machine_id();
    let code = machine.desk.mint_code(Role::Owner, Instant::now(), &mut system_rng());
    println!("machine   I am {id}");
    println!("machine   to pair, type {} within 120 s", code.reveal());

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let node = listener.local_addr()?;
    let served = thread::spawn(move || machine.serve(&listener, 2));

    let key = StaticKey::generate(&mut system_rng());
    let attempts = &mut CodeAttempts::new(code);
    let (pairing_pipe, first) = splice(node)?;
    let paired = pair(pairing_pipe, id, attempts, &key)?;
    println!("device    paired with {} as {:?}", paired.name, paired.role);
    println!("device    safety number: {}", paired.safety_number(key.public()));

    let (session_pipe, second) = splice(node)?;
    let answer = ask(session_pipe, &paired, &key)?;
    println!("device    the machine answered: {}", String::from_utf8_lossy(&answer));
    served.join().map_err(|_| "the machine broke down")??;

    let seen = [first, second]
        .into_iter()
        .map(|pipe| pipe.join().map_err(|_| "the splice broke down")?)
        .collect::<Outcome<Vec<_>>>()?
        .concat();
    let words = [SECRET, &answer, b"closet-server", b"laptop", paired.psk.as_bytes()];
    let found = words.iter().filter(|word| contains(&seen, word)).count();
    println!("splice    I carried {} bytes over two pipes", seen.len());
    println!("splice    of the question, the answer, both names and the key I found {found}");
    match found {
        0 => Ok(()),
        _ => Err("the splice could read something".into()),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// The machine's end: pairs whoever knows the code, and answers whoever is paired.
struct Machine {
    key: StaticKey,
    name: Name,
    relays: Vec<RelayAddress>,
    desk: PairingDesk,
    book: DeviceBook,
}

impl Machine {
    fn serve(mut self, listener: &TcpListener, pipes: usize) -> Outcome<()> {
        for _ in 0..pipes {
            let (mut pipe, _) = listener.accept()?;
            let preface = Preface::decode(read_exact(&mut pipe)?)?;
            match preface.kind {
                PipeKind::PairByCode => self.pair(&mut pipe)?,
                PipeKind::Session => self.session(&mut pipe)?,
                PipeKind::PairByLink => return Err("no link was given out".into()),
            }
            pipe.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    fn pair(&mut self, pipe: &mut TcpStream) -> Outcome<()> {
        let mut run = NodePairing::by_code();
        loop {
            let mut message = vec![0; run.needs()];
            pipe.read_exact(&mut message)?;
            let side = NodeSide { key: &self.key, name: &self.name, relays: &self.relays };
            match run.receive(&message, &side, &mut self.desk, now(), &mut system_rng()) {
                Ok(step) => {
                    if let Some(device) = step.done {
                        println!("machine   paired with {}", device.name);
                        println!(
                            "machine   safety number: {}",
                            device.safety_number(self.key.public())
                        );
                        self.book.enter(device, now().wall)?;
                        return Ok(pipe.write_all(&step.send)?);
                    }
                    pipe.write_all(&step.send)?;
                }
                Err(error) => {
                    pipe.write_all(&[error.farewell().to_status()])?;
                    return Err(error.into());
                }
            }
        }
    }

    fn session(&mut self, pipe: &mut TcpStream) -> Outcome<()> {
        let s1 = read_exact::<{ handshake::S1 }>(pipe)?;
        let handshake = NodeHandshake::read(&self.key, &s1, &mut system_rng())?;
        let Admission::Serve(device) = self.book.admit(handshake.device(), now().wall) else {
            return Err("an unknown device knocks".into());
        };
        let (mut session, s2) = handshake.accept(&device.psk, Instant::now())?;
        pipe.write_all(&s2)?;
        let mut question = Vec::new();
        let mut asked = None;
        drive(pipe, &mut session, |session, happened| {
            match happened {
                Happened::Opened(stream) => asked = Some(stream),
                Happened::Data(bytes) => question.extend(bytes),
                Happened::Finished => {
                    let stream = asked.ok_or("an end without a beginning")?;
                    println!(
                        "machine   {} asked: {}",
                        device.name,
                        String::from_utf8_lossy(&question)
                    );
                    session.answer(stream, Head { status: 200, headers: vec![] })?;
                    session.write(stream, Bytes::from_static(b"understood, over and out"))?;
                    session.finish(stream)?;
                }
                Happened::Closed => {}
            }
            Ok(())
        })
    }
}

/// The device's end of a pairing.
fn pair(
    mut pipe: TcpStream,
    machine: MachineId,
    attempts: &mut CodeAttempts,
    key: &StaticKey,
) -> Outcome<Paired> {
    let name = "laptop".parse()?;
    let (mut run, hello) =
        DevicePairing::by_code(machine, attempts, key, &name, &mut system_rng())?;
    pipe.write_all(&hello)?;
    loop {
        let mut message = vec![0; run.needs()];
        pipe.read_exact(&mut message)?;
        let step = run.receive(&message, &mut system_rng())?;
        pipe.write_all(&step.send)?;
        if let Some(paired) = step.done {
            return Ok(paired);
        }
    }
}

/// The device's end of a session with one question.
fn ask(mut pipe: TcpStream, paired: &Paired, key: &StaticKey) -> Outcome<Vec<u8>> {
    let (handshake, hello) =
        DeviceHandshake::start(key, &paired.node, &paired.psk, &mut system_rng())?;
    pipe.write_all(&hello)?;
    let s2 = read_exact::<{ handshake::S2 }>(&mut pipe)?;
    let mut session = handshake.finish(&s2, Instant::now())?;
    let stream = session.open(Open { method: "POST".into(), path: "/".into(), headers: vec![] })?;
    session.write(stream, Bytes::from_static(SECRET))?;
    session.finish(stream)?;
    let mut answer = Vec::new();
    drive(&mut pipe, &mut session, |session, happened| {
        match happened {
            Happened::Data(bytes) => answer.extend(bytes),
            Happened::Finished => session.close(CloseCode::Done, ""),
            Happened::Opened(_) | Happened::Closed => {}
        }
        Ok(())
    })?;
    Ok(answer)
}

/// What the two applications here care about.
enum Happened {
    Opened(gantline_protocol::StreamId),
    Data(Vec<u8>),
    Finished,
    Closed,
}

/// Feeds a session from its pipe and its pipe from the session, until one end closes it.
fn drive(
    pipe: &mut TcpStream,
    session: &mut Session,
    mut act: impl FnMut(&mut Session, Happened) -> Outcome<()>,
) -> Outcome<()> {
    let mut input = Vec::new();
    let mut output = Vec::new();
    loop {
        output.clear();
        session.transmit(Instant::now(), &mut output, usize::MAX)?;
        pipe.write_all(&output)?;
        if session.is_over() {
            return Ok(());
        }
        let mut chunk = [0; 4096];
        let length = pipe.read(&mut chunk)?;
        if length == 0 {
            return Ok(session.end_of_input()?);
        }
        input.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let mut happened = Vec::new();
        let taken = session.receive(Instant::now(), &mut input, |event| {
            happened.extend(match event {
                Event::Opened { stream, .. } => Some(Happened::Opened(stream)),
                Event::Data { bytes, .. } => Some(Happened::Data(bytes.to_vec())),
                Event::Finished { .. } => Some(Happened::Finished),
                Event::Closed { .. } => Some(Happened::Closed),
                Event::Hello(_)
                | Event::Answered { .. }
                | Event::Reset { .. }
                | Event::Writable { .. }
                | Event::Pong { .. }
                | Event::GoingAway { .. } => None,
            });
        })?;
        input.drain(..taken);
        for happened in happened {
            act(session, happened)?;
        }
    }
}

/// A pipe to `node` through a splice that knows nothing; when it ends, the splice gives out every
/// byte that passed.
fn splice(node: SocketAddr) -> Outcome<(TcpStream, thread::JoinHandle<Outcome<Vec<u8>>>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let device = TcpStream::connect(listener.local_addr()?)?;
    let (from_device, _) = listener.accept()?;
    let to_node = TcpStream::connect(node)?;
    let (back_from, back_to) = (to_node.try_clone()?, from_device.try_clone()?);
    let splice = thread::spawn(move || {
        let back = thread::spawn(move || copy(back_from, back_to));
        let mut seen = copy(from_device, to_node)?;
        seen.extend(back.join().map_err(|_| "the splice broke down")??);
        Ok(seen)
    });
    Ok((device, splice))
}

/// Copies until the end, passes the end on, and returns what it saw.
fn copy(mut from: TcpStream, mut to: TcpStream) -> Outcome<Vec<u8>> {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = match from.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error.into()),
        };
        let bytes = chunk.get(..length).unwrap_or_default();
        if bytes.is_empty() || to.write_all(bytes).is_err() {
            let _ = to.shutdown(Shutdown::Write);
            return Ok(seen);
        }
        seen.extend_from_slice(bytes);
    }
}

fn read_exact<const N: usize>(pipe: &mut TcpStream) -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    pipe.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn system_rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn now() -> Now {
    Now { monotonic: Instant::now(), wall: Timestamp::from(SystemTime::now()) }
}
