#!/usr/bin/env bash
# Builds all that the tests with virtual machines need, and runs them alone:
#
#   tests/vm/run.sh [NAME]     those whose names contain NAME (default: the clusters over a PCI device and over an nvdimm)
#
# Needs root (it asks sudo), QEMU, FRR and the other packages that tests/run.sh installs. PROFILE=release builds what is shipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

sudo=()
if [ "$(id -u)" -ne 0 ]; then sudo=(sudo); fi

# The binary for the machines serves their host too.
static=$(CARGO_PROFILE_DEV_DEBUG=0 PROFILE=${PROFILE:-dev} deploy/static.sh | tail -n 1)
static=$(realpath "$static")
# The kernel's package is fetched by the version that the lists name.
"${sudo[@]}" apt-get update -q
program=$(cargo test -p isthmus-tests --test vm --no-run --message-format=json 2>/dev/null |
    jq -r 'select(.reason == "compiler-artifact" and .target.name == "vm") | .executable // empty' | tail -n 1)
"${sudo[@]}" env ISTHMUS_LAB=required ISTHMUS_BIN="$static" ISTHMUS_STATIC_BIN="$static" PATH="$PATH" \
    ISTHMUS_VM_ACCEL="${ISTHMUS_VM_ACCEL:-tcg}" "$program" --test-threads=1 "${@:-machines_}"
