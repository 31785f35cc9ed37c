#!/usr/bin/env bash
# Installs what the tests need and runs them all: style, documentation, licences, unit tests, the demo, the lab.
#
#   ./tests/run.sh            everything
#   ./tests/run.sh lab NAME   builds, then runs the lab's tests whose names contain NAME (all without one)
#   ./tests/run.sh distributed  builds with the feature libfabric, and runs what tests memory between hosts
#   ./tests/run.sh images     builds, then builds the images and runs them in the lab
#
# The lab and the installation of packages need root: as another user this asks sudo for those two alone.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(frr bird2 tshark tcpdump iperf3 iproute2 iputils-ping traceroute curl python3 jq procps util-linux
          libfabric-dev gcc
          chromium fonts-dejavu-core python3-venv prometheus openssl
          g++ buildah qemu-system-x86 xorriso grub-common grub-pc-bin e2fsprogs binutils systemd)
commands=(/usr/include/rdma/fabric.h cc /usr/lib/frr/zebra /usr/lib/frr/ospfd vtysh /usr/sbin/bird /usr/sbin/birdc tshark tcpdump iperf3 ip ss ping traceroute curl python3 jq
          sysctl setpriv chromium prlimit prometheus promtool openssl
          c++ buildah qemu-system-x86_64 xorriso grub-mkrescue /usr/lib/grub/i386-pc/moddep.lst mke2fs readelf systemd-analyze)
policy=/usr/sbin/policy-rc.d

sudo=()
if [ "$(id -u)" -ne 0 ]; then sudo=(sudo); fi

say() { printf '\n==> %s\n' "$*"; }

# Packages of daemons start them when they are installed. Here they must not: a routing daemon in the root namespace
# would take part in whatever network this machine is on. An existing policy is put back as it was.
install_packages() {
    local missing=() command
    for command in "${commands[@]}"; do
        command -v "$command" >/dev/null || [ -r "$command" ] || missing+=("$command")
    done
    # A module and no command: without it there are no environments for the tests in Python.
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    say "installing ${packages[*]} (missing: ${missing[*]})"
    # The first of interrupted runs has put the machine's own policy aside.
    if [ -e "$policy" ] && [ ! -e "$policy.before-isthmus-tests" ]; then
        "${sudo[@]}" mv "$policy" "$policy.before-isthmus-tests"
    fi
    trap restore_policy EXIT
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
    "${sudo[@]}" chmod 755 "$policy"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
    restore_policy
    trap - EXIT
    hash -r
}

restore_policy() {
    "${sudo[@]}" rm -f "$policy"
    if [ -e "$policy.before-isthmus-tests" ]; then
        "${sudo[@]}" mv "$policy.before-isthmus-tests" "$policy"
    fi
}

versions() {
    say "versions"
    rustc --version
    cargo --version
    uname -sr
    dpkg-query -W -f='${Package} ${Version}\n' frr bird2 tshark tcpdump iperf3 iproute2 iputils-ping traceroute curl \
        2>/dev/null || true
    /usr/lib/frr/ospfd --version | head -n 1
    python3 --version
}

static_checks() {
    say "cargo fmt --all --check"
    cargo fmt --all --check
    say "cargo clippy --workspace --all-targets -- -D warnings"
    cargo clippy --workspace --all-targets --quiet -- -D warnings
    say "cargo clippy --features libfabric, memory between hosts"
    cargo clippy -p isthmus-shmnet -p isthmus --features libfabric --all-targets --quiet -- -D warnings
    say "cargo doc --workspace --no-deps, warnings denied"
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
    if cargo deny --version >/dev/null 2>&1; then
        say "cargo deny check"
        cargo deny --log-level error check
    else
        say "cargo deny is not installed: licences and sources are checked by tests/licences.rs, advisories are not"
    fi
}

