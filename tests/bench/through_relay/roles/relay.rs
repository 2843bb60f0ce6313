//! The relay itself.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use anyhow::Result;
use gantline_relay::{Config, Relay, registry::TokenOrder};

use crate::part::ready;

pub(crate) async fn relay(state: &Path) -> Result<()> {
    let mut config = Config::new(state.to_owned());
    config.listen = (Ipv4Addr::LOCALHOST, 0).into();
    let relay = Relay::start(config).await?;
    let link = relay
        .join_link(TokenOrder { uses: 1, life: Duration::from_secs(3600), label: String::new() })
        .await?;
    ready(&link.to_string()).await
}
