//! Which resource is which part of the document.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use isthmus_ospf::types::AreaId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{ApiError, ProblemKind};

use super::merge::merge;
use super::place::{Place, is_same};

/// What a resource's part of the document can be asked and told. The path of a request is read into it.
pub(crate) trait Part: Send + Sync {
    /// What it is, as a sentence names it.
    fn what(&self) -> String;

    /// What is configured; `None`: nothing.
    fn read(&self, document: &Documents) -> Option<Value>;

    /// Makes it what the body says; returns whether it was not there before.
    ///
    /// # Errors
    /// The body names another resource, or what the resource belongs to is not there.
    fn replace(&self, document: &mut Documents, body: Value) -> Result<bool, ApiError>;

    /// Removes it; returns whether it was there.
    ///
    /// # Errors
    /// It is there as long as the node is.
    fn remove(&self, document: &mut Documents) -> Result<bool, ApiError>;

    /// Merges a patch into it.
    ///
    /// # Errors
    /// There is nothing to patch, or as [`Self::replace`].
    fn patch(&self, document: &mut Documents, patch: Value) -> Result<(), ApiError> {
        let mut value = self.read(document).ok_or_else(|| self.missing())?;
        merge(&mut value, patch);
        self.replace(document, value).map(|_| ())
    }

    /// The refusal where there is nothing.
    fn missing(&self) -> ApiError {
        ApiError::new(
            ProblemKind::NotFound,
            format!("{} is not configured", self.what()),
            "create it with PUT; GET /api/v1/config shows what is configured",
        )
    }
}

/// The configuration in both forms.
pub(crate) struct Documents {
    /// As it was written: what is edited.
    pub(crate) written: Value,
    /// With the defaults of its keys: what is in force where nothing is written.
    pub(crate) effective: Value,
}

/// The whole document.
#[derive(Deserialize)]
pub(crate) struct Whole {}

impl Part for Whole {
    fn what(&self) -> String {
        "the configuration".to_owned()
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        Some(document.written.clone())
    }

    fn replace(&self, document: &mut Documents, body: Value) -> Result<bool, ApiError> {
        document.written = body;
        Ok(false)
    }

    fn remove(&self, _: &mut Documents) -> Result<bool, ApiError> {
        Err(permanent(&self.what()))
    }
}

/// `/interfaces/{name}`: a NIC, or one of the two networks over the memory.
#[derive(Deserialize)]
pub(crate) struct InterfacePart {
    pub(crate) name: String,
}

impl InterfacePart {
    fn place(&self) -> Place {
        match network(&self.name) {
            Some(network) => Place::top().member("fabric").member(network),
            None => Place::top().element("interfaces", "name", &self.name),
        }
    }
}

impl Part for InterfacePart {
    fn what(&self) -> String {
        format!("the interface `{}`", self.name)
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        written_or_implied(&self.place(), document, network(&self.name).is_some())
    }

    fn replace(&self, document: &mut Documents, mut body: Value) -> Result<bool, ApiError> {
        match network(&self.name) {
            Some(_) if !implied(document, &self.place()) => return Err(no_fabric(&self.what())),
            Some(_) => {}
            None => name_it(&mut body, "name", &self.name)?,
        }
        Ok(self.place().put(&mut document.written, body) && network(&self.name).is_none())
    }

    fn remove(&self, document: &mut Documents) -> Result<bool, ApiError> {
        match network(&self.name) {
            Some(_) => Err(permanent(&self.what())),
            None => Ok(self.place().remove(&mut document.written)),
        }
    }

    fn missing(&self) -> ApiError {
        ApiError::new(
            ProblemKind::NotFound,
            format!("there is no interface `{}` in the configuration", self.name),
            "create it with PUT, or use a name that GET /api/v1/interfaces lists",
        )
    }
}

/// The key of a network over the memory in `fabric`, by the interface's name.
fn network(name: &str) -> Option<&'static str> {
    match name {
        "lsm0" => Some("lsm"),
        "gsm0" => Some("gsm"),
        _ => None,
    }
}

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Deserialize)]
        pub(crate) struct $name {}

        impl Part for $name {
            fn what(&self) -> String {
                $what.to_owned()
            }

            fn read(&self, document: &Documents) -> Option<Value> {
                written_or_implied(&Place::top().member($key), document, true)
            }

            fn replace(&self, document: &mut Documents, body: Value) -> Result<bool, ApiError> {
                Place::top().member($key).put(&mut document.written, body);
                Ok(false)
            }

            fn remove(&self, _: &mut Documents) -> Result<bool, ApiError> {
                Err(permanent(&self.what()))
            }

            fn missing(&self) -> ApiError {
                no_fabric(&self.what())
            }
        }
    )*};
}

