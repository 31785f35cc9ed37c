//! The routers that are measured: this one, FRR and BIRD, each alone in its namespace.

use std::fs;
use std::process::Command;
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use isthmus_tests::http;
use isthmus_tests::lab::{
    Bird, Frr, Lab, Namespace, Node, NodeConfig, PeerConfig, PeerInterface, processor_time, run_command,
};
use serde_json::{Value, json};

use super::{ROUTER_ADDRESS, ROUTER_ID};

/// How long a router may take until all routes are in place.
const LONGEST: Duration = Duration::from_secs(120);

/// Whose router it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Make {
    Isthmus,
    Bird,
    Frr,
}

impl Make {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Isthmus => "isthmus",
            Self::Bird => "bird",
            Self::Frr => "frr",
        }
    }
}

/// A running router.
pub(super) enum Contestant {
    Isthmus(Rc<Node>),
    Bird(Rc<Bird>),
    Frr(Rc<Frr>),
}

impl Contestant {
    /// A router on one cable, hello 1 and dead 4.
    pub(super) fn start(lab: &Lab, namespace: &Rc<Namespace>, make: Make) -> Self {
        let peer = || PeerConfig::new("10.1.0.1", vec![PeerInterface::point_to_point("wire", 10)]);
        debug_assert_eq!(ROUTER_ID.to_string(), "10.1.0.1");
        match make {
            Make::Isthmus => {
                let yaml = format!(
                    "ospf: {{router-id: {ROUTER_ID}}}\ninterfaces:\n  - name: wire\n    address: {ROUTER_ADDRESS}/30\n    \
                     ospf: {{hello-interval: 1, dead-interval: 4, cost: 10}}\n"
                );
                let node = lab.node(namespace, NodeConfig::router(yaml));
                node.await_ready();
                Self::Isthmus(node)
            }
            Make::Bird => {
                let bird = lab.bird(namespace, &peer());
                // It overflows the usual stack at some 87,300 routes.
                for id in bird.processes() {
                    run_command(&["prlimit", "--pid", &id.to_string(), "--stack=unlimited:unlimited"]);
                }
                Self::Bird(bird)
            }
            Make::Frr => Self::Frr(lab.frr(namespace, &peer())),
        }
    }

    pub(super) fn make(&self) -> Make {
        match self {
            Self::Isthmus(_) => Make::Isthmus,
            Self::Bird(_) => Make::Bird,
            Self::Frr(_) => Make::Frr,
        }
    }

    /// Waits until there are that many routes in the forwarding table.
    pub(super) fn await_routes(&self, wanted: u64) {
        let began = Instant::now();
        while self.routes() < wanted {
            assert!(began.elapsed() < LONGEST, "{} of {wanted} routes", self.routes());
            sleep(Duration::from_millis(20));
        }
    }

    fn routes(&self) -> u64 {
        let of_kernel = |namespace: &Namespace| {
            let command = ["ip", "-n", namespace.id(), "-4", "-o", "route", "show"];
            let shown = Command::new(command[0]).args(&command[1..]).output().map(|output| output.stdout);
            shown.unwrap_or_default().iter().filter(|&&byte| byte == b'\n').count() as u64
        };
        match self {
            Self::Isthmus(node) => {
                let answer = http::request(node.socket(), "GET", "/metrics", None);
                let text = answer.map(|answer| answer.body).unwrap_or_default();
                let value = text.lines().find_map(|line| line.strip_prefix("isthmus_fib_routes "));
                value.and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0) as u64
            }
            Self::Bird(bird) => of_kernel(isthmus_tests::lab::Peer::namespace(&**bird)),
            Self::Frr(frr) => of_kernel(isthmus_tests::lab::Peer::namespace(&**frr)),
        }
    }

    fn processes(&self) -> Vec<u32> {
        match self {
            Self::Isthmus(node) => node.pid().into_iter().collect(),
            Self::Bird(bird) => bird.processes(),
            Self::Frr(frr) => frr.processes(),
        }
    }

    /// Processor time that all its threads have used, by the scheduler's account.
    pub(super) fn processor_time(&self) -> Duration {
        self.processes().into_iter().map(processor_time).sum()
    }

    /// Its resident memory in MiB.
    pub(super) fn resident_memory(&self) -> f64 {
        let kibibytes = self.processes().into_iter().map(|process| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok()).unwrap_or_default()
        });
        kibibytes.sum::<f64>() / 1024.0
    }
}

/// The versions of the peers.
pub(super) fn versions() -> Value {
    let of = |package: &str| {
        let words = ["-W", "-f=${Version}", package];
        let output = Command::new("dpkg-query").args(words).output().map(|output| output.stdout);
        String::from_utf8_lossy(&output.unwrap_or_default()).into_owned()
    };
    json!({ "frr": of("frr"), "bird": of("bird2") })
}
