#!/usr/bin/env bash
# arm64.sh SOURCE_ROOT WORK_FOLDER: compiles what has NEON kernels for 64-bit ARM and runs check.c
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

"$root/tests/kernels/compile.sh" "$root" "$work/arm64_check" "$compiler"
"$qemu" "$work/arm64_check" neon neon neon 400
