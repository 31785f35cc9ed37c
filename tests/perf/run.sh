#!/usr/bin/env bash
# One measurement beside its peer: tests/perf/run.sh NAME [--json FILE] [--runs N] [--report]. Needs root; see
# tests/README.md. ISTHMUS_BIN=PROGRAM measures that program instead of building this tree's.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Huge pages for DPDK: 512 of 2 MiB, given back at the end. A run that was killed left a note of how many there were.
pages=/proc/sys/vm/nr_hugepages
note=/run/isthmus-perf-huge-pages

reserve_huge_pages() {
    if [ ! -w "$pages" ]; then return; fi
    if [ -r "$note" ]; then give_huge_pages_back; fi
    cat "$pages" >"$note"
    trap give_huge_pages_back EXIT
    echo $(($(cat "$note") + 512)) >"$pages"
    if [ "$(cat "$pages")" -ge $(($(cat "$note") + 512)) ]; then
        export ISTHMUS_HUGE_PAGES=1
    else
        echo "no room for 512 huge pages: DPDK does without them" >&2
    fi
}

give_huge_pages_back() {
    cat "$note" >"$pages"
    rm -f "$note"
}

[ -n "${ISTHMUS_BIN:-}" ] || cargo build --quiet --release -p isthmus
if [ "${1:-}" = shm ]; then
    tests/perf/shm/prepare.sh
    export ISTHMUS_PEERS="$PWD/target/peers"
    cargo build --quiet --release -p isthmus-shmnet --examples
fi
cargo build --quiet --release -p isthmus-tests --example measure
if [ "${1:-}" = shm ]; then reserve_huge_pages; fi
# In the background, so that a signal to this script is heard at once and ends both.
target/release/examples/measure "$@" &
measure=$!
trap 'kill "$measure"; exit 130' INT TERM HUP
wait "$measure"
