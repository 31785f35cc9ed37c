//! A quick answer to "is this address one of ours, or a broadcast?", which for nearly every packet is no.

use std::net::Ipv4Addr;

use crate::forward::state::ForwardingState;

/// A set of addresses that may say yes where the answer is no, and never no where it is yes: the tables of the
/// snapshot are only asked after a yes.
pub(super) struct AddressFilter {
    bits: [u64; WORDS],
}

impl AddressFilter {
    /// The set of nothing.
    pub(super) const fn new() -> Self {
        Self { bits: [0; WORDS] }
    }

    /// Makes it the set of the node's own and common addresses and of the broadcasts of its networks.
    pub(super) fn refresh(&mut self, state: &ForwardingState) {
        self.bits = [0; WORDS];
        let networks = state.interfaces.iter().filter_map(|interface| interface.address);
        let broadcasts = networks.flat_map(|own| [own.network(), own.broadcast()]);
        let addresses = state.local.keys().chain(state.common.keys()).copied();
        for address in addresses.chain(broadcasts).chain([Ipv4Addr::BROADCAST]) {
            let (word, bit) = place(address);
            self.bits[word] |= bit;
        }
    }

    /// Whether the address may be in the set.
    pub(super) fn may_hold(&self, address: Ipv4Addr) -> bool {
        let (word, bit) = place(address);
        self.bits[word] & bit != 0
    }
}

/// 4096 bits: with 20 addresses, one in 200 others is looked up in vain.
const WORDS: usize = 64;

const fn place(address: Ipv4Addr) -> (usize, u64) {
    // The high bits of a product with the golden ratio depend on all bits of the address.
    let hash = address.to_bits().wrapping_mul(0x9e37_79b1) >> 20;
    (hash as usize / 64, 1 << (hash % 64))
}

#[cfg(test)]
mod tests {
    use isthmus_shmnet::Network;

    use super::*;
    use crate::forward::state::LocalOwner;

    #[test]
    fn it_never_denies_a_member_and_seldom_takes_a_stranger_for_one() {
        let owner = LocalOwner::Host(Network::Lsm);
        let local = (0..16u8).map(|last| (Ipv4Addr::new(10, 77, 0, last), owner)).collect();
        let common = [(Ipv4Addr::new(10, 78, 255, 1), owner)].into();
        let state = ForwardingState { local, common, ..ForwardingState::default() };
        let mut filter = AddressFilter::new();
        assert!(!filter.may_hold(Ipv4Addr::new(10, 77, 0, 1)));
        filter.refresh(&state);
        assert!(state.local.keys().chain(state.common.keys()).all(|&address| filter.may_hold(address)));
        let strangers = (0..100_000u32).map(|number| Ipv4Addr::from_bits(0xc000_0000 + number * 7919));
        let mistaken = strangers.filter(|&address| filter.may_hold(address)).count();
        assert!(mistaken < 2000, "{mistaken} of 100000");
        filter.refresh(&ForwardingState::default());
        assert!(!filter.may_hold(Ipv4Addr::new(10, 77, 0, 1)));
    }
}
