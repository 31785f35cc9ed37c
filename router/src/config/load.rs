//! From bytes to a checked configuration: size, text, syntax, types; then the checks.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::check::check;
use super::environment::Environment;
use super::locate;
use super::model::Config;
use super::raw::{RawConfig, RawFabric};
use super::schema;
use super::{Code, Diagnostic, Severity};

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: usize = 256 * 1024;

/// The largest number of values in a file with its aliases expanded.
pub const MOST_VALUES: usize = 50_000;

/// A configuration that was taken, with what is odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file with the defaults of its keys filled in, in its own vocabulary.
    pub document: serde_json::Value,
    /// The text that it was read from.
    pub text: String,
    /// Findings that do not refuse it.
    pub warnings: Vec<Diagnostic>,
}

/// Reads and checks a file, with the defaults of this machine. Warnings are left out; see [`load`].
///
/// # Errors
/// All that is wrong with the file, in the order of its lines.
pub fn load_file(path: &Path) -> Result<Config, Vec<Diagnostic>> {
    load(path, &Environment::current()).map(|loaded| loaded.config)
}

/// Checks a text, with the defaults of this machine. Warnings are left out; see [`parse`].
///
/// # Errors
/// All that is wrong with the text, in the order of its lines.
pub fn parse_str(text: &str) -> Result<Config, Vec<Diagnostic>> {
    parse(text, &Environment::current()).map(|loaded| loaded.config)
}

/// Reads and checks a file.
///
/// # Errors
/// All that is wrong with the file, warnings too, in the order of its lines.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Vec<Diagnostic>> {
    let text = read(path).map_err(|diagnostic| vec![diagnostic])?;
    parse(&text, environment)
}

/// Checks a text.
///
/// # Errors
/// All that is wrong with the text, warnings too, in the order of its lines.
pub fn parse(text: &str, environment: &Environment) -> Result<Loaded, Vec<Diagnostic>> {
    let raw = parse_raw(text).map_err(|diagnostic| vec![diagnostic])?;
    let (config, findings) = check(&raw, environment);
    let mut findings: Vec<_> = findings.into_iter().map(|finding| locate::place(text, finding)).collect();
    findings.sort_by_key(|finding| (finding.line, finding.column));
    match config {
        Some(config) => {
            // Every key of the mirror has a representation in JSON.
            let document = serde_json::to_value(with_fabric(raw)).unwrap_or_default();
            Ok(Loaded { config, document, text: text.to_owned(), warnings: findings })
        }
        None if findings.iter().any(|finding| finding.severity == Severity::Error) => Err(findings),
        None => {
            // The checks name what they refuse; a gap in that must not become a silent refusal.
            findings.push(Diagnostic::error(
                Code::ConflictingKeys,
                "",
                "the configuration is refused, and no check said why",
                "please report this file as a bug",
            ));
            Err(findings)
        }
    }
}

/// Whether a text is a configuration as far as its size, syntax and types go; what its values say is not looked at.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn well_formed(text: &str) -> Result<(), Diagnostic> {
    parse_raw(text).map(drop)
}

/// Reads a file as text, no further than a configuration can be long.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read(path: &Path) -> Result<String, Diagnostic> {
    let unreadable = |error: std::io::Error| {
        Diagnostic::error(
            Code::UnreadableFile,
            "",
            format!("cannot read {}: {error}", path.display()),
            match error.kind() {
                std::io::ErrorKind::NotFound => "correct the path",
                std::io::ErrorKind::PermissionDenied => {
                    "make the file readable for the user that the router runs as"
                }
                _ => "name a regular file",
            },
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LARGEST_FILE {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Diagnostic::error(Code::NotText, "", "the file is not UTF-8 from here on", "save it as UTF-8 text")
            .at(line, column)
    })
}

fn too_large() -> Diagnostic {
    Diagnostic::error(
        Code::FileTooLarge,
        "",
        format!(
            "a configuration has at most {LARGEST_FILE} bytes, and {MOST_VALUES} values with its aliases expanded"
        ),
        "check that this is the file that was meant",
    )
}

