//! Why a packet was dropped. The enum is the metric label (I5).

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $label:literal,)*) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DropReason { $($(#[$doc])* $variant,)* }

        impl DropReason {
            /// All reasons, in the order of their discriminants.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The label in metrics and JSON.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than an Ethernet header, or longer than a buffer.
    BadFrame = "bad-frame",
    /// Addressed to another station's Ethernet address.
    NotForUs = "not-for-us",
    /// Neither IPv4 nor ARP.
    UnknownEtherType = "unknown-ethertype",
    /// Version, header length or total length is wrong.
    BadIpHeader = "bad-ip-header",
    /// The IPv4 header checksum is wrong.
    BadIpChecksum = "bad-ip-checksum",
    /// Carries a source route option, which this router does not obey.
    SourceRouted = "source-routed",
    /// A source or destination that must not be on the wire (RFC 1812 section 5.3.7).
    Martian = "martian",
    /// An ARP packet that does not parse.
    BadArp = "bad-arp",
    /// The time to live ran out (RFC 1812 section 5.3.1).
    TtlExpired = "ttl-expired",
    /// No route to the destination.
    NoRoute = "no-route",
    /// A discard or blackhole route.
    Discard = "discard-route",
    /// Longer than the egress MTU, and must not be fragmented.
    FragmentationNeeded = "fragmentation-needed",
    /// The interface is administratively down.
    InterfaceDown = "interface-down",
    /// The interface has no carrier.
    NoCarrier = "no-carrier",
    /// The next hop's Ethernet address did not resolve.
    UnresolvedNextHop = "unresolved-next-hop",
    /// The queue of packets that wait for address resolution is full.
    ResolutionQueueFull = "resolution-queue-full",
    /// The node that the frame is for is not in the fabric.
    NoSuchNode = "no-such-node",
    /// The ring to the node is full.
    RingFull = "ring-full",
    /// Longer than the medium carries.
    TooLong = "too-long",
    /// The medium refused the frame.
    TransmitError = "transmit-error",
    /// All packet buffers are in flight.
    NoBuffer = "no-buffer",
    /// The host stack's queue is full.
    HostQueueFull = "host-queue-full",
    /// The OSPF engine's queue is full.
    ControlQueueFull = "control-queue-full",
    /// Multicast or broadcast that this node does not take.
    UnwantedMulticast = "unwanted-multicast",
    /// A protocol on an address of the router that nothing here speaks.
    UnknownProtocol = "unknown-protocol",
    /// A packet to the common address while no node accepts.
    NoActiveNode = "no-active-node",
    /// A fragment that cannot be part of a datagram, or that was handed over for none to be put together here.
    BadFragment = "bad-fragment",
    /// A fragment of a datagram of which two overlap (RFC 5722).
    FragmentOverlap = "fragment-overlap",
    /// A fragment that was there already.
    DuplicateFragment = "duplicate-fragment",
    /// A fragment whose datagram did not become complete in time.
    ReassemblyTimeout = "reassembly-timeout",
    /// A fragment whose datagram had to make room for another.
    ReassemblyLimit = "reassembly-limit",
    /// OSPF where no OSPF runs.
    UnexpectedOspf = "unexpected-ospf",
}

impl DropReason {
    /// Whether the packet was lost on its way out of an interface; all other packets are lost as they come in.
    pub const fn is_outbound(self) -> bool {
        matches!(
            self,
            Self::FragmentationNeeded
                | Self::NoCarrier
                | Self::UnresolvedNextHop
                | Self::ResolutionQueueFull
                | Self::NoSuchNode
                | Self::RingFull
                | Self::TooLong
                | Self::TransmitError
        )
    }
}
