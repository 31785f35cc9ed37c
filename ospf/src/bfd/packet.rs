//! The control packet (RFC 5880 section 4.1).

use super::view::{Diagnostic, SessionState};

/// Octets of a control packet without an authentication section.
pub const LENGTH: usize = 24;
/// The version of the protocol.
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION_PRESENT: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// A control packet without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPacket {
    /// Why the sender's session left state Up last.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: SessionState,
    /// The sender asks for an answer with the Final bit.
    pub poll: bool,
    /// This is the answer.
    pub final_: bool,
    /// The sender's forwarding outlives its control plane.
    pub control_plane_independent: bool,
    /// The sender wants to hear nothing while both are up (section 6.6).
    pub demand: bool,
    /// After how many of the sender's intervals its peer takes the session for down. Not zero.
    pub detect_multiplier: u8,
    /// The sender's name of the session. Not zero.
    pub my_discriminator: u32,
    /// The receiver's name of the session, as far as the sender knows it; else zero.
    pub your_discriminator: u32,
    /// The least interval at which the sender would like to send, in microseconds.
    pub desired_min_tx: u32,
    /// The least interval at which it can receive, in microseconds; zero: it does not want periodic packets.
    pub required_min_rx: u32,
    /// The same for echo packets; zero: it takes none.
    pub required_min_echo_rx: u32,
}

/// Why a packet is discarded (section 6.8.6, RFC 5881 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscardReason {
    /// Shorter than a packet can be.
    #[error("shorter than a control packet")]
    Truncated,
    /// Another version than 1.
    #[error("version {0}")]
    Version(u8),
    /// The length field does not agree with the payload, or with the least length.
    #[error("length field {0}")]
    Length(u8),
    /// DetectMult is zero.
    #[error("detection multiplier zero")]
    ZeroMultiplier,
    /// The Multipoint bit is set.
    #[error("multipoint bit")]
    Multipoint,
    /// My Discriminator is zero.
    #[error("my discriminator zero")]
    ZeroDiscriminator,
    /// Your Discriminator is zero although the sender is in state Init or Up.
    #[error("your discriminator zero in state {0}")]
    NoDiscriminator(SessionState),
    /// It carries authentication; no session here uses it.
    #[error("authentication present")]
    Authentication,
    /// It has passed a router.
    #[error("time to live {0}")]
    TimeToLive(u8),
    /// No session has this discriminator, or is with this sender.
    #[error("no session")]
    NoSession,
    /// The session is administratively down.
    #[error("session administratively down")]
    AdminDown,
}

impl ControlPacket {
    /// Writes the packet.
    pub fn encode(&self) -> [u8; LENGTH] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.poll, POLL)
            | flag(self.final_, FINAL)
            | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.demand, DEMAND);
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION << 5 | self.diagnostic.number();
        bytes[1] = self.state.number() << 6 | flags;
        bytes[2] = self.detect_multiplier;
        bytes[3] = LENGTH as u8;
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx,
            self.required_min_rx,
            self.required_min_echo_rx,
        ];
        for (place, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Reads the payload of a UDP datagram, and makes the checks of section 6.8.6 that need no session, in its order.
    ///
    /// # Errors
    /// The packet must be discarded.
    pub fn decode(payload: &[u8]) -> Result<Self, DiscardReason> {
        let Some((head, rest)) = payload.split_first_chunk::<4>() else {
            return Err(DiscardReason::Truncated);
        };
        let Some(body) = rest.first_chunk::<{ LENGTH - 4 }>() else { return Err(DiscardReason::Truncated) };
        let &[first, flags, detect_multiplier, length] = head;
        if first >> 5 != VERSION {
            return Err(DiscardReason::Version(first >> 5));
        }
        // Authentication makes the packet longer; what may stand after the length is no part of it.
        if usize::from(length) < LENGTH || usize::from(length) > payload.len() {
            return Err(DiscardReason::Length(length));
        }
        let word = |index: usize| {
            let at = 4 * index;
            u32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]])
        };
        let packet = Self {
            diagnostic: Diagnostic::of(first & 0x1f),
            state: SessionState::of(flags >> 6),
            poll: flags & POLL != 0,
            final_: flags & FINAL != 0,
            control_plane_independent: flags & CONTROL_PLANE_INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            detect_multiplier,
            my_discriminator: word(0),
            your_discriminator: word(1),
            desired_min_tx: word(2),
            required_min_rx: word(3),
            required_min_echo_rx: word(4),
        };
        let early = matches!(packet.state, SessionState::Down | SessionState::AdminDown);
        if detect_multiplier == 0 {
            Err(DiscardReason::ZeroMultiplier)
        } else if flags & MULTIPOINT != 0 {
            Err(DiscardReason::Multipoint)
        } else if packet.my_discriminator == 0 {
            Err(DiscardReason::ZeroDiscriminator)
        } else if packet.your_discriminator == 0 && !early {
            Err(DiscardReason::NoDiscriminator(packet.state))
        } else if flags & AUTHENTICATION_PRESENT != 0 {
            Err(DiscardReason::Authentication)
        } else {
            Ok(packet)
        }
    }
}
