//! Packets and link state advertisements (RFC 2328 appendix A), decoded into types that cannot
//! express nonsense and encoded back to the same bytes.
//!
//! Decoding never panics and never allocates more than the input's length warrants. Unknown link state
//! types keep their bytes. Checksums are verified here: the packet's (section D.4), and each
//! advertisement's Fletcher checksum (section 12.1.7) on request.

use std::net::Ipv4Addr;

use crate::types::{AreaId, RouterId, SeqNum};

/// The version that this engine speaks.
pub const VERSION: u8 = 2;
/// AllSPFRouters.
pub const ALL_SPF_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 5);
/// AllDRouters.
pub const ALL_D_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 6);

bitflags::bitflags! {
    /// Optional capabilities (RFC 2328 section A.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Options: u8 {
        /// The area takes AS-external advertisements.
        const E = 0x02;
        /// Multicast forwarding (unused today).
        const MC = 0x04;
        /// NSSA (RFC 3101).
        const NP = 0x08;
        /// Link-local signalling (RFC 5613).
        const L = 0x10;
        /// Demand circuits (RFC 1793).
        const DC = 0x20;
        /// Opaque advertisements (RFC 5250).
        const O = 0x40;
        /// Down bit (RFC 4576).
        const DN = 0x80;
        const _ = !0;
    }
}

/// The fields of the common 24-byte header that are not implied by the body (section A.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who sent it.
    pub router_id: RouterId,
    /// The area that it belongs to.
    pub area_id: AreaId,
}

/// A decoded packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Sender and area.
    pub header: Header,
    /// What it says.
    pub body: PacketBody,
}

/// The five packet types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PacketBody {
    /// Type 1.
    Hello(Hello),
    /// Type 2.
    DatabaseDescription(DatabaseDescription),
    /// Type 3.
    LinkStateRequest(Vec<LsaKey>),
    /// Type 4: each advertisement with its bytes.
    LinkStateUpdate(Vec<Lsa>),
    /// Type 5.
    LinkStateAck(Vec<LsaHeader>),
}

/// Hello (section A.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Mask of the sender's interface; ignored on point-to-point and point-to-multipoint networks.
    pub network_mask: Ipv4Addr,
    /// HelloInterval in seconds.
    pub hello_interval: u16,
    /// The sender's options.
    pub options: Options,
    /// The sender's router priority.
    pub priority: u8,
    /// RouterDeadInterval in seconds.
    pub dead_interval: u32,
    /// Designated router by its interface address, or 0.0.0.0.
    pub designated_router: Ipv4Addr,
    /// Backup designated router by its interface address, or 0.0.0.0.
    pub backup_designated_router: Ipv4Addr,
    /// Routers heard within RouterDeadInterval.
    pub neighbors: Vec<RouterId>,
}

bitflags::bitflags! {
    /// Bits of a database description packet (section A.3.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct DdFlags: u8 {
        /// Master.
        const MS = 0x01;
        /// More.
        const M = 0x02;
        /// Init.
        const I = 0x04;
    }
}

/// Database description (section A.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseDescription {
    /// The sender's interface MTU; 0 on virtual links.
    pub interface_mtu: u16,
    /// The sender's options.
    pub options: Options,
    /// Init, More, Master.
    pub flags: DdFlags,
    /// DD sequence number.
    pub sequence: u32,
    /// Headers of a part of the sender's database.
    pub headers: Vec<LsaHeader>,
}

/// Link state types. Values without a name keep their number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LsType(pub u8);

impl LsType {
    /// Router-LSA.
    pub const ROUTER: Self = Self(1);
    /// Network-LSA.
    pub const NETWORK: Self = Self(2);
    /// Summary-LSA for a network.
    pub const SUMMARY_NETWORK: Self = Self(3);
    /// Summary-LSA for an AS boundary router.
    pub const SUMMARY_ASBR: Self = Self(4);
    /// AS-external-LSA.
    pub const AS_EXTERNAL: Self = Self(5);
}

/// What names an advertisement (section 12.1): type, link state id, advertising router.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LsaKey {
    /// Link state type.
    pub ls_type: LsType,
    /// Link state id.
    pub id: Ipv4Addr,
    /// Who originated it.
    pub advertising_router: RouterId,
}

/// The 20-byte header of an advertisement (section A.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsaHeader {
    /// Age in seconds. The DoNotAge bit is not interpreted.
    pub age: u16,
    /// The originator's options.
    pub options: Options,
    /// Its name.
    pub key: LsaKey,
    /// Sequence number.
    pub sequence: SeqNum,
    /// Fletcher checksum over everything but the age.
    pub checksum: u16,
    /// Length in bytes, this header included.
    pub length: u16,
}

/// An advertisement: its decoded header and its bytes as they travel (the header's 20 bytes included).
/// The body is decoded on demand with `Lsa::body()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lsa {
    /// The decoded header; the age here is authoritative, the one in `bytes` is the one received.
    pub header: LsaHeader,
    /// Header and body as received or as built.
    pub bytes: std::sync::Arc<[u8]>,
}

/// The decoded body of an advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LsaBody {
    /// Type 1.
    Router(RouterLsa),
    /// Type 2.
    Network(NetworkLsa),
    /// Types 3 and 4.
    Summary(SummaryLsa),
    /// Type 5.
    AsExternal(AsExternalLsa),
    /// Any other type, with the bytes after the header.
    Unknown(Vec<u8>),
}

bitflags::bitflags! {
    /// Bits of a router-LSA (section A.4.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct RouterFlags: u8 {
        /// Area border router.
        const B = 0x01;
        /// AS boundary router.
        const E = 0x02;
        /// Endpoint of a virtual link.
        const V = 0x04;
        const _ = !0;
    }
}

/// Router-LSA (section A.4.2).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RouterLsa {
    /// B, E, V.
    pub flags: RouterFlags,
    /// The router's links into the area.
    pub links: Vec<RouterLink>,
}

/// The type of a link in a router-LSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LinkType {
    /// To another router.
    PointToPoint = 1,
    /// To a transit network.
    Transit = 2,
    /// To a stub network.
    Stub = 3,
    /// Virtual link.
    Virtual = 4,
}

/// One link of a router-LSA. TOS metrics are skipped when decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterLink {
    /// Link id: neighbor's router id, DR's address, or network number, by type.
    pub id: Ipv4Addr,
    /// Link data: interface address, ifIndex, or mask, by type.
    pub data: Ipv4Addr,
    /// Its type.
    pub link_type: LinkType,
    /// Its cost.
    pub metric: u16,
}

/// Network-LSA (section A.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkLsa {
    /// The network's mask.
    pub network_mask: Ipv4Addr,
    /// Routers fully adjacent to the designated router, itself included.
    pub attached_routers: Vec<RouterId>,
}

/// Summary-LSA (section A.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummaryLsa {
    /// The network's mask; 0 for type 4.
    pub network_mask: Ipv4Addr,
    /// Cost, 24 bits.
    pub metric: u32,
}

/// AS-external-LSA (section A.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsExternalLsa {
    /// The network's mask.
    pub network_mask: Ipv4Addr,
    /// Type 2 metric.
    pub e2: bool,
    /// Cost, 24 bits.
    pub metric: u32,
    /// Forwarding address or 0.0.0.0.
    pub forwarding_address: Ipv4Addr,
    /// External route tag.
    pub tag: u32,
}
