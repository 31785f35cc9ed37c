//! What waits for the caller, and the recorder that hears of all that goes in and out.

use std::collections::VecDeque;
use std::fmt;

use crate::event::Output;
use crate::record::{Input, Recorder};
use crate::types::Instant;

/// The outputs that the caller has not taken yet.
#[derive(Default)]
pub(crate) struct Outputs {
    queue: VecDeque<Output>,
    recorder: Option<Box<dyn Recorder>>,
}

impl Outputs {
    pub(crate) fn recorded(recorder: Option<Box<dyn Recorder>>) -> Self {
        Self { queue: VecDeque::new(), recorder }
    }

    /// An entry point was called.
    pub(crate) fn begin(&mut self, now: Instant, input: &Input<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.input(now, input);
        }
    }

    pub(crate) fn push_back(&mut self, output: Output) {
        if let Some(recorder) = &mut self.recorder {
            recorder.output(&output);
        }
        self.queue.push_back(output);
    }

    pub(crate) fn pop_front(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    pub(crate) fn stop_recording(&mut self) {
        self.recorder = None;
    }
}

impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_recorded = self.recorder.is_some();
        f.debug_struct("Outputs").field("queue", &self.queue).field("is_recorded", &is_recorded).finish()
    }
}
