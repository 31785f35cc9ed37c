//! The types of events with their members: one table, from which the names, the filter of the API and the page
//! `docs/reference/events.md` are made.

use std::fmt;
use std::str::FromStr;

/// A member of an event's `detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventMember {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

/// Declares the types once: variant, name, what has happened, and the members of `detail`.
macro_rules! event_types {
    ($($variant:ident = $name:literal: $meaning:literal { $($member:literal: $says:literal,)* })*) => {
        /// What an event says has happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType {
            $(#[doc = $meaning] $variant,)*
        }

        impl EventType {
            /// Every type, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that programs see.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What has happened.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// The members that `detail` may have.
            pub const fn members(self) -> &'static [EventMember] {
                match self {
                    $(Self::$variant => &[$(EventMember { name: $member, meaning: $says },)*],)*
                }
            }
        }
    };
}

event_types! {
    IfStateChange = "if-state-change": "An OSPF interface has another state (RFC 9129)." {
        "interface": "its name",
        "state": "its state now",
    }
    NbrStateChange = "nbr-state-change": "An OSPF neighbor has another state (RFC 9129)." {
        "interface": "where it is heard",
        "neighbor-router-id": "who it is; 0.0.0.0 for one that is listed and not heard",
        "address": "its address on the link",
        "state": "its state now",
    }
    NbrRestartHelperStatusChange = "nbr-restart-helper-status-change": "An OSPF neighbor restarts and is helped (RFC 3623), or is not helped any more (RFC 9129)." {
        "interface": "where it is heard",
        "neighbor-router-id": "who it is",
        "address": "its address on the link",
        "status": "`helping` or `not-helping`",
        "age": "seconds for which it is helped at most",
        "exit-reason": "`in-progress`, `completed`, `timed-out`, `topology-changed`, or `none` if an operator has ended it",
    }
    IfConfigError = "if-config-error": "A packet shows that a neighbor is configured differently (RFC 9129). At most one in 10 s for each difference." {
        "interface": "where the packet came in",
        "packet-source": "who sent it",
        "packet-type": "its type, 1 to 5",
        "error": "what does not agree",
        "own": "the value here",
        "theirs": "the value there",
    }
    KeyExpired = "key-expired": "The last OSPF key of an interface has expired. It goes on to sign and to be accepted until there is another (RFC 5709)." {
        "interface": "whose keys",
        "key-id": "the number of the key",
    }
    IfRxBadPacket = "if-rx-bad-packet": "An OSPF packet cannot be parsed (RFC 9129). At most one in 10 s for each interface and reason." {
        "interface": "where the packet came in",
        "packet-source": "who sent it",
        "error": "what is wrong with it",
    }
    RoleChange = "role-change": "The router has become an area border router, or is none any more." {
        "abr": "whether it is one now",
    }
    RouteChange = "route-change": "The forwarding table has changed. Changes within a second are one event." {
        "added": "prefixes that have a route now",
        "changed": "prefixes whose next hops are others now",
        "removed": "prefixes that have no route any more",
        "prefix": "the first sixteen of these prefixes",
    }
    LinkChange = "link-change": "An interface of the node has got or lost its carrier." {
        "interface": "its name",
        "up": "whether it has one now",
    }
    AdminStatusChange = "admin-status-change": "An interface was enabled or disabled." {
        "interface": "its name",
        "enabled": "whether it is enabled now",
    }
    SteeringChange = "steering-change": "The nodes that serve the common address are others, or their weights are." {
        "epoch": "number of the table in force",
        "member": "the nodes that serve, by `node-id`, with their `weight`",
    }
    ConfigCommit = "config-commit": "Another configuration is in force, or one that was in force has been confirmed." {
        "number": "its number in the history",
        "revision": "its revision",
        "previous-revision": "the revision before",
        "author": "who has made the change",
        "comment": "what the author says about it",
        "changes": "the keys that have changed",
    }
    ConfigApply = "config-apply": "Another configuration is in force until it is confirmed, or its time runs out." {
        "revision": "its revision",
        "previous-revision": "the revision before",
        "author": "who has made the change",
        "comment": "what the author says about it",
        "changes": "the keys that have changed",
        "confirm-deadline": "until when it must be confirmed",
    }
    ConfigRollback = "config-rollback": "No confirmation has come in time: the configuration before is in force again." {
        "revision": "its revision",
        "previous-revision": "the revision that was not confirmed",
        "author": "who had made the change",
        "changes": "the keys that have changed back",
    }
    ConfigRefused = "config-refused": "A configuration was refused; nothing has changed." {
        "author": "who has made the change",
        "reason": "why",
    }
    AuthenticationFailure = "authentication-failure": "A request to the management plane was refused for want of a token, for a wrong one, or for its role. At most one in 10 s for each surface and reason; the metric counts them all." {
        "surface": "where it came in",
        "peer": "the address that it came from, or the user on the unix socket",
        "reason": "`missing-token`, `unknown-token`, `unknown-user` or `role`",
        "caller": "the name of the caller, where it is known",
    }
    ShmAnnounced = "shm-announced": "A node has announced itself in the shared memory." {
        "node-id": "which node",
        "incarnation": "which of its lives",
    }
    ShmConnected = "shm-connected": "A node has allocated a ring for this one, which is connected now." {
        "node-id": "which node",
        "incarnation": "which of its lives",
        "network": "`lsm` or `gsm`",
        "queue": "which of its queues, from 0",
    }
    ShmAllocated = "shm-allocated": "A ring was allocated for a node." {
        "node-id": "which node",
        "incarnation": "which of its lives",
        "network": "`lsm` or `gsm`",
        "queue": "which of its queues, from 0",
        "epoch": "which of the rings to the node",
        "octets": "how large it is",
    }
    ShmSuspected = "shm-suspected": "A node's heartbeat is late: nothing is sent to it for now." {
        "node-id": "which node",
        "incarnation": "which of its lives",
    }
    ShmRecovered = "shm-recovered": "A suspected node is heard again." {
        "node-id": "which node",
        "incarnation": "which of its lives",
    }
    ShmFailed = "shm-failed": "A node has failed, and its rings are closed." {
        "node-id": "which node",
        "incarnation": "which of its lives",
        "reason": "how that was found",
    }
    ShmQuarantined = "shm-quarantined": "What a node wrote to the segment cannot be: it is not believed any more." {
        "node-id": "which node",
        "incarnation": "which of its lives",
        "cause": "the kind of evidence",
        "reason": "what exactly was found",
    }
    ShmLeft = "shm-left": "A node has left in order." {
        "node-id": "which node",
        "incarnation": "which of its lives",
    }
    ShmFactsChanged = "shm-facts-changed": "A node publishes other facts about itself." {
        "node-id": "which node",
        "incarnation": "which of its lives",
    }
    ShmOwnerChanged = "shm-owner-changed": "A broadcast or multicast ring has another owner." {
        "node-id": "the owner now",
        "incarnation": "which of its lives",
        "network": "`lsm` or `gsm`",
        "ring": "`broadcast` or `multicast`",
        "generation": "counts the owners",
    }
    ShmRefused = "shm-refused": "A node is refused, as it disagrees about the segment." {
        "node-id": "which node",
        "incarnation": "which of its lives",
        "reason": "what it disagrees about",
    }
    ShmSelfClosed = "shm-self-closed": "Another node has declared this one failed." {
        "node-id": "this node",
        "incarnation": "which of its lives",
        "by": "the node that did",
    }
    ShmRejoined = "shm-rejoined": "This node has joined the segment again." {
        "node-id": "this node",
        "incarnation": "which of its lives",
    }
    ShmRejoinFailed = "shm-rejoin-failed": "This node could not join the segment again." {
        "node-id": "this node",
        "incarnation": "which of its lives",
        "reason": "why not",
    }
    ShmOther = "shm-other": "Something else has happened in the shared memory; the message says what." {
        "node-id": "which node",
        "incarnation": "which of its lives",
    }
    Gap = "gap": "In the stream only: events are missing here, as the client or the connection was too slow for the log, or the node has started anew. Comes whatever types are asked for." {
        "missed": "how many, of all types; `sequence` is that of the last of them",
        "restarted": "`true` if the node has started anew: all its events follow, their numbers from 1",
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(text: &str) -> Result<Self, UnknownEventType> {
        let found = Self::ALL.iter().find(|event_type| event_type.name() == text);
        found.copied().ok_or_else(|| UnknownEventType(text.chars().take(64).collect()))
    }
}

/// No type of events has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no type of events `{0}`")]
pub struct UnknownEventType(pub String);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_type_has_a_name_of_its_own_that_reads_back() {
        let names: BTreeSet<&str> = EventType::ALL.iter().map(|event_type| event_type.name()).collect();
        assert_eq!(names.len(), EventType::ALL.len());
        for event_type in EventType::ALL {
            assert_eq!(event_type.name().parse(), Ok(*event_type));
            let members: BTreeSet<&str> = event_type.members().iter().map(|member| member.name).collect();
            assert_eq!(members.len(), event_type.members().len(), "{event_type}");
        }
        assert_eq!(
            "nbr-state".parse::<EventType>().unwrap_err().to_string(),
            "there is no type of events `nbr-state`"
        );
    }
}
