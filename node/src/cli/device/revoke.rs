//! `gantline device revoke`.

use gantline_client::connection::Request;
use gantline_protocol::{DeviceId, api::Device};

use crate::cli::{
    Context,
    failure::{Exit, Failure},
    out, text,
};

/// The least part of a device's id that may stand for it.
const LEAST_PREFIX: usize = 4;

/// Remove a device; its sessions end at once
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  gantline device revoke old-laptop")]
pub(super) struct Args {
    /// The device: its name, its id, or the beginning of the id
    device: String,
    /// The machine; this one if left out
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let reached = context.reach.machine(args.on.as_deref()).await?;
    let devices = super::devices(&reached).await?;
    let device = choose(&devices, &args.device)?;
    reached.request(Request::delete(format!("/v1/devices/{device}"))).await?;
    out::say(format!("{device}: removed; to let it in again: gantline pair"));
    Ok(Exit::Ok)
}

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
