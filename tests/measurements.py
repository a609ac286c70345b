"""Results as `shardmill measure` writes them, made up from a model: what the tests of analysis and
report run on. The numbers are nobody's measurement; where they come from is known, so that what the
analysis finds can be held against it.

usage: measurements.py FILE [SEED]
"""

import json
import math
import random
import sys
from itertools import product

WAIT_S, BANDWIDTH, CEILING = 0.020, 50e6, 120e6  # the store: seconds a read, bytes a second
IMAGE_BYTES = 90_000
CPUS = 8


def seconds_a_read(size, readers, requests=math.inf):
    """max(a + b bytes, readers bytes / ceiling, readers / requests): the model that analysis fits."""
    return max(WAIT_S + size / BANDWIDTH, readers * size / CEILING, readers / requests)


def header(sources, **more):
    return {"schema": "shardmill.measure/1", "kind": "run", "version": "0.1.0",
            "started": "2026-11-22T19:00:00Z", "host": "bench-1", "seed": 7,
            "command": "shardmill measure …", "cpus": CPUS, "memory": 32 << 30,
            "cgroup": {"cpu.max": "max", "memory.max": None}, "sources": sources, **more}


def source(name, form, **more):
    return {"source": name, "format": form, "objects": 3670 if form == "files" else 16,
            "images": 3670, "bytes": 3670 * IMAGE_BYTES, "filesystem": None, "mount": None, **more}


def trial(rng, name, form, readers, batch_size, batches, repeat, read_size=0, noise=0.03, **more):
    """One row: files are read whole, one read each; shards in reads of read_size."""
    images = batch_size * batches
    size = rng.uniform(0.95, 1.05) * IMAGE_BYTES if form == "files" else read_size
    total = images * IMAGE_BYTES
    reads = images if form == "files" else max(1, -(-total // read_size))
    total = int(reads * size)
    latency = seconds_a_read(size, readers) * rng.lognormvariate(0, noise)
    seconds = reads * latency / readers * rng.lognormvariate(0, noise / 3) + 0.001
    return {"schema": "shardmill.measure/1", "kind": "trial", "trial": 0, "source": name,
            "format": form, "batch_size": batch_size, "batches": batches, "readers": readers,
            "read_size": read_size, "order": "sequential", "cache": "cold", "repeat": repeat,
            "decode": False, "images": images, "bytes": total, "seconds": seconds,
            "first_byte_s": WAIT_S, "first_batch_s": seconds / batches, "reads": reads,
            "latency_s": {"mean": latency, "p50": latency * 0.93, "p95": latency * 1.5,
                          "p99": latency * 2.2, "max": latency * 4},
            "cpu_user_s": 2e-10 * total, "cpu_system_s": 4e-10 * total, "device_bytes": None,
            "socket_bytes": int(total * 1.01), "resident_before": None, "resident_after": None,
            "retries": 0, "step_ms": 0, "stall_s": 0, "host": "bench-1", "executor": None,
            "start_s": 0, "end_s": seconds, "marks": [], **more}


def grid(seed=1, files="gs://flowers/photos", shards="gs://flowers/shards"):
    """A grid of files and shards with repeats, three trials that do not count, and one that failed."""
    rng = random.Random(seed)
    rows = []
    for readers, batch_size, batches, repeat in product([1, 2, 4, 8, 16, 32], [8, 32, 128], [4, 16],
                                                        range(3)):
        rows.append(trial(rng, files, "files", readers, batch_size, batches, repeat))
        for read_size in 1 << 18, 1 << 20:
            rows.append(trial(rng, shards, "tfrecord", readers, batch_size, batches, repeat,
                              read_size))
    rng.shuffle(rows)
    clock = 0.0
    for i, row in enumerate(rows):
        row["trial"] = i
        row["start_s"], row["end_s"] = clock, clock + row["seconds"]
        clock = row["end_s"]
    rows[3]["marks"] = ["served-from-cache"]
    rows[40]["marks"] = ["outlier"]
    rows[41]["marks"] = ["wrapped"]
    rows[0]["marks"] = ["warm-up"]
    rows.append({**rows[5], "trial": len(rows), "error": "cannot read: connection reset"})
    return [header([source(files, "files"), source(shards, "tfrecord")]), *rows]


def concurrent(seed=2, executors=4):
    """Executors that start together, trial by trial."""
    rng = random.Random(seed)
    rows, clock = [], 0.0
    for repeat in range(6):
        together = [trial(rng, "gs://flowers/shards", "tfrecord", 4, 64, 8, repeat, 1 << 20,
                          executor=f"executor-{k}", host=f"worker-{k}") for k in range(executors)]
        for row in together:
            row["trial"] = len(rows)
            row["start_s"] = clock + rng.uniform(0, 0.02)
            row["end_s"] = row["start_s"] + row["seconds"]
            rows.append(row)
        clock = max(row["end_s"] for row in together) + 0.3
    return [header([source("gs://flowers/shards", "tfrecord")]), *rows]


def write(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
    return path


if __name__ == "__main__":
    write(sys.argv[1], grid(int(sys.argv[2]) if len(sys.argv) > 2 else 1))
