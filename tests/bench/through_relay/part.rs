//! A part of the measurement in a process of its own, and its end of that.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use tokio::io::AsyncReadExt;

/// A part of the measurement in a process of its own; it ends with its standard input.
pub(crate) struct Part {
    process: Child,
    _stdin: ChildStdin,
}

impl Part {
    /// Starts it and reads the line that it prints when it is ready.
    pub(crate) fn start(arguments: &[&str]) -> Result<(Self, String)> {
        let mut process = Command::new(env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdin = process.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "{arguments:?} did not start");
        Ok((Self { process, _stdin: stdin }, line.trim_end().to_owned()))
    }

    /// In MB.
    pub(crate) fn memory(&self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with(field)).context("no such field")?;
        let kib: f64 = line.split_whitespace().nth(1).context("no value")?.parse()?;
        Ok(kib / 1024.0)
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says that this part is ready, and waits until it is not needed any more.
pub(crate) async fn ready(line: &str) -> Result<()> {
    println!("{line}");
    std::io::stdout().flush()?;
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await?;
    Ok(())
}
