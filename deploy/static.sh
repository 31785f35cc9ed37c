#!/usr/bin/env bash
# Builds the binary that the images are made of: statically linked, without a C library at run time.
#
#   deploy/static.sh            builds it; the last line of the output is its path
#
# PROFILE chooses a profile of Cargo.toml (default: release). The target is named so that the flags for a static binary
# do not reach the procedural macros, which the compiler itself loads.
set -euo pipefail
cd "$(dirname "$0")/.."

profile=${PROFILE:-release}
target=$(rustc -vV | sed -n 's/^host: //p')
folder=$profile
if [ "$profile" = dev ]; then folder=debug; fi
directory=${CARGO_TARGET_DIR:-target}/static

ISTHMUS_COMMIT=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
export ISTHMUS_COMMIT
# Paths of the machine that builds have no place in what is shipped, and would make two builds differ.
export RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=$PWD=/isthmus --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
export CARGO_PROFILE_RELEASE_STRIP=symbols
cargo build --quiet --locked --package isthmus --bin isthmus --profile "$profile" --target "$target" \
    --target-dir "$directory" >&2

binary=$directory/$target/$folder/isthmus
if readelf --program-headers "$binary" | grep -q INTERP; then
    echo "$binary asks for an interpreter: it is not static" >&2
    exit 1
fi
echo "$binary"
