//! Neighbors.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::types::{AreaId, RouterId};

use super::yang_enum;

yang_enum! {
    /// State of a neighbor (RFC 2328 section 10.1; `nbr-state-type`, ospfNbrState).
    pub enum NeighborState {
        /// Not heard within the dead interval.
        Down = 1 "down",
        /// Not heard yet, but asked.
        Attempt = 2 "attempt",
        /// Heard, but it has not heard us.
        Init = 3 "init",
        /// Each has heard the other.
        TwoWay = 4 "2-way",
        /// Agreeing on who leads the exchange.
        ExStart = 5 "exstart",
        /// Describing the databases to each other.
        Exchange = 6 "exchange",
        /// Asking for what is newer there.
        Loading = 7 "loading",
        /// Adjacent.
        Full = 8 "full",
    }
}

yang_enum! {
    /// How a restart with the help of this router has ended (RFC 3623; `restart-exit-reason-type`).
    pub enum RestartExitReason {
        /// There was none, or an operator has ended the help.
        None = 1 "none",
        /// It goes on.
        InProgress = 2 "in-progress",
        /// The neighbor has said that it is there again.
        Completed = 3 "completed",
        /// The neighbor was not there in time.
        TimedOut = 4 "timed-out",
        /// The topology has changed meanwhile.
        TopologyChanged = 5 "topology-changed",
    }
}

/// A neighbor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct NeighborView {
    /// Its name in the autonomous system; 0.0.0.0 for one that is listed on a network without multicast and is not heard.
    pub neighbor_router_id: RouterId,
    /// What people call it, as it says itself (RFC 5642).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hostname: Option<String>,
    /// The source of its packets, or the address that it is listed with.
    pub address: Ipv4Addr,
    /// Name of the interface.
    pub interface: String,
    /// Area of the interface.
    pub area_id: AreaId,
    /// State of its state machine.
    pub state: NeighborState,
    /// Its router priority.
    pub priority: u8,
    /// Its designated router, by address; absent if it names none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dr_ip_addr: Option<Ipv4Addr>,
    /// Its backup designated router, by address; absent if it names none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bdr_ip_addr: Option<Ipv4Addr>,
    /// Seconds until it is declared down; absent if the timer does not run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dead_timer: Option<u32>,
    /// Seconds in state full; absent in other states.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub up_time: Option<u64>,
    /// Seconds for which it is still helped to restart (RFC 3623); absent if it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restart_helper_age: Option<u64>,
    /// How its last restart with the help of this router has ended; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restart_helper_exit_reason: Option<RestartExitReason>,
    /// Counters and list lengths.
    pub statistics: NeighborStatisticsView,
}

/// Counters and list lengths of a neighbor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct NeighborStatisticsView {
    /// Changes of state and errors.
    pub nbr_event_count: u64,
    /// Advertisements that it has not acknowledged.
    pub nbr_retrans_qlen: u32,
    /// Advertisements that it has and we still ask for.
    pub nbr_request_qlen: u32,
    /// Headers that we have still to describe to it.
    pub nbr_db_summary_qlen: u32,
}
