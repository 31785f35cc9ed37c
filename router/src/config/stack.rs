//! Kernel or embedded stack: the decision at start.

use super::model::{FabricConfig, StackConfig, StackMode};
use super::{Code, Diagnostic};

/// The stack of a node, and why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedStack {
    /// The stack.
    pub stack: StackConfig,
    /// Why, for the log and for `status`.
    pub reason: String,
}

/// Decides which stack answers for the node's addresses. `probe` tries whether this process may create TAP devices,
/// and says why not; it is only asked if the answer matters.
pub fn resolve_stack(
    fabric: &FabricConfig,
    probe: impl FnOnce() -> Result<(), String>,
) -> Result<ResolvedStack, Diagnostic> {
    let kernel = || StackConfig::Kernel(fabric.kernel_stack.clone());
    match fabric.stack {
        StackMode::Embedded => Ok(ResolvedStack {
            stack: StackConfig::Embedded,
            reason: "embedded stack: the configuration says so".to_owned(),
        }),
        StackMode::Kernel => match probe() {
            Ok(()) => Ok(ResolvedStack {
                stack: kernel(),
                reason: "kernel stack: the configuration says so".to_owned(),
            }),
            Err(why) => Err(Diagnostic::error(
                Code::NotPermitted,
                "fabric.stack",
                format!("the kernel's stack needs TAP devices, and this process may not create them: {why}"),
                "run as root or with CAP_NET_ADMIN and /dev/net/tun, or set `stack: auto` or `embedded`",
            )),
        },
        StackMode::Auto => Ok(match probe() {
            Ok(()) => ResolvedStack {
                stack: kernel(),
                reason: "kernel stack: TAP devices are permitted".to_owned(),
            },
            Err(why) => ResolvedStack {
                stack: StackConfig::Embedded,
                reason: format!("embedded stack: TAP devices are not permitted: {why}"),
            },
        }),
    }
}
