#!/bin/sh
# One measurement against its peer: tests/perf/run.sh NAME [--json FILE] [--runs N]. Needs root; see tests/README.md.
set -eu
cd "$(dirname "$0")/../.."
[ -n "${ISTHMUS:-}" ] || cargo build --quiet --release -p isthmus
exec python3 tests/perf/measure.py "$@"
