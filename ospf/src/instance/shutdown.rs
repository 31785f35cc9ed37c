//! Leaving the network in order.

use crate::Instance;
use crate::interface::Destination;
use crate::record::Input;
use crate::types::Instant;

impl Instance {
    /// Takes back everything that this router says, and tells its neighbors that it hears them no more, so that they
    /// turn to other ways at once. Afterwards every input is ignored. Routes are left to the caller: packets
    /// that are still on their way here can be forwarded meanwhile.
    pub fn shutdown(&mut self, now: Instant) {
        if !self.begin(now, &Input::Shutdown) {
            return;
        }
        self.farewell(now);
        self.timers.clear();
        self.stopped = true;
    }

    /// Flushes our advertisements (RFC 2328 section 14.1), then sends hellos that list nobody, which are a
    /// 1-WayReceived for every neighbor (section 10.2).
    pub(super) fn farewell(&mut self, now: Instant) {
        for scope in self.scopes() {
            self.withdraw_all(now, scope);
        }
        self.send_flood_queues(now);
        for id in self.interfaces.keys().copied().collect::<Vec<_>>() {
            self.send_delayed_acks(now, id);
            self.send_hello(id, Destination::AllRouters, true);
        }
    }
}
