#!/usr/bin/env bash
# Eight vCPUs in three ways, 8x1, 4x2 and 1x8, with an equal cap for each machine's link and disk: what
# does the way change? Two sweeps over clusters made of network namespaces (../cluster/cluster.sh): of
# pictures in an object store, and of pictures that each machine has on a disk of its own.
#
# usage: topologies.sh OUT [RATE [DISK]]     (as root; RATE of a machine's link: 10mbit; DISK: bytes a
#                                             second of a machine's disk: 2000000)
#
# PICTURES (examples/flowers) and SHARDMILL (shardmill) may be set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: topologies.sh OUT [RATE [DISK]]} rate=${2:-10mbit}
export DISK=${3:-2000000}
cluster=$(realpath "$here/../cluster/cluster.sh")
pictures=$(realpath "${PICTURES:-$here/../flowers}")
folder=$(basename "$pictures")
mkdir -p "$out"

sweep() { # NAME SRC
    "$cluster" run "${SHARDMILL:-shardmill}" sweep "$here/topologies.toml" -o "$out/$1.jsonl" \
        --page "$out/$1.html" --up "'$cluster' up {nodes} {vcpus} $rate '$pictures'" \
        --down "'$cluster' down" -- pack "$2" gs://out --shards 16 --memory 256M
}

sweep store "gs://$folder"
sweep disk "${WORK:-/run}/shardmill-cluster/disk/$folder"
