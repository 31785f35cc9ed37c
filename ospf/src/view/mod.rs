//! Snapshots of the engine for management: what it is and knows at one moment, as values.
//!
//! Names are the leaf names of RFC 9129 (`ietf-ospf`), in JSON and YAML spelled as there; enumerations carry
//! the spellings of the module. Leaves that the module does not have (packet counters, list lengths) are
//! named in its style. Lists of the module that hold one topology only are flattened.

mod database;
mod instance;
mod interface;
mod neighbor;
mod route;
mod what_if;

pub use database::{
    AsExternalBodyView, DatabaseEntryView, LsaBodyView, LsaHeaderView, LsaIdView, NetworkBodyView,
    OpaqueBodyView, RouterBodyView, RouterInformationView, RouterLinkView, SummaryBodyView, lsa_type_name,
};
pub use instance::{
    AreaStatisticsView, AreaView, InstanceStatisticsView, InstanceView, LsaLogReason, LsaLogView, RangeView,
    SpfDelayState, SpfLogView, SpfType, SpfView,
};
pub use interface::{
    AuthenticationKeyView, AuthenticationView, InterfaceState, InterfaceStatisticsView, InterfaceTypeView,
    InterfaceView, MismatchView, PacketCountersView, PacketTypeCountersView,
};
pub use neighbor::{NeighborState, NeighborStatisticsView, NeighborView, RestartExitReason};
pub use route::{BorderRouterView, NextHopView, RouteType, RouteView};
pub use what_if::{RouteDifferenceView, WhatIfView};

/// An enumeration with the spellings and numbers of the YANG module.
macro_rules! yang_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $number:literal $spelling:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $spelling)] $variant = $number,)*
        }

        impl $name {
            /// Every value, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The spelling of the YANG module.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $spelling,)* }
            }

            /// The number in the YANG module and, where it has the object, in the OSPF MIB (RFC 4750).
            pub fn number(self) -> u8 {
                self as u8
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use yang_enum;
