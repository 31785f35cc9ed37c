//! Those who are compared: each a pair of processes that stays for the whole run, and sleeps while others are measured.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::Failure;

/// The longest time for an answer beyond the time of the measurement.
const PATIENCE: Duration = Duration::from_secs(8);
/// The same for the first answer. Where nodes share nothing but memory, each waits a failure timeout before it takes its id, one
/// after the other.
const START: Duration = Duration::from_secs(30);
/// A contestant that fails more often than this in a row is left out.
const FAILURES: usize = 3;

/// Who answers commands such as `rate 64 300`.
pub(crate) trait Answers {
    /// Starts the processes.
    fn start(&mut self) -> Result<(), Failure>;
    /// The figures of one measurement.
    fn ask(&mut self, question: &str) -> Result<Vec<f64>, Failure>;
    /// Ends the processes.
    fn stop(&mut self);
}

/// One of those who are compared, restarted when it fails.
pub(crate) struct Contestant {
    /// Its name in the tables.
    pub(crate) name: &'static str,
    answers: Box<dyn Answers>,
    running: bool,
    failures: usize,
    /// Why it was left out at last.
    pub(crate) given_up: Option<String>,
}

impl Contestant {
    pub(crate) fn new(name: &'static str, answers: impl Answers + 'static) -> Self {
        Self { name, answers: Box::new(answers), running: false, failures: 0, given_up: None }
    }

    /// A measurement; `None` if it failed.
    pub(crate) fn ask(&mut self, question: &str) -> Option<Vec<f64>> {
        if self.given_up.is_some() {
            return None;
        }
        match self.try_ask(question) {
            Ok(figures) => {
                self.failures = 0;
                // None at all is what a disturbed machine gives: no figure, and no reason for a new start.
                figures.iter().all(|figure| *figure > 0.0).then_some(figures)
            }
            Err(error) => {
                eprintln!("{}, {question}: {error}", self.name);
                self.answers.stop();
                self.running = false;
                self.failures += 1;
                if self.failures >= FAILURES {
                    eprintln!("{} is left out", self.name);
                    self.given_up = Some(error.to_string());
                }
                None
            }
        }
    }

    fn try_ask(&mut self, question: &str) -> Result<Vec<f64>, Failure> {
        if !self.running {
            self.answers.start()?;
            self.running = true;
        }
        self.answers.ask(question)
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        self.answers.stop();
    }
}

/// A process whose lines are read with a limit of time. It is ended with this.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        let output = child.stdout.take().ok_or("no pipe")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { input: child.stdin.take(), child, lines })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn say(&mut self, line: &str) -> Result<(), Failure> {
        let input = self.input.as_mut().ok_or("no pipe")?;
        writeln!(input, "{line}")?;
        Ok(input.flush()?)
    }

    /// The next line for which `wanted` has a value.
    pub(crate) fn await_line<T>(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Failure> {
        let limit = Instant::now() + limit;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).map_err(|error| match error {
                mpsc::RecvTimeoutError::Timeout => "no answer in time",
                mpsc::RecvTimeoutError::Disconnected => "it has ended",
            })?;
            if let Some(value) = wanted(&line) {
                return Ok(value);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of the input is the word to end for the process and for its own far end.
        self.input = None;
        let limit = Instant::now() + Duration::from_secs(2);
        while Instant::now() < limit {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that answers each line with a line of figures.
pub(crate) struct Program {
    command: Command,
    process: Option<Process>,
    /// How long it may take for the next answer.
    patience: Duration,
}

impl Program {
    pub(crate) fn new(command: Command) -> Self {
        Self { command, process: None, patience: START }
    }
}

impl Answers for Program {
    fn start(&mut self) -> Result<(), Failure> {
        self.process = Some(Process::start(&mut self.command)?);
        self.patience = START;
        Ok(())
    }

    fn ask(&mut self, question: &str) -> Result<Vec<f64>, Failure> {
        let process = self.process.as_mut().ok_or("it does not run")?;
        process.say(question)?;
        let patience = std::mem::replace(&mut self.patience, PATIENCE);
        process.await_line(patience, |line| {
            line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<Vec<f64>>>()
        })
    }

    fn stop(&mut self) {
        self.process = None;
    }
}
