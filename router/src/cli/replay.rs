//! `replay`: a recording of OSPF given to the engine again.

use std::fs::File;
use std::io::BufReader;
use std::time::Duration;

use isthmus_ospf::record::{self, Difference, ReplayError, Summary};
use serde_json::Value;

use super::args::ReplayArgs;
use super::error::{CliError, Exit};
use super::output::Output;

pub(super) fn replay(options: &ReplayArgs, output: &mut Output) -> Result<Exit, CliError> {
    let unreadable = |cause| CliError::Unreadable { file: options.file.display().to_string(), cause };
    let file = File::open(&options.file).map_err(unreadable)?;
    let summary = record::replay(BufReader::new(file)).map_err(|error| match error {
        ReplayError::Read(cause) => unreadable(cause),
        other => CliError::BadFile { path: options.file.clone(), cause: other.to_string() },
    })?;
    if output.is_table() {
        output.text(&text(&summary))?;
    } else {
        output.document(&serde_json::to_value(&summary).unwrap_or(Value::Null))?;
    }
    Ok(if summary.difference.is_none() { Exit::Success } else { Exit::Negative })
}

/// What was replayed, for people.
fn text(summary: &Summary) -> String {
    let Summary { inputs, outputs, duration, end, difference } = summary;
    let time = Duration::from_micros(*duration);
    let counts = format!("{inputs} inputs in {time:.3?}, {outputs} outputs");
    let Some(difference) = difference else {
        let end = end.as_deref().unwrap_or("who wrote it was interrupted");
        return format!("the same: {counts}; the recording ends because {end}\n");
    };
    let Difference { line, time, input, recorded, replayed } = difference;
    let said = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
    format!(
        "different at line {line}, after {counts}\ntime      {time} us\ninput     {input}\nrecorded  {}\nreplayed  {}\n",
        said(recorded),
        said(replayed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_printed_with_its_input_and_both_outputs() {
        let difference = Difference {
            line: 7,
            time: 1_500,
            input: Value::from("timeout"),
            recorded: Some(Value::from("this")),
            replayed: None,
        };
        let mut summary = Summary { inputs: 3, outputs: 2, duration: 1_500, ..Summary::default() };
        assert_eq!(
            text(&summary),
            "the same: 3 inputs in 1.500ms, 2 outputs; the recording ends because who wrote it was interrupted\n"
        );
        summary.difference = Some(difference);
        assert_eq!(
            text(&summary),
            "different at line 7, after 3 inputs in 1.500ms, 2 outputs\ntime      1500 us\ninput     \"timeout\"\n\
             recorded  \"this\"\nreplayed  nothing\n"
        );
    }
}
