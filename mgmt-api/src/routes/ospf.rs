//! `/ospf`: parts of the engine's snapshot.

use std::net::Ipv4Addr;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use isthmus_ospf::types::{AreaId, RouterId};
use isthmus_ospf::view::{AreaView, DatabaseEntryView, InterfaceView};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::app::AppState;
use crate::backend::Backend;
use crate::configure::part::{AreaPart, OspfInterfacePart, OspfPart, RangePart};
use crate::error::{ApiError, ProblemKind};
use crate::extract::{ApiJson, ApiPath, ApiQuery};
use crate::model::{
    Ospf, OspfAreas, OspfBorderRouters, OspfDatabase, OspfInterface, OspfInterfaces, OspfLocalRib,
    OspfLsaLog, OspfNeighbors, OspfSnapshot, OspfSpfLog, OspfWhatIf, OspfWhatIfRequest,
};
use crate::openapi::{Api, SchemaSource, delete, get, patch, post, put};

use super::write::{self, ContentQuery};

/// Adds the resources.
pub(super) fn add<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let api = api
        .tag("ospf", "OSPF (RFC 9129).")
        .at(
            "/ospf",
            get(instance, "The OSPF instance.")
                .answers::<Ospf>("The instance, or its configuration.")
                .or_configured(SchemaSource::Configuration("OspfConfiguration"))
                .refuses(&[ProblemKind::Unavailable]),
        )
        .at(
            "/ospf",
            patch(write::patch::<B, OspfPart>, "Changes what is set for the whole of OSPF.").patches(
                SchemaSource::Configuration("OspfConfigurationPatch"),
                json!({ "maximum-paths": 8 }),
            ),
        )
        .at(
            "/ospf/interfaces",
            get(interfaces, "The OSPF interfaces of all areas.")
                .answers::<OspfInterfaces>("The list.")
                .refuses(&[ProblemKind::Unavailable]),
        )
        .at(
            "/ospf/neighbors",
            get(neighbors, "The OSPF neighbors on all interfaces.")
                .answers::<OspfNeighbors>("The list.")
                .refuses(&[ProblemKind::Unavailable]),
        )
        .at(
            "/ospf/database",
            get(database, "The link state databases of all areas.")
                .query::<DatabaseQuery>()
                .answers::<OspfDatabase>("The advertisements asked for.")
                .refuses(&[ProblemKind::Unavailable]),
        )
        .at(
            "/ospf/local-rib",
            get(local_rib, "OSPF's own routes.")
                .answers::<OspfLocalRib>("The list.")
                .refuses(&[ProblemKind::Unavailable]),
        )
        .at(
            "/ospf/border-routers",
            get(border_routers, "Reachable border routers.")
                .answers::<OspfBorderRouters>("The list.")
                .refuses(&[ProblemKind::Unavailable]),
        )
        .at(
            "/ospf/lsa-log",
            get(lsa_log, "The last instances of advertisements that came to the database.")
                .answers::<OspfLsaLog>("The oldest first.")
                .refuses(&[ProblemKind::Unavailable]),
        )
        .at(
            "/ospf/spf-log",
            get(spf_log, "The last calculations of routes.")
                .answers::<OspfSpfLog>("The oldest first.")
                .refuses(&[ProblemKind::Unavailable]),
        )
        .at(
            "/ospf/what-if",
            post(what_if, "Which routes would change with the network.")
                .says(
                    "The route calculation runs on a copy of the databases; nothing is touched. What other areas would \
                     announce then is not known here, and taken as it is announced now.",
                )
                .body(
                    &["application/json"],
                    SchemaSource::of::<OspfWhatIfRequest>(),
                    json!({ "change": [{ "node-down": { "router": "10.77.0.1" } }] }),
                )
                .answers::<OspfWhatIf>("The routes that would be others.")
                .refuses(&[ProblemKind::Unavailable]),
        );
    add_ranges(add_areas(api))
}

