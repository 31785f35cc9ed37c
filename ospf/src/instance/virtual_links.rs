//! Virtual links (RFC 2328 section 15): they come up and go down with the path to their other end through the transit
//! area, whose cost is theirs, and their packets are told from others by area and router (section 8.2).

use std::net::Ipv4Addr;

use crate::Instance;
use crate::error::Refusal;
use crate::interface::{Destination, VirtualEnds};
use crate::lsdb::Scope;
use crate::spf::VirtualLink;
use crate::types::{AreaId, Instant, InterfaceId, RouterId};
use crate::wire::{LsType, LsaBody, LsaKey};

/// Where router id and area id stand in the header of a packet (section A.3.1).
const ROUTER_ID: std::ops::Range<usize> = 4..8;
const AREA_ID: std::ops::Range<usize> = 8..12;

impl Instance {
    /// Brings virtual links in line with the paths to their other ends.
    pub(super) fn follow_virtual_links(&mut self, now: Instant) {
        let configured: Vec<_> = self
            .interfaces
            .iter()
            .filter_map(|(id, interface)| Some((*id, interface.config.interface_type.virtual_link()?)))
            .collect();
        for (id, (transit_area, router)) in configured {
            let ends = self.virtual_ends(transit_area, router);
            self.use_virtual_ends(now, id, ends);
        }
    }

    fn use_virtual_ends(&mut self, now: Instant, id: InterfaceId, ends: Option<VirtualEnds>) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        if interface.virtual_ends == ends {
            return;
        }
        if ends.is_none() {
            // There may be a path for this yet, if it has only become too expensive.
            self.send_hello(id, Destination::AllRouters, true);
            self.interface_down(now, id);
        }
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.virtual_ends = ends;
        interface.link_up = ends.is_some();
        // Section 16.1: another cost or address is another link in our router-LSA.
        self.pending.router_lsas.insert(AreaId::BACKBONE);
        self.request_spf(now, None);
        if ends.is_some() {
            self.interface_up(now, id);
        }
    }

    /// The ends of the path to a router through an area, if there is one that a virtual link can take.
    fn virtual_ends(&self, transit_area: AreaId, router: RouterId) -> Option<VirtualEnds> {
        // Section 3.6: not through a stub area.
        if !self.config.area_type(transit_area).takes_externals() {
            return None;
        }
        let name = LsaKey { ls_type: LsType::ROUTER, id: router.0, advertising_router: router };
        let LsaBody::Router(lsa) = &self.lsdb(Scope::Area(transit_area))?.get(&name)?.body else {
            return None;
        };
        let path = self.trees.as_ref()?.virtual_path(transit_area, router, lsa)?;
        let source = self.interfaces.get(&path.interface)?.address();
        // Section 16.1: a path that costs more than a link can is none.
        let cost = u16::try_from(path.cost).ok()?;
        Some(VirtualEnds { source, destination: path.address, cost })
    }

    /// Virtual links with a neighbor in state full.
    pub(crate) fn full_virtual_links(&self) -> impl Iterator<Item = VirtualLink> {
        self.interfaces.values().filter_map(|interface| {
            let (transit_area, neighbor) = interface.config.interface_type.virtual_link()?;
            interface
                .full_neighbors()
                .find(|full| full.router_id == neighbor && !self.dead.contains(&neighbor))?;
            Some(VirtualLink { transit_area, neighbor })
        })
    }

    /// Section 8.2: the virtual link that a packet belongs to which has come in by an interface: it is of the backbone, the
    /// interface is in the transit area, and the sender is the other end.
    pub(super) fn virtual_link_at(&self, arrival: InterfaceId, payload: &[u8]) -> Option<InterfaceId> {
        let field =
            |range: std::ops::Range<usize>| -> Option<[u8; 4]> { payload.get(range)?.try_into().ok() };
        let sender = RouterId(Ipv4Addr::from(field(ROUTER_ID)?));
        let area = self.interfaces.get(&arrival)?.config.area;
        if field(AREA_ID)? != [0; 4] || area.is_backbone() {
            return None;
        }
        let is_meant = |link| link == Some((area, sender));
        let mut links = self.interfaces.iter();
        links.find(|(_, link)| is_meant(link.config.interface_type.virtual_link())).map(|(id, _)| *id)
    }

    /// The addresses of a packet that has taken a virtual link: to an interface of ours in the transit area, from somebody
    /// else.
    pub(super) fn check_virtual_addresses(
        &self,
        transit_area: AreaId,
        source: Ipv4Addr,
        destination: Ipv4Addr,
    ) -> Result<(), Refusal> {
        let own = |address| {
            let mut interfaces = self.interfaces.values().filter(|interface| interface.is_up());
            interfaces.any(|i| !i.is_virtual() && i.config.area == transit_area && i.address() == address)
        };
        if !own(destination) {
            return Err(Refusal::WrongDestination);
        }
        if own(source) {
            return Err(Refusal::OwnAddress);
        }
        Ok(())
    }
}