sections! {
    /// `/ospf`.
    OspfPart = "ospf", "the OSPF instance";
    /// `/fabric`: there with a node that has a part in a shared memory.
    FabricPart = "fabric", "part in the fabric";
}

/// `/ospf/areas/{area}`.
#[derive(Deserialize)]
pub(crate) struct AreaPart {
    pub(crate) area: AreaId,
}

impl AreaPart {
    fn place(area: AreaId) -> Place {
        Place::top().member("ospf").element("areas", "area-id", area)
    }
}

impl Part for AreaPart {
    fn what(&self) -> String {
        format!("area {}", self.area)
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        Self::place(self.area).find(&document.written).cloned()
    }

    fn replace(&self, document: &mut Documents, mut body: Value) -> Result<bool, ApiError> {
        name_it(&mut body, "area-id", &self.area.to_string())?;
        Ok(Self::place(self.area).put(&mut document.written, body))
    }

    fn remove(&self, document: &mut Documents) -> Result<bool, ApiError> {
        Ok(Self::place(self.area).remove(&mut document.written))
    }

    /// An area of which nothing is set need not be written: then the patch is all of it.
    fn patch(&self, document: &mut Documents, patch: Value) -> Result<(), ApiError> {
        let mut value = self.read(document).unwrap_or_else(|| json!({ "area-id": self.area }));
        merge(&mut value, patch);
        self.replace(document, value).map(|_| ())
    }
}

/// `/ospf/areas/{area}/ranges/{prefix}`.
#[derive(Deserialize)]
pub(crate) struct RangePart {
    area: AreaId,
    prefix: Ipv4Net,
}

impl RangePart {
    fn place(&self) -> Place {
        AreaPart::place(self.area).element("ranges", "prefix", self.prefix)
    }
}

impl Part for RangePart {
    fn what(&self) -> String {
        format!("the range {} of area {}", self.prefix, self.area)
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        self.place().find(&document.written).cloned()
    }

    fn replace(&self, document: &mut Documents, mut body: Value) -> Result<bool, ApiError> {
        name_it(&mut body, "prefix", &self.prefix.to_string())?;
        Ok(self.place().put(&mut document.written, body))
    }

    fn remove(&self, document: &mut Documents) -> Result<bool, ApiError> {
        Ok(self.place().remove(&mut document.written))
    }
}

/// `/ospf/areas/{area}/interfaces/{name}`: OSPF on an interface whose network is in the area.
#[derive(Deserialize)]
pub(crate) struct OspfInterfacePart {
    pub(crate) area: AreaId,
    pub(crate) name: String,
}

impl OspfInterfacePart {
    fn interface(&self) -> Place {
        InterfacePart { name: self.name.clone() }.place()
    }

    fn place(&self) -> Place {
        self.interface().member("ospf")
    }

    /// Whether OSPF runs on it in this area, defaults filled in.
    fn is_here(&self, document: &Documents) -> bool {
        let Some(interface) = self.interface().find(&document.effective) else { return false };
        let of = |value: &Value| value.get("area-id").and_then(Value::as_str).map(str::to_owned);
        let area = match network(&self.name) {
            Some(_) => document.effective.get("fabric").and_then(of),
            None => interface
                .get("ospf")
                .filter(|ospf| ospf.get("enabled") != Some(&Value::Bool(false)))
                .and_then(of),
        };
        area.is_some_and(|area| is_same(&area, &self.area.to_string()))
    }
}

impl Part for OspfInterfacePart {
    fn what(&self) -> String {
        format!("the OSPF interface `{}` in area {}", self.name, self.area)
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        self.is_here(document)
            .then(|| self.place().find(&document.written).cloned().unwrap_or_else(|| json!({})))
    }

    fn replace(&self, document: &mut Documents, mut body: Value) -> Result<bool, ApiError> {
        let is_new = !self.is_here(document);
        if self.interface().find(&document.effective).is_none() {
            return Err(ApiError::new(
                ProblemKind::NotFound,
                format!("there is no interface `{}` for OSPF to run on", self.name),
                format!("create it first, with PUT /api/v1/interfaces/{}", self.name),
            ));
        }
        match network(&self.name) {
            Some(_) if is_new => {
                return Err(ApiError::new(
                    ProblemKind::NotFound,
                    format!("`{}` is not in area {}", self.name, self.area),
                    "the networks over the memory are in the cluster's own area: `fabric.area-id`",
                ));
            }
            Some(_) => {}
            None => {
                name_it(&mut body, "area-id", &self.area.to_string())?;
                if self.area.is_backbone() && self.place().find(&document.written).is_none_or(no_area) {
                    // The backbone is the default: what is not written stays so.
                    body.as_object_mut().map(|members| members.shift_remove("area-id"));
                }
            }
        }
        self.place().put(&mut document.written, body);
        Ok(is_new)
    }

