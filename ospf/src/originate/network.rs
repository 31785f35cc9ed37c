//! Network-LSAs (RFC 2328 section 12.4.2): the designated router speaks for its network.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::Instance;
use crate::area::advertisement_options_of;
use crate::interface::Interface;
use crate::lsdb::Scope;
use crate::types::{AreaId, Instant, RouterId};
use crate::view::InterfaceState;
use crate::wire::{LsType, LsaBody, LsaKey, NetworkLsa};

impl Instance {
    /// Brings the network-LSAs of an area in line with the roles of its interfaces.
    pub(crate) fn originate_network_lsas(&mut self, now: Instant, area: AreaId) {
        let own = self.config.router_id;
        let desired: BTreeMap<LsaKey, NetworkLsa> = self
            .interfaces
            .values()
            .filter(|interface| interface.config.area == area)
            .filter_map(|interface| Some((network_lsa_key(own, interface), network_lsa(own, interface)?)))
            .collect();
        let scope = Scope::Area(area);
        for name in self.own_advertisements(scope, &[LsType::NETWORK]) {
            if !desired.contains_key(&name) {
                self.withdraw(now, scope, name);
            }
        }
        let options = advertisement_options_of(self.config.area_type(area));
        for (name, network) in desired {
            self.originate(now, scope, name, options, LsaBody::Network(network));
        }
    }
}

fn network_lsa_key(own: RouterId, interface: &Interface) -> LsaKey {
    LsaKey { ls_type: LsType::NETWORK, id: interface.address(), advertising_router: own }
}

/// The network and who is on it, if this router is its designated router and somebody is fully adjacent to it.
fn network_lsa(own: RouterId, interface: &Interface) -> Option<NetworkLsa> {
    if interface.state != InterfaceState::Dr {
        return None;
    }
    let mut attached_routers = vec![own];
    attached_routers.extend(interface.full_neighbors().map(|neighbor| neighbor.router_id));
    let network_mask = match interface.config.prefix_suppression {
        // RFC 6860 section 2.3: a mask that says that there is no network to reach.
        true => Ipv4Addr::BROADCAST,
        false => interface.config.address.netmask(),
    };
    (attached_routers.len() > 1).then_some(NetworkLsa { network_mask, attached_routers })
}
