//! What `isthmus check` prints.

use std::io::{self, Write};
use std::path::Path;

use isthmus_shmnet::Region;
use serde_json::json;

use super::check::room;
use super::environment::Environment;
use super::load::{Loaded, load};
use super::model::{Config, Driver, SegmentConfig};
use super::{Diagnostic, Severity, locate};

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// Lines for people.
    Text,
    /// One JSON document: `file`, `valid`, `diagnostics`.
    Json,
}

/// Checks a file and writes the report. Returns whether the file was taken.
///
/// # Errors
/// Only those of the output.
pub fn check_file(path: &Path, format: ReportFormat, output: &mut dyn Write) -> io::Result<bool> {
    let result = load(path, &Environment::current()).and_then(with_machine);
    let findings = match &result {
        Ok(loaded) => &loaded.warnings,
        Err(findings) => findings,
    };
    match format {
        ReportFormat::Json => {
            let document = json!({
                "file": path.display().to_string(),
                "valid": result.is_ok(),
                "diagnostics": findings,
            });
            writeln!(output, "{document:#}")?;
        }
        ReportFormat::Text => {
            write_findings(path, findings, output)?;
            if let Ok(Loaded { config, .. }) = &result {
                writeln!(output, "{}: ok: {}", path.display(), summary(config))?;
            }
        }
    }
    Ok(result.is_ok())
}

/// Looks also at what this machine has: the length of a device or file that the configuration does not say.
fn with_machine(mut loaded: Loaded) -> Result<Loaded, Vec<Diagnostic>> {
    let Some(fabric) = &loaded.config.fabric else { return Ok(loaded) };
    let SegmentConfig::Region(region, _) = &fabric.segment else { return Ok(loaded) };
    if matches!(region, Region::File { size: Some(_), .. } | Region::Dax { size: Some(_), .. }) {
        return Ok(loaded);
    }
    let Some(finding) = region.bytes().and_then(|bytes| room(fabric, region, bytes)) else {
        return Ok(loaded);
    };
    let refused = finding.severity == Severity::Error;
    loaded.warnings.push(locate::place(&loaded.text, finding));
    if refused { Err(loaded.warnings) } else { Ok(loaded) }
}

/// Writes findings as compilers do, so that editors can jump to them.
///
/// # Errors
/// Only those of the output.
pub fn write_findings(path: &Path, findings: &[Diagnostic], output: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        let separator = if finding.line.is_some() { ":" } else { ": " };
        writeln!(output, "{}{separator}{finding}", path.display())?;
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    match errors {
        0 => Ok(()),
        1 => writeln!(output, "1 error"),
        _ => writeln!(output, "{errors} errors"),
    }
}

/// One line that says what the router will be.
pub fn summary(config: &Config) -> String {
    let interfaces: Vec<String> = config
        .interfaces
        .iter()
        .map(|nic| {
            let area = nic.ospf.as_ref().map_or("no OSPF".to_owned(), |ospf| format!("area {}", ospf.area));
            let driver = match nic.driver {
                Driver::Packet => "packet",
                Driver::Socket { .. } => "socket",
            };
            format!("{} {} ({driver}, {area})", nic.name, nic.address)
        })
        .collect();
    let what = match &config.fabric {
        None => "a router without a fabric".to_owned(),
        Some(fabric) => format!(
            "node {} of a cluster, LSM {}, GSM {}, area {}",
            fabric.node_id, fabric.lsm.address, fabric.gsm.address, fabric.lsm.ospf.area
        ),
    };
    let nics = if interfaces.is_empty() { "no NIC".to_owned() } else { interfaces.join(", ") };
    format!("{what}, router id {}, {nics}", config.ospf.router_id)
}