/// Syntax and types.
fn parse_raw(text: &str) -> Result<RawConfig, Diagnostic> {
    if text.len() > LARGEST_FILE {
        return Err(too_large());
    }
    let says_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line == "---";
    if text.lines().map(str::trim).all(says_nothing) {
        let remedy = "write at least `node-id` and `segment`, or one interface";
        return Err(Diagnostic::error(Code::NotYaml, "", "the file is empty", remedy).at(1, 1));
    }
    let mut budget = MOST_VALUES;
    let document = serde_yaml::Deserializer::from_str(text);
    if let Err(error) = Count(&mut budget).deserialize(document) {
        return Err(if budget == 0 { too_large() } else { not_yaml(&error) });
    }
    let mut track = serde_path_to_error::Track::new();
    let document = serde_yaml::Deserializer::from_str(text);
    RawConfig::deserialize(serde_path_to_error::Deserializer::new(document, &mut track))
        .map_err(|error| mistyped(text, &track.path().to_string(), &error))
}

/// What is wrong with the type of a value in a document. YAML reads `3` as a text where a text is wanted; a document in
/// JSON says which of both it means.
pub fn mistyped_value(document: &serde_json::Value) -> Option<Diagnostic> {
    let mut track = serde_path_to_error::Track::new();
    let error = RawConfig::deserialize(serde_path_to_error::Deserializer::new(document, &mut track)).err()?;
    let message = error.to_string();
    // All else is found in the text, with more to say about it.
    let reason = message.starts_with("invalid type").then(|| in_words(&message))?;
    let path = track.path().to_string();
    let remedy = description(&schema::schema(), &path);
    Some(Diagnostic::error(Code::WrongType, path, reason, remedy))
}

/// A node of a cluster has a fabric, whether it is written or not.
fn with_fabric(raw: RawConfig) -> RawConfig {
    let implied = raw.node_id.map(|_| RawFabric::default());
    RawConfig { fabric: raw.fabric.or(implied), ..raw }
}

fn not_yaml(error: &serde_yaml::Error) -> Diagnostic {
    let message = error.to_string();
    let diagnostic = Diagnostic::error(
        Code::NotYaml,
        "",
        format!("the file is not YAML: {}", without_position(&message)),
        "look at this line and the one before it: indentation, quotes, brackets, `key: value`",
    );
    match error.location() {
        Some(at) => diagnostic.at(at.line(), at.column()),
        None => diagnostic,
    }
}

/// Turns what the parser says about a value into a finding in the words of the schema.
fn mistyped(text: &str, path: &str, error: &serde_yaml::Error) -> Diagnostic {
    let path = if path == "." { "" } else { path };
    let message = error.to_string();
    let message = without_position(&message);
    // The parser puts its own path before the message.
    let start = [
        "unknown field",
        "unknown variant",
        "missing field",
        "duplicate field",
        "duplicate entry",
        "invalid ",
    ]
    .iter()
    .filter_map(|kind| message.find(kind))
    .min()
    .unwrap_or(0);
    let message = &message[start..];
    let name = message.split('`').nth(1).unwrap_or_default().to_owned();
    let schema = schema::schema();

    let diagnostic = if message.starts_with("unknown field") {
        unknown_key(&schema, path, &name)
    } else if message.starts_with("unknown variant") {
        let words: Vec<String> = message.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        Diagnostic::error(
            Code::UnknownValue,
            path,
            format!("`{name}` is not one of {}", words.join(", ")),
            match nearest(&name, &words) {
                Some(word) => format!("did you mean `{word}`?"),
                None => "use one of these words".to_owned(),
            },
        )
    } else if message.starts_with("missing field") {
        let key = join(path, &name);
        let remedy = format!("add `{name}`: {}", description(&schema, &key));
        Diagnostic::error(Code::MissingKey, path, format!("`{name}` is missing"), remedy)
    } else if message.starts_with("duplicate") {
        let key = join(path, &name);
        let second = locate::second_position(text, &key);
        let reason = format!("`{name}` stands twice in one mapping");
        let diagnostic = Diagnostic::error(Code::DuplicateKey, key, reason, "remove one of them");
        match second {
            Some((line, column)) => diagnostic.at(line, column),
            None => diagnostic,
        }
    } else {
        let remedy = description(&schema, path);
        Diagnostic::error(Code::WrongType, path, in_words(message), remedy)
    };
    match error.location() {
        // The end of a mapping is where the parser misses a key; the mapping itself is what people look for.
        Some(at) if diagnostic.line.is_none() && (diagnostic.code != Code::MissingKey || path.is_empty()) => {
            diagnostic.at(at.line(), at.column())
        }
        _ => locate::place(text, diagnostic),
    }
}

