//! The login of a node at a relay: `Noise_IN`, bound to the relay's name and to the TLS
//! connection that carries it.
//!
//! ```text
//! node  → relay   LinkHello: version, host          in clear
//! node  → relay   L1: e, s                          64 bytes
//! relay → node    LinkReply; L2: e, ee, se          1 + 48 bytes
//! node  → relay   L3: LOGIN                         sealed; proves the node's key
//! relay → node    L4: WELCOME or DENIED             sealed
//! ```
//!
//! The relay has no Noise key of its own: TLS, pinned in the join link, says who it is, and the
//! exporter ties this handshake to that TLS connection, so that it can't be carried elsewhere.

use gantline_protocol::{
    HostName, MachineId, WireError,
    link::{LinkHello, LinkMessage, LinkReply, Login},
    lv,
};
use rand_core::CryptoRng;

use crate::{
    PublicKey, StaticKey,
    channel::{ChannelError, ControlChannel},
    noise::{Handshake, HandshakeFailed, Pattern, Setup},
};

/// The length of L1, in bytes.
pub const L1: usize = 64;
/// The length of L2, in bytes.
pub const L2: usize = 48;
/// The label under which both ends take 32 bytes from the TLS exporter (RFC 8446 section 7.5),
/// with an empty context.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-gantline-login-1";

const PROLOGUE_LABEL: &[u8] = b"gantline/login/1";

/// What ties a login to the TLS connection that carries it.
#[derive(Debug, Clone, Copy)]
pub enum TlsBinding<'a> {
    /// 32 bytes of the TLS exporter, under [`EXPORTER_LABEL`].
    Exporter(&'a [u8; 32]),
    /// Nothing: a proxy ends TLS in front of the relay, and both ends were told so beforehand.
    EndedByProxy,
}

/// Why a login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// The handshake failed: other TLS connection, other host, or altered messages.
    #[error(transparent)]
    Handshake(#[from] HandshakeFailed),
    /// A sealed message doesn't open.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The message isn't what it should be.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The node asks for a host name that isn't this relay's.
    #[error("the node asks for the relay {0}, which this relay is not")]
    Host(HostName),
    /// The first sealed message is not LOGIN.
    #[error("the node's first sealed message is not LOGIN")]
    NotLogin,
}

impl LoginError {
    /// What a relay answers to a hello that fails like this, if anything; then it ends the link.
    #[must_use]
    pub const fn reply(&self) -> Option<LinkReply> {
        match self {
            Self::Host(_) => Some(LinkReply::HostUnknown),
            Self::Wire(WireError::Version { .. }) => Some(LinkReply::Version),
            Self::Handshake(_) | Self::Channel(_) | Self::Wire(_) | Self::NotLogin => None,
        }
    }
}

/// The node's side, waiting for L2.
#[derive(Debug)]
pub struct LoginInitiator {
    handshake: Handshake,
}

impl LoginInitiator {
    /// Starts a login at the relay `host`. Returns the bytes to send: LinkHello and L1.
    ///
    /// # Errors
    /// [`LoginError::Handshake`] never happens with a well-formed key.
    pub fn start(
        key: &StaticKey,
        host: &HostName,
        binding: TlsBinding<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), LoginError> {
        let prologue = prologue(host, binding);
        let setup = Setup {
            pattern: Pattern::IN,
            prologue: &prologue,
            static_key: Some(key),
            remote: None,
        };
        let mut handshake = Handshake::initiator(&setup, rng)?;
        let mut out = Vec::new();
        LinkHello { host: host.clone() }.encode(&mut out);
        out.extend_from_slice(&handshake.write_exact::<L1>(&[])?);
        Ok((Self { handshake }, out))
    }

    /// Reads L2, which follows [`LinkReply::GoOn`]. Then send LOGIN through the channel and read the relay's answer.
    ///
    /// # Errors
    /// [`LoginError::Handshake`] when L2 was altered, or the relay sees another TLS connection.
    pub fn finish(mut self, l2: &[u8; L2]) -> Result<ControlChannel, LoginError> {
        self.handshake.read_exact::<0>(l2)?;
        let transport = self.handshake.split()?;
        Ok(ControlChannel::new(transport.initiator, transport.responder))
    }
}

/// The relay's side, waiting for L3. Nothing is proved yet.
#[derive(Debug)]
pub struct LoginResponder {
    claimed: PublicKey,
    channel: ControlChannel,
}

/// A node that has proved its key.
#[derive(Debug)]
pub struct LoggedIn {
    /// The machine, which follows from the key.
    pub machine: MachineId,
    /// The node's static key.
    pub key: PublicKey,
    /// What the node says of itself.
    pub login: Login,
    /// The control stream; the answer, WELCOME or DENIED, is the first message to send.
    pub channel: ControlChannel,
}

impl LoginResponder {
    /// Answers a LinkHello and L1 with the returned bytes: [`LinkReply::GoOn`] and L2. `accepted`
    /// are this relay's names.
    ///
    /// # Errors
    /// [`LoginError::Host`] for a name that isn't accepted (see [`LoginError::reply`]), [`LoginError::Handshake`] for an L1
    /// that isn't a handshake message.
    pub fn answer(
        hello: &LinkHello,
        accepted: &[HostName],
        binding: TlsBinding<'_>,
        l1: &[u8; L1],
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, [u8; 1 + L2]), LoginError> {
        if !accepted.contains(&hello.host) {
            return Err(LoginError::Host(hello.host.clone()));
        }
        let prologue = prologue(&hello.host, binding);
        let setup =
            Setup { pattern: Pattern::IN, prologue: &prologue, static_key: None, remote: None };
        let mut handshake = Handshake::responder(&setup, rng)?;
        handshake.read_exact::<0>(l1)?;
        let l2 = handshake.write_exact::<L2>(&[])?;
        let mut answer = [LinkReply::GoOn.to_byte(); 1 + L2];
        answer[1..].copy_from_slice(&l2);
        let claimed = handshake.remote().ok_or(HandshakeFailed)?;
        let transport = handshake.split()?;
        let channel = ControlChannel::new(transport.responder, transport.initiator);
        Ok((Self { claimed, channel }, answer))
    }

    /// The key that the node claims. Good for rate limits; believe it after [`Self::confirm`].
    #[must_use]
    pub const fn claimed(&self) -> &PublicKey {
        &self.claimed
    }

    /// Opens L3, which only the owner of the claimed key can have sealed. `ciphertext` is what
    /// follows its length.
    ///
    /// # Errors
    /// [`LoginError::Channel`] when it doesn't open, [`LoginError::Wire`] when it can't be read,
    /// [`LoginError::NotLogin`] when it is another message.
    pub fn confirm(mut self, ciphertext: &mut [u8]) -> Result<LoggedIn, LoginError> {
        let message = self.channel.open(ciphertext)?;
        let LinkMessage::Login(login) = LinkMessage::decode(message)? else {
            return Err(LoginError::NotLogin);
        };
        let machine = self.claimed.machine_id();
        Ok(LoggedIn { machine, key: self.claimed, login, channel: self.channel })
    }
}

fn prologue(host: &HostName, binding: TlsBinding<'_>) -> Vec<u8> {
    let binding = match binding {
        TlsBinding::Exporter(bytes) => bytes.as_slice(),
        TlsBinding::EndedByProxy => &[],
    };
    lv::concat(&[PROLOGUE_LABEL, host.as_str().as_bytes(), binding])
}
