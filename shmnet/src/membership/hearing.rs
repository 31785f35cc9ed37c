//! Hearing what peers say at the doorbells' sockets.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::control::Control;
use crate::doorbell::link::{Link, Listener, Said, Speaker};
use crate::node::NodeId;

/// Someone who connected to our doorbell.
pub(super) struct Caller {
    link: Link,
    node: Option<NodeId>,
}

impl Control {
    /// Waits for anything to happen.
    pub(super) fn wait(&self, timeout: Duration) {
        let mut fds = vec![PollFd::from_borrowed_fd(self.seams.waker.as_fd(), PollFlags::IN)];
        if let Some(life) = &self.life {
            fds.extend(life.listener.as_ref().map(|it| PollFd::from_borrowed_fd(it.as_fd(), PollFlags::IN)));
        }
        let links = self.peers.values().filter_map(|peer| peer.link.as_ref());
        for link in links.chain(self.callers.iter().map(|caller| &caller.link)) {
            fds.push(PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN));
        }
        let timeout =
            Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        // Interrupted or not, everything is looked at next.
        let _ = poll(&mut fds, Some(&timeout));
    }

    pub(super) fn accept_callers(&mut self) {
        let Some(life) = &self.life else { return };
        let me = Speaker { node: self.setup.me, incarnation: life.incarnation };
        while let Some(link) = life.listener.as_ref().and_then(Listener::accept) {
            if self.callers.len() < MAX_CALLERS && link.pass(me, &self.seams.bells).is_ok() {
                self.callers.push(Caller { link, node: None });
            }
        }
    }

    pub(super) fn hear_callers(&mut self) {
        let mut heard = Vec::new();
        self.callers.retain_mut(|caller| {
            for _ in 0..HEAR_AT_ONCE {
                match caller.link.hear() {
                    Said::Hello(speaker) => {
                        caller.node = Some(speaker.node);
                        heard.push(speaker.node);
                    }
                    Said::Look => heard.extend(caller.node),
                    Said::Nothing => return true,
                    // Bells are not taken from callers.
                    Said::Bells(..) | Said::Gone => {
                        heard.extend(caller.node);
                        return false;
                    }
                }
            }
            true
        });
        heard.sort_unstable();
        heard.dedup();
        for node in heard {
            self.look(node);
        }
    }

    pub(super) fn hear_peers(&mut self) {
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        for node in nodes {
            for _ in 0..HEAR_AT_ONCE {
                let Some(link) = self.peers.get(&node).and_then(|peer| peer.link.as_ref()) else { break };
                match link.hear() {
                    Said::Bells(speaker, bells) => self.take_bells(node, speaker, bells),
                    Said::Nothing => break,
                    Said::Hello(_) | Said::Look => {}
                    Said::Gone => {
                        self.hung_up(node);
                        break;
                    }
                }
            }
        }
    }
}

/// Connections to our doorbell: two for each possible node.
const MAX_CALLERS: usize = 512;

/// Messages heard from one connection before the others are heard.
const HEAR_AT_ONCE: usize = 16;
