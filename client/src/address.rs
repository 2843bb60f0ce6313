//! What a person types to name a machine that this device does not know yet.

use std::{fmt, str::FromStr};

use gantline_protocol::{MachineId, RelayAddress, WireError};

/// A machine and the relay that reaches it: `<machine id>.<relay address>`, which without its port
/// and pin is the machine's own subdomain. The address is public; it opens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineAddress {
    /// The machine.
    pub machine: MachineId,
    /// The relay.
    pub relay: RelayAddress,
}

impl fmt::Display for MachineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.machine, self.relay)
    }
}

impl FromStr for MachineAddress {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        const SHAPE: WireError = WireError::Invalid {
            what: "machine address",
            why: "it is not <machine id>.<relay>[:port][~pin]",
        };
        let (machine, relay) = text.split_once('.').ok_or(SHAPE)?;
        Ok(Self { machine: machine.parse()?, relay: relay.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_shows_is_what_a_device_reads() {
        let machine = MachineId::from_bytes([7; 16]);
        for relay in ["relay.example", "localhost:8444", "[::1]:8443"] {
            let address = MachineAddress { machine, relay: relay.parse().unwrap() };
            assert_eq!(address.to_string().parse(), Ok(address));
        }
        for bad in ["", "relay.example", "abc.relay.example", &machine.to_string()] {
            assert!(bad.parse::<MachineAddress>().is_err(), "{bad}");
        }
    }
}
