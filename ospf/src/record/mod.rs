//! Record and replay: everything that an instance is given and says, as lines of JSON, and the same given to an
//! instance again.
//!
//! The engine is a function of its inputs, so that a recording of them is a complete account of a run: replayed, it must
//! say the same again, bit for bit. Where it does not, either the engine has changed or it is not the function that it
//! claims to be.
//!
//! Every entry point of [`Instance`] begins by naming its [`Input`]; one that does not cannot begin. The lines are
//! described in `docs/reference/ospf-recording.md`.
//!
//! | module | subject |
//! |---|---|
//! | here | the inputs, and what takes them down |
//! | `lines` | lines of JSON, written with a limit |
//! | `replay` | lines read, given to an instance, and its outputs compared |
//! | `text` | how bytes and reasons are written |

mod lines;
mod replay;
pub(crate) mod text;

pub use lines::JsonLines;
pub use replay::{Difference, ReplayError, Summary, replay};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::Instance;
use crate::config::{ExternalRoute, InstanceConfig};
use crate::event::Output;
use crate::types::{Instant, InterfaceId, RouterId};

/// Takes down what an instance is given and what it says, in order: each input, then the outputs that follow from it.
pub trait Recorder: Send {
    /// The instance is given something.
    fn input(&mut self, now: Instant, input: &Input<'_>);
    /// It says something.
    fn output(&mut self, output: &Output);
}

/// Everything that an instance can be given: a variant for each of its entry points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input<'a> {
    /// [`Instance::new`].
    Start {
        /// What it is told.
        config: Cow<'a, InstanceConfig>,
        /// The seed of its chance.
        seed: u64,
    },
    /// [`Instance::set_wall_clock`].
    WallClock {
        /// Seconds since some date.
        seconds: u32,
    },
    /// [`Instance::set_boot_count`].
    BootCount {
        /// Lives of the router with this one.
        boots: u32,
    },
    /// [`Instance::handle_packet`].
    Packet {
        /// Where it came in.
        interface: InterfaceId,
        /// Source of the IP datagram.
        source: Ipv4Addr,
        /// Its destination.
        destination: Ipv4Addr,
        /// Its payload.
        #[serde(with = "text::hex")]
        payload: Cow<'a, [u8]>,
    },
    /// [`Instance::handle_timeout`].
    Timeout,
    /// [`Instance::handle_link`].
    Link {
        /// Which interface's.
        interface: InterfaceId,
        /// Its state.
        up: bool,
    },
    /// [`Instance::handle_neighbor_dead`].
    NeighborDead {
        /// Who.
        router: RouterId,
    },
    /// [`Instance::handle_bfd_down`].
    BfdDown {
        /// Where.
        interface: InterfaceId,
        /// Who, by its address.
        address: Ipv4Addr,
    },
    /// [`Instance::handle_config`].
    Config(Cow<'a, InstanceConfig>),
    /// [`Instance::handle_redistribution`].
    Redistribution(Cow<'a, BTreeMap<Ipv4Net, ExternalRoute>>),
    /// [`Instance::shutdown`].
    Shutdown,
}

impl Input<'_> {
    /// Gives this to an instance. `None` in the place of the instance is one that has not started yet.
    ///
    /// # Errors
    /// The first input is not a start, or a later one is.
    fn apply(self, instance: &mut Option<Instance>, now: Instant) -> Result<(), &'static str> {
        let Some(engine) = instance else {
            let Input::Start { config, seed } = self else { return Err("the first input must be a start") };
            *instance = Some(Instance::new(now, config.into_owned(), seed));
            return Ok(());
        };
        match self {
            Input::Start { .. } => return Err("a second start"),
            Input::WallClock { seconds } => engine.set_wall_clock(now, seconds),
            Input::BootCount { boots } => engine.set_boot_count(now, boots),
            Input::Packet { interface, source, destination, payload } => {
                engine.handle_packet(now, interface, source, destination, &payload);
            }
            Input::Timeout => engine.handle_timeout(now),
            Input::Link { interface, up } => engine.handle_link(now, interface, up),
            Input::NeighborDead { router } => engine.handle_neighbor_dead(now, router),
            Input::BfdDown { interface, address } => engine.handle_bfd_down(now, interface, address),
            Input::Config(config) => engine.handle_config(now, config.into_owned()),
            Input::Redistribution(routes) => engine.handle_redistribution(now, routes.into_owned()),
            Input::Shutdown => engine.shutdown(now),
        }
        Ok(())
    }
}
