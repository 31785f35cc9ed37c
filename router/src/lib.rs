//! The Isthmus router: wiring, configuration, data plane, host stack, routing tables, OSPF driver, CLI.
//!
//! ```text
//!                    control (tokio)                                workers (one thread, no tokio)
//!  config ─► node ─► ospf_driver ─► rib ─► fib snapshot ─────────►  forward::worker
//!              │         ▲                                           │  ▲    bursts
//!              │         └──── OSPF packets (rings) ◄────────────────┤  │
//!              ├─► host (smoltcp: ping, in-band REST) ◄── packets ───┤  ▼
//!              ├─► link (netlink)                                   port::{shm,packet,tap,socket,mem}
//!              └─► management (REST, metrics)  ◄── counters ─────────┘        │
//!                       ▲                                                shmnet fabric
//!                  cli ─┘ (only over REST)
//! ```
//!
//! | module | subject |
//! |---|---|
//! | [`packet`] | packet buffers and the pools that they come from |
//! | [`kernel`] | the kernel's side: adapters, routes, guard of the NICs, link monitor |
//! | [`port`] | what receives and sends bursts: fabric, NICs, TAPs, sockets |
//! | [`forward`] | the packet path: classify, look up, steer, forward, answer with ICMP |
//! | [`rib`] | routes from all sources, selection, publication to the forwarding table |
//! | [`host`] | the node's own embedded stack |
//! | [`ospf_driver`] | the OSPF engine's clock, packets and configuration |
//! | [`node`] | a running node, from start to end |
//! | [`demo`] | a cluster on one machine |
//! | [`segment`] | the shared memory itself, read, prepared and measured without a node |
//! | [`mod@bench`] | what the shared memory does on a machine |
//! | [`config`] | the configuration file: parsing, validation, diagnostics |
//! | [`init`] | the first process of a container or of a virtual machine |
//! | [`service`] | what a service manager is told |
//! | [`transaction`] | what a change of the configuration consists of: differences, effects, the file, the history |
//! | [`cli`] | the command line, a client of the REST API |
//! | [`logging`] | log lines to standard error |

pub mod bench;
pub mod cli;
pub mod config;
pub mod demo;
pub mod forward;
pub mod host;
pub mod init;
pub mod kernel;
pub mod logging;
pub mod node;
pub mod ospf_driver;
pub mod packet;
pub mod port;
pub mod rib;
pub mod segment;
pub mod service;
pub mod transaction;
