//! A pipe on which a device pairs.

use std::time::Duration;

use bytes::Bytes;
use gantline_crypto::pairing::{NodePairing, PairingError, wire::Refusal};
use gantline_transport::{PipeReader, PipeWriter};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{ByWhat, Place};

/// How long the last word may take to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Sees a pairing through, or tells the device why not. Nothing here is retried: the device's user
/// decides whether to try again.
pub(super) async fn welcome(
    place: Place,
    by: ByWhat,
    mut reader: impl PipeReader,
    mut writer: impl PipeWriter,
) {
    let devices = &place.shared.devices;
    let farewell = match place.may_pair(devices.is_open(by)) {
        Ok(()) => run(&place, by, &mut reader, &mut writer).await,
        Err(refusal) => Some(refusal),
    };
    // A pipe that was refused has no place any more, and so no deadline but this.
    let _ = timeout(FAREWELL, async {
        if let Some(refusal) = farewell {
            tracing::info!(%refusal, ?by, "a pairing failed");
            // Whoever is told may be gone; then there is nobody to tell.
            let _ = writer.write_chunk(Bytes::copy_from_slice(&[refusal.to_status()])).await;
        }
        let _ = writer.shutdown().await;
    })
    .await;
}

/// The run itself; what to tell the device if it fails, and `None` if nobody is there to be told.
async fn run(
    place: &Place,
    by: ByWhat,
    reader: &mut impl PipeReader,
    writer: &mut impl PipeWriter,
) -> Option<Refusal> {
    let mut pairing = match by {
        ByWhat::Code => NodePairing::by_code(),
        ByWhat::Link => NodePairing::by_link(),
    };
    loop {
        let mut message = vec![0; pairing.needs()];
        reader.read_exact(&mut message).await.ok()?;
        match place.shared.devices.pair(&mut pairing, by, &message).await {
            Ok(step) => {
                writer.write_chunk(step.send.into()).await.ok()?;
                if let Some(device) = step.done {
                    tracing::info!(device = %device.id, name = %device.name, "a device was paired");
                    return None;
                }
            }
            Err(error @ PairingError::NotConfirmed) => {
                tracing::warn!("somebody tried to pair with another code or link");
                return Some(error.farewell());
            }
            Err(error) => return Some(error.farewell()),
        }
    }
}

impl Place {
    fn may_pair(&self, is_open: bool) -> Result<(), Refusal> {
        let answer = self.shared.waiting().places.pair(self.number, is_open);
        self.shared.changed.notify_one();
        answer
    }
}
