//! Which interface of the engine a received datagram belongs to.
//!
//! The checks of RFC 2328 section 8.2 are made where their subject is known: the worker has verified the IPv4 header
//! and its checksum, this module picks the interface, and the engine then compares destination, source and area with
//! that interface. The time to live counts with TTL security only (RFC 5082).

use std::collections::BTreeSet;

use isthmus_ospf::config::InstanceConfig;
use isthmus_ospf::types::{AreaId, InterfaceId};

use super::datagram::{self, Received};
use super::drops::DropReason;
use super::{FabricAddresses, InterfaceMap, plan};
use crate::forward::InterfaceIndex;

/// Where the area id stands in the OSPF header (RFC 2328 section A.3.1).
const AREA_ID: std::ops::Range<usize> = 8..12;

/// What is known about the engine's interfaces.
#[derive(Debug)]
pub(super) struct Demultiplexer {
    map: InterfaceMap,
    fabric_area: Option<AreaId>,
    configured: BTreeSet<InterfaceId>,
    /// A virtual link leads through the fabric's area.
    transit: bool,
}

impl Demultiplexer {
    pub(super) fn new(map: InterfaceMap, fabric_area: Option<AreaId>, config: &InstanceConfig) -> Self {
        let mut demultiplexer = Self { map, fabric_area, configured: BTreeSet::new(), transit: false };
        demultiplexer.configure(config);
        demultiplexer
    }

    pub(super) fn configure(&mut self, config: &InstanceConfig) {
        self.configured = config.interfaces.keys().copied().collect();
        let transit_areas = config.interfaces.values().filter_map(|i| i.interface_type.virtual_link());
        self.transit = transit_areas.map(|(area, _)| Some(area)).any(|area| area == self.fabric_area);
    }

    pub(super) fn use_ports(&mut self, map: InterfaceMap) {
        self.map = map;
    }

    pub(super) fn map(&self) -> &InterfaceMap {
        &self.map
    }

