//! The resources.

mod events;
mod index;
mod interfaces;
mod observe;
mod ospf;
mod routing;
mod shm;
mod system;
mod tools;

pub use index::{RESOURCES, Resource};

use axum::Router;
use axum::routing::{get, post};

use crate::app::AppState;
use crate::backend::Backend;

/// What is below `/api/v1`.
pub(crate) fn api<B: Backend>() -> Router<AppState<B>> {
    Router::new()
        .route("/system", get(system::system))
        .route("/system/health", get(system::health))
        .route("/system/ready", get(system::ready))
        .route("/config", get(system::config))
        .route("/interfaces", get(interfaces::list))
        .route("/interfaces/{name}", get(interfaces::one).patch(interfaces::patch))
        .route("/interfaces/{name}/statistics", get(interfaces::statistics))
        .route("/interfaces/{name}/neighbors", get(interfaces::neighbors))
        .route("/neighbors", get(interfaces::all_neighbors))
        .route("/routing/ribs/{name}/routes", get(routing::routes))
        .route("/routing/fib", get(routing::fib))
        .route("/routing/fib/lookup", get(routing::lookup))
        .merge(ospf_resources())
        .route("/shm", get(shm::shm))
        .route("/shm/nodes", get(shm::nodes))
        .route("/shm/rings", get(shm::rings))
        .route("/steering", get(shm::steering))
        .route("/counters", get(observe::counters))
        .route("/counters/drops", get(observe::drops))
        .route("/events", get(events::stream))
        .route("/events/recent", get(observe::events))
        .route("/tools/ping", post(tools::ping))
        .route("/tools/traceroute", post(tools::traceroute))
        .route("/tools/throughput", post(tools::throughput))
        .route("/tools/capture", post(tools::capture))
}

/// What is outside of it, where probes and scrapers look.
pub(crate) fn outside<B: Backend>() -> Router<AppState<B>> {
    Router::new()
        .route("/", get(index::index))
        .route("/metrics", get(observe::metrics))
        .route("/healthz", get(system::healthz))
        .route("/readyz", get(system::readyz))
}

fn ospf_resources<B: Backend>() -> Router<AppState<B>> {
    Router::new()
        .route("/ospf", get(ospf::instance))
        .route("/ospf/areas", get(ospf::areas))
        .route("/ospf/areas/{area}", get(ospf::area))
        .route("/ospf/areas/{area}/interfaces", get(ospf::area_interfaces))
        .route("/ospf/areas/{area}/interfaces/{name}", get(ospf::interface))
        .route("/ospf/areas/{area}/interfaces/{name}/neighbors", get(ospf::interface_neighbors))
        .route("/ospf/areas/{area}/database", get(ospf::area_database))
        .route("/ospf/interfaces", get(ospf::interfaces))
        .route("/ospf/neighbors", get(ospf::neighbors))
        .route("/ospf/database", get(ospf::database))
        .route("/ospf/local-rib", get(ospf::local_rib))
        .route("/ospf/border-routers", get(ospf::border_routers))
        .route("/ospf/spf-log", get(ospf::spf_log))
}
