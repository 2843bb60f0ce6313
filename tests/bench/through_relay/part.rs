//! A part of the measurement in a process of its own: started, awaited, weighed, ended.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncReadExt;

/// How long a part may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines that are told of what a part said before it failed.
const LINES: usize = 8;

/// A process that ends with this value.
pub(crate) struct Part {
    process: Child,
    log: PathBuf,
}

/// What a process weighs, together with all that it has started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weight {
    /// Resident now, in MB.
    pub(crate) resident: f64,
    /// Resident at most so far, in MB.
    pub(crate) peak: f64,
    /// What nobody shares with it, in KiB.
    pub(crate) private: f64,
}

impl Part {
    /// This program again, with a role, and the line that it prints when it is ready.
    pub(crate) fn role(role: &[&str], scratch: &Path) -> Result<(Self, String)> {
        let mut part = Self::start(Command::new(env::current_exe()?).args(role), scratch)?;
        let mut line = String::new();
        let stdout = part.process.stdout.take().context("it is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "{role:?} did not start:\n{}", part.said());
        Ok((part, line.trim_end().to_owned()))
    }

    /// Another program; what it says goes to a log in `scratch`.
    pub(crate) fn program(command: &mut Command, scratch: &Path) -> Result<Self> {
        Self::start(command, scratch)
    }

    fn start(command: &mut Command, scratch: &Path) -> Result<Self> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_owned();
        let (log, file) = new_log(scratch, &name.to_string_lossy())?;
        let is_ours = Path::new(command.get_program()) == env::current_exe()?;
        let stdout = if is_ours { Stdio::piped() } else { file.try_clone()?.into() };
        let process = command
            // A role ends when its standard input does, whatever becomes of this process.
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{} can't be started", name.display()))?;
        Ok(Self { process, log })
    }

    /// Waits until somebody listens there. Nobody is connected to for that.
    pub(crate) fn until_listening(&mut self, address: SocketAddr) -> Result<()> {
        self.until(|| is_listening(address))
    }

    /// Waits until it has said a line, and tells which.
    pub(crate) fn until_line(&mut self) -> Result<String> {
        let log = self.log.clone();
        let said = || fs::read_to_string(&log).unwrap_or_default();
        self.until(|| said().contains('\n'))?;
        Ok(said().lines().next().unwrap_or_default().to_owned())
    }

    /// Waits until `ready` says so, as long as this part lives.
    fn until(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let began = Instant::now();
        while !ready() {
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended ({status}):\n{}", self.said());
            }
            ensure!(began.elapsed() < PATIENCE, "not ready in time:\n{}", self.said());
            nap(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The beginning of it: what went wrong first.
    fn said(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        said.lines().take(LINES).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says that this role is ready, and waits until it is not needed any more.
pub(crate) async fn ready(line: &str) -> Result<()> {
    println!("{line}");
    std::io::stdout().flush()?;
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await?;
    Ok(())
}

/// A pace, or a while between two looks at what can't be waited for.
// Foreign programs don't say when they are ready, and an echo of a hot loop is no key press.
#[allow(clippy::disallowed_methods)]
pub(crate) fn nap(time: Duration) {
    std::thread::sleep(time);
}

/// A port on 127.0.0.1 that was free a moment ago.
pub(crate) fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// So many of them, all different.
pub(crate) fn free_ports(many: usize) -> Result<Vec<SocketAddr>> {
    let held = (0..many)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<Vec<_>, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?)).collect()
}

pub(crate) fn weight_of(pid: u32) -> Result<Weight> {
    let mut weight = Weight::default();
    for pid in family_of(pid)? {
        // One that has just ended weighs nothing.
        let read = |file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let (status, rollup) = (read("status"), read("smaps_rollup"));
        weight.resident += kib(&status, "VmRSS:") / 1024.0;
        weight.peak += kib(&status, "VmHWM:") / 1024.0;
        weight.private += kib(&rollup, "Private_Clean:") + kib(&rollup, "Private_Dirty:");
    }
    Ok(weight)
}

/// From now on the peak is counted anew.
pub(crate) fn forget_peak_of(pid: u32) -> Result<()> {
    for pid in family_of(pid)? {
        // Of one that runs as somebody else it can't be asked; its peak is then that of its life.
        let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
    Ok(())
}

/// As the system's table of sockets has it: state 0A is LISTEN.
fn is_listening(address: SocketAddr) -> bool {
    let SocketAddr::V4(address) = address else { return false };
    let host = u32::from_ne_bytes(address.ip().octets());
    let local = format!("{host:08X}:{:04X}", address.port());
    fs::read_to_string("/proc/net/tcp").unwrap_or_default().lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(&local) && words.nth(1) == Some("0A")
    })
}

fn new_log(scratch: &Path, name: &str) -> Result<(PathBuf, File)> {
    for number in 0.. {
        let path = scratch.join(format!("{name}.{number}.log"));
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("there are too many logs")
}

/// A process and all that descends from it.
fn family_of(pid: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
        // The name before it may have spaces and brackets in it.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if let Some(parent) = parent.and_then(|parent| parent.parse::<u32>().ok()) {
            parents.push((child, parent));
        }
    }
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&of) = family.get(next) {
        family.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(child, _)| *child));
        next += 1;
    }
    Ok(family)
}

fn kib(text: &str, field: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}
