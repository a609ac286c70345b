#!/usr/bin/env bash
# Builds the worker that runs on other machines than this one: any Linux of this architecture with
# glibc 2.28 (2018) or newer. Everything but the C library is linked into it.
#
#     scripts/portable.sh            build/portable/shardmill and build/portable/shardmill-worker-ARCH.tgz
#
# The libraries' sources are the ones that Debian ships, patches and all (apt-get source), the
# compiler is clang as the ziglang package on PyPI has it, because it can link against an older
# glibc than the machine's. The first time takes some minutes; what is built is kept under
# build/portable, and only our own program is built again.
set -euo pipefail
cd "$(dirname "$0")/.."

glibc=2.28
zig_version=0.17.1
arch=$(uname -m)
out=$PWD/build/portable
prefix=$out/prefix
libraries=(zlib libjpeg-turbo jansson xxhash expat openssl nghttp2 curl)

die() {
    echo "portable: $*" >&2
    exit 1
}
say() { echo "portable: $*" >&2; }

for tool in apt-get dpkg-source cmake ninja perl python3 pkg-config objdump; do
    command -v $tool >/dev/null || die "$tool is needed (scripts/install-deps.sh --with-portable)"
done
# Without an assembler libjpeg-turbo builds without SIMD.
[ "$arch" != x86_64 ] || command -v nasm >/dev/null ||
    die "nasm is needed (scripts/install-deps.sh --with-portable)"
mkdir -p "$out/log" "$out/bin" "$prefix"

# quietly NAME COMMAND...: its output goes into a log, and is shown when it fails.
quietly() {
    local log=$out/log/$1.log status=0
    shift
    set +e # a function called before || or in an if would not stop at its first error
    (set -e && "$@") >"$log" 2>&1
    status=$?
    set -e
    [ $status = 0 ] || {
        tail -n 40 "$log" >&2
        die "failed: $* (all of it in $log)"
    }
}

# ---- the compiler

install_compiler() {
    local python=$out/zig/bin/python
    [ -x "$python" ] || python3 -m venv "$out/zig"
    "$python" -m pip install --quiet --disable-pip-version-check "ziglang==$zig_version"
    # -fno-sanitize: what zig turns on by itself for development.
    printf '#!/bin/sh\nexec "%s" -m ziglang cc -target %s-linux-gnu.%s -fno-sanitize=undefined "$@"\n' \
        "$python" "$arch" "$glibc" >"$out/bin/cc"
    for tool in ar ranlib; do
        printf '#!/bin/sh\nexec "%s" -m ziglang %s "$@"\n' "$python" $tool >"$out/bin/$tool"
    done
    chmod +x "$out"/bin/*
}

# ---- the sources

# An apt of its own, with the system's package sources as sources of sources.
make_apt() {
    local apt=$out/apt
    rm -rf "$apt"
    mkdir -p "$apt"/{sources,lists/partial,cache/archives/partial}
    cat >"$apt/apt.conf" <<TEXT
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources";
Dir::State::Lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "$(id -un)";
TEXT
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ ! -e "$file" ] || sed -n 's/^deb /deb-src /p' "$file" >"$apt/sources/$(basename "$file" .list).list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ ! -e "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/sources/$(basename "$file")"
    done
    export APT_CONFIG=$apt/apt.conf
    apt-get update
}

# A mirror may lag behind with security updates: then the release's own version has to do.
fetch_source() {
    local name=$1 release
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    rm -rf "$out/sources/$name"
    mkdir -p "$out/sources/$name"
    cd "$out/sources/$name"
    apt-get source --download-only "$name" || {
        rm -f ./*
        apt-get source --download-only "$name/$release"
    }
    dpkg-source --no-check -x ./*.dsc source
}

# ---- the libraries: static, with position-independent code, into build/portable/prefix

with_cmake() {
    local name=$1 folder=$2
    shift 2
    cmake -G Ninja -S "$folder" -B "$out/libraries/$name" --toolchain "$out/toolchain.cmake" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DBUILD_SHARED_LIBS=OFF \
        -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_PREFIX_PATH="$prefix" "$@"
    cmake --build "$out/libraries/$name"
    cmake --install "$out/libraries/$name"
}

build_library() {
    local name=$1 source=$out/sources/$1/source
    rm -rf "$out/libraries/$name"
    mkdir -p "$out/libraries/$name"
    case $name in
    zlib)
        cd "$source"
        CFLAGS="-O3 -fPIC" ./configure --static --prefix="$prefix"
        make -j "$(nproc)" libz.a
        make install
        ;;
    libjpeg-turbo)
        with_cmake $name "$source" -DENABLE_SHARED=OFF -DWITH_TURBOJPEG=OFF -DREQUIRE_SIMD=ON \
            -DCMAKE_INSTALL_LIBDIR="$prefix/lib" # it takes a relative one from here
        ;;
    jansson) with_cmake $name "$source" -DJANSSON_BUILD_DOCS=OFF -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF ;;
    xxhash) with_cmake $name "$source/cmake_unofficial" -DXXHASH_BUILD_XXHSUM=OFF ;;
    expat)
        # Its CMake defines XML_DTD as nothing, and Debian's patches compare it with 1.
        with_cmake $name "$source/expat" -DEXPAT_SHARED_LIBS=OFF -DEXPAT_BUILD_TOOLS=OFF \
            -DEXPAT_BUILD_EXAMPLES=OFF -DEXPAT_DTD=OFF -DCMAKE_C_FLAGS=-DXML_DTD=1 -DEXPAT_BUILD_TESTS=OFF -DEXPAT_BUILD_DOCS=OFF
        ;;
    openssl)
        # no-autoload-config: the openssl.cnf of the machine it runs on is another OpenSSL's.
        cd "$out/libraries/openssl"
        perl "$source/Configure" "linux-$arch" --prefix="$prefix" --libdir=lib --openssldir=/etc/ssl \
            no-shared no-module no-dso no-engine no-legacy no-tests no-comp no-cms no-ts no-srp no-psk \
            no-autoload-config -fPIC
        make -j "$(nproc)" build_libs
        make install_dev
        ;;
    nghttp2) with_cmake $name "$source" -DENABLE_LIB_ONLY=ON -DENABLE_SHARED_LIB=OFF -DENABLE_STATIC_LIB=ON ;;
    curl)
        # Which certificates to trust is found at run time (src/io/http_setup.c).
        with_cmake $name "$source" -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DHTTP_ONLY=ON \
            -DCURL_USE_OPENSSL=ON -DUSE_NGHTTP2=ON -DCURL_USE_LIBSSH2=OFF -DCURL_USE_LIBPSL=OFF \
            -DUSE_LIBIDN2=OFF -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DENABLE_MANUAL=OFF \
            -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none -DOPENSSL_USE_STATIC_LIBS=ON
        # What the compiler links by itself, from a cache that it may clear.
        sed -i 's|[^ ]*/zig/o/[^ ]*||g' "$prefix/lib/pkgconfig/libcurl.pc"
        ;;
    esac
}

