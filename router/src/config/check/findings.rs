//! The list that the checks write to, and the checks of single numbers.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::{Code, Diagnostic};

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings {
    list: Vec<Diagnostic>,
}

/// A file with more errors than this is no configuration; the rest would only fill the screen.
const MOST: usize = 100;

impl Findings {
    pub(super) fn into_list(self) -> Vec<Diagnostic> {
        self.list
    }

    pub(super) fn error(
        &mut self,
        code: Code,
        path: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, path, reason, remedy));
    }

    pub(super) fn warning(
        &mut self,
        code: Code,
        path: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Diagnostic::warning(code, path, reason, remedy));
    }

    pub(super) fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.len() < MOST {
            self.list.push(diagnostic);
        }
    }

    /// A number in its range; `unit` stands after the numbers in what people read (` s`, or nothing).
    pub(super) fn number<T: TryFrom<i64> + PartialOrd + Display>(
        &mut self,
        path: impl Into<String>,
        value: i64,
        range: RangeInclusive<T>,
        unit: &str,
    ) -> Option<T> {
        if let Ok(number) = T::try_from(value)
            && range.contains(&number)
        {
            return Some(number);
        }
        let (low, high) = (range.start(), range.end());
        self.error(
            Code::OutOfRange,
            path,
            format!("{value}{unit} is outside {low} to {high}"),
            format!("use a whole number from {low} to {high}"),
        );
        None
    }

    /// Whole seconds.
    pub(super) fn seconds(
        &mut self,
        path: impl Into<String>,
        value: i64,
        range: RangeInclusive<u64>,
    ) -> Option<Duration> {
        self.number(path, value, range, " s").map(Duration::from_secs)
    }

    /// Milliseconds.
    pub(super) fn milliseconds(
        &mut self,
        path: impl Into<String>,
        value: i64,
        range: RangeInclusive<u64>,
    ) -> Option<Duration> {
        self.number(path, value, range, " ms").map(Duration::from_millis)
    }

    /// HelloInterval and RouterDeadInterval, which must fit each other. `dead_given` says whether the file names
    /// the dead interval, so that the finding points at a key that is there.
    pub(super) fn timers(
        &mut self,
        path: &str,
        hello: i64,
        dead: i64,
        dead_given: bool,
    ) -> Option<(Duration, Duration)> {
        let hello = self.seconds(format!("{path}.hello-interval"), hello, 1..=65_535);
        let dead = self.seconds(format!("{path}.dead-interval"), dead, 2..=65_535);
        let (hello, dead) = (hello?, dead?);
        let key = format!("{path}.{}", if dead_given { "dead-interval" } else { "hello-interval" });
        let (h, d) = (hello.as_secs(), dead.as_secs());
        if dead <= hello {
            self.error(
                Code::BadTimers,
                key,
                format!("the dead interval of {d} s is not more than the hello interval of {h} s: every neighbor would be lost between two hellos"),
                format!("set `dead-interval` to a multiple of `hello-interval`, usually {}", 4 * h),
            );
            return None;
        }
        if dead < 2 * hello {
            self.warning(
                Code::BadTimers,
                key,
                format!("the dead interval of {d} s is less than two hello intervals of {h} s: one lost hello loses the neighbor"),
                format!("set `dead-interval` to a multiple of `hello-interval`, usually {}", 4 * h),
            );
        }
        Some((hello, dead))
    }
}
