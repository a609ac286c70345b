#!/usr/bin/env python3
"""Writes a table of made-up jobs on made-up machines, for checking a chooser where it was not tuned.

Times follow laws that choose's own hypotheses do not contain: Gunther's universal scalability law
over nodes, a roofline of processor, disk and network (the slowest decides, not the sum), memory
that spills smoothly, stragglers that grow with the cluster, and offsets that no feature explains.

usage: synthetic.py OUT.csv [--jobs N] [--seed N]
"""
import argparse
import csv
import math
import random

FAMILIES = {  # name: (core speed, memory a vCPU, price a vCPU-hour, disk, network a vCPU)
    "alpha": (1.0, 4.0, 0.050, 1.0, 1.0),
    "beta": (1.3, 2.0, 0.046, 1.0, 0.9),
    "gamma": (1.0, 8.0, 0.066, 1.1, 1.0),
    "delta": (0.85, 4.0, 0.034, 0.7, 0.8),
    "epsilon": (1.1, 7.5, 0.085, 4.0, 1.2),
}
COLUMNS = ("workload framework program input instance family size nodes vcpus mem_gb "
           "price_per_hour status runtime_s cost").split()


def machines():
    for family, (_, memory, price, _, _) in FAMILIES.items():
        for vcpus in (2, 4, 8, 16):
            for nodes in (2, 4, 6, 8, 12, 16, 24, 32):
                if 8 <= nodes * vcpus <= 128:
                    yield family, vcpus, nodes, memory * vcpus, price * vcpus


def draw_job(rng):
    return {
        "work": math.exp(rng.uniform(math.log(2e3), math.log(2e5))),  # core-seconds
        "disk": rng.choice([0, math.exp(rng.uniform(-2, 1))]),
        "network": rng.choice([0, math.exp(rng.uniform(-2, 0.5))]),
        "contention": math.exp(rng.uniform(-7, -3)),
        "coherence": math.exp(rng.uniform(-11, -7)),
        "startup": rng.uniform(5, 60),
        "memory": rng.choice([0, math.exp(rng.uniform(math.log(20), math.log(600)))]),
        "spill": math.exp(rng.uniform(-1, 1.5)),
        "needs_gb": rng.choice([0, 0, rng.uniform(4, 30)]),  # a node, or it fails
        "family": {f: math.exp(rng.gauss(0, 0.1)) for f in FAMILIES},
        "straggle": rng.uniform(0, 0.05),
    }


def seconds(job, family, vcpus, nodes, memory, rng):
    speed, _, _, disk, network = FAMILIES[family]
    cores = nodes * vcpus
    slowdown = 1 + job["contention"] * (nodes - 1) + job["coherence"] * nodes * (nodes - 1)
    compute = job["work"] / (cores * speed)
    reading = job["work"] * job["disk"] / (nodes * disk * 6)
    shuffle = job["work"] * job["network"] / (cores * network) * (1 - 1 / nodes)
    time = max(compute, reading, shuffle) + 0.2 * (compute + reading + shuffle)
    total = nodes * memory * 0.8
    if job["memory"] > total:
        time *= 1 + job["spill"] * (1 - total / job["memory"])
    time = time * slowdown * (1 + job["straggle"] * math.log(nodes)) + job["startup"]
    return time * job["family"][family] * math.exp(rng.gauss(0, 0.03))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--jobs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with open(args.out, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number in range(args.jobs):
            job = draw_job(rng)
            for family, vcpus, nodes, memory, price in machines():
                time = seconds(job, family, vcpus, nodes, memory, rng)
                failed = memory < job["needs_gb"]
                time *= 0.3 if failed else 1
                table.writerow([f"synthetic_{number}", "none", f"job{number}", "-",
                                f"{family}.{vcpus}", family, vcpus, nodes, vcpus, memory,
                                round(price, 4), "failed" if failed else "ok", round(time, 3),
                                round(time * nodes * price / 3600, 6)])


if __name__ == "__main__":
    main()
