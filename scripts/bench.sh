#!/usr/bin/env bash
# Builds shardmill and what it is measured beside, then runs bench/run.py with the arguments given:
#
#     scripts/bench.sh                      every part
#     scripts/bench.sh flowers --rounds 5   one part, more rounds
set -euo pipefail
cd "$(dirname "$0")/.."

case " $* " in
*" -h "* | *" --help "*) exec python3 bench/run.py --help ;;
esac

scripts/install-deps.sh
mkdir -p build
if ! { cmake --preset release -DSHARDMILL_BENCH=ON &&
    cmake --build build --target shardmill bench_programs; } >build/bench.log 2>&1; then
    cat build/bench.log >&2
    exit 1
fi
exec python3 bench/run.py "$@"
