//! The node.

use isthmus_mgmt_api::model::{Check, System};

use super::Render;
use crate::cli::output::Style;
use crate::cli::table::{Table, pairs};
use crate::cli::text::{duration, list, or_dash, status, word};

impl Render for System {
    fn render(&self, style: Style) -> String {
        let identity = pairs(&[
            ("Node", or_dash(self.node_id)),
            ("Hostname", self.hostname.clone()),
            ("Router ID", self.router_id.to_string()),
            ("Role", format!("{} ({})", word(self.role), self.role_reason)),
            ("Stack", word(self.stack)),
            ("Common address", list(&self.common_address)),
            ("Uptime", duration(self.uptime)),
            ("Version", self.version.clone()),
            ("API", list(&self.listen)),
        ]);
        let mut addresses = Table::new(&["Address", "Interface", "Owner"]);
        for address in &self.address {
            addresses.row([
                format!("{}/{}", address.ip, address.prefix_length),
                address.interface.clone(),
                word(address.owner),
            ]);
        }
        format!("{identity}\n{}\n{}", addresses.finish("no addresses"), checks(&self.check, style))
    }
}

/// The checks, one line each, with remedies below those that need one.
pub(in crate::cli) fn checks(checks: &[Check], style: Style) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let lines = checks.iter().map(|check| {
        let remedy = check.remedy.as_ref().map(|remedy| format!("{:width$}  -> {remedy}\n", ""));
        let status = status(check.status, style);
        format!("{:width$}  {status}: {}\n{}", check.name, check.detail, remedy.unwrap_or_default())
    });
    lines.collect()
}
