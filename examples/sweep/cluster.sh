#!/usr/bin/env bash
# A Spark standalone cluster whose machines are network namespaces of this one, each with a link of
# its own that is capped in both directions, and a store of objects in a namespace of its own, uncapped.
#
# usage: cluster.sh up MACHINES CORES RATE | down     (as root; RATE as tc takes it: 40mbit)
#
# `up` prints the master's URL, and returns when all machines are there. Everything is reached from
# here. Needs SPARK_HOME, PYSPARK_PYTHON, FAKE_GCS (the fake-gcs-server program), and WORK, whose
# folders become: pictures/ the bucket gs://pictures, scratch/ logs and what is written.
set -euo pipefail
: "${SPARK_HOME:?}" "${PYSPARK_PYTHON:?}" "${FAKE_GCS:?}" "${WORK:?}"
name=smsweep net=10.79.14 scratch=$WORK/scratch
export SPARK_DAEMON_MEMORY=256m

add() { # NAME ADDRESS RATE
    ip netns add $name-$1
    ip link add $name-$1 type veth peer name eth0 netns $name-$1
    ip link set $name-$1 master $name-br up
    ip -n $name-$1 addr add $net.$2/24 dev eth0
    ip -n $name-$1 link set eth0 up
    ip -n $name-$1 link set lo up
    [ "$3" = none ] && return
    tc qdisc add dev $name-$1 root tbf rate "$3" burst 256kb latency 50ms
    ip netns exec $name-$1 tc qdisc add dev eth0 root tbf rate "$3" burst 256kb latency 50ms
}

start() { # NAME ADDRESS COMMAND...
    local where=$1 address=$2
    shift 2
    SPARK_LOCAL_IP=$net.$address setsid ip netns exec $name-$where "$@" >"$scratch/$where.log" 2>&1 &
    echo $! >"$scratch/$where.pid"
}

up() {
    local machines=$1 cores=$2 rate=$3 alive=0
    down
    mkdir -p "$scratch/seed/out" "$scratch/gcs"
    cp -rl "$WORK/pictures" "$scratch/seed/pictures" # the store follows no links
    : >"$scratch/seed/out/.keep"
    ip link add $name-br type bridge
    ip addr add $net.1/24 dev $name-br
    ip link set $name-br up
    add gcs 2 none
    add m 3 none
    start gcs 2 "$FAKE_GCS" -scheme http -host $net.2 -port 4443 -backend filesystem \
        -filesystem-root "$scratch/gcs" -data "$scratch/seed" -public-host $net.2:4443 \
        -external-url http://$net.2:4443 -log-level error
    local spark=$SPARK_HOME/bin/spark-class
    start m 3 "$spark" org.apache.spark.deploy.master.Master --host $net.3 --port 7077 --webui-port 8080
    for i in $(seq "$machines"); do
        add "w$i" $((10 + i)) "$rate"
        start "w$i" $((10 + i)) "$spark" org.apache.spark.deploy.worker.Worker --host $net.$((10 + i)) \
            --cores "$cores" --memory 1g --work-dir "$scratch/w$i" spark://$net.3:7077
    done
    for _ in $(seq 240); do
        alive=$(curl -fsS http://$net.3:8080/json/ 2>/dev/null | grep -o '"state" *: *"ALIVE"' | wc -l || true)
        [ "$alive" = "$machines" ] && break
        sleep 0.5
    done
    [ "$alive" = "$machines" ] || { echo "the machines did not come up; see $scratch/*.log" >&2 && exit 1; }
    echo "spark://$net.3:7077"
}

down() {
    local file space alive
    for file in "$scratch"/*.pid; do
        [ -f "$file" ] && kill -- "-$(cat "$file")" 2>/dev/null || true
    done
    for _ in $(seq 20); do # Spark's shutdown hooks
        alive=0
        for file in "$scratch"/*.pid; do
            [ -f "$file" ] && kill -0 -- "-$(cat "$file")" 2>/dev/null && alive=1
        done
        [ "$alive" = 0 ] && break
        sleep 0.25
    done
    for file in "$scratch"/*.pid; do
        [ -f "$file" ] && kill -KILL -- "-$(cat "$file")" 2>/dev/null || true
    done
    for space in $(ip netns list | awk -v p="^$name-" '$1 ~ p {print $1}'); do ip netns del "$space"; done
    ip link del $name-br 2>/dev/null || true
    rm -rf "$scratch"
}

case ${1:-} in
up) up "${2:?machines}" "${3:?cores}" "${4:?rate}" ;;
down) down ;;
*)
    sed -n '2,10p' "$0" >&2
    exit 2
    ;;
esac
