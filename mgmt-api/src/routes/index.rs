//! `/`: what there is.

use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::ui;

/// A resource, as `/` lists it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Resource {
    /// Its path; segments in braces vary.
    pub path: &'static str,
    /// Its methods.
    pub methods: &'static [&'static str],
    /// What it is.
    pub description: &'static str,
}

macro_rules! resources {
    ($($($method:ident)+ $path:literal $description:literal;)*) => {
        /// Every resource of the API.
        pub const RESOURCES: &[Resource] = &[
            $(Resource { path: $path, methods: &[$(stringify!($method),)+], description: $description },)*
        ];
    };
}

resources! {
    GET "/" "this list; to a browser the web page, whose files are below /ui";
    GET "/healthz" "ok, or what has failed, as text";
    GET "/readyz" "ok, or what is waited for, as text";
    GET "/metrics" "metrics in the text format of Prometheus";
    GET "/api/v1/system" "the node, its role and why, its addresses, its checks";
    GET "/api/v1/system/health" "the checks; status 503 if one has failed";
    GET "/api/v1/system/ready" "whether the node has joined and has its routes; status 503 if not";
    GET "/api/v1/config" "the running configuration";
    GET "/api/v1/interfaces" "all interfaces with their counters";
    GET PATCH "/api/v1/interfaces/{name}" "an interface; PATCH {\"enabled\": bool} sets its administrative state";
    GET "/api/v1/interfaces/{name}/statistics" "its counters";
    GET "/api/v1/interfaces/{name}/neighbors" "the stations known on it";
    GET "/api/v1/neighbors" "the stations known on all interfaces";
    GET "/api/v1/routing/ribs/{name}/routes" "all routes of all sources; the only table is ipv4-default";
    GET "/api/v1/routing/fib" "the forwarding table";
    GET "/api/v1/routing/fib/lookup" "?dst=ADDRESS[&explain]: what becomes of a packet";
    GET "/api/v1/ospf" "the OSPF instance";
    GET "/api/v1/ospf/areas" "its areas";
    GET "/api/v1/ospf/areas/{area}" "an area";
    GET "/api/v1/ospf/areas/{area}/interfaces" "its interfaces";
    GET "/api/v1/ospf/areas/{area}/interfaces/{name}" "an interface of it";
    GET "/api/v1/ospf/areas/{area}/interfaces/{name}/neighbors" "the neighbors on it";
    GET "/api/v1/ospf/areas/{area}/database" "?lsa-type=&adv-router=&lsa-id=: the area's link state database";
    GET "/api/v1/ospf/interfaces" "the interfaces of all areas";
    GET "/api/v1/ospf/neighbors" "the neighbors on all interfaces";
    GET "/api/v1/ospf/database" "?lsa-type=&adv-router=&lsa-id=: the databases of all areas";
    GET "/api/v1/ospf/local-rib" "OSPF's own routes";
    GET "/api/v1/ospf/border-routers" "reachable border routers";
    GET "/api/v1/ospf/spf-log" "the last calculations of routes";
    GET "/api/v1/shm" "the shared memory: arenas, nodes, links, the active table";
    GET "/api/v1/shm/nodes" "its nodes";
    GET "/api/v1/shm/rings" "its rings with both pointers, and the broadcast and multicast rings";
    GET "/api/v1/steering" "who serves the common address";
    GET "/api/v1/counters" "counters of the node";
    GET "/api/v1/counters/drops" "dropped packets by interface and reason";
    GET "/api/v1/events" "?after=&type=: what happens, as server-sent events";
    GET "/api/v1/events/recent" "?limit=&type=: what happened lately";
    POST "/api/v1/tools/ping" "{\"destination\": ADDRESS, ..}: a line of JSON for each reply, then a summary";
    POST "/api/v1/tools/traceroute" "{\"destination\": ADDRESS, ..}: a line of JSON for each hop, then a summary";
    POST "/api/v1/tools/throughput" "{\"destination\": ADDRESS, ..}: sends datagrams as fast as they go, and says how many";
    POST "/api/v1/tools/capture" "?interface=[&count=][&duration=]: a pcapng stream";
}

pub(crate) async fn index(headers: HeaderMap) -> Response {
    if ui::is_wanted(&headers) {
        return ui::page();
    }
    Json(json!({ "name": "isthmus", "version": env!("CARGO_PKG_VERSION"), "resource": RESOURCES }))
        .into_response()
}