fn add_areas<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    let missing = &[ProblemKind::NotFound, ProblemKind::Unavailable];
    api.at(
        "/ospf/areas",
        get(areas, "The areas.").answers::<OspfAreas>("The list.").refuses(&[ProblemKind::Unavailable]),
    )
    .at(
        "/ospf/areas/{area}",
        get(area, "An area.")
            .answers::<AreaView>("The area, or its configuration.")
            .or_configured(SchemaSource::Configuration("AreaConfiguration"))
            .refuses(missing),
    )
    .at(
        "/ospf/areas/{area}",
        put(write::replace::<B, AreaPart>, "Sets everything that is set for an area.")
            .replaces(
                SchemaSource::Configuration("AreaConfigurationPut"),
                json!({ "ranges": [{ "prefix": "203.0.113.0/24" }] }),
            )
            .creates(),
    )
    .at(
        "/ospf/areas/{area}",
        patch(write::patch::<B, AreaPart>, "Changes what is set for an area.").patches(
            SchemaSource::Configuration("AreaConfigurationPatch"),
            json!({ "ranges": [{ "prefix": "203.0.113.0/24" }] }),
        ),
    )
    .at(
        "/ospf/areas/{area}",
        delete(
            write::remove::<B, AreaPart>,
            "Removes what is set for an area; the area itself is where interfaces are.",
        )
        .changes(),
    )
    .at(
        "/ospf/areas/{area}/interfaces",
        get(area_interfaces, "The OSPF interfaces of an area.")
            .answers::<OspfInterfaces>("The list.")
            .refuses(missing),
    )
    .at(
        "/ospf/areas/{area}/interfaces/{name}",
        get(interface, "An OSPF interface.")
            .answers::<OspfInterface>("The interface, or its configuration.")
            .or_configured(OSPF_INTERFACE)
            .refuses(missing),
    )
    .at(
        "/ospf/areas/{area}/interfaces/{name}",
        put(
            write::replace::<B, OspfInterfacePart>,
            "Runs OSPF on an interface in an area, as the body says.",
        )
        .says("The interface must be there; if OSPF ran on it in another area, it moves.")
        .replaces(OSPF_INTERFACE, json!({ "cost": 10 }))
        .creates(),
    )
    .at(
        "/ospf/areas/{area}/interfaces/{name}",
        patch(
            write::patch::<B, OspfInterfacePart>,
            "Changes the costs, timers, authentication .. of OSPF on an interface.",
        )
        .patches(OSPF_INTERFACE_PATCH, json!({ "cost": 10 })),
    )
    .at(
        "/ospf/areas/{area}/interfaces/{name}",
        delete(write::remove::<B, OspfInterfacePart>, "Runs OSPF on an interface no longer.").changes(),
    )
    .at(
        "/ospf/areas/{area}/interfaces/{name}/neighbors",
        get(interface_neighbors, "The OSPF neighbors on an interface.")
            .answers::<OspfNeighbors>("The list.")
            .refuses(missing),
    )
    .at(
        "/ospf/areas/{area}/database",
        get(area_database, "The link state database of an area.")
            .query::<DatabaseQuery>()
            .answers::<OspfDatabase>("The advertisements asked for.")
            .refuses(missing),
    )
}

fn add_ranges<B: Backend>(api: Api<AppState<B>>) -> Api<AppState<B>> {
    api.at(
        "/ospf/areas/{area}/ranges/{prefix}",
        get(write::read::<B, RangePart>, "A range of an area, as it is configured.")
            .answers_configured(SchemaSource::Configuration("RangeConfiguration"))
            .refuses(&[ProblemKind::NotFound]),
    )
    .at(
        "/ospf/areas/{area}/ranges/{prefix}",
        put(
            write::replace::<B, RangePart>,
            "Condenses what is in a prefix of an area toward the other areas.",
        )
        .replaces(SchemaSource::Configuration("RangeConfigurationPut"), json!({ "cost": 10 }))
        .creates(),
    )
    .at(
        "/ospf/areas/{area}/ranges/{prefix}",
        patch(write::patch::<B, RangePart>, "Changes a range of an area.")
            .patches(SchemaSource::Configuration("RangeConfigurationPatch"), json!({ "advertise": true })),
    )
    .at(
        "/ospf/areas/{area}/ranges/{prefix}",
        delete(write::remove::<B, RangePart>, "Removes a range of an area.").changes(),
    )
}

pub(crate) async fn instance<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<ContentQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    query.answer(&*state.backend, &headers, &OspfPart {}, || Ok(Json(snapshot(&state)?.ospf())))
}

pub(crate) async fn areas<B: Backend>(State(state): State<AppState<B>>) -> Result<Json<OspfAreas>, ApiError> {
    Ok(Json(OspfAreas { area: snapshot(&state)?.areas }))
}

pub(crate) async fn area<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(part): ApiPath<AreaPart>,
    ApiQuery(query): ApiQuery<ContentQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    query.answer(&*state.backend, &headers, &part, || {
        find_area(&snapshot(&state)?, part.area).cloned().map(Json)
    })
}

