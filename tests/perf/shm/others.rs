//! What processes of others take of the cores: a sample that they disturb is no sample.

use std::collections::HashMap;
use std::fs;
use std::process::id;
use std::time::Instant;

/// Others may take so much of a core.
const LIMIT: f64 = 0.2;
/// Clock ticks of a second, as `/proc` counts them on every Linux.
const TICKS: f64 = 100.0;

/// The time that others have used, at a moment.
pub(crate) struct Others {
    at: Instant,
    ticks: u64,
}

impl Others {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), ticks: ticks() }
    }

    /// What others took of a core since then, if it was too much.
    pub(crate) fn disturbed(&self) -> Option<f64> {
        let used = ticks().saturating_sub(self.ticks) as f64 / TICKS;
        let share = used / self.at.elapsed().as_secs_f64();
        (share > LIMIT).then_some(share)
    }
}

/// Ticks of all processes but this one and its descendants, those that they have waited for included.
fn ticks() -> u64 {
    let mut parents = HashMap::new();
    let mut used = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let text = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name stands in parentheses, and may hold spaces.
        let Some((_, rest)) = text.rsplit_once(')') else { continue };
        let fields: Vec<u64> =
            rest.split_whitespace().skip(1).map(|word| word.parse().unwrap_or(0)).collect();
        // Parent; user, system, and both of the children.
        let (Some(parent), Some(times)) = (fields.first(), fields.get(10..14)) else { continue };
        parents.insert(process, *parent as u32);
        used.push((process, times.iter().sum::<u64>()));
    }
    let is_ours = |mut process: u32| {
        while process != id() {
            match parents.get(&process) {
                Some(parent) => process = *parent,
                None => return false,
            }
        }
        true
    };
    // Kernel threads work for us too: they are children of number 2.
    let is_kernel = |process: u32| process == 2 || parents.get(&process) == Some(&2);
    // Who waits for us is charged for us only at our end.
    used.into_iter()
        .filter(|(process, _)| !is_ours(*process) && !is_kernel(*process))
        .map(|(_, ticks)| ticks)
        .sum()
}