    fn remove(&self, document: &mut Documents) -> Result<bool, ApiError> {
        if network(&self.name).is_some() {
            return Err(permanent(&self.what()));
        }
        let was_here = self.is_here(document);
        if was_here {
            self.place().put(&mut document.written, json!({ "enabled": false }));
        }
        Ok(was_here)
    }
}

fn no_area(ospf: &Value) -> bool {
    ospf.get("area-id").is_none()
}

/// `/routing/static-routes/{prefix}`: the routes by hand to one prefix, by one next hop or several.
#[derive(Deserialize)]
pub(crate) struct StaticRoutesPart {
    prefix: Ipv4Net,
}

const ROUTES: &str = "static-routes";
const ROUTE: &str = "static-route";

impl StaticRoutesPart {
    fn is_here(&self, route: &Value) -> bool {
        let prefix = route.get("destination-prefix").and_then(Value::as_str);
        prefix.is_some_and(|prefix| is_same(prefix, &self.prefix.to_string()))
    }
}

impl Part for StaticRoutesPart {
    fn what(&self) -> String {
        format!("a static route to {}", self.prefix)
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        let routes = elements(&document.written, ROUTES).filter(|route| self.is_here(route));
        let routes: Vec<Value> = routes.cloned().collect();
        (!routes.is_empty()).then(|| json!({ ROUTE: routes }))
    }

    fn replace(&self, document: &mut Documents, body: Value) -> Result<bool, ApiError> {
        let mut new = listed(body, ROUTE)?;
        for route in &mut new {
            name_it(route, "destination-prefix", &self.prefix.to_string())?;
        }
        let mut routes: Vec<Value> = elements(&document.written, ROUTES).cloned().collect();
        let first = routes.iter().position(|route| self.is_here(route));
        routes.retain(|route| !self.is_here(route));
        let at = first.unwrap_or(routes.len()).min(routes.len());
        routes.splice(at..at, new);
        Place::top().member(ROUTES).put(&mut document.written, Value::Array(routes));
        Ok(first.is_none())
    }

    fn remove(&self, document: &mut Documents) -> Result<bool, ApiError> {
        let is_there = self.read(document).is_some();
        if is_there {
            let routes = elements(&document.written, ROUTES).filter(|route| !self.is_here(route)).cloned();
            let routes = routes.collect();
            Place::top().member(ROUTES).put(&mut document.written, routes);
        }
        Ok(is_there)
    }
}

/// `/routing/static-routes`.
#[derive(Deserialize)]
pub(crate) struct AllStaticRoutes {}

impl Part for AllStaticRoutes {
    fn what(&self) -> String {
        "the static routes".to_owned()
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        Some(json!({ ROUTE: elements(&document.written, ROUTES).collect::<Vec<_>>() }))
    }

    fn replace(&self, document: &mut Documents, body: Value) -> Result<bool, ApiError> {
        let routes = listed(body, ROUTE)?;
        Place::top().member(ROUTES).put(&mut document.written, Value::Array(routes));
        Ok(false)
    }

    fn remove(&self, _: &mut Documents) -> Result<bool, ApiError> {
        Err(permanent(&self.what()))
    }
}

const ADDRESSES: &str = "common-addresses";
const ADDRESS: &str = "common-address";

/// `/fabric/common-addresses`.
#[derive(Deserialize)]
pub(crate) struct CommonAddresses {}

impl CommonAddresses {
    fn place() -> Place {
        Place::top().member("fabric").member(ADDRESSES)
    }

    /// Those in force: without the key there is the default one.
    fn list(document: &Documents) -> Option<Vec<Value>> {
        let found = Self::place().find(&document.written).or_else(|| Self::place().find(&document.effective));
        found.and_then(Value::as_array).cloned()
    }
}

impl Part for CommonAddresses {
    fn what(&self) -> String {
        "the list of common addresses".to_owned()
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        Self::list(document).map(|addresses| json!({ ADDRESS: addresses }))
    }

    fn replace(&self, document: &mut Documents, body: Value) -> Result<bool, ApiError> {
        let addresses = listed(body, ADDRESS)?;
        Self::list(document).ok_or_else(|| no_fabric(&self.what()))?;
        Self::place().put(&mut document.written, Value::Array(addresses));
        Ok(false)
    }

