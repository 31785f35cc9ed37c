//! What the change of each key leads to: at once, or with a restart of what.
//!
//! The table has a line for every key of the configuration; a test compares it with the schema, and the page of the
//! documentation is made from it.

use isthmus_mgmt_api::model::{ChangeEffect, Effect, FieldChange};

/// What the change of a key leads to.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The key, with `[]` for the elements of a list; a key that ends so is the element itself, added or removed.
    pub key: &'static str,
    /// How far it reaches.
    pub effect: Effect,
    /// What happens, as a clause.
    pub what: &'static str,
}

macro_rules! rules {
    ($($effect:ident { $($key:literal => $what:literal,)* })*) => {
        /// The line of every key, in the order of how far they reach.
        pub const RULES: &[Rule] =
            &[$($(Rule { key: $key, effect: Effect::$effect, what: $what },)*)*];
    };
}

rules! {
    Immediate {
        "hostname" => "the node is called so, also by the other nodes",
        "interfaces[]" => "the interface is opened, or closed with its adjacencies; all others stay as they are",
        "interfaces[].enabled" => "the interface is taken up, or down with its adjacencies",
        "interfaces[].mtu" => "longer datagrams are cut; adjacencies stay, new ones compare the value",
        "interfaces[].ospf.cost" => "the router advertises the cost",
        "interfaces[].ospf.retransmit-interval" => "the next retransmissions keep to it",
        "interfaces[].ospf.transmit-delay" => "what is sent from now on is aged so",
        "interfaces[].ospf.prefix-suppression" => "the network is advertised, or not any more",
        "interfaces[].ospf.static-neighbors[]" => "a router of the list is asked, or not any more; adjacencies stay while it is heard",
        "interfaces[].ospf.static-neighbors[].priority" => "while it is not heard it is asked accordingly",
        "interfaces[].ospf.static-neighbors[].poll-interval" => "while it is down it is asked so often",
        "interfaces[].ospf.priority" => "the next hellos carry it",
        "interfaces[].ospf.authentication.keys[]" => "the key is taken, or not any more; the first one signs from now on",
        "interfaces[].ospf.authentication.keys[].key" => "what is signed with the key must be signed with the new one",
        "key-chains[]" => "interfaces can use the chain; none uses one that goes",
        "key-chains[].keys[]" => "the key is taken, or not any more, and signs if its lifetime began last",
        "key-chains[].keys[].crypto-algorithm" => "what is signed with the key must be signed so",
        "key-chains[].keys[].key-string" => "what is signed with the key must be signed with the new one",
        "key-chains[].keys[].send-lifetime.start-date-time" => "the key that is due signs from now on",
        "key-chains[].keys[].send-lifetime.end-date-time" => "the key that is due signs from now on",
        "key-chains[].keys[].accept-lifetime.start-date-time" => "the key is taken then",
        "key-chains[].keys[].accept-lifetime.end-date-time" => "the key is taken until then",
        "interfaces[].ospf.mtu-ignore" => "exchanges that the difference held up go on",
        "fabric.takeover" => "the next start keeps to it",
        "fabric.lsm.enabled" => "the node takes part in the network, or leaves it with the adjacencies there",
        "fabric.gsm.enabled" => "the node takes part in the network, or leaves it with the adjacencies there",
        "fabric.lsm.ospf.cost" => "the router advertises the cost; set the same on all nodes",
        "fabric.gsm.ospf.cost" => "the router advertises the cost; set the same on all nodes",
        "fabric.lsm.ospf.retransmit-interval" => "the next retransmissions keep to it",
        "fabric.gsm.ospf.retransmit-interval" => "the next retransmissions keep to it",
        "fabric.lsm.ospf.transmit-delay" => "what is sent from now on is aged so",
        "fabric.gsm.ospf.transmit-delay" => "what is sent from now on is aged so",
        "fabric.lsm.ospf.priority" => "the next hellos carry it",
        "fabric.gsm.ospf.priority" => "the next hellos carry it",
        "fabric.common-addresses" => "the node answers to the addresses of the list, and to no others; flows to one that goes end",
        "fabric.advertised-cost" => "the ranges of the cluster are advertised anew",
        "fabric.advertise-hosts" => "the addresses of the nodes are advertised, or condensed",
        "fabric.transit" => "the adjacencies of the backbone over the shared memory are formed, or ended",
        "fabric.weight" => "all border routers share new flows out by it",
        "ospf.maximum-paths" => "routes are calculated anew",
        "ospf.ietf-spf-delay.initial-delay" => "the next change keeps to it",
        "ospf.ietf-spf-delay.short-delay" => "the next change keeps to it",
        "ospf.ietf-spf-delay.long-delay" => "the next change keeps to it",
        "ospf.ietf-spf-delay.time-to-learn" => "the next change keeps to it",
        "ospf.ietf-spf-delay.hold-down" => "the next change keeps to it",
        "ospf.rfc1583-compatibility" => "routes are calculated anew; set the same on all routers",
        "ospf.provider-edge" => "routes are calculated anew",
        "ospf.stub-router.always" => "links are advertised with the largest metric, or with their own",
        "ospf.stub-router.on-startup" => "the next start keeps to it",
        "ospf.stub-router.on-shutdown" => "the end keeps to it",
        "ospf.graceful-restart.helper-enabled" => "neighbors that restart are helped from now on, or no more",
        "ospf.graceful-restart.helper-strict-lsa-checking" => "the next change of the topology keeps to it",
        "ospf.redistribute.connected.metric" => "the networks are announced anew",
        "ospf.redistribute.connected.metric-type" => "the networks are announced anew",
        "ospf.redistribute.connected.tag" => "the networks are announced anew",
        "ospf.redistribute.connected.filter[]" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.connected.filter[].action" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.connected.filter[].ip-prefix" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.connected.filter[].mask-length-lower" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.connected.filter[].mask-length-upper" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.static.metric" => "the routes are announced anew",
        "ospf.redistribute.static.metric-type" => "the routes are announced anew",
        "ospf.redistribute.static.tag" => "the routes are announced anew",
        "ospf.redistribute.static.filter[]" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.static.filter[].action" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.static.filter[].ip-prefix" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.static.filter[].mask-length-lower" => "what passes now is announced, and what does not is withdrawn",
        "ospf.redistribute.static.filter[].mask-length-upper" => "what passes now is announced, and what does not is withdrawn",
        "ospf.default-information-originate.always" => "the default route is announced, or waits for one by hand",
        "ospf.default-information-originate.metric" => "the default route is announced anew",
        "ospf.default-information-originate.metric-type" => "the default route is announced anew",
        "ospf.default-information-originate.tag" => "the default route is announced anew",
        "ospf.areas[]" => "the ranges of the area are advertised, or what is inside them; virtual links through it begin or end",
        "ospf.areas[].summary" => "summaries are advertised into the stub or not-so-stubby area, or only its default route",
        "ospf.areas[].default-cost" => "the default route of the stub or not-so-stubby area is advertised anew",
        "ospf.areas[].default-route" => "the default route of the not-so-stubby area is advertised, or withdrawn",
        "ospf.areas[].translator-role" => "the border routers of the area elect anew who translates",
        "ospf.areas[].nssa-ranges[]" => "the range is advertised, or the external routes inside it",
        "ospf.areas[].nssa-ranges[].advertise" => "the range is advertised, or hidden",
        "ospf.areas[].nssa-ranges[].tag" => "the range is advertised anew",
        "ospf.areas[].ranges[]" => "the range is advertised, or what is inside it",
        "ospf.areas[].ranges[].advertise" => "the range is advertised, or hidden",
        "ospf.areas[].ranges[].cost" => "the range is advertised anew",
        "ospf.areas[].virtual-links[]" => "the virtual link comes up with its path, or ends with its adjacency",
        "ospf.areas[].virtual-links[].retransmit-interval" => "the next retransmissions keep to it",
        "ospf.areas[].virtual-links[].transmit-delay" => "what is sent from now on is aged so",
        "ospf.areas[].virtual-links[].authentication.keys[]" => "the key is taken, or not any more; the first one signs from now on",
        "ospf.areas[].virtual-links[].authentication.keys[].key" => "what is signed with the key must be signed with the new one",
        "management.tokens[]" => "the token is taken, or refused, from the next request on",
        "management.tokens[].name" => "its holder is called so",
        "management.tokens[].role" => "its holder may do that, from the next request on",
        "management.tokens[].sha256" => "the new secret is taken and the old one refused, from the next request on",
        "management.tls.certificate" => "new clients are shown it",
        "management.tls.private-key" => "new clients are answered with it",
        "static-routes[]" => "the route is there, or gone",
        "static-routes[].next-hop" => "the route leads there",
        "static-routes[].distance" => "the route is compared anew with those of other sources",
    }
    AdjacencyRestart {
        "interfaces[].address" => "OSPF on the interface starts anew with the address; other interfaces stay as they are",
        "interfaces[].ospf.enabled" => "OSPF begins, or ends with the adjacencies on the interface",
        "interfaces[].ospf.area-id" => "the adjacencies on the interface are formed anew in the other area",
        "interfaces[].ospf.hello-interval" => "adjacencies on the interface last only with neighbors that have the same",
        "interfaces[].ospf.dead-interval" => "adjacencies on the interface last only with neighbors that have the same",
        "interfaces[].ospf.interface-type" => "OSPF on the interface starts anew as on a network of that type",
        "interfaces[].ospf.authentication.type" => "adjacencies on the interface last only with neighbors that do the same",
        "interfaces[].ospf.authentication.key" => "adjacencies on the interface last only with neighbors that have the same",
        "interfaces[].ospf.authentication.key-chain" => "adjacencies on the interface last only with neighbors that have the same keys",
        "interfaces[].ospf.authentication.auth-trailer-rfc" => "adjacencies on the interface last only with neighbors that do the same",
        "interfaces[].ospf.ttl-security.enabled" => "adjacencies on the interface last only with neighbors that do the same",
        "interfaces[].ospf.ttl-security.hops" => "neighbors that are further away are not heard any more",
        "interfaces[].ospf.passive" => "the adjacencies on the interface end, or can be formed",
        "ospf.areas[].virtual-links[].hello-interval" => "the adjacency lasts only if the other end has the same",
        "ospf.areas[].virtual-links[].dead-interval" => "the adjacency lasts only if the other end has the same",
        "ospf.areas[].virtual-links[].authentication.type" => "the adjacency lasts only if the other end does the same",
        "ospf.areas[].virtual-links[].authentication.key" => "the adjacency lasts only if the other end has the same",
        "ospf.areas[].virtual-links[].authentication.key-chain" => "the adjacency lasts only if the other end has the same keys",
        "ospf.areas[].virtual-links[].authentication.auth-trailer-rfc" => "the adjacency lasts only if the other end does the same",
        "ospf.areas[].area-type" => "the adjacencies in the area are formed anew, with neighbors that have the same",
        "fabric.lsm.ospf.hello-interval" => "adjacencies on the network last only with nodes that have the same",
        "fabric.gsm.ospf.hello-interval" => "adjacencies on the network last only with nodes that have the same",
        "fabric.lsm.ospf.dead-interval" => "adjacencies on the network last only with nodes that have the same",
        "fabric.gsm.ospf.dead-interval" => "adjacencies on the network last only with nodes that have the same",
        "ospf.router-id" => "the router is another one for OSPF: all its adjacencies are formed anew",
    }
    InterfaceRestart {
        "interfaces[].driver" => "the interface is closed and opened anew",
        "interfaces[].path" => "the interface is closed and opened anew",
    }
    NodeRestart {
        "node-id" => "the node's place in the segment and all its addresses follow from it",
        "segment" => "the shared memory is joined once, at the start",
        "segment.facility" => "the shared memory is joined once, at the start",
        "segment.path" => "the shared memory is joined once, at the start",
        "segment.huge-pages" => "the shared memory is joined once, at the start",
        "segment.size" => "the shared memory is joined once, at the start",
        "segment.other-kernels" => "the shared memory is joined once, at the start",
        "segment.address" => "the shared memory is joined once, at the start",
        "segment.coherence" => "the shared memory is joined once, at the start",
        "segment.longest-pause" => "the shared memory is joined once, at the start",
        "segment.provider" => "the shared memory is joined once, at the start",
        "segment.listen" => "the shared memory is joined once, at the start",
        "segment.peers" => "the shared memory is joined once, at the start",
        "segment.window" => "the shared memory is joined once, at the start",
        "segment.inherited.name" => "the shared memory is joined once, at the start",
        "segment.inherited.arenas" => "descriptors are inherited once, at the start",
        "fabric.max-nodes" => "the layout of the shared memory follows from it",
        "fabric.queues" => "the layout of the shared memory follows from it",
        "fabric.timing.heartbeat" => "the shared memory is joined once, at the start",
        "fabric.timing.suspect" => "the shared memory is joined once, at the start",
        "fabric.timing.failed" => "the shared memory is joined once, at the start",
        "fabric.area-id" => "all nodes of the segment have the same",
        "fabric.lsm.prefix" => "the addresses of all nodes follow from it",
        "fabric.gsm.prefix" => "the addresses of all nodes follow from it",
        "fabric.lsm.mtu" => "the network's port and the kernel's device are made with it, the same on all nodes",
        "fabric.gsm.mtu" => "the network's port and the kernel's device are made with it, the same on all nodes",
        "fabric.lsm.ring-slots" => "rings are laid out when nodes meet, the same on all nodes",
        "fabric.gsm.ring-slots" => "rings are laid out when nodes meet, the same on all nodes",
        "fabric.lsm.buffer-size" => "rings are laid out when nodes meet, the same on all nodes",
        "fabric.gsm.buffer-size" => "rings are laid out when nodes meet, the same on all nodes",
        "fabric.lsm.device" => "the kernel's device is made at the start",
        "fabric.gsm.device" => "the kernel's device is made at the start",
        "fabric.loopback-prefix" => "the router's own address follows from it",
        "fabric.stack" => "the stack is chosen at the start",
        "management.unix-socket" => "the surfaces of management are opened at the start",
        "management.listen" => "the surfaces of management are opened at the start",
        "management.in-band-port" => "the surfaces of management are opened at the start",
        "management.loopback-tokens" => "the surfaces of management are opened at the start",
        "management.state-directory" => "the history is opened at the start",
    }
}

