//! The position of a key in a file.
//!
//! The checks speak of values by their path (`interfaces[0].ospf.cost`). To find the line, the file is parsed again
//! by a reader that walks down that path and fails at the key on purpose: the parser itself then says where it is,
//! so nothing here knows YAML's quoting, flow style or comments.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Diagnostic;

/// Adds the position of a finding that has none: that of its key, or of the nearest key around it that is there.
#[must_use]
pub fn place(text: &str, diagnostic: Diagnostic) -> Diagnostic {
    if diagnostic.line.is_some() {
        return diagnostic;
    }
    match position(text, &diagnostic.path) {
        Some((line, column)) => diagnostic.at(line, column),
        None => diagnostic,
    }
}

/// Line and column, from 1, of the key at `path`, or of the nearest key around it that is in the file.
pub fn position(text: &str, path: &str) -> Option<(usize, usize)> {
    occurrence(text, path, 0)
}

/// As [`position`], of the key's second occurrence in its mapping.
pub fn second_position(text: &str, path: &str) -> Option<(usize, usize)> {
    occurrence(text, path, 1)
}

fn occurrence(text: &str, path: &str, skip: usize) -> Option<(usize, usize)> {
    let mut steps = steps(path);
    while !steps.is_empty() {
        let walk = Walk { steps: &steps, skip };
        if let Err(error) = walk.deserialize(serde_yaml::Deserializer::from_str(text))
            && error.to_string().contains(HERE)
        {
            return error.location().map(|at| (at.line(), at.column()));
        }
        steps.pop();
    }
    None
}

/// What the reader says at the key that it looks for.
const HERE: &str = "the key is here";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// `a[0].b` is the key `a`, its first element, and the key `b` of that.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let mut pieces = part.split('[');
        if let Some(key) = pieces.next().filter(|key| !key.is_empty()) {
            steps.push(Step::Key(key.to_owned()));
        }
        let indexes = pieces.filter_map(|piece| piece.trim_end_matches(']').parse().ok());
        steps.extend(indexes.map(Step::Index));
    }
    steps
}

/// Reads a value, going down the steps that are left; fails at the last of them.
struct Walk<'s> {
    steps: &'s [Step],
    /// Occurrences of the last key that are passed over.
    skip: usize,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.steps.first() {
            None => deserializer.deserialize_any(Fail),
            Some(Step::Key(_)) => deserializer.deserialize_map(self),
            Some(Step::Index(_)) => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what the path leads through")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.steps.split_first() else {
            return Err(A::Error::custom("not what the path leads through"));
        };
        // The last key of the path fails as a key: its own position, not its value's.
        let last = rest.is_empty();
        let mut skip = self.skip;
        while let Some(found) = map.next_key_seed(Key { wanted, fail: last && skip == 0 })? {
            if found && !last {
                map.next_value_seed(Walk { steps: rest, skip })?;
            } else {
                skip = skip.saturating_sub(usize::from(found));
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.steps.split_first() else {
            return Err(A::Error::custom("not what the path leads through"));
        };
        for _ in 0..*wanted {
            if sequence.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        sequence.next_element_seed(Walk { steps: rest, skip: self.skip })?;
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Reads a key of a mapping: whether it is the wanted one.
struct Key<'s> {
    wanted: &'s str,
    fail: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.fail => Err(E::custom(HERE)),
            found => Ok(found),
        }
    }
}

/// Fails at whatever comes next.
struct Fail;

impl<'de> Visitor<'de> for Fail {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(E::custom(HERE))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom(HERE))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom(HERE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
node-id: 1
# a comment with interfaces: in it
interfaces:
  - name: eth0
    \"address\": 192.0.2.1/30
  - {name: eth1, ospf: {cost: 5}}
fabric: {lsm: {prefix: 10.0.0.0/24}}
";

    #[test]
    fn keys_are_found_in_block_and_flow_style() {
        assert_eq!(position(FILE, "node-id"), Some((1, 1)));
        assert_eq!(position(FILE, "interfaces"), Some((3, 1)));
        assert_eq!(position(FILE, "interfaces[0].address"), Some((5, 5)));
        assert_eq!(position(FILE, "interfaces[1].ospf.cost"), Some((6, 25)));
        assert_eq!(position(FILE, "fabric.lsm.prefix"), Some((7, 16)));
    }

    #[test]
    fn elements_are_found() {
        assert_eq!(position("a: [x, y,\n  z]\n", "a[2]"), Some((2, 3)));
        assert_eq!(position(FILE, "interfaces[1]").map(|at| at.0), Some(6));
    }

    #[test]
    fn a_missing_key_is_placed_at_what_is_around_it() {
        assert_eq!(position(FILE, "fabric.gsm.prefix"), Some((7, 1)));
        assert_eq!(position(FILE, "interfaces[7].name"), Some((3, 1)));
        assert_eq!(position(FILE, "segment"), None);
        assert_eq!(position("[", "a"), None);
    }
}