    fn remove(&self, _: &mut Documents) -> Result<bool, ApiError> {
        Err(permanent(&self.what()))
    }
}

/// `/fabric/common-addresses/{address}`.
#[derive(Deserialize)]
pub(crate) struct CommonAddressPart {
    address: Ipv4Addr,
}

impl CommonAddressPart {
    fn is_it(&self, address: &Value) -> bool {
        address.as_str().is_some_and(|text| is_same(text, &self.address.to_string()))
    }
}

impl Part for CommonAddressPart {
    fn what(&self) -> String {
        format!("the common address {}", self.address)
    }

    fn read(&self, document: &Documents) -> Option<Value> {
        let list = CommonAddresses::list(document)?;
        list.iter().any(|address| self.is_it(address)).then(|| json!({ "address": self.address }))
    }

    fn replace(&self, document: &mut Documents, mut body: Value) -> Result<bool, ApiError> {
        name_it(&mut body, "address", &self.address.to_string())?;
        let mut list = CommonAddresses::list(document).ok_or_else(|| no_fabric(&self.what()))?;
        let is_new = !list.iter().any(|address| self.is_it(address));
        if is_new {
            list.push(json!(self.address));
            CommonAddresses::place().put(&mut document.written, Value::Array(list));
        }
        Ok(is_new)
    }

    fn remove(&self, document: &mut Documents) -> Result<bool, ApiError> {
        let Some(mut list) = CommonAddresses::list(document) else { return Ok(false) };
        let length = list.len();
        list.retain(|address| !self.is_it(address));
        let removed = list.len() < length;
        if removed {
            CommonAddresses::place().put(&mut document.written, Value::Array(list));
        }
        Ok(removed)
    }
}

/// What is written at a place, or an empty mapping where the resource is there without being written.
fn written_or_implied(place: &Place, document: &Documents, may_be_implied: bool) -> Option<Value> {
    let written = place.find(&document.written).cloned();
    written.or_else(|| (may_be_implied && implied(document, place)).then(|| json!({})))
}

/// Whether there is something in force at a place.
fn implied(document: &Documents, place: &Place) -> bool {
    place.find(&document.effective).is_some_and(|value| !value.is_null())
}

fn elements<'d>(document: &'d Value, list: &str) -> impl Iterator<Item = &'d Value> {
    document.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// The list that is the only member of a body.
fn listed(body: Value, member: &str) -> Result<Vec<Value>, ApiError> {
    let refused = |detail: String| {
        let remedy = format!("send a mapping with the list as its only member: {{\"{member}\": [..]}}");
        ApiError::new(ProblemKind::BadRequest, detail, remedy)
    };
    let Value::Object(mut members) = body else {
        return Err(refused("the body is not a mapping".to_owned()));
    };
    if let Some(other) = members.keys().find(|name| *name != member) {
        return Err(refused(format!("`{other}` is not a member of this resource")));
    }
    match members.remove(member) {
        Some(Value::Array(elements)) => Ok(elements),
        Some(_) => Err(refused(format!("`{member}` is not a list"))),
        None => Err(refused(format!("`{member}` is missing"))),
    }
}

/// Gives the body the name that the path has. A body may have it too, but no other.
fn name_it(body: &mut Value, key: &'static str, name: &str) -> Result<(), ApiError> {
    let Value::Object(members) = body else {
        return Err(ApiError::new(
            ProblemKind::BadRequest,
            "the body is not a mapping",
            "send an object with the members of the resource; /docs shows them",
        ));
    };
    match members.get(key) {
        None => {
            let mut named = Map::from_iter([(key.to_owned(), Value::from(name))]);
            named.append(members);
            *members = named;
            Ok(())
        }
        Some(Value::String(text)) if is_same(text, name) => Ok(()),
        Some(other) => Err(ApiError::new(
            ProblemKind::BadRequest,
            format!("`{key}` is {other} in the body and `{name}` in the path"),
            format!("leave `{key}` out, or send the body to the path of the resource that it names"),
        )),
    }
}

fn permanent(what: &str) -> ApiError {
    ApiError::new(
        ProblemKind::NotChangeable,
        format!("{what} is there as long as the node is"),
        "PATCH its members; a member that is set to null has its default again",
    )
}

fn no_fabric(what: &str) -> ApiError {
    ApiError::new(
        ProblemKind::NotFound,
        format!("there is no {what}: this node has no part in a shared memory"),
        "set `node-id` and `segment` in its configuration and start it again",
    )
}
