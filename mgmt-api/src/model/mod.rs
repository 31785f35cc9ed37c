//! What the API speaks: one serde structure per resource.
//!
//! The names are the leaf names of RFC 8343 (interfaces), RFC 8344 (addresses and neighbors), RFC 8349 (routing) and
//! RFC 9129 (OSPF, in [`isthmus_ospf::view`]), in kebab-case. What no module of the IETF describes, the shared memory
//! above all, follows their habits: lists are in the singular, enumerations are words, times are `date-and-time`.
//! Every structure is read by the command line too, hence `Deserialize`.

mod config;
mod counters;
mod event_types;
mod events;
mod histogram;
mod interfaces;
mod measurements;
mod ospf;
mod routing;
mod shm;
mod steering;
mod system;
mod time;
mod tools;

pub use config::{
    ChangeEffect, Configuration, ConfigurationChange, ConfigurationDiagnostic, ConfigurationHistory,
    ConfigurationOutcome, ConfigurationSource, Effect, FieldChange, HistoricConfiguration, HistoryEntry,
    MASK,
};
pub use counters::{Counter, Counters, Drop, Drops};
pub use event_types::{EventMember, EventType, UnknownEventType};
pub use events::{Event, Events};
pub use histogram::Histogram;
pub use interfaces::{
    AddressOwner, AdminStatus, Interface, InterfaceAddress, InterfacePatch, InterfaceStatistics,
    InterfaceType, Interfaces, Neighbor, NeighborOrigin, NeighborState, Neighbors, OperStatus,
};
pub use measurements::{Measurements, Member, Process, Worker};
pub use ospf::{
    Ospf, OspfAreas, OspfBorderRouters, OspfDatabase, OspfInterface, OspfInterfaces, OspfLocalRib,
    OspfLsaEvent, OspfLsaLog, OspfMismatch, OspfNeighbors, OspfSnapshot, OspfSpfEvent, OspfSpfLog,
    OspfWhatIf, OspfWhatIfRequest,
};
pub use routing::{
    ExplainStep, Fib, FibEntry, FibLookup, LookupVerdict, NextHop, Route, Routes, SourceProtocol,
    SpecialNextHop,
};
pub use shm::{
    CopyRoutine, GroupKind, LinkState, Network, NodeState, RingGeometry, Shm, ShmDoorbell, ShmFacts,
    ShmFirstRing, ShmGroupReader, ShmGroupRing, ShmLink, ShmMappingCost, ShmNode, ShmNodes, ShmPeerDoorbell,
    ShmQuarantine, ShmQuarantineCount, ShmRing, ShmRings,
};
pub use steering::{Steering, SteeringEpoch, SteeringMember};
pub use system::{Check, CheckStatus, Health, Readiness, Role, StackKind, System, SystemAddress};
pub use time::{DateTime, ParseDateTimeError};
pub use tools::{
    CaptureQuery, PingLine, PingOutcome, PingReply, PingRequest, PingSummary, ThroughputReport,
    ThroughputRequest, TracerouteHop, TracerouteLine, TracerouteProbe, TracerouteRequest, TracerouteSummary,
};
