#!/usr/bin/env bash
# The evaluation in docs/choosing.md: every method over recorded tables, 20 seeds, budget 25, readings
# with 3% noise, a quarter of the candidates taken away.
#
# usage: bench/choose/evaluate.sh TABLES_FOLDER [METHOD...]
#
# TABLES_FOLDER holds eval.py and its tables. PYTHON names an interpreter with NumPy.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(cd "${1:?usage: bench/choose/evaluate.sh TABLES_FOLDER [METHOD...]}" && pwd)
shift
[ $# -gt 0 ] || set -- physical cherrypick ernest random
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT
for seed in 1 2 3; do
    "${PYTHON:-python3}" "$root/bench/choose/synthetic.py" "$made/synthetic_$seed.csv" --seed $seed
done
cd "$folder"
for table in scout_dev.csv c3o_18.csv flora_gcp.csv "$made"/synthetic_{1,2,3}.csv; do
    for method in "$@"; do
        # Ernest's design of three sizes for each of 20 types is beyond the budget there
        [[ $table == */synthetic_* && $method == ernest ]] && continue
        echo "$(basename "$table") $method"
        nice "${PYTHON:-python3}" eval.py --table "$table" --noise .03 --drop .25 --seeds 20 \
            --cmd "$root/build/shardmill choose --protocol --method $method"
    done
done
