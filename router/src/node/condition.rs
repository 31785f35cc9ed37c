//! How the node is, in the form in which a service manager is told.

use isthmus_mgmt_api::model::{CheckStatus, Readiness, System};

use super::management;
use super::shared::Shared;
use crate::service::Condition;

/// How the node is now.
pub(super) fn condition(shared: &Shared) -> Condition {
    let readiness = management::readiness(shared);
    Condition {
        status: line(&readiness, &management::overview(shared)),
        ready: readiness.ready,
        worker_turned_at: shared.worker.counters.load().turned_at,
    }
}

/// What there is to know about the node, in a line: what it waits for, what it is, what is not well.
fn line(readiness: &Readiness, system: &System) -> String {
    let mut line = if readiness.ready {
        format!("ready: {}", system.role_reason)
    } else {
        format!("waiting for {}", readiness.waiting_for.join(", "))
    };
    for check in system.check.iter().filter(|check| check.status != CheckStatus::Ok) {
        line.push_str("; ");
        line.push_str(&check.name);
        line.push_str(": ");
        line.push_str(&check.detail);
    }
    line
}
