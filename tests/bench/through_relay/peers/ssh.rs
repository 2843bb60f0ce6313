//! ssh -R: one connection between agent and server, with a channel for each client.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, chown},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use rustix::process::geteuid;

use super::Ground;
use crate::{
    contestant::{Contestant, Relay},
    part::{Part, free_port},
    ways::tcp::Tcp,
};

pub(super) fn default_cipher(ground: &Ground) -> Result<Contestant> {
    start(ground, "default", &[])
}

pub(super) fn gcm(ground: &Ground) -> Result<Contestant> {
    start(ground, "gcm", &["-c", "aes128-gcm@openssh.com"])
}

fn start(ground: &Ground, name: &str, options: &'static [&'static str]) -> Result<Contestant> {
    let home = ground.scratch.join(format!("ssh-{name}"));
    fs::create_dir(&home)?;
    let (host_key, user_key) = (home.join("host"), home.join("user"));
    for key in [&host_key, &user_key] {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(key)
            .status()
            .context("ssh-keygen can't be started")?;
        ensure!(made.success(), "ssh-keygen: {made}");
    }
    let user = Account::of_server()?;
    let authorized = home.join("authorized");
    fs::copy(user_key.with_extension("pub"), &authorized)?;
    fs::set_permissions(&authorized, PermissionsExt::from_mode(0o644))?;
    user.owns(&host_key)?;
    let server = free_port()?;
    // Without PAM an account that has no password counts as locked.
    let config = home.join("config");
    fs::write(
        &config,
        format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM yes\nPasswordAuthentication no\nPidFile none\nMaxStartups 1000\n",
            server.port(),
            host_key.display(),
            authorized.display(),
        ),
    )?;
    let sshd = home.join("sshd");
    // To where its account may read it.
    let installed = ground.installed.join("openssh");
    fs::copy(installed.join("sshd"), &sshd).context("sshd is not there")?;
    let library = "libwrap.so.0";
    if installed.join(library).exists() {
        fs::copy(installed.join(library), home.join(library))?;
    }
    let mut command = user.command(&sshd);
    command.args(["-D", "-e", "-f"]).arg(&config).env("LD_LIBRARY_PATH", &home);
    let mut relay = ground.run(&mut command)?;
    relay.until_listening(server)?;

    let tunnel = free_port()?;
    let client = Client { port: server.port(), key: user_key, user: user.name, options };
    let agent = client.forward(ground, tunnel)?;
    Ok(Contestant {
        way: Box::new(Tcp { address: tunnel }),
        relay: Some(Relay::new(relay.pid(), move |ground, which| {
            which.map(|_| client.forward(ground, free_port()?)).collect()
        })),
        _keeps: vec![Box::new(relay), Box::new(agent)],
    })
}

/// Who the server runs as, and logs in.
struct Account {
    name: String,
    /// Given up for another, as uid and gid.
    instead: Option<(u32, u32)>,
}

impl Account {
    /// Whoever this is. A server of root wants an account for its unprivileged part, which nobody
    /// should have to make for a benchmark; `nobody` can log `nobody` in without one.
    fn of_server() -> Result<Self> {
        if geteuid().is_root() {
            return Ok(Self { name: "nobody".to_owned(), instead: Some((65_534, 65_534)) });
        }
        let name = Command::new("id").arg("-un").output()?.stdout;
        Ok(Self { name: String::from_utf8(name)?.trim().to_owned(), instead: None })
    }

    fn owns(&self, path: &std::path::Path) -> Result<()> {
        if let Some((uid, gid)) = self.instead {
            chown(path, Some(uid), Some(gid))?;
            // These directories were made for root alone.
            for above in path.ancestors().skip(1).take(3) {
                fs::set_permissions(above, PermissionsExt::from_mode(0o711))?;
            }
        }
        Ok(())
    }

    fn command(&self, program: &std::path::Path) -> Command {
        let Some((uid, gid)) = self.instead else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={uid}"), format!("--regid={gid}")]);
        command.arg("--clear-groups").arg(program);
        command
    }
}

struct Client {
    port: u16,
    key: PathBuf,
    user: String,
    options: &'static [&'static str],
}

impl Client {
    fn forward(&self, ground: &Ground, tunnel: SocketAddr) -> Result<Part> {
        let mut command = Command::new("ssh");
        command.args(["-N", "-F", "none", "-i"]).arg(&self.key);
        command.args(["-p", &self.port.to_string(), "-l", &self.user]);
        for option in [
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ExitOnForwardFailure=yes",
        ] {
            command.args(["-o", option]);
        }
        command.args(self.options);
        command.args(["-R", &format!("{tunnel}:{}", ground.service), "127.0.0.1"]);
        let mut agent = ground.run(&mut command)?;
        agent.until_listening(tunnel)?;
        Ok(agent)
    }
}