write_toolchain() {
    cat >"$out/toolchain.cmake" <<TEXT
set(CMAKE_C_COMPILER $out/bin/cc)
set(CMAKE_AR $out/bin/ar)
set(CMAKE_RANLIB $out/bin/ranlib)
set(CMAKE_FIND_ROOT_PATH $prefix)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
TEXT
}

install_compiler
write_toolchain
export CC=$out/bin/cc AR=$out/bin/ar RANLIB=$out/bin/ranlib
export PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
# What a library was built with; a change builds it again.
recipe=$(sed -n '/^glibc=/,/^libraries=/p; /^with_cmake/,/^install_compiler/p' "$0" | sha256sum)
for name in "${libraries[@]}"; do
    stamp=$out/libraries/$name.stamp
    [ "$(cat "$stamp" 2>/dev/null)" != "$recipe" ] || continue
    [ -n "${APT_CONFIG:-}" ] || { make_apt >"$out/log/apt.log" 2>&1 && export APT_CONFIG=$out/apt/apt.conf; } ||
        die "the package sources cannot be had: $out/log/apt.log"
    say "$name"
    [ -d "$out/sources/$name/source" ] || quietly "$name-source" fetch_source "$name"
    quietly "$name" build_library "$name"
    echo "$recipe" >"$stamp"
done

# ---- the program

say shardmill
build_program() {
    cmake -G Ninja -S . -B "$out/build" --toolchain "$out/toolchain.cmake" -DCMAKE_BUILD_TYPE=Release \
        -DSHARDMILL_TESTS=OFF -DSHARDMILL_PORTABLE=ON -DCMAKE_PREFIX_PATH="$prefix" \
        -DPKG_CONFIG_ARGN=--static
    cmake --build "$out/build" --target shardmill
    objcopy --strip-unneeded "$out/build/shardmill" "$out/shardmill"
}
quietly shardmill build_program

# ---- is it what it has to be?

newest=$(objdump -T "$out/shardmill" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -Vu | tail -1)
printf '%s\n%s\n' "$newest" "$glibc" | sort -CV || die "it needs glibc $newest, which is newer than $glibc"
foreign=$(objdump -p "$out/shardmill" | awk '/NEEDED/ {print $2}' |
    grep -vE '^(libc|libm|libpthread|libdl|librt|libresolv|ld-linux[a-z0-9-]*)\.so\.[0-9]+$' || true)
[ -z "$foreign" ] || die "it needs shared libraries that another machine may lack: $foreign"
[ "$arch" != x86_64 ] || nm "$out/build/shardmill" | grep ' jsimd_idct_islow_avx2$' >/dev/null ||
    die "libjpeg-turbo's SIMD is not in it"
! grep -qsw avx2 /proc/cpuinfo || "$out/shardmill" --version | grep -qE '^vector code: avx' ||
    die "it does not find this machine's AVX2"

# ---- the bundle: the same bytes for the same program

bundle=$out/shardmill-worker-$arch
rm -rf "$bundle"
mkdir -p "$bundle/bin" "$bundle/licences"
cp "$out/shardmill" "$bundle/bin/"
cp LICENSE "$bundle/licences/shardmill.txt"
for name in "${libraries[@]}"; do cp "$out/sources/$name/source/debian/copyright" "$bundle/licences/$name.txt"; done
tar -C "$bundle" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -c bin licences |
    gzip -n -9 >"$bundle.tgz"
rm -rf "$bundle"
say "$bundle.tgz ($(du -h "$bundle.tgz" | cut -f1)), for glibc $newest and newer"
