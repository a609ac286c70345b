#!/usr/bin/env bash
# Every test: unit tests, the same under sanitizers, the whole program. The last line sums up.
# A part that cannot be run here counts as skipped, and says why.
set -euo pipefail
cd "$(dirname "$0")/.."

passed=0 failed=0 skipped=0
alone=() # what a sanitized program must be started with on this kernel
results=build/test-results
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { printf '\n== %s\n' "$*"; }
skip() {
    echo "skipped: $*"
    skipped=$((skipped + 1))
}
finish() {
    printf '\n%d passed, %d failed' $passed $failed
    [ $skipped = 0 ] || printf ', %d skipped' $skipped
    printf '\n'
    [ $failed = 0 ]
    exit
}

# check NAME COMMAND...: one more test; its output is shown when it fails.
check() {
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "passed: $name"
        passed=$((passed + 1))
    else
        cat "$work/log"
        echo "failed: $name"
        failed=$((failed + 1))
        return 1
    fi
}

# An attribute of the one suite in a JUnit file.
junit() {
    local value
    value=$(tr '\n\t' '  ' <"$2" | sed -n "s/.*<testsuite [^>]* $1=\"\([0-9]*\)\".*/\1/p")
    echo "${value:-0}"
}

# Adds a JUnit file's counts to the sums; a runner that died before it wrote one is a failure.
count() {
    local name=$1 file=$2
    if [ ! -s "$file" ]; then
        echo "failed: $name ended without a result"
        failed=$((failed + 1))
        return
    fi
    local all bad left_out
    all=$(junit tests "$file")
    bad=$(($(junit failures "$file") + $(junit errors "$file")))
    left_out=$(($(junit skipped "$file") + $(junit disabled "$file")))
    passed=$((passed + all - bad - left_out))
    failed=$((failed + bad))
    skipped=$((skipped + left_out))
}

run_ctest() {
    local name=$1 folder=$2
    shift 2
    "${alone[@]}" ctest --test-dir "$folder" --output-on-failure --no-tests=ignore -j "$(nproc)" \
        --output-junit "$PWD/$results/$name.xml" "$@" || true
    # CTest tells which tests were skipped, their output tells why.
    sed -n '/<skipped /,/<\/system-out>/s/.*<system-out>\(.*\)/skipped: \1/p' "$results/$name.xml"
    count "$name" "$results/$name.xml"
}

build() {
    local preset=$1 folder=$2
    check "build $preset" eval \
        "cmake --preset $preset -DSHARDMILL_WERROR=$werror && cmake --build $folder"
}

# shellcheck disable=SC2317  # called through check
pack_and_verify() {
    local program=$1
    shift
    rm -rf "$work/set"
    "${alone[@]}" "$program" pack examples/flowers "$work/set" --shards 5 "$@" &&
        "${alone[@]}" "$program" verify "$work/set" --decode
}

werror=OFF
[ "${CI:-}" != true ] || werror=ON
rm -rf "$results"
mkdir -p "$results"

step "release build and unit tests"
build release build || finish
run_ctest release build

step "address and undefined-behaviour sanitizers"
if build asan build/asan; then
    run_ctest asan build/asan
    check "pack and verify under ASan" pack_and_verify build/asan/shardmill --threads 4 || true
fi

step "thread sanitizer"
echo 'int main(void) { return 0; }' >"$work/empty.c"
if ! cc -fsanitize=thread -o "$work/empty" "$work/empty.c" 2>/dev/null; then
    skip "this compiler has no thread sanitizer"
else
    # Its shadow memory does not fit every kernel's address space randomization.
    "$work/empty" 2>/dev/null || alone=(setarch -R)
    if ! "${alone[@]}" "$work/empty" 2>/dev/null; then
        skip "the thread sanitizer does not run on this kernel"
    elif build tsan build/tsan; then
        run_ctest tsan build/tsan -R '^(core|io|pack)_'
        check "pack and verify under TSan" \
            pack_and_verify build/tsan/shardmill --threads 4 --max-shard-size-mb 1 || true
    fi
    alone=()
fi

step "format and banned functions"
if command -v clang-format >/dev/null; then
    check "lint" scripts/lint.sh --cheap || true
else
    skip "no clang-format here (make lint installs it)"
fi

step "whole program"
if [ -x .venv/bin/python ] && .venv/bin/python -c 'import pytest' 2>/dev/null; then
    .venv/bin/python -m pytest -q -rfEs -p no:cacheprovider tests --junitxml "$results/pytest.xml" || true
    count pytest "$results/pytest.xml"
    if [ -x build/asan/shardmill ]; then
        step "whole program on bad pictures, under ASan"
        SHARDMILL=build/asan/shardmill .venv/bin/python -m pytest -q -rfEs -p no:cacheprovider \
            tests/test_bad_pictures.py --junitxml "$results/pytest-asan.xml" || true
        count pytest-asan "$results/pytest-asan.xml"
    fi
else
    skip "the whole-program tests: no .venv with pytest (scripts/install-deps.sh --with-tests)"
fi
finish
