//! The link state database, entry by entry.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::types::{AreaId, RouterId};
use crate::wire::opaque::{self, Capabilities, RouterInformation};
use crate::wire::{
    AsExternalLsa, LinkType, LsType, Lsa, LsaBody, LsaHeader, LsaKey, NetworkLsa, RouterFlags, RouterLsa,
    SummaryLsa,
};

/// What names an advertisement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct LsaIdView {
    /// Its area; absent for those of the whole autonomous system.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub area_id: Option<AreaId>,
    /// Name of its type, see [`lsa_type_name`].
    #[serde(rename = "type")]
    pub lsa_type: String,
    /// Link state id.
    pub lsa_id: Ipv4Addr,
    /// Who originated it.
    pub adv_router: RouterId,
    /// Sequence number.
    pub seq_num: u32,
}

/// An advertisement in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct DatabaseEntryView {
    /// Its area; absent for those of the whole autonomous system.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub area_id: Option<AreaId>,
    /// The interface of those that stay on a link; absent for all others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interface: Option<String>,
    /// Its header.
    pub header: LsaHeaderView,
    /// Whether `body` says all that the bytes say.
    pub decode_completed: bool,
    /// The bytes, header included, in hexadecimal with colons.
    pub raw_data: String,
    /// The body of types 1 to 5 and 7, and of opaque ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<LsaBodyView>,
}

/// The header of an advertisement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct LsaHeaderView {
    /// Age in seconds, now.
    pub age: u16,
    /// Name of its type, see [`lsa_type_name`].
    #[serde(rename = "type")]
    pub lsa_type: String,
    /// Number of its type.
    pub type_number: u8,
    /// Who originated it.
    pub adv_router: RouterId,
    /// Link state id.
    pub lsa_id: Ipv4Addr,
    /// Sequence number, as the unsigned number on the wire.
    pub seq_num: u32,
    /// Fletcher checksum, as `0x1e7d`.
    pub checksum: String,
    /// Length in bytes, header included.
    pub length: u16,
}

/// The body of an advertisement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LsaBodyView {
    /// Type 1.
    Router(RouterBodyView),
    /// Type 2.
    Network(NetworkBodyView),
    /// Types 3 and 4.
    Summary(SummaryBodyView),
    /// Types 5 and 7.
    External(AsExternalBodyView),
    /// Types 9 to 11.
    Opaque(OpaqueBodyView),
}

/// Body of an opaque LSA (RFC 5250).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct OpaqueBodyView {
    /// The first octet of the link state id: what the rest means.
    pub opaque_type: u8,
    /// The other three.
    pub opaque_id: u32,
    /// What opaque type 4 says (RFC 7770).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub router_information: Option<RouterInformationView>,
}

/// What a router says of itself (RFC 7770).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RouterInformationView {
    /// Which of `graceful-restart`, `graceful-restart-helper`, `stub-router`, `traffic-engineering` and `p2p-over-lan` are set.
    pub informational_capabilities: Vec<String>,
    /// What people call it (RFC 5642).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hostname: Option<String>,
}

/// Body of a router-LSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RouterBodyView {
    /// Which of `abr-bit`, `asbr-bit`, `vlink-end-bit`, `nssa-bit` are set.
    pub rtr_lsa_bits: Vec<String>,
    /// Number of links.
    pub num_of_links: u32,
    /// The links.
    pub links: Vec<RouterLinkView>,
}

/// A link of a router-LSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct RouterLinkView {
    /// Neighbor's router id, designated router's address, or network number.
    pub link_id: Ipv4Addr,
    /// Interface address, interface number, or mask.
    pub link_data: Ipv4Addr,
    /// `point-to-point-link`, `transit-network-link`, `stub-network-link` or `virtual-link`.
    #[serde(rename = "type")]
    pub link_type: String,
    /// Cost.
    pub metric: u16,
}

/// Body of a network-LSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct NetworkBodyView {
    /// Mask of the network.
    pub network_mask: Ipv4Addr,
    /// Routers on it.
    pub attached_routers: Vec<RouterId>,
}

/// Body of a summary-LSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct SummaryBodyView {
    /// Mask of the network; 0.0.0.0 for type 4.
    pub network_mask: Ipv4Addr,
    /// Cost; 16777215 is unreachable.
    pub metric: u32,
}

/// Body of an AS-external-LSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct AsExternalBodyView {
    /// Mask of the destination.
    pub network_mask: Ipv4Addr,
    /// `E` if the metric is of type 2, else empty.
    pub flags: String,
    /// Cost; 16777215 is unreachable.
    pub metric: u32,
    /// Where packets should go, if not to the originator.
    pub forwarding_address: Ipv4Addr,
    /// Tag.
    pub external_route_tag: u32,
}

impl LsaIdView {
    /// Names an instance of an advertisement.
    pub fn new(area_id: Option<AreaId>, header: &LsaHeader) -> Self {
        let LsaKey { ls_type, id, advertising_router } = header.key;
        Self {
            area_id,
            lsa_type: lsa_type_name(ls_type).to_owned(),
            lsa_id: id,
            adv_router: advertising_router,
            seq_num: header.sequence.0.cast_unsigned(),
        }
    }
}