unit_tests() {
    say "unit and property tests"
    cargo test --workspace --exclude isthmus-tests
    say "packets of OSPF beside scapy's (from PyPI) and in tshark's eyes"
    local environment=$PWD/target/scapy-venv
    [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r tests/scapy/requirements.txt
    ISTHMUS_SCAPY_PYTHON="$environment/bin/python" cargo test -p isthmus-ospf --test wire_format scapy -- --nocapture
    say "model tests of the rings and the groups (loom)"
    RUSTFLAGS="--cfg loom" cargo test --target-dir target/loom --release -p isthmus-shmnet \
        --test loom_ring --test loom_group
    say "unit tests of the shared memory under AddressSanitizer"
    # Stable carries the sanitizer's runtime; only the flag wants leave.
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test --target-dir target/asan \
        --target x86_64-unknown-linux-gnu -p isthmus-shmnet --lib
    say "fuzzers of what is read from peers and of a whole OSPF engine, 15 s each"
    fuzz/run.sh 15
    cargo test -p isthmus-tests --lib --example measure --test arrows --test licences --test docs_links \
        --test observability
}

demo_tests() {
    say "the demo as its user meets it, and the examples of the command line, the service manager's side, the segment from outside"
    ISTHMUS_BIN="$PWD/target/release/isthmus" cargo test -p isthmus-tests --test demo --test cli --test service \
        --test segment
}

web_tests() {
    say "the web page in Chromium"
    ISTHMUS_BIN="$PWD/target/release/isthmus" tests/web/run.sh
}

api_tests() {
    say "the API of a live node: refusals, the guide, and requests made from its description (schemathesis, from PyPI)"
    ISTHMUS_BIN="$PWD/target/release/isthmus" cargo test -p isthmus-tests --test api -- --nocapture
}

# Runs one of the tests that need a lab, as root.
in_lab() {
    local name=$1 program
    program=$(cargo test -p isthmus-tests --test "$name" --no-run --message-format=json 2>/dev/null |
        jq -r --arg name "$name" \
            'select(.reason == "compiler-artifact" and .target.name == $name) | .executable // empty' | tail -n 1)
    "${sudo[@]}" env ISTHMUS_LAB=required ISTHMUS_BIN="$PWD/target/release/isthmus" PATH="$PATH" \
        ISTHMUS_STATIC_BIN="${static:-}" "$program" --test-threads=1 "${@:2}"
}

lab_tests() {
    say "the lab: namespaces, FRR, BIRD, kernels (root)"
    in_lab lab "$@"
}

# The facility `distributed`: the tests of the crate, and two nodes whose binary was built with it. The release build has no C library in it.
distributed_tests() {
    say "memory between hosts, over libfabric (root)"
    cargo build --features libfabric --quiet
    cargo test -p isthmus-shmnet --features libfabric --lib -- facility::distributed
    local program
    program=$(cargo test -p isthmus-shmnet --features libfabric --test distributed --no-run --message-format=json 2>/dev/null |
        jq -r 'select(.reason == "compiler-artifact" and .target.name == "distributed") | .executable // empty' | tail -n 1)
    "${sudo[@]}" env ISTHMUS_LAB=required "$program" --test-threads=1
    program=$(cargo test -p isthmus-tests --test distributed --no-run --message-format=json 2>/dev/null |
        jq -r 'select(.reason == "compiler-artifact" and .target.name == "distributed") | .executable // empty' | tail -n 1)
    "${sudo[@]}" env ISTHMUS_LAB=required ISTHMUS_FEATURES=libfabric ISTHMUS_BIN="$PWD/target/debug/isthmus" PATH="$PATH" \
        "$program" --nocapture
}

# What others read, by the schemas of those who read it: these come with the packages of an environment of its own.
deploy_tests() {
    say "the files of deploy/, by schemas and parsers"
    local environment=$PWD/target/deploy-venv
    [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r tests/deploy/requirements.txt
    ISTHMUS_BIN="$PWD/target/release/isthmus" ISTHMUS_DEPLOY_PYTHON="$environment/bin/python" \
        cargo test -p isthmus-tests --test deploy
}

image_tests() {
    say "the images: a container by buildah, a virtual machine in QEMU (root)"
    # What is shipped is built with PROFILE=release; the profile is no matter to what these tests look at.
    static=$(CARGO_PROFILE_DEV_DEBUG=0 PROFILE=dev deploy/static.sh)
    # The kernel's package is fetched by the version that the lists name.
    "${sudo[@]}" apt-get update -q
    in_lab image "$@"
    in_lab vm "$@"
}

install_packages
versions
if [ "${1:-all}" = lab ]; then
    cargo build --release --quiet
    lab_tests "${@:2}"
    exit
fi
if [ "${1:-all}" = distributed ]; then
    distributed_tests
    exit
fi
if [ "${1:-all}" = images ]; then
    cargo build --release --quiet
    image_tests "${@:2}"
    exit
fi
static_checks
say "cargo build --release"
cargo build --release
unit_tests
demo_tests
api_tests
web_tests
deploy_tests
distributed_tests
lab_tests
image_tests
say "all tests passed"
