#!/usr/bin/env bash
# check.sh SOURCE_ROOT WORK_FOLDER: compiles what has NEON kernels for 64-bit ARM and runs check.c
# under qemu. On an ARM machine the unit tests compare the same kernels.
set -euo pipefail
root=$1 work=$2

skip() {
    echo "$*"
    exit 77
}
[ "$(uname -m)" != aarch64 ] || skip "this is an ARM machine: the unit tests use its NEON"
compiler=$(command -v aarch64-linux-gnu-gcc) || skip "no aarch64-linux-gnu-gcc to compile for ARM"
qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static) || skip "no qemu-aarch64 to run ARM programs"
echo 'int main(void) { return 0; }' >"$work/arm64_empty.c"
"$compiler" -static -o "$work/arm64_empty" "$work/arm64_empty.c" 2>/dev/null ||
    skip "aarch64-linux-gnu-gcc lacks a C library"

"$compiler" -static -std=c17 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror \
    -D_GNU_SOURCE -DSM_VERSION='"test"' -I"$root/src" -I"$root/include" -o "$work/arm64_check" \
    "$root/tests/arm64/check.c" "$root"/src/jpeg/*.c "$root"/src/image/{resize*,taps}.c \
    "$root/src/core/status.c" -lm
"$qemu" "$work/arm64_check"
