//! What travels beside a frame: checksum and segmentation offload as in the virtio network header (virtio 1.2,
//! section 5.1.6), and the steering hint of a packet that is handed on between nodes.

/// `flags`: the checksum at `csum_start + csum_offset` is partial and has to be completed.
pub const HDR_NEEDS_CSUM: u8 = 1;
/// `flags`: the checksum was verified by whoever received the frame.
pub const HDR_DATA_VALID: u8 = 2;
/// `gso_type`: not a super-frame.
pub const GSO_NONE: u8 = 0;
/// `gso_type`: TCP over IPv4.
pub const GSO_TCPV4: u8 = 1;
/// `gso_type`: UDP over IPv4, by fragmentation.
pub const GSO_UDP: u8 = 3;
/// `gso_type`: TCP over IPv6.
pub const GSO_TCPV6: u8 = 4;
/// `gso_type`: UDP, by datagrams.
pub const GSO_UDP_L4: u8 = 5;
/// `gso_type`, in addition: TCP with ECN set.
pub const GSO_ECN: u8 = 0x80;

/// Offload and steering metadata of a frame. The default says that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// [`HDR_NEEDS_CSUM`], [`HDR_DATA_VALID`].
    pub flags: u8,
    /// [`GSO_NONE`] or the kind of super-frame.
    pub gso_type: u8,
    /// Bytes of headers in front of a super-frame's payload; 0 if not known.
    pub header_len: u16,
    /// Bytes of payload in each segment of a super-frame.
    pub gso_size: u16,
    /// Where checksumming begins, in bytes from the start of the frame.
    pub csum_start: u16,
    /// Where the checksum lies, in bytes from `csum_start`.
    pub csum_offset: u16,
    /// How often the frame may still be handed on to a former owner of its flow; 0 if it was not handed on.
    pub steer_hops: u8,
    /// The steering epoch by which the frame was handed on.
    pub steer_epoch: u32,
}

impl Metadata {
    /// Whether a frame of `len` bytes can have this metadata: known flags and kinds, and offsets within the frame.
    #[must_use]
    pub fn fits(&self, len: usize) -> bool {
        if self.flags & !(HDR_NEEDS_CSUM | HDR_DATA_VALID) != 0 {
            return false;
        }
        let checksum_end = usize::from(self.csum_start) + usize::from(self.csum_offset) + 2;
        if self.flags & HDR_NEEDS_CSUM != 0 && checksum_end > len {
            return false;
        }
        match self.gso_type & !GSO_ECN {
            GSO_NONE => self.gso_type == GSO_NONE,
            GSO_TCPV4 | GSO_UDP | GSO_TCPV6 | GSO_UDP_L4 => {
                self.gso_size != 0 && usize::from(self.header_len) <= len
            }
            _ => false,
        }
    }

    /// Whether it says nothing.
    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        let [offload, steering] = self.pack();
        offload | steering == 0
    }

    #[inline(always)]
    pub(super) fn pack(self) -> [u64; 2] {
        let offload = u64::from(self.flags)
            | u64::from(self.gso_type) << 8
            | u64::from(self.header_len) << 16
            | u64::from(self.gso_size) << 32
            | u64::from(self.csum_start) << 48;
        let steering = u64::from(self.csum_offset)
            | u64::from(self.steer_hops) << 16
            | u64::from(self.steer_epoch) << 32;
        [offload, steering]
    }

    pub(super) fn unpack([offload, steering]: [u64; 2]) -> Self {
        Self {
            flags: offload as u8,
            gso_type: (offload >> 8) as u8,
            header_len: (offload >> 16) as u16,
            gso_size: (offload >> 32) as u16,
            csum_start: (offload >> 48) as u16,
            csum_offset: steering as u16,
            steer_hops: (steering >> 16) as u8,
            steer_epoch: (steering >> 32) as u32,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn metadata_survives_its_words() {
        let metadata = Metadata {
            flags: HDR_NEEDS_CSUM,
            gso_type: GSO_TCPV4 | GSO_ECN,
            header_len: 54,
            gso_size: 1448,
            csum_start: 34,
            csum_offset: 16,
            steer_hops: 3,
            steer_epoch: 0xdead_beef,
        };
        assert_eq!(Metadata::unpack(metadata.pack()), metadata);
        assert_eq!(Metadata::default().pack(), [0, 0]);
    }

    #[test]
    fn offsets_beyond_the_frame_do_not_fit() {
        let checksum =
            Metadata { flags: HDR_NEEDS_CSUM, csum_start: 34, csum_offset: 16, ..Metadata::default() };
        assert!(checksum.fits(52));
        assert!(!checksum.fits(51));
        assert!(!Metadata { flags: 4, ..Metadata::default() }.fits(1500));
        assert!(!Metadata { gso_type: 2, gso_size: 1, ..Metadata::default() }.fits(1500));
        assert!(!Metadata { gso_type: GSO_ECN, ..Metadata::default() }.fits(1500));
        assert!(!Metadata { gso_type: GSO_TCPV4, ..Metadata::default() }.fits(1500));
        assert!(
            !Metadata { gso_type: GSO_TCPV4, gso_size: 1, header_len: 61, ..Metadata::default() }.fits(60)
        );
    }
}
