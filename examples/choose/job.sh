#!/bin/sh
# A stand-in for a job, to try choose with: tells how long a made-up job would take.
#   shardmill choose examples/choose/space.toml --run 'examples/choose/job.sh {nodes} {vcpus} {memory_gb}' --explain
awk -v n="$1" -v v="$2" -v m="$3" 'BEGIN {
    t = 40 + 9000 / (n * v) + 2 * n
    if (n * m < 120) t *= 2.5 # what it reads again and again does not fit
    printf "{\"seconds\": %.1f}\n", t
}'
