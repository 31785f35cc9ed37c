//! TTL security (RFC 5082): what packets leave with, and which are taken.

use std::time::Duration;

use isthmus_ospf::config::AreaConfig;
use isthmus_ospf::view::NeighborState;

use crate::bench::{Bench, LINK, link_config};

fn bench(hops: Option<u8>) -> Bench {
    let mut config = link_config();
    config.ttl_security = hops;
    Bench::with(config, AreaConfig::default())
}

#[test]
fn with_it_everything_leaves_with_255_and_without_it_with_1() {
    for (hops, ttl) in [(None, 1), (Some(1), 255), (Some(254), 255)] {
        let mut bench = bench(hops);
        bench.hello();
        bench.advance(Duration::from_secs(30));
        assert!(bench.sent.len() > 4);
        assert!(bench.sent.iter().all(|(_, transmit, _)| transmit.ttl == ttl), "{hops:?}");
        assert_eq!(bench.interface().ttl_security_hops, hops);
    }
}

#[test]
fn what_has_come_too_far_is_refused_and_counted() {
    for (hops, least) in [(1, 255), (2, 254), (254, 2)] {
        let mut bench = bench(Some(hops));
        for ttl in 0..=255 {
            assert_eq!(bench.engine.accepts_ttl(LINK, ttl, &[]), ttl >= least, "{hops} {ttl}");
        }
        assert_eq!(bench.refused("ttl_security"), u64::from(least));
    }
    let mut open = bench(None);
    assert!((0..=255).all(|ttl| open.engine.accepts_ttl(LINK, ttl, &[])));
    assert_eq!(open.refused("ttl_security"), 0);
}

#[test]
fn it_is_changed_under_a_full_adjacency() {
    let mut bench = Bench::full(&[]);
    bench.reconfigure(|link| link.ttl_security = Some(1));
    assert!(!bench.engine.accepts_ttl(LINK, 254, &[]));
    bench.advance_alive(Duration::from_secs(30));
    assert_eq!(bench.state(), NeighborState::Full);
    assert!(bench.sent.iter().all(|(_, transmit, _)| transmit.ttl == 255));
    bench.reconfigure(|link| link.ttl_security = None);
    assert!(bench.engine.accepts_ttl(LINK, 1, &[]));
    assert_eq!(bench.state(), NeighborState::Full);
}
