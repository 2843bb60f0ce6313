//! `gantline open`: the dashboard of this machine's node, in a browser.

use std::{env, ffi::OsString, io, path::Path, process::Stdio, time::Duration};

use gantline_client::connection::Request;
use gantline_protocol::api::OneTimeToken;
use tokio::{process::Command, time::timeout};

use super::{
    Context,
    failure::{Exit, Failure},
    out,
    reach::MAX_ANSWER,
};

/// The file in the run directory by which a browser learns the address, so that it stands on no
/// command line, where every user of the machine can read it.
const REDIRECT: &str = "open.html";
/// How long the program that starts a browser may take to fail. Some stay as long as the browser.
const FAILS_WITHIN: Duration = Duration::from_secs(3);
const PRINT: &str = "`gantline open --print` prints the address, for a browser of your choice";

/// Open the dashboard of this machine's node in a browser
///
/// The browser is let in by an address that works once, for a minute. It is given to it in a file
/// that only you can read. $BROWSER says which program to start.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline open
  gantline open --print     only print the address; whoever has it within a minute is you

The machine is elsewhere? From where your browser is:
  ssh -L 33120:127.0.0.1:33120 MACHINE gantline open --print")]
pub(super) struct Args {
    /// Print the address and start nothing
    #[arg(long)]
    print: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(None).await?;
    let answer = reached.request(Request::post("/v1/one-time-tokens", &())?).await?;
    let token: OneTimeToken = answer.json(MAX_ANSWER).await?;
    let url = token.url.reveal();
    if args.print {
        out::data(format!("{url}\n"))?;
        return Ok(Exit::Ok);
    }
    let program = browser()
        .ok_or_else(|| Failure::failed("there is no display to open a browser on").next(PRINT))?;
    let files = context.reach.home.run_files();
    // Also the version before, which would be kept.
    files.remove(REDIRECT)?;
    files.write(REDIRECT, page(url).as_bytes())?;
    start(&program, &files.path(REDIRECT)).await.map_err(|error| {
        let program = program.to_string_lossy();
        Failure::failed(format!("{program} did not open a browser: {error}")).next(PRINT)
    })?;
    let place = url.split('#').next().unwrap_or_default();
    out::say(format!("{place} opens in your browser. If nothing happens: {PRINT}"));
    Ok(Exit::Ok)
}

/// What starts a browser here, if anything can.
fn browser() -> Option<OsString> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(chosen) = set("BROWSER") {
        return Some(chosen);
    }
    if cfg!(target_os = "macos") {
        return Some("open".into());
    }
    set("DISPLAY").or_else(|| set("WAYLAND_DISPLAY")).map(|_| "xdg-open".into())
}

async fn start(program: &OsString, file: &Path) -> io::Result<()> {
    let mut command = Command::new(program);
    command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    match timeout(FAILS_WITHIN, child.wait()).await {
        Ok(status) => match status? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(status.to_string())),
        },
        // It is still there, and so is the browser.
        Err(_) => Ok(()),
    }
}

/// A page that leads to `url`, which has nothing in it that HTML would have escaped.
fn page(url: &str) -> String {
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\">\n<title>Gantline</title>\n\
         <p><a href=\"{url}\">Open the dashboard</a></p>\n"
    )
}
