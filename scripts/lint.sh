#!/usr/bin/env bash
# Format, banned functions, Python syntax, and clang-tidy.
#
# usage: scripts/lint.sh [--cheap]     --cheap leaves clang-tidy out
set -euo pipefail
cd "$(dirname "$0")/.."

# Other versions of clang-format differ in details, and would ask for other changes.
format_version=14

failed=no
fail() {
    echo "lint: $*" >&2
    failed=yes
}

ours() { find . \( -name build -o -name '.?*' \) -prune -o -name "$1" -print | sort; }
mapfile -t sources < <(ours '*.[ch]')
mapfile -t scripts < <(ours '*.py')

if ! command -v clang-format >/dev/null; then
    echo "lint: format not checked: no clang-format" >&2
elif ! clang-format --version | grep -q "version $format_version\."; then
    echo "lint: format not checked: it is clang-format $format_version's, here is $(clang-format --version)" >&2
else
    clang-format --dry-run -Werror "${sources[@]}" || fail "run clang-format -i on the files above"
fi

# Functions that overrun a buffer, hide an error or keep state that threads share. Instead:
# snprintf, sm_buf_printf, memcpy, strtoul, strtod, strtok_r, localtime_r. Tests may.
banned='strcpy|strcat|strncpy|strncat|stpcpy|sprintf|vsprintf|gets|atoi|atol|atoll|atof|alloca|strtok|gmtime|localtime|ctime|asctime|tmpnam|mktemp|rand|srand'
if grep -nE "(^|[^[:alnum:]_])($banned)[[:space:]]*\(" -r src include examples; then
    fail "banned functions above"
fi

if command -v python3 >/dev/null; then
    python3 -c '
import ast, sys
for path in sys.argv[1:]:
    ast.parse(open(path, encoding="utf-8").read(), path)
' "${scripts[@]}" || fail "Python that cannot be parsed"
fi

if [ "${1:-}" != --cheap ]; then
    cmake --preset release >/dev/null
    # One file a run: clang-tidy 14's va_list check goes wrong from the second file on.
    find src -name '*.c' -print0 |
        xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet --warnings-as-errors='*' -p build 2>/dev/null ||
        fail "clang-tidy has objections"
fi

[ $failed = no ] || exit 1
echo "lint: all good"
