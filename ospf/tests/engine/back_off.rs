//! When routes are calculated after a change (RFC 8405).

use isthmus_ospf::config::SpfDelay;
use isthmus_ospf::view::{NeighborState, SpfDelayState};

use crate::bench::{Bench, PEER, millis, stub_lsa};

/// Full and quiet, with delays.
fn bench() -> Bench {
    let mut bench = Bench::full(&[]);
    bench.config.spf_delay = SpfDelay {
        initial: millis(0),
        short: millis(50),
        long: millis(1500),
        time_to_learn: millis(4000),
        hold_down: millis(20_000),
    };
    bench.engine.handle_config(bench.now, bench.config.clone());
    bench.collect();
    bench.advance_alive(millis(25_000));
    assert_eq!(bench.engine.view_instance(bench.now).spf.current_state, SpfDelayState::Quiet);
    bench
}

fn runs(bench: &Bench) -> u64 {
    bench.engine.route_calculations()
}

/// The neighbor announces its network at another cost.
fn change(bench: &mut Bench, sequence: i32) {
    bench.update(&[stub_lsa(PEER, sequence, 1, 10 + sequence as u16)]);
}

/// Output: the first change is calculated at once, the next after SHORT_SPF_DELAY, one that comes after
/// TIME_TO_LEARN_INTERVAL after LONG_SPF_DELAY; the configuration of our own interface at once all the time; and after a
/// quiet time it begins anew.
#[test]
fn what_follows_the_first_change_waits_and_what_changes_here_does_not() {
    let mut bench = bench();
    let start = runs(&bench);
    change(&mut bench, 100);
    assert_eq!(runs(&bench), start + 1, "at once");
    bench.advance_alive(millis(1500));
    change(&mut bench, 101);
    assert_eq!(runs(&bench), start + 1);
    bench.advance_alive(millis(49));
    assert_eq!(runs(&bench), start + 1);
    bench.advance_alive(millis(1));
    assert_eq!(runs(&bench), start + 2, "after the short delay");

    bench.advance_alive(millis(3000));
    assert_eq!(bench.engine.view_instance(bench.now).spf.current_state, SpfDelayState::LongWait);
    change(&mut bench, 102);
    bench.advance_alive(millis(1499));
    assert_eq!(runs(&bench), start + 2);
    bench.advance_alive(millis(1));
    assert_eq!(runs(&bench), start + 3, "after the long delay");

    bench.advance_alive(millis(1000));
    change(&mut bench, 103);
    assert_eq!(runs(&bench), start + 3);
    bench.reconfigure(|link| link.cost = 99);
    assert_eq!(runs(&bench), start + 4, "with what waited");

    bench.advance_alive(millis(25_000));
    let before = runs(&bench);
    change(&mut bench, 104);
    assert_eq!(runs(&bench), before + 1, "quiet again");
    assert_eq!(bench.state(), NeighborState::Full);
}
