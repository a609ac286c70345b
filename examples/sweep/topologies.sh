#!/usr/bin/env bash
# Eight vCPUs in three ways, 8x1, 4x2 and 1x8, with an equal cap for each machine's link: what does the
# way change? One sweep over clusters made of network namespaces (../cluster/cluster.sh).
#
# usage: topologies.sh OUT [RATE]     (as root; RATE of a machine's link: 10mbit)
#
# PICTURES (examples/flowers) and SHARDMILL (shardmill) may be set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: topologies.sh OUT [RATE]} rate=${2:-10mbit}
cluster=$(realpath "$here/../cluster/cluster.sh")
pictures=$(realpath "${PICTURES:-$here/../flowers}")
mkdir -p "$out"
exec "$cluster" run "${SHARDMILL:-shardmill}" sweep "$here/topologies.toml" -o "$out/sweep.jsonl" \
    --page "$out/sweep.html" --up "'$cluster' up {nodes} {vcpus} $rate '$pictures'" --down "'$cluster' down" \
    -- pack "gs://$(basename "$pictures")" gs://out --shards 16 --memory 256M
