#!/usr/bin/env bash
# Installs what the build needs, or says what is missing and how to get it. Does nothing, and needs
# no rights, when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/install-deps.sh [--with-tests] [--with-lint] [--with-portable]

  --with-tests     also what the tests need: Python environments in .venv, .venv-spark, .venv-spark35
  --with-lint      also clang, clang-format and clang-tidy, for `make lint` and `make fuzz`
  --with-portable  also what `make portable` needs (Debian, Ubuntu)
TEXT
}

with_tests=no
with_lint=no
with_portable=no
for argument in "$@"; do
    case $argument in
    --with-tests) with_tests=yes ;;
    --with-lint) with_lint=yes ;;
    --with-portable) with_portable=yes ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

say() { echo "deps: $*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }
module() { has pkg-config && pkg-config --exists "$1"; }

cmake_is_new_enough() {
    has cmake && printf '3.22\n%s\n' "$(cmake --version | sed -n '1s/[^0-9]*//p')" | sort -CV
}

curl_is_new_enough() {
    module "libcurl >= 7.85" && return
    ! module libcurl || say "libcurl $(pkg-config --modversion libcurl) is older than 7.85, which shardmill needs:" \
        "where the package is no newer, build curl and put its lib/pkgconfig into PKG_CONFIG_PATH"
    return 1
}

# Only `shardmill report` loads it, by its name, at run time.
lapack_is_there() {
    has cc && echo 'int main(void) { return 0; }' | cc -x c - -o /dev/null -l:liblapacke.so.3 2>/dev/null ||
        { has brew && [ -e "$(brew --prefix)/opt/lapack/lib/liblapacke.3.dylib" ]; }
}

# Debian keeps libFuzzer and the sanitizers of clang in a package of their own.
clang_has_runtime() {
    has clang && echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);
        int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return !d && n; }' |
        clang -fsanitize=fuzzer,address -x c - -o /dev/null 2>/dev/null
}

# Each line: what is wanted, and its package on Debian, Fedora, Homebrew, Alpine.
missing=()
want() { missing+=("$1|$2|$3|$4|$5"); }
find_missing() {
    missing=()
    has make || want make make make make make
    has cc || want "a C compiler" "gcc libc6-dev" gcc gcc "gcc musl-dev"
    cmake_is_new_enough || want "cmake 3.22" cmake cmake cmake cmake
    has ninja || want ninja ninja-build ninja-build ninja ninja
    has pkg-config || want pkg-config pkg-config pkgconf-pkg-config pkgconf pkgconf
    module libjpeg || want libjpeg-turbo libjpeg-dev libjpeg-turbo-devel jpeg-turbo libjpeg-turbo-dev
    module jansson || want jansson libjansson-dev jansson-devel jansson jansson-dev
    module libxxhash || want xxHash libxxhash-dev xxhash-devel xxhash xxhash-dev
    module zlib || want zlib zlib1g-dev zlib-devel zlib zlib-dev
    curl_is_new_enough || want "libcurl 7.85" libcurl4-openssl-dev libcurl-devel curl curl-dev
    module expat || want expat libexpat1-dev expat-devel expat expat-dev
    # Of Linux alone, and optional: without it local files are measured by threads.
    [ "$(uname -s)" != Linux ] || module liburing ||
        want liburing liburing-dev liburing-devel liburing liburing-dev
    module libcrypto || want OpenSSL libssl-dev openssl-devel openssl openssl-dev
    lapack_is_there || want LAPACKE liblapacke lapack lapack lapack-dev
    module cmocka || want cmocka libcmocka-dev libcmocka-devel cmocka cmocka-dev
    if [ $with_tests = yes ]; then
        has c++ || want "a C++ compiler" g++ gcc-c++ gcc g++
        { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; } ||
            want "python3 with venv" python3-venv python3 python3 python3
        # Opens the pages of reports. Elsewhere it is no plain package, and that test is skipped.
        ! grep -qs '^ID=debian' /etc/os-release || has chromium ||
            want Chromium chromium chromium chromium chromium
        # Debian's pip trusts this file alone.
        ! has apt-get || [ -e /etc/ssl/certs/ca-certificates.crt ] ||
            want "root certificates" ca-certificates ca-certificates ca-certificates ca-certificates
        # To try the NEON and AVX-512 code on other machines, where that takes a package each; else it
        # is skipped.
        if has apt-get && [ "$(uname -m)" = x86_64 ]; then
            has aarch64-linux-gnu-gcc ||
                want "a compiler for ARM" "gcc-aarch64-linux-gnu libc6-dev-arm64-cross" - - -
            has qemu-aarch64 || want "an emulator of ARM" qemu-user - - -
            has bochs || grep -qsw avx512_vbmi2 /proc/cpuinfo ||
                want "an emulator of AVX-512" "bochs bochs-term" - - -
        fi
    fi
    if [ $with_portable = yes ]; then
        has dpkg-source || want dpkg-source dpkg-dev dpkg-dev dpkg dpkg-dev
        has nasm || want nasm nasm nasm nasm nasm
        has debootstrap || want debootstrap debootstrap debootstrap debootstrap debootstrap
        { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; } ||
            want "python3 with venv" python3-venv python3 python3 python3
    fi
    if [ $with_lint = yes ]; then
        has clang || want clang clang clang llvm clang
        has clang-format || want clang-format clang-format clang-tools-extra clang-format clang-extra-tools
        has clang-tidy || want clang-tidy clang-tidy clang-tools-extra llvm clang-extra-tools
        if has clang && ! clang_has_runtime; then
            local major
            major=$(clang -dumpversion | cut -d. -f1)
            want "clang's sanitizers" "libclang-rt-$major-dev" compiler-rt llvm compiler-rt
        fi
    fi
}

