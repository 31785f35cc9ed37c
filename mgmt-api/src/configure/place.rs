//! Where a resource is in the document.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Map, Value, json};

/// A step into the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member of the mapping.
    Member(&'static str),
    /// The element of the list `list` whose member `key` has the value `name`.
    Element { list: &'static str, key: &'static str, name: String },
}

/// A place in the document: the steps from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(Vec<Step>);

impl Place {
    pub(crate) fn top() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn member(mut self, name: &'static str) -> Self {
        self.0.push(Step::Member(name));
        self
    }

    pub(crate) fn element(mut self, list: &'static str, key: &'static str, name: impl ToString) -> Self {
        self.0.push(Step::Element { list, key, name: name.to_string() });
        self
    }

    /// What is there.
    pub(crate) fn find<'d>(&self, document: &'d Value) -> Option<&'d Value> {
        self.0.iter().try_fold(document, |here, step| match step {
            Step::Member(name) => here.get(name),
            Step::Element { list, key, name } => {
                here.get(list)?.as_array()?.iter().find(|element| is_named(element, key, name))
            }
        })
    }

    /// Puts `value` there. What leads to it is made where it is not there yet; returns whether `value` is new.
    pub(crate) fn put(&self, document: &mut Value, value: Value) -> bool {
        let is_new = self.find(document).is_none();
        put(document, &self.0, value);
        is_new
    }

    /// Removes what is there; returns whether something was.
    pub(crate) fn remove(&self, document: &mut Value) -> bool {
        let is_there = self.find(document).is_some();
        if is_there {
            remove(document, &self.0);
        }
        is_there
    }
}

fn put(here: &mut Value, steps: &[Step], value: Value) {
    let Some((step, rest)) = steps.split_first() else {
        *here = value;
        return;
    };
    let mut members = take_mapping(here);
    match step {
        Step::Member(name) => put(members.entry(*name).or_insert(Value::Null), rest, value),
        Step::Element { list, key, name } => {
            let list = members.entry(*list).or_insert(Value::Null);
            let mut elements = take_list(list);
            match elements.iter_mut().find(|element| is_named(element, key, name)) {
                Some(element) => put(element, rest, value),
                None => {
                    let mut element = json!({ *key: name });
                    put(&mut element, rest, value);
                    elements.push(element);
                }
            }
            *list = Value::Array(elements);
        }
    }
    *here = Value::Object(members);
}

fn remove(here: &mut Value, steps: &[Step]) {
    match steps {
        [] => {}
        [Step::Member(name)] => {
            if let Some(members) = here.as_object_mut() {
                // Keeps the order of the others, which is the order of the file.
                members.shift_remove(*name);
            }
        }
        [Step::Element { list, key, name }] => {
            if let Some(elements) = here.get_mut(*list).and_then(Value::as_array_mut) {
                elements.retain(|element| !is_named(element, key, name));
            }
        }
        [Step::Member(name), rest @ ..] => {
            if let Some(here) = here.get_mut(*name) {
                remove(here, rest);
            }
        }
        [Step::Element { list, key, name }, rest @ ..] => {
            let elements = here.get_mut(*list).and_then(Value::as_array_mut).into_iter().flatten();
            elements.filter(|element| is_named(element, key, name)).for_each(|element| remove(element, rest));
        }
    }
}

/// Takes the mapping that is there; something else gives way to an empty one.
fn take_mapping(value: &mut Value) -> Map<String, Value> {
    match value.take() {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Takes the list that is there; something else gives way to an empty one.
fn take_list(value: &mut Value) -> Vec<Value> {
    match value.take() {
        Value::Array(elements) => elements,
        _ => Vec::new(),
    }
}

/// Whether the element has this name. Addresses and prefixes are compared as such, not as they are spelled.
fn is_named(element: &Value, key: &str, name: &str) -> bool {
    element.get(key).and_then(Value::as_str).is_some_and(|text| is_same(text, name))
}

/// Whether two names mean the same.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let same_address = || Some(one.parse::<Ipv4Addr>().ok()? == other.parse::<Ipv4Addr>().ok()?);
    let same_prefix = || Some(one.parse::<Ipv4Net>().ok()? == other.parse::<Ipv4Net>().ok()?);
    one == other || same_address().or_else(same_prefix).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range() -> Place {
        Place::top().member("ospf").element("areas", "area-id", "0.0.0.1").element(
            "ranges",
            "prefix",
            "10.1.0.0/16",
        )
    }

    #[test]
    fn what_leads_to_a_place_is_made() {
        let mut document = json!({ "hostname": "n" });
        assert_eq!(range().find(&document), None);
        assert!(range().put(&mut document, json!({ "prefix": "10.1.0.0/16", "cost": 5 })));
        let area = json!({ "area-id": "0.0.0.1", "ranges": [{ "prefix": "10.1.0.0/16", "cost": 5 }] });
        assert_eq!(document, json!({ "hostname": "n", "ospf": { "areas": [area] } }));
        assert!(!range().put(&mut document, json!({ "prefix": "10.1.0.0/16", "cost": 6 })));
        assert_eq!(range().find(&document).unwrap()["cost"], 6);
    }

    #[test]
    fn only_the_element_named_is_removed() {
        let mut document = json!({ "ospf": { "areas": [{ "area-id": "0.0.0.1", "ranges": [
            { "prefix": "10.0.0.0/16" }, { "prefix": "10.1.0.0/16" }, { "prefix": "10.2.0.0/16" }] }] } });
        assert!(range().remove(&mut document));
        assert!(!range().remove(&mut document));
        let left = json!([{ "prefix": "10.0.0.0/16" }, { "prefix": "10.2.0.0/16" }]);
        assert_eq!(document["ospf"]["areas"][0]["ranges"], left);
    }

    #[test]
    fn a_document_of_another_shape_is_no_place_and_no_panic() {
        for document in
            [json!(null), json!(3), json!({ "ospf": [] }), json!({ "ospf": { "areas": { "x": 1 } } })]
        {
            assert_eq!(range().find(&document), None);
            assert!(!range().remove(&mut document.clone()));
            let mut changed = document.clone();
            assert!(range().put(&mut changed, json!({ "prefix": "10.1.0.0/16" })), "{document}");
            assert!(range().find(&changed).is_some());
        }
    }

    #[test]
    fn names_are_compared_by_meaning() {
        assert!(is_same("eth0", "eth0") && !is_same("eth0", "eth1"));
        assert!(is_same("10.1.0.0/16", "10.1.0.0/16") && !is_same("10.1.0.0/16", "10.1.0.0/17"));
    }
}
