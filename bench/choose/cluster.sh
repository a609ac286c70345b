#!/usr/bin/env bash
# One trial for live.sh: a Spark cluster of N machines with V cores, each in a network namespace whose link
# is capped, packs pictures from an object store in a namespace of its own; the last line tells the seconds.
#
# usage: cluster.sh N V RATE     (as root; RATE as tc takes it: 100mbit)
#
# Needs SPARK_HOME, PYSPARK_PYTHON, FAKE_GCS (the fake-gcs-server program), SHARDMILL, and WORK, whose
# folders pictures/ (what is packed) and scratch/ (may be removed) it uses.
set -euo pipefail
nodes=$1 cores=$2 rate=$3
: "${SPARK_HOME:?}" "${PYSPARK_PYTHON:?}" "${FAKE_GCS:?}" "${SHARDMILL:?}" "${WORK:?}"
name=smchoose net=10.79.13 scratch=$WORK/scratch
pids=()
export SPARK_DAEMON_MEMORY=256m

down() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for space in $(ip netns list | awk -v p="^$name-" '$1 ~ p {print $1}'); do ip netns del "$space"; done
    ip link del $name-br 2>/dev/null || true
}
trap down EXIT

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
    SPARK_LOCAL_IP=$net.$address ip netns exec $name-$where "$@" >"$scratch/$where.log" 2>&1 &
    pids+=($!)
}

rm -rf "$scratch"
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
spark=$SPARK_HOME/bin/spark-class
start m 3 "$spark" org.apache.spark.deploy.master.Master --host $net.3 --port 7077 --webui-port 8080
for i in $(seq "$nodes"); do
    add "w$i" $((10 + i)) "$rate"
    start "w$i" $((10 + i)) "$spark" org.apache.spark.deploy.worker.Worker --host $net.$((10 + i)) \
        --cores "$cores" --memory 1g --work-dir "$scratch/w$i" spark://$net.3:7077
done
for _ in $(seq 240); do
    alive=$(ip netns exec $name-m curl -fsS http://$net.3:8080/json/ 2>/dev/null |
        grep -o '"state" *: *"ALIVE"' | wc -l || true)
    [ "$alive" = "$nodes" ] && break
    sleep 0.5
done
[ "$alive" = "$nodes" ] || { echo "the workers did not come up; see $scratch/*.log" >&2 && exit 1; }

begin=$(date +%s.%N)
SPARK_LOCAL_IP=$net.3 STORAGE_EMULATOR_HOST=http://$net.2:4443 SHARDMILL_ALLOW_HTTP=$net.2 \
    ip netns exec $name-m "$SHARDMILL" pack \
    gs://pictures gs://out/set --image-size 192 --shards 16 --engine spark --master spark://$net.3:7077 \
    --conf spark.driver.host=$net.3 --conf spark.driver.bindAddress=$net.3 --conf spark.ui.enabled=false \
    --conf spark.executor.memory=512m --conf spark.executorEnv.SHARDMILL_ALLOW_HTTP=$net.2 \
    --conf "spark.executorEnv.STORAGE_EMULATOR_HOST=http://$net.2:4443" >&2
end=$(date +%s.%N)
awk -v a="$begin" -v b="$end" 'BEGIN {printf "{\"seconds\": %.2f}\n", b - a}'
