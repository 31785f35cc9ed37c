//! `shm dump`.

use isthmus_shmnet::inspect::{Field, InspectError, InspectedArena, Inspection, Section, Value, inspect};
use serde_json::{Map, json};

use crate::cli::args::DumpArgs;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::Output;

pub(super) fn dump(options: &DumpArgs, output: &mut Output) -> Result<Exit, CliError> {
    let mut inspection = inspect(&options.path).map_err(failed)?;
    if let Some(id) = options.id {
        inspection.arenas.retain(|arena| arena.node == id);
    }
    if output.is_table() {
        output.text(&text(&inspection))?;
    } else {
        output.document(&document(&inspection))?;
    }
    let found = inspection.arenas.iter().any(|arena| arena.node != 0);
    Ok(if found { Exit::Success } else { Exit::Negative })
}

fn failed(error: InspectError) -> CliError {
    let (remedy, exit) = match &error {
        InspectError::NoArena(_) => (
            "name the directory of a segment, an arena, or the file or device that nodes share",
            Exit::Negative,
        ),
        InspectError::Unreadable { .. } => ("name a path that you may read: use sudo", Exit::Local),
    };
    CliError::Failed { message: error.to_string(), remedy: remedy.to_owned(), exit }
}

/// A line for each field: where it is in the arena, its name, and what it says.
fn text(inspection: &Inspection) -> String {
    let arenas: Vec<String> = inspection.arenas.iter().map(arena_text).collect();
    if arenas.is_empty() { "no such arena\n".to_owned() } else { arenas.join("\n") }
}

fn arena_text(arena: &InspectedArena) -> String {
    let whose = if arena.node == 0 { "no node".to_owned() } else { format!("node {}", arena.node) };
    let mut text = format!("{}: {whose}, {} bytes\n", arena.place, arena.bytes);
    for problem in &arena.problems {
        text.push_str(&format!("  problem: {problem}\n"));
    }
    for section in &arena.sections {
        text.push_str(&section_text(section));
    }
    text
}

fn section_text(section: &Section) -> String {
    let mut text = format!("\n{:#010x}  {}\n", section.offset, section.name);
    let width = section.fields.iter().map(|field| field.name.chars().count()).max().unwrap_or(0);
    for Field { offset, name, value } in &section.fields {
        let at = section.offset + offset;
        text.push_str(format!("{at:#010x}    {name:width$}  {}", value_text(value)).trim_end());
        text.push('\n');
    }
    text
}

fn value_text(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Bits(bits) => format!("{bits:#010x}"),
        Value::Text(text) => text.clone(),
        Value::Address(address) => address.to_string(),
    }
}

fn document(inspection: &Inspection) -> serde_json::Value {
    let arenas: Vec<serde_json::Value> = inspection.arenas.iter().map(arena_document).collect();
    json!({ "kind": inspection.kind, "arena": arenas })
}

fn arena_document(arena: &InspectedArena) -> serde_json::Value {
    let sections: Vec<serde_json::Value> = arena
        .sections
        .iter()
        .map(|section| {
            let fields: Vec<serde_json::Value> = section.fields.iter().map(field_document).collect();
            json!({ "offset": section.offset, "name": section.name, "field": fields })
        })
        .collect();
    json!({
        "place": arena.place,
        "node-id": arena.node,
        "bytes": arena.bytes,
        "problem": arena.problems,
        "section": sections,
    })
}

fn field_document(field: &Field) -> serde_json::Value {
    let mut document = Map::new();
    document.insert("offset".to_owned(), field.offset.into());
    document.insert("name".to_owned(), field.name.clone().into());
    let value = match &field.value {
        Value::Number(number) | Value::Bits(number) => (*number).into(),
        other => value_text(other).into(),
    };
    document.insert("value".to_owned(), value);
    document.into()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn fields_stand_below_each_other_at_their_place_in_the_arena() {
        let field = |offset, name: &str, value| Field { offset, name: name.to_owned(), value };
        let fields = vec![
            field(0, "guard", Value::Number(2)),
            field(8, "LSM address", Value::Address(Ipv4Addr::new(10, 0, 0, 1))),
            field(32, "name", Value::Text(String::new())),
        ];
        let section = Section { offset: 0x800, name: "facts".to_owned(), fields };
        assert_eq!(
            section_text(&section),
            "\n0x00000800  facts\n\
             0x00000800    guard        2\n\
             0x00000808    LSM address  10.0.0.1\n\
             0x00000820    name\n"
        );
    }
}
