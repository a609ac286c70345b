#!/usr/bin/env python3
"""What `pack --engine dataproc --create` takes beside the service's own work, against the stand-in of
tests/dataproc, whose work (creating, running the job, deleting) is timed on its side; and how long it is
until a cluster is asked for, with everything staged anew (the first run) and with nothing to stage.

    bench/dataproc_overhead.py --runs 10 --start-seconds 10
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from dataproc.standin import Standin  # noqa: E402
from stores.servers import Gs, clean_environment  # noqa: E402


def one_run(program, worker, store, service, env, dst):
    """Seconds: of all, until the cluster was asked for, that the service worked."""
    command = [program, "pack", store.url("flowers"), store.url(dst), "--shards", "4", "--engine", "dataproc",
               "--create", "--machine-type", "e2-standard-2", "--workers", "0", "--project", service.project,
               "--region", service.region, "--quiet", *(["--worker", worker] if worker else [])]
    began = time.monotonic()
    subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=True)
    ended = time.monotonic()
    spans = {kind: (begin, end) for kind, begin, end in service.spans.values()}
    service.spans.clear()
    assert sorted(spans) == ["CREATE", "DELETE", "JOB"]
    return ended - began, spans["CREATE"][0] - began, sum(end - begin for begin, end in spans.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--start-seconds", type=float, default=10, help="that a cluster takes to come")
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "shardmill")
    parser.add_argument("--worker", type=Path, help="a portable bundle")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        store = Gs(folder)
        for path in (ROOT / "examples" / "flowers").glob("*/*.jpg"):
            store.put(f"flowers/{path.parent.name}/{path.name}", path.read_bytes())
        rows = []
        with Standin(folder / "service", store.port, local=True, start_seconds=args.start_seconds) as service:
            env = {**clean_environment(folder), "XDG_STATE_HOME": str(folder / "state"), **service.env()}
            for number in range(args.runs):
                whole, before, worked = one_run(args.program, args.worker, store, service, env, f"out/{number}")
                rows.append((whole - worked, before))
                print(f"{whole:6.2f} s, the service {worked:6.2f} s, ours {whole - worked:.2f} s, of which "
                      f"{before:.2f} s until the cluster was asked for", flush=True)
        store.stop()
    ours, before = zip(*rows[1:])
    print(f"ours: median {statistics.median(ours):.2f} s, most {max(ours):.2f} s; until the cluster was asked for: "
          f"{rows[0][1]:.2f} s with everything to stage, median {statistics.median(before):.2f} s with nothing")


if __name__ == "__main__":
    main()
