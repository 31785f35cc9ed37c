#!/bin/sh
# One measurement beside its peer: tests/perf/run.sh NAME [--json FILE] [--runs N]. Needs root; see tests/README.md.
# ISTHMUS_BIN=PROGRAM measures that program instead of building this tree's.
set -eu
cd "$(dirname "$0")/../.."
[ -n "${ISTHMUS_BIN:-}" ] || cargo build --quiet --release -p isthmus
exec cargo run --quiet --release -p isthmus-tests --example measure -- "$@"
