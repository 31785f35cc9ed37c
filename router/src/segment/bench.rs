//! `bench shm`.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use isthmus_shmnet::NodeId;

use crate::bench::report::Report;
use crate::bench::{BenchError, ShmBench, far, near};
use crate::cli::args::BenchShmArgs;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::Output;
use crate::cli::table::Table;

pub(super) fn shm(options: &BenchShmArgs, output: &mut Output) -> Result<Exit, CliError> {
    let processors = options.cpus.map(<[usize; 2]>::from);
    if options.far_end {
        return far_end(options, processors);
    }
    let bench = ShmBench {
        sizes: options.sizes.clone(),
        time: Duration::from_secs_f64(options.seconds.clamp(0.01, 60.0)),
        processors,
        segment: options.segment.clone(),
    };
    let told = output.is_table() && std::io::stderr().is_terminal();
    let report = near::measure(&bench, |next| {
        if told {
            // Without a standard error nobody waits for it.
            let _ = writeln!(std::io::stderr(), "{next} ...");
        }
    });
    let report = report.map_err(failed)?;
    if output.is_table() {
        output.text(&table(&report))?;
    } else {
        let document = serde_json::to_value(&report)
            .map_err(|error| CliError::Local { what: "the figures".to_owned(), cause: error.into() })?;
        output.document(&document)?;
    }
    Ok(Exit::Success)
}

fn far_end(options: &BenchShmArgs, processors: Option<[usize; 2]>) -> Result<Exit, CliError> {
    let directory = options.segment.clone().unwrap_or_default();
    let (Some(near), Some(far)) = (NodeId::new(1), NodeId::new(2)) else { return Ok(Exit::Usage) };
    far::serve(&directory, far, near, processors.map_or(0, |[first, _]| first)).map_err(failed)?;
    Ok(Exit::Success)
}

fn failed(error: BenchError) -> CliError {
    CliError::Failed { message: error.to_string(), remedy: error.remedy().to_owned(), exit: Exit::Local }
}

fn table(report: &Report) -> String {
    let [near, far] = report.processors;
    let mut table =
        Table::new(&[">Octets", ">Mframes/s", ">Gbit/s", ">Round trip p50 ns", ">p99 ns", ">Asleep p50 ns"]);
    for row in &report.rows {
        table.row([
            row.size.to_string(),
            format!("{:.2}", row.frames_per_second / 1e6),
            format!("{:.1}", row.gbit_per_second),
            row.rtt_p50_ns.to_string(),
            row.rtt_p99_ns.to_string(),
            row.wake_p50_ns.to_string(),
        ]);
    }
    let shared = if near == far { ": the same, so neither can poll while the other works" } else { "" };
    format!("two processes on processors {near} and {far}{shared}\n\n{}", table.finish("nothing measured"))
}