pub(crate) async fn area_interfaces<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(area): ApiPath<AreaId>,
) -> Result<Json<OspfInterfaces>, ApiError> {
    let snapshot = snapshot(&state)?;
    find_area(&snapshot, area)?;
    Ok(Json(snapshot.interfaces_of(area)))
}

pub(crate) async fn interface<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(part): ApiPath<OspfInterfacePart>,
    ApiQuery(query): ApiQuery<ContentQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    query.answer(&*state.backend, &headers, &part, || {
        let snapshot = snapshot(&state)?;
        let interface = find_interface(&snapshot, part.area, &part.name)?;
        Ok(Json(OspfInterface::new(interface.clone(), snapshot.time_origin)))
    })
}

pub(crate) async fn interface_neighbors<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath((area, name)): ApiPath<(AreaId, String)>,
) -> Result<Json<OspfNeighbors>, ApiError> {
    let snapshot = snapshot(&state)?;
    find_interface(&snapshot, area, &name)?;
    let mut neighbor = snapshot.neighbors;
    neighbor.retain(|neighbor| neighbor.area_id == area && neighbor.interface == name);
    Ok(Json(OspfNeighbors { neighbor }))
}

pub(crate) async fn interfaces<B: Backend>(
    State(state): State<AppState<B>>,
) -> Result<Json<OspfInterfaces>, ApiError> {
    Ok(Json(snapshot(&state)?.interfaces()))
}

pub(crate) async fn neighbors<B: Backend>(
    State(state): State<AppState<B>>,
) -> Result<Json<OspfNeighbors>, ApiError> {
    Ok(Json(OspfNeighbors { neighbor: snapshot(&state)?.neighbors }))
}

/// Which advertisements are asked for; what is absent does not restrict.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DatabaseQuery {
    /// The type: a number, `router`, `network`, `summary`, `asbr-summary`, `external`, or the identity of RFC 9129.
    #[schemars(example = &"router")]
    lsa_type: Option<String>,
    /// The router that has originated it.
    adv_router: Option<RouterId>,
    /// The link state id.
    lsa_id: Option<Ipv4Addr>,
}

pub(crate) async fn area_database<B: Backend>(
    State(state): State<AppState<B>>,
    ApiPath(area): ApiPath<AreaId>,
    ApiQuery(query): ApiQuery<DatabaseQuery>,
) -> Result<Json<OspfDatabase>, ApiError> {
    find_area(&snapshot(&state)?, area)?;
    query_database(&state, &query, Some(area))
}

pub(crate) async fn database<B: Backend>(
    State(state): State<AppState<B>>,
    ApiQuery(query): ApiQuery<DatabaseQuery>,
) -> Result<Json<OspfDatabase>, ApiError> {
    query_database(&state, &query, None)
}

pub(crate) async fn local_rib<B: Backend>(
    State(state): State<AppState<B>>,
) -> Result<Json<OspfLocalRib>, ApiError> {
    Ok(Json(OspfLocalRib { route: snapshot(&state)?.local_rib }))
}

pub(crate) async fn border_routers<B: Backend>(
    State(state): State<AppState<B>>,
) -> Result<Json<OspfBorderRouters>, ApiError> {
    Ok(Json(OspfBorderRouters { border_router: snapshot(&state)?.border_routers }))
}

pub(crate) async fn lsa_log<B: Backend>(
    State(state): State<AppState<B>>,
) -> Result<Json<OspfLsaLog>, ApiError> {
    Ok(Json(snapshot(&state)?.lsa_log()))
}

pub(crate) async fn spf_log<B: Backend>(
    State(state): State<AppState<B>>,
) -> Result<Json<OspfSpfLog>, ApiError> {
    Ok(Json(snapshot(&state)?.spf_log()))
}

/// The most changes that one request may suppose.
const CHANGES: usize = 1000;

pub(crate) async fn what_if<B: Backend>(
    State(state): State<AppState<B>>,
    ApiJson(request): ApiJson<OspfWhatIfRequest>,
) -> Result<Json<OspfWhatIf>, ApiError> {
    let refused = |detail: String| {
        ApiError::new(
            ProblemKind::BadRequest,
            detail,
            "GET /api/v1/ospf/database?lsa-type=router shows the routers and their links",
        )
    };
    if request.change.len() > CHANGES {
        return Err(refused(format!("{} changes are more than {CHANGES}", request.change.len())));
    }
    let answer = state.backend.ospf_what_if(&request.change).ok_or_else(no_ospf)?;
    let what_if = answer.map_err(|error| refused(error.to_string()))?;
    Ok(Json(OspfWhatIf { what_if }))
}