impl DatabaseEntryView {
    /// The view of an advertisement whose header carries its present age.
    pub fn new(area_id: Option<AreaId>, lsa: &Lsa) -> Self {
        let body = lsa.body().ok().and_then(|body| LsaBodyView::new(lsa.header.key.id, &body));
        let is_known = |body: &LsaBodyView| match body {
            LsaBodyView::Opaque(opaque) => opaque.router_information.is_some(),
            _ => true,
        };
        Self {
            area_id,
            interface: None,
            header: LsaHeaderView::new(&lsa.header),
            decode_completed: body.as_ref().is_some_and(is_known),
            raw_data: hex(&lsa.to_bytes()),
            body,
        }
    }
}

impl LsaHeaderView {
    /// The view of a header that carries its present age.
    pub fn new(header: &LsaHeader) -> Self {
        Self {
            age: header.age,
            lsa_type: lsa_type_name(header.key.ls_type).to_owned(),
            type_number: header.key.ls_type.0,
            adv_router: header.key.advertising_router,
            lsa_id: header.key.id,
            seq_num: header.sequence.0.cast_unsigned(),
            checksum: format!("{:#06x}", header.checksum),
            length: header.length,
        }
    }
}

impl LsaBodyView {
    /// The view of a body under a link state id; `None` for types that the engine does not know.
    pub fn new(id: Ipv4Addr, body: &LsaBody) -> Option<Self> {
        Some(match body {
            LsaBody::Router(router) => Self::Router(RouterBodyView::new(router)),
            LsaBody::Network(network) => Self::Network(NetworkBodyView::new(network)),
            LsaBody::Summary(summary) => Self::Summary(SummaryBodyView::new(summary)),
            LsaBody::AsExternal(external) => Self::External(AsExternalBodyView::new(external)),
            LsaBody::Opaque(bytes) => Self::Opaque(OpaqueBodyView::new(id, bytes)),
            LsaBody::Unknown(_) => return None,
        })
    }
}

impl OpaqueBodyView {
    fn new(id: Ipv4Addr, bytes: &[u8]) -> Self {
        let (opaque_type, opaque_id) = opaque::parts(id);
        let information =
            (opaque_type == opaque::ROUTER_INFORMATION).then(|| RouterInformation::decode(bytes).ok());
        let router_information =
            information.flatten().map(|information| RouterInformationView::new(&information));
        Self { opaque_type, opaque_id, router_information }
    }
}

impl RouterInformationView {
    fn new(information: &RouterInformation) -> Self {
        let names = [
            (Capabilities::GRACEFUL_RESTART, "graceful-restart"),
            (Capabilities::GRACEFUL_RESTART_HELPER, "graceful-restart-helper"),
            (Capabilities::STUB_ROUTER, "stub-router"),
            (Capabilities::TRAFFIC_ENGINEERING, "traffic-engineering"),
            (Capabilities::POINT_TO_POINT_LAN, "p2p-over-lan"),
        ];
        let set = information.capabilities.unwrap_or_default();
        let set = names.into_iter().filter(|(bit, _)| set.contains(*bit)).map(|(_, name)| name.to_owned());
        Self { informational_capabilities: set.collect(), hostname: information.hostname.clone() }
    }
}

impl RouterBodyView {
    fn new(router: &RouterLsa) -> Self {
        let links = router.links.iter().map(|link| RouterLinkView {
            link_id: link.id,
            link_data: link.data,
            link_type: link_type_name(link.link_type).to_owned(),
            metric: link.metric,
        });
        Self {
            rtr_lsa_bits: router_bits(router.flags),
            num_of_links: u32::try_from(router.links.len()).unwrap_or(u32::MAX),
            links: links.collect(),
        }
    }
}

impl NetworkBodyView {
    fn new(network: &NetworkLsa) -> Self {
        Self { network_mask: network.network_mask, attached_routers: network.attached_routers.clone() }
    }
}

impl SummaryBodyView {
    fn new(summary: &SummaryLsa) -> Self {
        Self { network_mask: summary.network_mask, metric: summary.metric }
    }
}

impl AsExternalBodyView {
    fn new(external: &AsExternalLsa) -> Self {
        Self {
            network_mask: external.network_mask,
            flags: if external.e2 { "E" } else { "" }.to_owned(),
            metric: external.metric,
            forwarding_address: external.forwarding_address,
            external_route_tag: external.tag,
        }
    }
}

/// The YANG identity of a link state type.
pub fn lsa_type_name(ls_type: LsType) -> &'static str {
    match ls_type.0 {
        1 => "ospfv2-router-lsa",
        2 => "ospfv2-network-lsa",
        3 => "ospfv2-network-summary-lsa",
        4 => "ospfv2-asbr-summary-lsa",
        5 => "ospfv2-as-external-lsa",
        7 => "ospfv2-nssa-lsa",
        9 => "ospfv2-link-scope-opaque-lsa",
        10 => "ospfv2-area-scope-opaque-lsa",
        11 => "ospfv2-as-scope-opaque-lsa",
        _ => "ospfv2-unknown-lsa-type",
    }
}

fn link_type_name(link_type: LinkType) -> &'static str {
    match link_type {
        LinkType::PointToPoint => "point-to-point-link",
        LinkType::Transit => "transit-network-link",
        LinkType::Stub => "stub-network-link",
        LinkType::Virtual => "virtual-link",
    }
}

fn router_bits(flags: RouterFlags) -> Vec<String> {
    let names = [
        (RouterFlags::B, "abr-bit"),
        (RouterFlags::E, "asbr-bit"),
        (RouterFlags::V, "vlink-end-bit"),
        (RouterFlags::NT, "nssa-bit"),
    ];
    names.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| name.to_owned()).collect()
}

/// The YANG type `hex-string`.
fn hex(bytes: &[u8]) -> String {
    let octets: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    octets.join(":")
}
