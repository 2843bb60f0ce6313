//! The relay is the enemy. Whatever it does to what passes through it, a session dies with an error
//! or goes on as if nothing had happened: nobody hears or does what was not said, nobody is paired
//! or forgotten, nothing panics, and through an honest relay everything works as before.
//!
//! `GANTLINE_TIER=bars` plays ten times as many random attacks, and `GANTLINE_SEED` repeats a run.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

/// A test of each of these stories for each carrier.
macro_rules! on_each_carrier {
    ($($story:ident),* $(,)?) => {
        mod quic {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(gantline_tests::HostileRelay::start()).await;
            })*
        }

        mod websocket {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(gantline_tests::HostileRelay::on_websockets().await).await;
            })*
        }
    };
}

#[path = "hostile_relay/dice.rs"]
mod dice;
#[path = "hostile_relay/floods.rs"]
mod floods;
#[path = "hostile_relay/login.rs"]
mod login;
#[path = "hostile_relay/pairing.rs"]
mod pairing;
#[path = "hostile_relay/sessions.rs"]
mod sessions;