fn query_database<B: Backend>(
    state: &AppState<B>,
    query: &DatabaseQuery,
    area: Option<AreaId>,
) -> Result<Json<OspfDatabase>, ApiError> {
    let lsa_type = query.lsa_type.as_deref().map(LsaTypeName::parse).transpose()?;
    let wanted = |entry: &DatabaseEntryView| {
        let header = &entry.header;
        area.is_none_or(|area| entry.area_id == Some(area))
            && lsa_type.is_none_or(|lsa_type| header.type_number == lsa_type.0)
            && query.adv_router.is_none_or(|router| header.adv_router == router)
            && query.lsa_id.is_none_or(|id| header.lsa_id == id)
    };
    let mut lsa = state.backend.ospf_database().ok_or_else(no_ospf)?;
    lsa.retain(wanted);
    Ok(Json(OspfDatabase { lsa }))
}

/// A type of advertisement as a query names it: by number, by FRR's word, by the identity of RFC 9129, or by
/// the middle of that, which tables show.
#[derive(Clone, Copy)]
struct LsaTypeName(u8);

impl LsaTypeName {
    fn parse(text: &str) -> Result<Self, ApiError> {
        if let Ok(number) = text.parse() {
            return Ok(Self(number));
        }
        let middle = |identity: &'static str| identity.strip_prefix("ospfv2-")?.strip_suffix("-lsa");
        let known = LSA_TYPES
            .iter()
            .find(|(_, word, identity)| text == *word || text == *identity || middle(identity) == Some(text));
        known.map(|(number, _, _)| Self(*number)).ok_or_else(|| {
            let words: Vec<&str> = LSA_TYPES.iter().map(|(_, word, _)| *word).collect();
            ApiError::new(
                ProblemKind::BadRequest,
                format!("`{text}` is not a type of link state advertisement"),
                format!("use a number or one of: {}", words.join(", ")),
            )
        })
    }
}

const OSPF_INTERFACE: SchemaSource =
    SchemaSource::AnyConfiguration(&["InterfaceOspfConfiguration", "NetworkOspfConfiguration"]);
const OSPF_INTERFACE_PATCH: SchemaSource =
    SchemaSource::AnyConfiguration(&["InterfaceOspfConfigurationPatch", "NetworkOspfConfigurationPatch"]);
const LSA_TYPES: &[(u8, &str, &str)] = &[
    (1, "router", "ospfv2-router-lsa"),
    (2, "network", "ospfv2-network-lsa"),
    (3, "summary", "ospfv2-network-summary-lsa"),
    (4, "asbr-summary", "ospfv2-asbr-summary-lsa"),
    (5, "external", "ospfv2-as-external-lsa"),
    (7, "nssa-external", "ospfv2-nssa-lsa"),
    (9, "opaque-link", "ospfv2-link-scope-opaque-lsa"),
    (10, "opaque-area", "ospfv2-area-scope-opaque-lsa"),
    (11, "opaque-as", "ospfv2-as-scope-opaque-lsa"),
];

fn snapshot<B: Backend>(state: &AppState<B>) -> Result<OspfSnapshot, ApiError> {
    state.backend.ospf().ok_or_else(no_ospf)
}

fn no_ospf() -> ApiError {
    ApiError::new(
        ProblemKind::Unavailable,
        "OSPF does not run on this node",
        "GET /api/v1/system/health says whether it has failed or is still starting",
    )
}

fn find_area(snapshot: &OspfSnapshot, area: AreaId) -> Result<&AreaView, ApiError> {
    snapshot.areas.iter().find(|candidate| candidate.area_id == area).ok_or_else(|| {
        let areas: Vec<String> = snapshot.areas.iter().map(|area| area.area_id.to_string()).collect();
        ApiError::new(
            ProblemKind::NotFound,
            format!("this router is not attached to area {area}"),
            format!("its areas are: {}", areas.join(", ")),
        )
    })
}

fn find_interface<'a>(
    snapshot: &'a OspfSnapshot,
    area: AreaId,
    name: &str,
) -> Result<&'a InterfaceView, ApiError> {
    find_area(snapshot, area)?;
    let mut of_area = snapshot.interfaces.iter().filter(|interface| interface.area_id == area);
    of_area.find(|interface| interface.name == name).ok_or_else(|| {
        ApiError::new(
            ProblemKind::NotFound,
            format!("there is no OSPF interface `{name}` in area {area}"),
            format!("GET /api/v1/ospf/areas/{area}/interfaces lists those that are"),
        )
    })
}
