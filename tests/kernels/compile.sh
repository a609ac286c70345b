#!/usr/bin/env bash
# compile.sh SOURCE_ROOT PROGRAM COMPILER [OPTION...]: check.c and all that has kernels.
set -euo pipefail
root=$1 program=$2
shift 2
"$@" -static -std=c17 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror \
    -D_GNU_SOURCE -DSM_VERSION='"test"' -I"$root/src" -I"$root/include" -o "$program" \
    "$root/tests/kernels/check.c" "$root"/src/jpeg/*.c "$root"/src/image/{resize*,taps}.c \
    "$root/src/core/status.c" -lm
