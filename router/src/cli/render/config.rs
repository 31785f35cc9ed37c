//! What a change of the configuration comes to, and the history.

use isthmus_mgmt_api::model::{ConfigurationHistory, ConfigurationOutcome, Effect, FieldChange};
use serde_json::Value;

use super::Render;
use crate::cli::output::Style;
use crate::cli::table::Table;

impl Render for ConfigurationOutcome {
    fn render(&self, _: Style) -> String {
        let mut text = String::new();
        for change in &self.changes {
            let effect = self.effects.iter().find(|effect| effect.path == change.path);
            let effect = effect.map(|effect| format!("  ({}: {})", effect.effect.name(), effect.what));
            text.push_str(&format!("{}{}\n", change.path, effect.unwrap_or_default()));
            text.push_str(&values(change));
        }
        let of_no_key = |path: &String| !self.changes.iter().any(|change| change.path == *path);
        for effect in self.effects.iter().filter(|effect| of_no_key(&effect.path)) {
            text.push_str(&format!("{}  ({}: {})\n", effect.path, effect.effect.name(), effect.what));
        }
        for warning in &self.warnings {
            let place = if warning.path.is_empty() { String::new() } else { format!("{}: ", warning.path) };
            text.push_str(&format!("warning: {place}{}\n  {}\n", warning.message, warning.remedy));
        }
        let restart = self.effects.iter().any(|effect| effect.effect == Effect::NodeRestart);
        text.push_str(&match (self.applied, &self.confirm_deadline) {
            (true, Some(deadline)) => {
                format!("applied; taken back at {deadline} unless `isthmus config confirm` comes before\n")
            }
            (true, None) => format!("applied: revision {}\n", self.revision),
            (false, _) if self.changes.is_empty() => "no difference\n".to_owned(),
            (false, _) if restart => {
                "not applied: a running node refuses this; restart it with the file\n".to_owned()
            }
            (false, _) => "not applied: a dry run\n".to_owned(),
        });
        text
    }
}

fn values(change: &FieldChange) -> String {
    let line = |sign: &str, value: &Option<Value>| {
        value.as_ref().map_or(String::new(), |value| format!("  {sign} {}\n", shown(value)))
    };
    format!("{}{}", line("-", &change.old), line("+", &change.new))
}

/// A value in one line, without what says nothing.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            let said = members.iter().filter(|(_, value)| !value.is_null());
            let said: Vec<String> = said.map(|(key, value)| format!("{key}: {}", shown(value))).collect();
            format!("{{{}}}", said.join(", "))
        }
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

impl Render for ConfigurationHistory {
    fn render(&self, _: Style) -> String {
        let mut table = Table::new(&[">Number", "", "Time", "Revision", "Author", "Comment"]);
        for entry in &self.entry {
            table.row([
                entry.number.to_string(),
                if entry.running { "runs" } else { "" }.to_owned(),
                entry.time.to_string(),
                entry.revision.clone(),
                entry.author.clone(),
                entry.comment.clone().unwrap_or_default(),
            ]);
        }
        table.finish("nothing was committed since the node has a history")
    }
}
