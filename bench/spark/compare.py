#!/usr/bin/env python3
"""The same Spark, the same pictures: shardmill, PySpark with TensorFlow, img2dataset's distributor;
and shardmill on Spark against shardmill's own threads. `shardmill` is the program with a Spark of its
own, whose tasks are the first of their JVM; `session` is a call from a session that has run a job
before, as the peers' have.

Rates are of the work: without Spark's start, and for the peers without TensorFlow's import. On a
machine that others use, core time tells more: what the pictures cost beyond a run of a few of them.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import runs


def peer(script, src, folder, *options):
    dst = folder / "peer"
    shutil.rmtree(dst, ignore_errors=True)
    out, _, cores = runs.call([runs.PYTHON, runs.BENCH / "peers" / script, src, dst, "--workers",
                               runs.CORES, *options], runs.environment())
    line = json.loads(out.strip().splitlines()[-1])
    return {"rate": line["pictures"] / line["seconds"], "cpu": cores}


def ours(src, folder, spark, shards):
    dst = folder / "ours"
    shutil.rmtree(dst, ignore_errors=True)
    options = ["--shards", shards, "--name", "set"]
    run = runs.spark_pack(src, dst, folder, *options) if spark else runs.pack(src, dst, *options)
    return {"rate": run.rate, "cpu": run.cpu_seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--src", type=Path, help="pictures (../shared/flowers)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=5000, help="for the peers; src repeated")
    parser.add_argument("--many", type=int, default=30000, help="pictures against our own threads")
    parser.add_argument("--only", choices=["peers", "threads"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shardmill-bench-") as work:
        folder = Path(work)
        few, src, many = runs.ROOT / "examples" / "flowers", folder / "src", folder / "many"
        if args.only != "threads":
            runs.pictures.repeat(runs.flowers(args), args.pictures, src)
            found = runs.alternate(
                args.rounds,
                shardmill=lambda: both(lambda a: ours(a, folder, True, 16), src, few),
                session=lambda: both(lambda a: peer("spark_shardmill.py", a, folder), src, few),
                spark_tf=lambda: both(lambda a: peer("spark_tf.py", a, folder), src, few),
                img2dataset=lambda: both(
                    lambda a: peer("img2dataset_run.py", a, folder, "--spark"), src, few))
            for one in "shardmill", "session":
                show(found, one, {"spark_tf": 6, "img2dataset": 4})
        if args.only != "peers":
            runs.pictures.repeat(runs.flowers(args), args.many, many)
            shards = max(16, args.many // 1250)  # half a second of work and more in each
            found = runs.alternate(
                args.rounds, spark=lambda: both(lambda a: ours(a, folder, True, shards), many, few),
                threads=lambda: both(lambda a: ours(a, folder, False, shards), many, few))
            show(found, "spark", {"threads": 0.9})
    print(runs.machine())


def both(kind, src, few):
    """A run of all the pictures and one of a few: the rate, and the core time of the difference."""
    less, more = kind(few), kind(src)
    count = len(list(src.rglob("*.jpg"))) - len(list(few.rglob("*.jpg")))
    return {"rate": more["rate"], "core_ms": (more["cpu"] - less["cpu"]) / count * 1000}


def show(found, one, wanted):
    for name in one, *wanted:
        print(f"{name:12} {runs.median([v['rate'] for v in found[name]]):7.0f} images/s, "
              f"{runs.median([v['core_ms'] for v in found[name]]):6.2f} core-ms a picture")
    for other, least in wanted.items():
        pairs = list(zip(found[one], found[other]))
        rates = runs.median([a["rate"] / b["rate"] for a, b in pairs])
        cores = runs.median([b["core_ms"] / a["core_ms"] for a, b in pairs])
        print(f"{one} / {other}: {rates:.2f} by the clock, {cores:.2f} by core time; "
              f"at least {least} wanted")


if __name__ == "__main__":
    main()
