//! Counters, drops, events.

use isthmus_mgmt_api::model::{Counters, Drops, Events};

use super::Render;
use crate::cli::output::Style;
use crate::cli::table::Table;
use crate::cli::text::or_dash;

impl Render for Counters {
    fn render(&self, style: Style) -> String {
        let mut table = Table::new(&["Group", "Counter", ">Value"]);
        // What never happened is worth a line only to those who ask for everything.
        for counter in self.counter.iter().filter(|counter| style.wide || counter.value > 0) {
            table.row([counter.group.clone(), counter.name.clone(), counter.value.to_string()]);
        }
        table.finish("nothing counted yet")
    }
}

impl Render for Drops {
    fn render(&self, _style: Style) -> String {
        let mut table = Table::new(&["Interface", "Reason", ">Packets"]);
        for drop in &self.drop {
            table.row([or_dash(drop.interface.as_ref()), drop.reason.clone(), drop.packets.to_string()]);
        }
        table.finish("no packet was dropped")
    }
}

impl Render for Events {
    fn render(&self, style: Style) -> String {
        let mut table = if style.wide {
            Table::new(&[">Sequence", "Time", "Type", "Message", "Detail"])
        } else {
            Table::new(&["Time", "Type", "Message"])
        };
        for event in &self.event {
            let common = [event.time.to_string(), event.event_type.clone(), event.message.clone()];
            if !style.wide {
                table.row(common);
                continue;
            }
            let [time, event_type, message] = common;
            let detail: Vec<String> =
                event.detail.iter().map(|(name, value)| format!("{name}={value}")).collect();
            table.row([event.sequence.to_string(), time, event_type, message, detail.join(" ")]);
        }
        let forgotten = match self.forgotten {
            0 => String::new(),
            count => format!("{count} earlier events are forgotten\n"),
        };
        format!("{forgotten}{}", table.finish("no events"))
    }
}