fn unknown_key(schema: &serde_json::Value, path: &str, name: &str) -> Diagnostic {
    // The tracker may or may not have stepped onto the key itself.
    let parent = path.strip_suffix(name).map_or(path, |parent| parent.trim_end_matches('.'));
    let keys = schema::keys(schema, parent);
    let place = if parent.is_empty() { "at the top".to_owned() } else { format!("in `{parent}`") };
    let remedy = match nearest(name, &keys) {
        Some(key) => format!("did you mean `{key}`?"),
        None if keys.is_empty() => "remove it".to_owned(),
        None => format!("the keys here are {}", keys.join(", ")),
    };
    Diagnostic::error(
        Code::UnknownKey,
        join(parent, name),
        format!("there is no key `{name}` {place}"),
        remedy,
    )
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What the schema says about a key.
fn description(schema: &serde_json::Value, path: &str) -> String {
    schema::at(schema, path)
        .and_then(|here| here.get("description").or_else(|| schema::resolve(schema, here).get("description")))
        .and_then(serde_json::Value::as_str)
        .map_or_else(|| "see the configuration reference".to_owned(), |text| text.replace('\n', " "))
}

/// The types of the parser in the words of people.
fn in_words(message: &str) -> String {
    message
        .replace("expected i64", "expected a whole number")
        .replace("expected struct Raw", "expected a mapping: Raw")
        .replace(": RawConfig", " of keys and values")
        .replace("expected a boolean", "expected true or false")
        .replace("unit value", "nothing")
        .split(": Raw")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The message without the position that it ends with: a finding has its own.
fn without_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

/// The word that was likely meant.
fn nearest(word: &str, words: &[String]) -> Option<String> {
    let normal = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let word = normal(word);
    // Two slips in a long word, one in a short one; and a word that another one begins or ends with.
    let allowed = if word.len() > 4 { 2 } else { 1 };
    let distance = |candidate: &String| distance(&word, &normal(candidate));
    let close = words.iter().filter(|candidate| distance(candidate) <= allowed).min_by_key(|c| distance(c));
    let part = || {
        words.iter().find(|candidate| {
            let parts = || candidate.split('-');
            word.len() > 1 && (parts().any(|part| part == word) || word.split('-').any(|w| w == *candidate))
        })
    };
    close.or_else(part).cloned()
}

/// Edits (insert, delete, replace) from one word to the other, by Wagner and Fischer.
fn distance(a: &str, b: &str) -> usize {
    // Keys are short; what is not is no slip of a key.
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replace = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Reads any document and counts its values, aliases expanded: a few lines of aliases can stand for billions.
struct Count<'b>(&'b mut usize);

impl Count<'_> {
    fn one<E: Error>(&mut self) -> Result<(), E> {
        *self.0 = self.0.saturating_sub(1);
        if *self.0 == 0 { Err(E::custom("too many values")) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Count<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Count<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(mut self, _: bool) -> Result<(), E> {
        self.one()
    }

    fn visit_i64<E: Error>(mut self, _: i64) -> Result<(), E> {
        self.one()
    }

    fn visit_i128<E: Error>(mut self, _: i128) -> Result<(), E> {
        self.one()
    }

    fn visit_u64<E: Error>(mut self, _: u64) -> Result<(), E> {
        self.one()
    }

    fn visit_u128<E: Error>(mut self, _: u128) -> Result<(), E> {
        self.one()
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.one()
    }

    fn visit_str<E: Error>(mut self, _: &str) -> Result<(), E> {
        self.one()
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.one()
    }

    fn visit_none<E: Error>(mut self) -> Result<(), E> {
        self.one()
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        self.one()?;
        while sequence.next_element_seed(Count(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.one()?;
        while map.next_key_seed(Count(self.0))?.is_some() {
            map.next_value_seed(Count(self.0))?;
        }
        Ok(())
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom("a tag (`!name`) has no meaning here"))
    }
}
