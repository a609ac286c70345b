#!/usr/bin/env python3
"""How partitions, and cores an executor, matter: rates over shard counts 1 to 64 on one machine, and
over topologies of a cluster whose workers each have a network of their own (see kills.py), as a
table, a JSON file, and a plot (matplotlib, of .venv-bench).

    sweep.py partitions OUT [--peer]       shards 1 … 64; --peer: PySpark with TensorFlow as well
    sweep.py topologies OUT [--rate 10mbit]   8x1, 4x2, 2x4, 1x8 over an object store
    sweep.py plot OUT.json …               SVG beside each
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kills
import runs

SHARDS = [1, 2, 4, 8, 16, 32, 64]
TOPOLOGIES = [(8, 1), (4, 2), (2, 4), (1, 8)]


def partitions(args, folder):
    src = runs.flowers(args)
    points = {"shardmill": [], **({"PySpark + TensorFlow": []} if args.peer else {})}
    for count in SHARDS:
        rates = []
        for _ in range(args.rounds):
            shutil.rmtree(folder / "set", ignore_errors=True)
            rates.append(runs.spark_pack(src, folder / "set", folder, "--shards", count, "--name",
                                         "set").rate)
        points["shardmill"].append((count, runs.median(rates)))
        if args.peer:
            points["PySpark + TensorFlow"].append((count, peer_rate(src, folder, count)))
        runs.say(f"{count} partitions: {points['shardmill'][-1][1]:.0f} images/s")
    return {"title": f"Partitions on local[{runs.CORES}]", "x": "partitions (shards)",
            "log": True, "series": points}


def peer_rate(src, folder, count):
    shutil.rmtree(folder / "peer", ignore_errors=True)
    out, _, _ = runs.call([runs.PYTHON, runs.BENCH / "peers" / "spark_tf.py", src, folder / "peer",
                           "--workers", runs.CORES, "--shards", count], runs.environment())
    line = json.loads(out.strip().splitlines()[-1])
    return line["pictures"] / line["seconds"]


def topologies(args, folder):
    reason = kills.why_not()
    if reason:
        sys.exit(f"bench: no cluster: {reason}")
    photos = folder / "photos"
    runs.pictures.repeat(runs.flowers(args), args.pictures, photos)
    rates = []
    for workers, cores in TOPOLOGIES:
        cluster = kills.Cluster(folder, photos, workers, cores, args.rate)
        try:
            run = cluster.pack("gs://photos", "gs://out/set", "--shards", 32,
                               conf=[f"spark.cores.max={workers * cores}"])
            rates.append((f"{workers}x{cores}", run.rate))
            runs.say(f"{workers}x{cores}: {run.rate:.0f} images/s")
        finally:
            cluster.down()
    return {"title": f"Eight cores as workers x cores, {args.rate} a worker", "x": "workers x cores",
            "log": False, "series": {"shardmill": rates}}


def plot(paths):
    """In the bench environment, which has matplotlib."""
    code = Path(__file__).with_name("plot.py")
    subprocess.run([runs.PYTHON, code, *paths], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["partitions", "topologies", "plot"])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--src", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--rate", default="10mbit")
    args = parser.parse_args()
    if args.what == "plot":
        plot(args.files)
        return
    with tempfile.TemporaryDirectory(prefix="sm-sweep-") as work:
        found = (partitions if args.what == "partitions" else topologies)(args, Path(work))
    found["machine"] = runs.machine()
    args.files[0].write_text(json.dumps(found, indent=2) + "\n")
    for name, points in found["series"].items():
        print(name + ": " + ", ".join(f"{x}: {rate:.0f}" for x, rate in points))
    plot(args.files[:1])


if __name__ == "__main__":
    main()
