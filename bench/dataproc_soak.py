#!/usr/bin/env python3
"""Runs `pack --engine dataproc --create` many times against the stand-in of tests/dataproc, each time
with faults at random calls or a kill -9 at a random moment, followed by `dataproc gc`: counts
clusters that are left and results that are wrong.

    bench/dataproc_soak.py --runs 100 --seed 1
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from dataproc.standin import Standin  # noqa: E402
from stores.servers import Gs, clean_environment  # noqa: E402

PATIENCE = 300  # seconds that a run may take


def shards(store, prefix):
    names = [key[len(prefix):] for key in store.keys(prefix)]
    return {name: store.get(prefix + name) for name in names if "/" not in name and ".tfrecord-" in name}


def one_run(program, store, service, env, dst, kill_after):
    """Whether it ended by itself, and well."""
    command = [program, "pack", store.url("flowers"), store.url(dst), "--shards", "4", "--engine",
               "dataproc", "--create", "--machine-type", "e2-standard-2", "--workers", "0",
               "--project", service.project, "--region", service.region, "--quiet"]
    child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, said = child.communicate(timeout=kill_after or PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return False
    if child.returncode != 0:
        print(said.decode(errors="replace").strip())
    return child.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "shardmill")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    left = wrong = completed = killed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        store = Gs(folder)
        for path in (ROOT / "examples" / "flowers").glob("*/*.jpg"):
            store.put(f"flowers/{path.parent.name}/{path.name}", path.read_bytes())
        base = {**clean_environment(folder), "XDG_STATE_HOME": str(folder / "state")}
        reference = folder / "reference"
        subprocess.run([args.program, "pack", store.url("flowers"), reference, "--shards", "4", "--quiet"],
                       env={**base, **store.env()}, check=True)
        wanted = {path.name: path.read_bytes() for path in reference.glob("*.tfrecord-*")}
        # JVMs that start with an archive of their classes take half the time to start.
        archive = folder / "spark.jsa"
        with Standin(folder / "archive", store.port, local=True, java=f"-XX:ArchiveClassesAtExit={archive}") as service:
            if not one_run(args.program, store, service, {**base, **service.env()}, "archive", None):
                return "the run without any fault failed"
        longest = 20.0
        for number in range(args.runs):
            dst = f"out/{number}"
            # The faults are ours to survive, not Spark's: its local mode does the work.
            with Standin(folder / f"service-{number}", store.port, fault_rate=0.1, local=True,
                         java=f"-XX:SharedArchiveFile={archive}", seed=chance.randrange(1 << 30),
                         start_seconds=chance.uniform(0, 3)) as service:
                env = {**base, **service.env()}
                kill_after = chance.uniform(0.05, longest) if number % 2 else None
                began = time.monotonic()
                good = one_run(args.program, store, service, env, dst, kill_after)
                if good and not kill_after:
                    longest = time.monotonic() - began
                service.fault_rate = 0.0
                subprocess.run([args.program, "dataproc", "gc"], env=env, check=True,
                               stdout=subprocess.DEVNULL)
                deadline = time.monotonic() + 10
                while service.alive() and time.monotonic() < deadline:
                    time.sleep(0.1)
                left += len(service.alive())
                completed, killed = completed + good, killed + (kill_after is not None and not good)
            whole = True
            if not good:  # whatever was done, going on here makes it whole
                whole = subprocess.run([args.program, "pack", store.url("flowers"), store.url(dst), "--shards",
                                        "4", "--quiet"], env={**base, **store.env()}).returncode == 0
            wrong += not whole or shards(store, f"{dst}/") != wanted
            print(f"{number + 1} runs: {completed} completed, {killed} killed; {left} clusters left, "
                  f"{wrong} wrong results", flush=True)
        store.stop()
    return 1 if left or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
