//! Whether two nodes can share a segment: what they must agree on, compared value by value.

use std::net::Ipv4Addr;

use crate::config::NetworkParameters;
use crate::error::JoinError;
use crate::layout::{ABI_VERSION, GEOMETRY_FIELDS, Identity, Malformed};
use crate::memory::Coherence;
use crate::node::{Network, NodeId};

/// What this node requires.
#[derive(Clone, Debug)]
pub(crate) struct Requirements {
    pub(crate) geometry: [u64; GEOMETRY_FIELDS.len()],
    pub(crate) parameters: [NetworkParameters; 2],
}

/// Checks a live peer's identity against ours, in a segment whose coherence has the given code; `false` for an arena that is
/// not one.
pub(crate) fn check(
    peer: NodeId,
    identity: &Result<Identity, Malformed>,
    ours: &Requirements,
    coherence: u8,
) -> Result<bool, JoinError> {
    let identity = match identity {
        Ok(identity) if identity.node == peer => identity,
        Ok(_) | Err(Malformed::NotAnArena) => return Ok(false),
        Err(Malformed::Version(theirs)) => {
            return Err(JoinError::AbiMismatch { peer, ours: ABI_VERSION, theirs: *theirs });
        }
    };
    if identity.coherence != coherence {
        let (ours, theirs) = (Coherence::name_of(coherence), Coherence::name_of(identity.coherence));
        return Err(JoinError::CoherenceMismatch { peer, ours, theirs });
    }
    for ((field, ours), theirs) in GEOMETRY_FIELDS.iter().zip(ours.geometry).zip(identity.geometry) {
        if ours != theirs {
            return Err(JoinError::GeometryMismatch { peer, field, ours, theirs });
        }
    }
    for network in Network::ALL {
        let (ours, theirs) = (&ours.parameters[network.index()], &identity.parameters[network.index()]);
        if let Some((field, ours, theirs)) = difference(ours, theirs) {
            return Err(JoinError::ParametersMismatch { network, field, ours, theirs, peer });
        }
    }
    Ok(true)
}

/// The first parameter that differs, with both values as the configuration writes them.
fn difference(
    ours: &NetworkParameters,
    theirs: &NetworkParameters,
) -> Option<(&'static str, String, String)> {
    let differ = |field, ours: String, theirs: String| (ours != theirs).then_some((field, ours, theirs));
    let numbers = |field, ours: u32, theirs: u32| differ(field, ours.to_string(), theirs.to_string());
    let prefix = |p: &NetworkParameters| format!("{}/{}", p.prefix, p.prefix_len);
    differ("prefix", prefix(ours), prefix(theirs))
        .or_else(|| {
            let area = |id: u32| Ipv4Addr::from(id).to_string();
            differ("area", area(ours.area_id), area(theirs.area_id))
        })
        .or_else(|| numbers("network-type", ours.network_type.into(), theirs.network_type.into()))
        .or_else(|| numbers("hello-interval", ours.hello_interval.into(), theirs.hello_interval.into()))
        .or_else(|| numbers("dead-interval", ours.dead_interval, theirs.dead_interval))
        .or_else(|| numbers("cost", ours.cost.into(), theirs.cost.into()))
        .or_else(|| numbers("mtu", ours.mtu.into(), theirs.mtu.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> NetworkParameters {
        NetworkParameters {
            area_id: 1,
            network_type: 3,
            hello_interval: 1,
            dead_interval: 4,
            cost: 2,
            mtu: 9000,
            prefix: Ipv4Addr::new(10, 77, 0, 0),
            prefix_len: 24,
        }
    }

    #[test]
    fn every_parameter_is_compared() {
        let ours = parameters();
        assert_eq!(difference(&ours, &ours), None);
        let others = [
            ("area", NetworkParameters { area_id: 2, ..ours }),
            ("network-type", NetworkParameters { network_type: 2, ..ours }),
            ("hello-interval", NetworkParameters { hello_interval: 2, ..ours }),
            ("dead-interval", NetworkParameters { dead_interval: 5, ..ours }),
            ("cost", NetworkParameters { cost: 3, ..ours }),
            ("mtu", NetworkParameters { mtu: 1500, ..ours }),
            ("prefix", NetworkParameters { prefix: Ipv4Addr::new(10, 78, 0, 0), ..ours }),
            ("prefix", NetworkParameters { prefix_len: 25, ..ours }),
        ];
        for (field, theirs) in others {
            let (found, a, b) = difference(&ours, &theirs).unwrap();
            assert_eq!(found, field);
            assert_ne!(a, b);
        }
        let (_, a, b) = difference(&ours, &NetworkParameters { area_id: 0, ..ours }).unwrap();
        assert_eq!((a.as_str(), b.as_str()), ("0.0.0.1", "0.0.0.0"));
    }
}
