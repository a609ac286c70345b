#!/usr/bin/env bash
# How fast do pictures come back, one by one and from shards? The grid of the coursework "Parallelizing
# Data Processing with Spark": batch size x number of batches x repetitions, for image files and for
# TFRecords, in one command.
#
#     examples/read-speed/run.sh                   on this machine's disk
#     examples/read-speed/run.sh --cluster         as root: from an object store, by 8 executors at once, on
#                                                  8 machines of 1 core, 4 of 2, and 1 of 8, each with a
#                                                  link of 50 Mbit/s (../cluster/cluster.sh)
#
# PICTURES (examples/flowers), OUT (./read-speed), RATE (50mbit) and SHARDMILL (build/shardmill) may be set.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
shardmill=$(realpath "${SHARDMILL:-$here/../../build/shardmill}")
pictures=$(realpath "${PICTURES:-$here/../flowers}")
mkdir -p "${OUT:-read-speed}"
out=$(realpath "${OUT:-read-speed}")

[ -d "$out/shards" ] || "$shardmill" pack "$pictures" "$out/shards" --images-per-shard 16 --quiet

page() { # RESULTS
    ! "$shardmill" report --help >/dev/null 2>&1 || "$shardmill" report "$1" -o "${1%.jsonl}.html"
}

case ${1:-} in
"")
    "$shardmill" measure "$pictures" "$out/shards" -o "$out/local.jsonl" \
        --batch-size 2,4,6,8 --batches 3,6,9,12 --repeat 3 --readers 1,4
    page "$out/local.jsonl"
    ;;
--cluster)
    cluster=$(realpath "$here/../cluster/cluster.sh")
    for topology in 8x1 4x2 1x8; do
        echo "== $topology"
        master=$("$cluster" up "${topology%x*}" "${topology#*x}" "${RATE:-50mbit}" "$pictures" "$out/shards")
        trap '"$cluster" down' EXIT
        "$cluster" run "$shardmill" measure "gs://$(basename "$pictures")" gs://shards -o "$out/$topology.jsonl" \
            --engine spark --master "$master" --mode concurrent --executors 8 \
            --batch-size 2,4,6,8 --batches 3,6,9,12 --repeat 3 --readers 4
        "$cluster" down
        trap - EXIT
        page "$out/$topology.jsonl"
    done
    ;;
*) sed -n '2,12p' "$0" && exit 2 ;;
esac
