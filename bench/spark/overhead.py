#!/usr/bin/env python3
"""What a task costs beside its pictures: core time a task, and seconds until the first picture.

The same number of pictures in few and in many shards: what the many cost more is overhead, and what
it costs more than the same shards do without Spark is Spark's.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import runs


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--many", type=int, default=420)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shardmill-bench-") as work:
        folder = Path(work)
        src = folder / "src"
        runs.pictures.repeat(runs.ROOT / "examples" / "flowers", args.many, src)

        def cost(shards, spark):
            shutil.rmtree(folder / "set", ignore_errors=True)
            options = ["--shards", shards, "--name", "set", "--image-size", 32]
            return (runs.spark_pack(src, folder / "set", folder, *options) if spark
                    else runs.pack(src, folder / "set", *options))

        found = runs.alternate(args.rounds, few=lambda: cost(args.few, True),
                               many=lambda: cost(args.many, True),
                               few_here=lambda: cost(args.few, False),
                               many_here=lambda: cost(args.many, False))
    tasks = args.many - args.few

    def slope(many, few):
        pairs = zip(found[many], found[few])
        return runs.median([(a.cpu_seconds - b.cpu_seconds) / tasks * 1000 for a, b in pairs])

    whole, own = slope("many", "few"), slope("many_here", "few_here")
    print(f"a task on Spark costs {whole:.1f} ms of core time, the same shard without {own:.1f} ms: "
          f"overhead {whole - own:.1f} ms (at most 40 wanted)")
    print(f"command to first picture: "
          f"{runs.median([run.first_picture for run in found['few']]):.1f} s (at most 12 wanted)")
    print(runs.machine())


if __name__ == "__main__":
    main()