    /// The engine's interface that a datagram belongs to. On the fabric, packets of the backbone travel beside those
    /// of the fabric's own area (RFC 5185 section 2.4); the area and the sender, by its address on either of the
    /// fabric's networks, tell them apart.
    pub(super) fn interface<'a>(
        &self,
        port: InterfaceIndex,
        datagram: &'a [u8],
        fabric: &impl FabricAddresses,
    ) -> Result<(InterfaceId, Received<'a>), DropReason> {
        let packet = datagram::parse(datagram)?;
        let interface = self.map.engine_interface(port).ok_or(DropReason::NoInterface)?;
        let on_fabric = interface == plan::LSM || interface == plan::GSM;
        let area: Option<[u8; 4]> = packet.payload.get(AREA_ID).and_then(|bytes| bytes.try_into().ok());
        let is_backbone = area == Some([0; 4]) && self.fabric_area != Some(AreaId::BACKBONE);
        if on_fabric && is_backbone {
            let adjacency = fabric.node(packet.source).map(plan::backbone_interface);
            let adjacency = adjacency.filter(|id| self.configured.contains(id));
            // What else is of the backbone may have taken a virtual link: the engine knows.
            let adjacency = adjacency.or(self.transit.then_some(interface));
            return Ok((adjacency.ok_or(DropReason::NoAdjacency)?, packet));
        }
        if !self.configured.contains(&interface) {
            return Err(DropReason::NoInterface);
        }
        Ok((interface, packet))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use isthmus_shmnet::Network;

    use super::*;
    use crate::config::parse_str;
    use crate::node::layout::Layout;
    use crate::ospf_driver::plan::{BackboneLink, Situation};

    const LSM_PORT: InterfaceIndex = InterfaceIndex(0);
    const GSM_PORT: InterfaceIndex = InterfaceIndex(1);
    const NIC_PORT: InterfaceIndex = InterfaceIndex(2);
    const PASSIVE_PORT: InterfaceIndex = InterfaceIndex(3);

    struct Router {
        demultiplexer: Demultiplexer,
        layout: Layout,
    }

    /// Node 1, with an adjacency of the backbone to node 2.
    fn router(fabric: &str) -> Router {
        let text = format!(
            "
node-id: 1
segment: /dev/shm/isthmus
interfaces:
  - {{ name: eth1, address: 192.0.2.1/30 }}
  - {{ name: eth2, address: 198.51.100.1/24, ospf: {{ enabled: false }} }}
{fabric}"
        );
        let config = parse_str(&text).unwrap();
        let link = BackboneLink { network: Network::Lsm, address: Ipv4Addr::new(10, 77, 0, 2) };
        let situation = Situation { backbone_links: [(2, link)].into(), ..Situation::default() };
        let layout = Layout::new(&config, None, &[1500, 1500]);
        let fabric_area = config.fabric.as_ref().map(|fabric| fabric.lsm.ospf.area);
        let engine = plan::instance_config(&config, &situation);
        Router { demultiplexer: Demultiplexer::new(layout.map.clone(), fabric_area, &engine), layout }
    }

    fn datagram(source: [u8; 4], area: [u8; 4]) -> Vec<u8> {
        let mut payload = [0; 24];
        payload[AREA_ID].copy_from_slice(&area);
        let mut space = [0; 44];
        let destination = Ipv4Addr::new(224, 0, 0, 5);
        let length = datagram::write(&mut space, 1, 1, source.into(), destination, &payload).unwrap();
        space[..length].to_vec()
    }

    impl Router {
        fn of(
            &self,
            port: InterfaceIndex,
            source: [u8; 4],
            area: [u8; 4],
        ) -> Result<InterfaceId, DropReason> {
            let datagram = datagram(source, area);
            let (interface, packet) = self.demultiplexer.interface(port, &datagram, &self.layout)?;
            assert_eq!(packet.source, Ipv4Addr::from(source));
            Ok(interface)
        }
    }

    #[test]
    fn ports_have_their_interfaces() {
        let router = router("");
        let own_area = [0, 0, 0, 1];
        assert_eq!(router.of(LSM_PORT, [10, 77, 0, 2], own_area), Ok(plan::LSM));
        assert_eq!(router.of(GSM_PORT, [10, 77, 1, 2], own_area), Ok(plan::GSM));
        assert_eq!(router.of(NIC_PORT, [192, 0, 2, 2], [0; 4]), Ok(plan::nic_interface(0)));
        // Whatever area a packet claims at a NIC, the engine compares it.
        assert_eq!(router.of(NIC_PORT, [192, 0, 2, 2], own_area), Ok(plan::nic_interface(0)));
        assert_eq!(router.of(PASSIVE_PORT, [198, 51, 100, 2], [0; 4]), Err(DropReason::NoInterface));
        assert_eq!(router.of(InterfaceIndex(9), [192, 0, 2, 2], [0; 4]), Err(DropReason::NoInterface));
    }

    #[test]
    fn the_backbone_over_the_fabric_is_the_adjacency_to_its_sender_on_either_network() {
        let router = router("");
        let adjacency = Ok(plan::backbone_interface(2));
        assert_eq!(router.of(LSM_PORT, [10, 77, 0, 2], [0; 4]), adjacency);
        assert_eq!(router.of(GSM_PORT, [10, 77, 1, 2], [0; 4]), adjacency);
        for (name, source) in [
            ("a node without an adjacency", [10, 77, 0, 3]),
            ("this node", [10, 77, 0, 1]),
            ("the network itself", [10, 77, 0, 0]),
            ("its broadcast address", [10, 77, 0, 255]),
            ("an address outside the fabric", [192, 0, 2, 2]),
        ] {
            assert_eq!(router.of(LSM_PORT, source, [0; 4]), Err(DropReason::NoAdjacency), "{name}");
        }
    }

    #[test]
    fn a_fabric_in_the_backbone_has_no_adjacencies_beside_it() {
        let router = router("fabric: { area-id: 0.0.0.0 }");
        assert_eq!(router.of(LSM_PORT, [10, 77, 0, 2], [0; 4]), Ok(plan::LSM));
        assert_eq!(router.of(GSM_PORT, [10, 77, 1, 3], [0; 4]), Ok(plan::GSM));
    }

    #[test]
    fn a_new_configuration_changes_what_there_is() {
        let mut router = router("");
        let config = parse_str("{node-id: 1, segment: /dev/shm/isthmus}").unwrap();
        router.demultiplexer.configure(&plan::instance_config(&config, &Situation::default()));
        assert_eq!(router.of(LSM_PORT, [10, 77, 0, 2], [0; 4]), Err(DropReason::NoAdjacency));
        assert_eq!(router.of(NIC_PORT, [192, 0, 2, 2], [0; 4]), Err(DropReason::NoInterface));
        assert_eq!(router.of(LSM_PORT, [10, 77, 0, 2], [0, 0, 0, 1]), Ok(plan::LSM));
    }

    #[test]
    fn a_packet_too_short_for_an_area_is_left_to_the_engine_and_a_fragment_is_not() {
        let router = router("");
        let mut space = [0; 44];
        let source = Ipv4Addr::new(10, 77, 0, 2);
        let length = datagram::write(&mut space, 1, 1, source, Ipv4Addr::new(10, 77, 0, 1), &[2, 1]).unwrap();
        let result = router.demultiplexer.interface(LSM_PORT, &space[..length], &router.layout);
        assert_eq!(result.map(|(interface, _)| interface), Ok(plan::LSM));
        space[7] = 1;
        let result = router.demultiplexer.interface(LSM_PORT, &space[..length], &router.layout);
        assert_eq!(result, Err(DropReason::Fragment));
    }
}
