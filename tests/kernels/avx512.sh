#!/usr/bin/env bash
# avx512.sh SOURCE_ROOT WORK_FOLDER: runs check.c with AVX-512. A machine that lacks it emulates one
# that has it. Bochs alone can, and it is a whole PC: so the program becomes the ROM that the PC
# starts from, together with what it needs of an operating system (boot.S, system.c).
#
# Bochs 2.7 gets VPEXPANDB, VPEXPANDW and VPCONFLICTD wrong, and VPCOMPRESSB and VPCOMPRESSW where
# they set the rest to zero and every bit of the mask is set: kernels with these cannot be tried so.
set -euo pipefail
here=$1/tests/kernels work=$2
kernels=(avx512 avx2 avx2) # encoder, decoder, resizer

skip() {
    echo "$*"
    exit 77
}
has_avx512() {
    local flag
    for flag in avx512f avx512bw avx512vl avx512cd avx512vbmi avx512_vbmi2 avx512_vnni; do
        grep -qw $flag /proc/cpuinfo || return 1
    done
}

[ "$(uname -sm)" = "Linux x86_64" ] || skip "AVX-512 is of x86-64 machines, and this runs under Linux"
compiler=$(command -v cc) || skip "no C compiler"
echo 'int main(void) { return 0; }' >"$work/avx512_empty.c"
"$compiler" -static -o "$work/avx512_empty" "$work/avx512_empty.c" 2>/dev/null || skip "no static C library"

"$here/compile.sh" "$1" "$work/avx512_check" "$compiler"
if has_avx512; then
    "$work/avx512_check" "${kernels[@]}" 400
    exit
fi
bochs=$(command -v bochs) || skip "this machine has no AVX-512, and no bochs to emulate it"
model=corei7_icelake_u
[[ $("$bochs" --help cpu 2>&1) = *$model* ]] || skip "bochs has no CPU $model: it is too old"

arguments=$(printf '"%s",' check "${kernels[@]}" 100)
"$compiler" -c -std=c17 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -ffreestanding -fpie \
    -fno-stack-protector -fcf-protection=none -mgeneral-regs-only -DARGUMENTS="${arguments%,}" \
    -o "$work/avx512_system.o" "$here/system.c"
"$compiler" -c -I"$work" -o "$work/avx512_boot.o" "$here/boot.S"
cd "$work"
ld -T "$here/rom.ld" -o avx512_rom avx512_boot.o avx512_system.o
objcopy -O binary avx512_rom avx512_rom.bin

cat >avx512_bochsrc <<TEXT
cpu: model=$model, reset_on_triple_fault=0
memory: guest=512, host=512
romimage: file=avx512_rom.bin
com1: enabled=1, mode=file, dev=avx512_output
display_library: term
log: avx512_log
panic: action=fatal
TEXT
# Debian's Bochs starts in its debugger, and asks what to do: "c", continue. Its exit status says
# nothing: it is the same however the PC is switched off. Of signals it heeds only KILL.
: >avx512_output
status=0
echo c | TERM=vt100 timeout -s KILL 240 "$bochs" -q -f avx512_bochsrc >avx512_screen 2>&1 || status=$?
! grep -aq "display library 'term' not available" avx512_screen || skip "bochs lacks its display 'term'"
cat avx512_output
last=$(tail -n 1 avx512_output)
[ "$last" != "system: ended with 0x0" ] || exit 0
case $last in
"system: ended"*) ;;
"system: exception"*) echo "addresses are those of $work/avx512_check" ;;
*)
    echo "bochs ended with $status (137: killed, for it took too long) before the program did:"
    grep -a PANIC avx512_screen avx512_log
    ;;
esac
exit 1
