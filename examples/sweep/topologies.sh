#!/usr/bin/env bash
# Eight vCPUs in three ways, 8x1, 4x2 and 1x8, with an equal cap for each machine's link: what does the
# way change? One sweep over a cluster made of network namespaces (cluster.sh tells what it needs).
#
# usage: topologies.sh OUT [RATE]     (as root; RATE of a machine's link: 10mbit)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: topologies.sh OUT [RATE]} rate=${2:-10mbit}
store=10.79.14.2 driver=10.79.14.1
export STORAGE_EMULATOR_HOST=http://$store:4443 SHARDMILL_ALLOW_HTTP=$store SPARK_LOCAL_IP=$driver
mkdir -p "$out"
exec "${SHARDMILL:-shardmill}" sweep "$here/topologies.toml" -o "$out/sweep.jsonl" --page "$out/sweep.html" \
    --up "'$here/cluster.sh' up {nodes} {vcpus} $rate" --down "'$here/cluster.sh' down" \
    --conf spark.driver.host=$driver --conf spark.driver.bindAddress=$driver --conf spark.ui.enabled=false \
    --conf spark.executor.memory=512m --conf "spark.executorEnv.STORAGE_EMULATOR_HOST=$STORAGE_EMULATOR_HOST" \
    --conf spark.executorEnv.SHARDMILL_ALLOW_HTTP=$store \
    -- pack gs://pictures gs://out --shards 16 --memory 256M
