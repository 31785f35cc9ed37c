#!/usr/bin/env bash
# For tests/perf/run.sh shm: installs what is missing (as root, on Debian and its relatives) and builds the peers' programs
# into target/peers. What cannot be had is left out of the measurement, which says so.
set -euo pipefail
cd "$(dirname "$0")/../../.."

packages=(dpdk libdpdk-dev librte-net-memif23 gcc pkg-config iproute2 iperf3 coreutils valgrind)
policy=/usr/sbin/policy-rc.d

missing() {
    local command
    for command in dpdk-testpmd gcc pkg-config ip iperf3 stdbuf valgrind; do
        command -v "$command" >/dev/null || return 0
    done
    pkg-config --exists libdpdk || return 0
    return 1
}

# Nothing of a package may start by being installed. An existing policy is put back as it was.
install_packages() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing, and only root can install it: some of ${packages[*]}" >&2
        return
    fi
    [ ! -e "$policy" ] || mv "$policy" "$policy.before-isthmus-perf"
    trap restore_policy EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2 || true
    apt-get install -q -y --no-install-recommends "${packages[@]}" >&2 || echo "not all packages could be installed" >&2
    restore_policy
    trap - EXIT
    hash -r
}

restore_policy() {
    rm -f "$policy"
    [ ! -e "$policy.before-isthmus-perf" ] || mv "$policy.before-isthmus-perf" "$policy"
}

if missing; then install_packages; fi

peers=tests/perf/peers
built=target/peers
mkdir -p "$built"
flags=(-O3 -march=native -Wall)
gcc "${flags[@]}" -o "$built/bare" "$peers/bare.c" || rm -f "$built/bare"
if pkg-config --exists libdpdk; then
    # shellcheck disable=SC2046 # a list of words
    gcc "${flags[@]}" -o "$built/memif" "$peers/memif.c" $(pkg-config --cflags --libs libdpdk) || rm -f "$built/memif"
fi
if cargo build --quiet --release --locked --manifest-path "$peers/iceoryx2/Cargo.toml" --target-dir "$built/iceoryx2"; then
    cp "$built/iceoryx2/release/iceoryx2-peer" "$built/iceoryx2-peer"
else
    rm -f "$built/iceoryx2-peer"
fi
