#!/usr/bin/env bash
# Builds shardmill and what it is measured beside, then runs bench/run.py with the arguments given:
#
#     scripts/bench.sh                      every part
#     scripts/bench.sh flowers --rounds 5   one part, more rounds
#     scripts/bench.sh stores               buckets (bench/stores.py)
set -euo pipefail
cd "$(dirname "$0")/.."

case " $* " in
" stores "*" --help "* | " stores "*" -h "*) exec python3 -c "import ast; print(ast.get_docstring(ast.parse(open('bench/stores.py').read())))" ;;
*" -h "* | *" --help "*) exec python3 bench/run.py --help ;;
esac

scripts/install-deps.sh
mkdir -p build
if ! { cmake --preset release -DSHARDMILL_BENCH=ON &&
    cmake --build build --target shardmill bench_programs; } >build/bench.log 2>&1; then
    cat build/bench.log >&2
    exit 1
fi
if [ "${1:-}" = stores ]; then # its peers and servers are those of the tests
    scripts/install-deps.sh --with-tests
    shift
    exec .venv/bin/python bench/stores.py "$@"
fi
exec python3 bench/run.py "$@"