column() { printf '%s\n' "${missing[@]}" | cut -d'|' -f"$1" | tr '\n' ' ' | sed 's/ $//'; }

install_with_apt() {
    local sudo=()
    if [ "$(id -u)" != 0 ]; then
        has sudo || return 1
        sudo=(sudo)
    fi
    local packages log
    read -ra packages <<<"$(column 2)"
    say "installing ${packages[*]}"
    log=$(mktemp)
    if { "${sudo[@]}" apt-get update && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
        rm "$log"
    else
        cat "$log" >&2
        rm "$log"
        return 1
    fi
}

explain_missing() {
    local list
    list=$(printf '%s\n' "${missing[@]}" | cut -d'|' -f1 | paste -sd, | sed 's/,/, /g')
    say "missing: $list"
    if has apt-get; then
        say "get it with: sudo apt-get install $(column 2)"
    elif has dnf; then
        say "get it with: sudo dnf install $(column 3)"
    elif has brew; then
        say "get it with: brew install $(column 4)"
    elif has apk; then
        say "get it with: sudo apk add $(column 5)"
    else
        say "get it with your system's packages; Debian's names are: $(column 2)"
    fi
    exit 1
}

# The Python environment of the tests. TensorFlow has no wheel for every Python; without it the
# tests that need it skip, and say so.
make_venv() {
    local stamp=.venv/installed-requirements.txt
    cmp -s tests/requirements.txt "$stamp" && return
    [ -x .venv/bin/python ] || python3 -m venv .venv
    say "installing the tests' Python packages into .venv (a few minutes the first time)"
    local pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
    if "${pip[@]}" -r tests/requirements.txt; then
        cp tests/requirements.txt "$stamp"
        return
    fi
    say "tests/requirements.txt cannot be had for $(.venv/bin/python --version) on $(uname -m)" \
        "(see pip's words above; TensorFlow 2.21 wants Python 3.11 to 3.13 on x86-64 or ARM64)"
    say "going on without TensorFlow: the tests that need it will be skipped"
    "${pip[@]}" pytest pillow numpy ||
        say "pytest cannot be had either: the whole-program tests will be skipped"
}

# The tests of shardmill.spark, in both PySparks that people have. What cannot be had is a test that is
# skipped, never an error.
make_spark_venvs() {
    if ! has java; then
        missing=()
        want Java openjdk-17-jre-headless java-17-openjdk-headless openjdk@17 openjdk17-jre-headless
        { has apt-get && install_with_apt; } ||
            { say "no Java: the tests of Spark will be skipped" && return; }
    fi
    local wanted folder
    for wanted in tests/python/requirements-*.txt; do
        folder=${wanted##*requirements-} folder=.venv-${folder%.txt}
        ! cmp -s "$wanted" "$folder/installed-requirements.txt" || continue
        [ -x "$folder/bin/python" ] || python3 -m venv "$folder"
        say "installing PySpark into $folder (some minutes the first time)"
        if "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"; then
            cp "$wanted" "$folder/installed-requirements.txt"
        else
            say "$wanted cannot be had for $(python3 --version): its tests of Spark will be skipped"
            rm -rf "$folder"
        fi
    done
}

find_missing
# Twice: which runtime package is wanted is known only when clang is there.
for _ in 1 2; do
    if [ ${#missing[@]} -gt 0 ] && has apt-get; then
        install_with_apt || explain_missing
        find_missing
    fi
done
[ ${#missing[@]} -eq 0 ] || explain_missing
[ $with_tests = no ] || { make_venv && make_spark_venvs; }
