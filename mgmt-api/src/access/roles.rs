//! Which role each operation needs.
//!
//! A path or a method that is not in the table needs the largest one, so that what somebody adds without a thought
//! about it is not open to all.

use axum::http::Method;

use super::caller::Role;

/// What an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needed {
    /// Nothing: what every copy of the program serves alike, and says nothing about this node.
    Nothing,
    /// A caller with this role or a larger one.
    Role(Role),
}

/// What the operation at a path of the router needs. `HEAD` is `GET` without the body.
pub(crate) fn needed(method: &Method, path: &str) -> Needed {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    listed(method, path).unwrap_or(Needed::Role(Role::Admin))
}

/// What the table says of an operation.
pub(crate) fn listed(method: &str, path: &str) -> Option<Needed> {
    if method == "GET" && OPEN_BELOW.iter().any(|open| path.starts_with(open)) {
        return Some(Needed::Nothing);
    }
    let found = TABLE.iter().find(|(of, at, _)| *of == method && *at == path);
    found.map(|(.., needed)| *needed)
}

impl Needed {
    /// The word for it in the description of the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Role(role) => role.name(),
        }
    }
}

/// The web page and the page that describes the API, with their files: a browser that opens them has no token yet.
const OPEN_BELOW: [&str; 3] = ["/ui/", "/docs", "/openapi.json"];

const OPEN: Needed = Needed::Nothing;
const VIEWER: Needed = Needed::Role(Role::Viewer);
const OPERATOR: Needed = Needed::Role(Role::Operator);
const ADMIN: Needed = Needed::Role(Role::Admin);

/// Method, path, and what they need.
#[rustfmt::skip]
const TABLE: &[(&str, &str, Needed)] = &[
    ("GET", "/", OPEN),
    ("GET", "/api/v1/config", VIEWER),
    ("PUT", "/api/v1/config", ADMIN),
    ("PATCH", "/api/v1/config", ADMIN),
    ("POST", "/api/v1/config/confirm", ADMIN),
    ("GET", "/api/v1/config/history", VIEWER),
    ("GET", "/api/v1/config/history/{number}", VIEWER),
    ("POST", "/api/v1/config/rollback/{number}", ADMIN),
    ("GET", "/api/v1/config/schema", VIEWER),
    ("GET", "/api/v1/config/status", VIEWER),
    ("GET", "/api/v1/counters", VIEWER),
    ("GET", "/api/v1/counters/drops", VIEWER),
    ("GET", "/api/v1/events", VIEWER),
    ("GET", "/api/v1/events/recent", VIEWER),
    ("GET", "/api/v1/fabric", VIEWER),
    ("PATCH", "/api/v1/fabric", ADMIN),
    ("GET", "/api/v1/fabric/common-addresses", VIEWER),
    ("PUT", "/api/v1/fabric/common-addresses", ADMIN),
    ("PUT", "/api/v1/fabric/common-addresses/{address}", ADMIN),
    ("DELETE", "/api/v1/fabric/common-addresses/{address}", ADMIN),
    ("GET", "/api/v1/interfaces", VIEWER),
    ("GET", "/api/v1/interfaces/{name}", VIEWER),
    ("PUT", "/api/v1/interfaces/{name}", ADMIN),
    ("PATCH", "/api/v1/interfaces/{name}", ADMIN),
    ("DELETE", "/api/v1/interfaces/{name}", ADMIN),
    ("GET", "/api/v1/interfaces/{name}/neighbors", VIEWER),
    ("GET", "/api/v1/interfaces/{name}/statistics", VIEWER),
    ("GET", "/api/v1/neighbors", VIEWER),
    ("GET", "/api/v1/ospf", VIEWER),
    ("PATCH", "/api/v1/ospf", ADMIN),
    ("GET", "/api/v1/ospf/areas", VIEWER),
    ("GET", "/api/v1/ospf/areas/{area}", VIEWER),
    ("PUT", "/api/v1/ospf/areas/{area}", ADMIN),
    ("PATCH", "/api/v1/ospf/areas/{area}", ADMIN),
    ("DELETE", "/api/v1/ospf/areas/{area}", ADMIN),
    ("GET", "/api/v1/ospf/areas/{area}/database", VIEWER),
    ("GET", "/api/v1/ospf/areas/{area}/interfaces", VIEWER),
    ("GET", "/api/v1/ospf/areas/{area}/interfaces/{name}", VIEWER),
    ("PUT", "/api/v1/ospf/areas/{area}/interfaces/{name}", ADMIN),
    ("PATCH", "/api/v1/ospf/areas/{area}/interfaces/{name}", ADMIN),
    ("DELETE", "/api/v1/ospf/areas/{area}/interfaces/{name}", ADMIN),
    ("GET", "/api/v1/ospf/areas/{area}/interfaces/{name}/neighbors", VIEWER),
    ("GET", "/api/v1/ospf/areas/{area}/ranges/{prefix}", VIEWER),
    ("PUT", "/api/v1/ospf/areas/{area}/ranges/{prefix}", ADMIN),
    ("PATCH", "/api/v1/ospf/areas/{area}/ranges/{prefix}", ADMIN),
    ("DELETE", "/api/v1/ospf/areas/{area}/ranges/{prefix}", ADMIN),
    ("GET", "/api/v1/ospf/border-routers", VIEWER),
    ("GET", "/api/v1/ospf/database", VIEWER),
    ("GET", "/api/v1/ospf/interfaces", VIEWER),
    ("GET", "/api/v1/ospf/local-rib", VIEWER),
    ("GET", "/api/v1/ospf/neighbors", VIEWER),
    ("GET", "/api/v1/ospf/lsa-log", VIEWER),
    ("GET", "/api/v1/ospf/spf-log", VIEWER),
    ("POST", "/api/v1/ospf/what-if", OPERATOR),
    ("GET", "/api/v1/routing/fib", VIEWER),
    ("GET", "/api/v1/routing/fib/lookup", VIEWER),
    ("GET", "/api/v1/routing/ribs/{rib}/routes", VIEWER),
    ("GET", "/api/v1/routing/static-routes", VIEWER),
    ("PUT", "/api/v1/routing/static-routes", ADMIN),
    ("GET", "/api/v1/routing/static-routes/{prefix}", VIEWER),
    ("PUT", "/api/v1/routing/static-routes/{prefix}", ADMIN),
    ("DELETE", "/api/v1/routing/static-routes/{prefix}", ADMIN),
    ("GET", "/api/v1/shm", VIEWER),
    ("GET", "/api/v1/shm/nodes", VIEWER),
    ("GET", "/api/v1/shm/events", VIEWER),
    ("GET", "/api/v1/shm/rings", VIEWER),
    ("GET", "/api/v1/steering", VIEWER),
    ("GET", "/api/v1/system", VIEWER),
    ("GET", "/api/v1/system/health", VIEWER),
    ("GET", "/api/v1/system/ready", VIEWER),
    ("POST", "/api/v1/tools/capture", OPERATOR),
    ("POST", "/api/v1/tools/ping", OPERATOR),
    ("POST", "/api/v1/tools/throughput", OPERATOR),
    ("POST", "/api/v1/tools/traceroute", OPERATOR),
    ("GET", "/healthz", VIEWER),
    ("GET", "/metrics", VIEWER),
    ("GET", "/readyz", VIEWER),
];