/// What changes lead to, the worst first.
pub fn effects(changes: &[FieldChange]) -> Vec<ChangeEffect> {
    let mut effects: Vec<ChangeEffect> = changes.iter().map(effect).collect();
    effects.sort_by_key(|effect| std::cmp::Reverse(effect.effect));
    effects
}

fn effect(change: &FieldChange) -> ChangeEffect {
    let (effect, what) = match rule(&key(&change.path)) {
        Some(rule) => (rule.effect, rule.what),
        // A key that the table does not know is not changed under a running node.
        None => (Effect::NodeRestart, "the key takes effect at the start"),
    };
    ChangeEffect { path: change.path.clone(), effect, what: what.to_owned() }
}

/// The line of a key, written with `[]`; of a key inside of one that the table has as a whole, that one's.
pub fn rule(key: &str) -> Option<&'static Rule> {
    let mut key = key;
    loop {
        // A list whose names repeat, as routes to one prefix by several next hops, changes as one value.
        let is_for = |rule: &&Rule| rule.key == key || rule.key.strip_suffix("[]") == Some(key);
        if let Some(rule) = RULES.iter().find(is_for) {
            return Some(rule);
        }
        // Only a value that is one for the comparison is looked for above: `segment.inherited.arenas.1`.
        key = key.rsplit_once('.')?.0;
        if key.ends_with(']') {
            return None;
        }
    }
}

/// A path with the names of elements left out: `interfaces[eth1].mtu` is `interfaces[].mtu`.
pub fn key(path: &str) -> String {
    let mut key = String::new();
    let mut inside = false;
    for character in path.chars() {
        match character {
            '[' => {
                inside = true;
                key.push_str("[]");
            }
            ']' => inside = false,
            other if !inside => key.push(other),
            _ => {}
        }
    }
    key
}

#[cfg(test)]
mod tests;
