#!/usr/bin/env bash
# Builds the fuzzers and runs each for a time, by default 20 seconds, from the committed corpus.
#
#   fuzz/run.sh [SECONDS [TARGET...]]
#
# It needs a C++ compiler for libFuzzer, and no more of the Rust toolchain than stable has: instrumentation and
# AddressSanitizer are asked for as cargo-fuzz asks for them. What is found is left in fuzz/target/artifacts/TARGET and is
# run alone by fuzz/target/x86_64-unknown-linux-gnu/release/TARGET FILE. New inputs stay in fuzz/target/corpus.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-20}
targets=("${@:2}")
if [ ${#targets[@]} -eq 0 ]; then targets=(ring group arena engine); fi

triple=x86_64-unknown-linux-gnu
flags=(--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module
       -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
       -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares)

bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
RUSTC_BOOTSTRAP=1 RUSTFLAGS="${flags[*]}" cargo build --quiet --release --target "$triple" "${bins[@]}"

for target in "${targets[@]}"; do
    # The longest input: what a conversation needs.
    case $target in engine) longest=20000 ;; *) longest=4096 ;; esac
    options=()
    if [ -f "$target.dict" ]; then options+=(-dict="$target.dict"); fi
    mkdir -p "target/corpus/$target" "target/artifacts/$target"
    log="target/$target.log"
    printf 'fuzzing %s for %s s: ' "$target" "$seconds"
    if ! "target/$triple/release/$target" -max_total_time="$seconds" -max_len="$longest" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 "${options[@]}" -artifact_prefix="target/artifacts/$target/" \
        "target/corpus/$target" "corpus/$target" >"$log" 2>&1; then
        echo failed
        tail -n 60 "$log" >&2
        exit 1
    fi
    printf '%s runs, %s\n' "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)"
done
