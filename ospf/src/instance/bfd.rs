//! Neighbors watched by BFD (RFC 5882): whom the caller shall watch, and what follows when one fails.

use std::net::Ipv4Addr;

use crate::Instance;
use crate::bfd::Parameters;
use crate::event::{Notification, Output};
use crate::neighbor::{Event, NeighborKey};
use crate::record::Input;
use crate::types::{Instant, InterfaceId};

/// A neighbor that shall be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdNeighbor {
    /// Where it is heard.
    pub interface: InterfaceId,
    /// Our address there.
    pub local: Ipv4Addr,
    /// Its address.
    pub address: Ipv4Addr,
    /// At which intervals.
    pub parameters: Parameters,
}

impl Instance {
    /// The neighbors that the caller shall watch by BFD: all that were heard (RFC 5882 section 4.1), on interfaces that are
    /// configured so. To be asked after each call that has told of a neighbor's state, and after a new configuration.
    pub fn bfd_neighbors(&self) -> impl Iterator<Item = BfdNeighbor> + '_ {
        self.interfaces.iter().filter(|_| !self.stopped).flat_map(|(&id, interface)| {
            let local = interface.config.address.addr();
            interface.config.bfd.into_iter().flat_map(move |parameters| {
                let neighbors = interface.neighbors.values();
                neighbors.map(move |neighbor| BfdNeighbor {
                    interface: id,
                    local,
                    address: neighbor.address,
                    parameters,
                })
            })
        })
    }

    /// The caller's BFD session with a neighbor has failed: the neighbor goes Down now, as if RouterDeadInterval were over
    /// (RFC 5882 section 4.2). A session that an operator takes down is no failure and not told here. Hellos
    /// bring the neighbor back when packets pass again.
    pub fn handle_bfd_down(&mut self, now: Instant, interface: InterfaceId, address: Ipv4Addr) {
        if !self.begin(now, &Input::BfdDown { interface, address }) {
            return;
        }
        let Some(state) = self.interfaces.get(&interface) else { return };
        let gone: Vec<_> = state
            .neighbors
            .values()
            .filter(|neighbor| neighbor.address == address)
            .map(|neighbor| neighbor.router_id)
            .collect();
        for router in gone {
            self.outputs.push_back(Output::Notification(Notification::NeighborBfdDown {
                interface,
                router_id: router,
                address,
            }));
            self.neighbor_event(now, NeighborKey { interface, router }, Event::BfdDown);
        }
        self.settle(now);
    }
}
