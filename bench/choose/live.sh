#!/usr/bin/env bash
# A live search over real trials of live.toml's topologies, against measuring them all: does choose pick
# the best, and for what share of the cost? A trial is one pack on a Spark cluster of network namespaces.
#
# usage: live.sh OUT     (as root; see ../../examples/cluster/cluster.sh)
#
# PICTURES (examples/flowers) and SHARDMILL (build/shardmill) may be set. What is there of either half is kept.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: live.sh OUT}
shardmill=$(realpath "${SHARDMILL:-$here/../../build/shardmill}")
cluster=$(realpath "$here/../../examples/cluster/cluster.sh")
pictures=$(realpath "${PICTURES:-$here/../../examples/flowers}")
mkdir -p "$out"
up="case {family} in slow) rate=10mbit ;; *) rate=40mbit ;; esac"
up="$up; '$cluster' up {nodes} {vcpus} \$rate '$pictures'"
trial=(--timeout 600 --up "$up" --down "'$cluster' down"
    -- pack "gs://$(basename "$pictures")" gs://out --image-size 192 --shards 16)
"$cluster" run "$shardmill" choose "$here/live.toml" --state "$out/search.json" --explain --json "${trial[@]}" \
    >"$out/search.jsonl"
"$cluster" run "$shardmill" sweep "$here/live.toml" -o "$out/all.jsonl" "${trial[@]}" || [ $? -eq 3 ]
python3 - "$out" <<'PYTHON'
import json
import sys

read = lambda name: [json.loads(line) for line in open(f"{sys.argv[1]}/{name}.jsonl")]
costs = {(row["instance"], row["nodes"]): row["cost"] for row in read("all") if row.get("status") == "ok"}
answer = next(event for event in read("search") if event["event"] == "answer")
best, whole = min(costs.values()), sum(costs.values())
print(f"chosen: {answer['instance']} x {answer['nodes']:.0f} after {answer['trials']} of {len(costs)} trials, "
      f"{costs[answer['instance'], answer['nodes']] / best:.3f} of the best, search at "
      f"{answer['search_cost'] / whole:.0%} of measuring all")
PYTHON
