//! Reaches a Gantline machine: pairing as a device, paths to a machine, the session over whichever
//! path is there first, and requests to the machine's API over it.
//!
//! The command line, the gateway and other people's programs use it. The node uses its
//! [`session`], which serves both ends.
//!
//! ```no_run
//! # use gantline_client::{Client, Device, KnownMachine, Path, connection::Request};
//! # async fn example(device: Device, machine: KnownMachine) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(device);
//! let paths: Vec<Path> = machine.relays.iter().cloned().map(Path::Relay).collect();
//! let connection = client.connect(&machine, &paths).await?;
//! let answer = connection.request(Request::get("/v1/machine")).await?;
//! println!("{}", String::from_utf8_lossy(&answer.whole(64 * 1024).await?));
//! # Ok(()) }
//! ```

pub mod address;
pub mod connect;
pub mod connection;
pub mod machine;
pub mod pair;
pub mod path;
pub mod session;
pub mod terminal;

pub use address::MachineAddress;
pub use connect::{Client, ConnectError};
pub use connection::{Connection, RequestError};
pub use machine::{Device, KnownMachine, PairingSecret};
pub use pair::{PairFailed, Pairing};
pub use path::{Path, PathError};
