#!/usr/bin/env python3
"""A standalone cluster of four workers with addresses of their own, over an object store; each run
loses an executor at a random moment, by kill -9. The set must be the one that no cluster made.

The cluster is that of examples/cluster/cluster.sh, which tells what it needs.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import runs

TOOL = runs.ROOT / "examples" / "cluster" / "cluster.sh"


def why_not():
    """Why this machine cannot have such a cluster; None when it can."""
    checked = subprocess.run([TOOL, "check"], capture_output=True, text=True, check=False)
    return None if checked.returncode == 0 else checked.stderr.strip()


class Cluster:
    """A cluster whose store has the folder as a bucket of its name, and gs://out."""

    def __init__(self, work, photos, workers=4, cores=1, rate="none"):
        self.work = Path(work)
        self.env = {**runs.environment(), "WORK": str(work)}
        self.master = self.call("up", workers, cores, rate, photos).split()[-1]

    def call(self, *words):
        return subprocess.run([TOOL, *map(str, words)], env=self.env, check=True, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout

    def executors(self):
        """The executors' processes: below the cluster's workers, whose folders name them."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                folder = os.readlink(f"/proc/{pid}/cwd")
            except OSError:
                continue
            if b"CoarseGrainedExecutorBackend" in command and folder.startswith(str(self.work)):
                found.append(int(pid))
        return found

    def pack(self, src, dst, *options, conf=(), watch=None):
        return runs.spark_pack(src, dst, self.work, *options, master=self.master, conf=conf,
                               watch=watch, prefix=[TOOL, "run"])

    @staticmethod
    def shardmill(*words):
        runs.call([TOOL, "run", runs.PROGRAM, *words], runs.environment())

    def down(self):
        self.call("down")


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    reason = why_not()
    if reason:
        sys.exit(f"bench: no cluster: {reason}")
    right = killed = 0
    # TemporaryDirectory's own names are long; the cluster's scripts do not mind, sockets do.
    with tempfile.TemporaryDirectory(prefix="sm-kills-") as work:
        folder = Path(work)
        photos = folder / "photos"
        runs.pictures.repeat(runs.ROOT / "examples" / "flowers", args.pictures, photos)
        options = ["--shards", 24, "--name", "set", "--image-size", 160]
        cluster = Cluster(folder, photos)
        try:
            # Versions of objects are the store's: the run without a cluster reads there, too.
            cluster.shardmill("pack", "gs://photos", folder / "wanted", *options)
            wanted = tree(folder / "wanted")
            chance = random.Random(args.seed)
            speculation = ["spark.speculation=true", "spark.speculation.multiplier=1.1",
                           "spark.speculation.quantile=0.3", "spark.speculation.interval=50ms"]
            for number in range(args.runs):
                victims = []
                moment = chance.random()

                def kill_one(process):
                    def wait_and_kill():
                        while process.poll() is None and not cluster.executors():
                            time.sleep(0.05)
                        time.sleep(3 * moment)  # within the work, which takes longer than that
                        living = cluster.executors()
                        if living and process.poll() is None:
                            victims.append(chance.choice(living))
                            os.kill(victims[0], signal.SIGKILL)
                    threading.Thread(target=wait_and_kill, daemon=True).start()

                place = f"gs://out/set{number}"
                run = cluster.pack("gs://photos", place, *options, conf=speculation,
                                   watch=kill_one)
                cluster.shardmill("cp", "-r", place, folder / f"got{number}")
                good = tree(folder / f"got{number}") == wanted
                shutil.rmtree(folder / f"got{number}")
                right += good
                killed += bool(victims)
                print(f"run {number + 1}: {run.seconds:.0f} s, "
                      f"{'an executor killed' if victims else 'nothing left to kill'}, "
                      f"{run.tasks} attempts of 24 tasks, {'right' if good else 'WRONG'}", flush=True)
        finally:
            cluster.down()
    print(f"{right} of {args.runs} right, {killed} lost an executor; {runs.machine()}")
    return right != args.runs


if __name__ == "__main__":
    sys.exit(main())
