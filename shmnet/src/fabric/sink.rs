//! Where received frames go.

use crate::node::{Cast, NodeId};
use crate::ring::Metadata;

/// A frame was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its length in bytes.
    pub len: usize,
    /// The node that sent it: its ring or lane vouches for that, whatever the frame says.
    pub from: NodeId,
    /// How it came.
    pub cast: Cast,
    /// What came with it; the default for frames that came by a group ring.
    pub metadata: Metadata,
}

/// Where [`Endpoint::receive_burst`](crate::Endpoint::receive_burst) puts frames: it is asked for room, then told what was put there.
pub trait FrameSink {
    /// Room for the next frame, from its beginning: as much as the longest frame that is wanted, since a longer one is dropped and
    /// counted. `None`: no more frames. Asked twice without a frame in between, it may give the same room again.
    fn room(&mut self) -> Option<&mut [u8]>;

    /// A frame was copied to the beginning of the room that was given last.
    fn received(&mut self, frame: Received);
}

/// What ended a look at a peer's ring or at the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// As many frames as were asked for.
    Enough,
    /// There are no more.
    Dry,
    /// The sink has no room.
    NoRoom,
}

/// Room for a single frame.
pub(super) struct One<'a> {
    pub(super) into: &'a mut [u8],
    pub(super) received: Option<Received>,
}

impl FrameSink for One<'_> {
    #[inline]
    fn room(&mut self) -> Option<&mut [u8]> {
        Some(self.into)
    }

    #[inline]
    fn received(&mut self, frame: Received) {
        self.received = Some(frame);
    }
}
