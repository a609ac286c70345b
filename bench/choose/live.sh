#!/usr/bin/env bash
# A live search over real trials (cluster.sh) of live.toml's topologies, against measuring them all: does
# choose pick the best, and for what share of the cost?
#
# usage: live.sh OUT     (as root; the environment is cluster.sh's)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: live.sh OUT}
mkdir -p "$out"
# 40 and 200 Mbit/s a machine
trial="case {family} in slow) rate=40mbit;; *) rate=200mbit;; esac; exec '$here/cluster.sh' {nodes} {vcpus} \$rate"
"$SHARDMILL" choose "$here/live.toml" --run "$trial" --timeout 300 --explain --json >"$out/search.jsonl"
"$SHARDMILL" choose "$here/live.toml" --run "$trial" --timeout 300 --method random --max-trials 8 \
    --recurrences 1000000 --json >"$out/all.jsonl"
python3 - "$out" <<'PYTHON'
import json
import sys

read = lambda name: [json.loads(line) for line in open(f"{sys.argv[1]}/{name}.jsonl")]
trials = {e["candidate"]: e for e in read("all") if e["event"] == "trial" and e["outcome"] == "ok"}
for e in sorted(trials.values(), key=lambda e: e["cost"]):
    print(f"{e['instance']:>8} x {e['nodes']:.0f}  {e['seconds']:7.1f} s  {e['cost']:.5f}")
answer = next(e for e in read("search") if e["event"] == "answer")
best = min(e["cost"] for e in trials.values())
whole = sum(e["cost"] for e in trials.values())
print(f"chosen: {answer['instance']} x {answer['nodes']:.0f} after {answer['trials']} of {len(trials)} trials, "
      f"{trials[answer['candidate']]['cost'] / best:.3f} of the best, search at "
      f"{answer['search_cost'] / whole:.0%} of measuring all")
PYTHON
