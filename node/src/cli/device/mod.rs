//! `gantline device`: the devices that may reach a machine.

mod list;
mod revoke;
mod verify;

use gantline_client::connection::Request;
use gantline_protocol::{DeviceId, api::Device};

use super::{
    Context,
    failure::{Exit, Failure},
    reach::Reached,
    text,
};

/// The least part of a device's id that may stand for it.
const LEAST_PREFIX: usize = 4;

/// List, revoke or verify the devices that may reach a machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gantline device list
  gantline device revoke old-laptop
  gantline device verify --on ada
  gantline device verify laptop")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Revoke(revoke::Args),
    Verify(verify::Args),
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.verb {
        Verb::List(args) => list::run(args, context).await,
        Verb::Revoke(args) => revoke::run(args, context).await,
        Verb::Verify(args) => verify::run(args, context).await,
    }
}

pub(super) async fn devices(reached: &Reached) -> Result<Vec<Device>, Failure> {
    reached.json(Request::get("/v1/devices")).await
}

/// The device that a person means.
fn choose(devices: &[Device], wanted: &str) -> Result<DeviceId, Failure> {
    let mut meant = devices.iter().filter(|device| {
        let id = device.device_id.to_string();
        device.name.as_str() == wanted || (wanted.len() >= LEAST_PREFIX && id.starts_with(wanted))
    });
    let shown = text::line(wanted);
    match (meant.next(), meant.next()) {
        (Some(device), None) => Ok(device.device_id),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("several devices are {shown}: name one by its id"))
                .next("`gantline device list` shows the ids"))
        }
        (None, _) => Err(Failure::failed(format!("there is no device {shown}"))
            .next("`gantline device list` shows them all")),
    }
}

#[cfg(test)]
mod tests {
    use gantline_protocol::{Role, Timestamp};

    use super::*;

    fn device(id: u8, name: &str) -> Device {
        Device {
            device_id: DeviceId::from_bytes([id; 16]),
            name: name.parse().unwrap(),
            role: Role::Owner,
            created_at: Timestamp::default(),
            last_seen: None,
            pending: false,
            safety_number: None,
        }
    }

    #[test]
    fn nobody_loses_a_device_that_was_not_meant() {
        let devices = [device(0xab, "phone"), device(0xcd, "laptop"), device(0xef, "laptop")];
        assert_eq!(choose(&devices, "phone").unwrap(), devices[0].device_id);
        assert_eq!(choose(&devices, "efef").unwrap(), devices[2].device_id);
        for wanted in ["laptop", "", "ab", "tablet"] {
            assert!(choose(&devices, wanted).is_err(), "{wanted}");
        }
    }
}
