#!/usr/bin/env bash
# Runs every fuzz target for a while:  scripts/fuzz.sh [SECONDS]  (each; default 60)
# A finding makes it exit with 1 and leaves its input in build/fuzz/artifacts. What the fuzzers learn
# is kept in build/fuzz/corpus for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
if ! [[ $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: scripts/fuzz.sh [SECONDS]" >&2
    exit 2
fi
if ! command -v clang >/dev/null; then
    echo "fuzzing needs clang with its libFuzzer: on Debian and Ubuntu, clang and libclang-rt-dev" >&2
    exit 2
fi

build=build/fuzz
cmake --preset fuzz >/dev/null
cmake --build "$build" --target fuzzers
mkdir -p "$build/artifacts"

findings=()
for fuzzer in "$build"/fuzzers/*_fuzz; do
    name=$(basename "$fuzzer" _fuzz)
    learned=$build/corpus/$name
    log=$build/$name.log
    mkdir -p "$learned"
    options=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
        -artifact_prefix="$build/artifacts/$name-")
    if [[ -f fuzz/$name.dict ]]; then options+=(-dict="fuzz/$name.dict"); fi
    folders=("$learned")
    if [[ -d fuzz/corpus/$name ]]; then folders+=("fuzz/corpus/$name"); fi

    echo "$name: $seconds seconds"
    if "$fuzzer" "${options[@]}" "${folders[@]}" >"$log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: */  runs: /p' "$log"
    else
        findings+=("$name")
        tail -n 60 "$log"
    fi
done

if ((${#findings[@]} > 0)); then
    echo "findings in: ${findings[*]}; their inputs are in $build/artifacts" >&2
    exit 1
fi
echo "no findings"
