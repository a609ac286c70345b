#!/usr/bin/env python3
"""How much memory a large plan takes: the coordinator, Spark's driver, and its Python, with 100,000
and with a million pictures (tiny ones, whose bytes are kept: the plan is what is measured)."""

import argparse
import shutil
import tempfile
import threading
import time
from pathlib import Path

import runs

KINDS = {"coordinator": b"shardmill\0pack\0", "driver (JVM)": b"org.apache.spark.deploy.SparkSubmit",
         "driver (Python)": b"driver.py\0--socket"}


def peaks_of(process):
    """Starts to watch; returns {kind: peak bytes}, filled until the process ends."""
    peaks = dict.fromkeys(KINDS, 0)

    def watch():
        while process.poll() is None:
            for pid in everybody():
                try:
                    command = Path(f"/proc/{pid}/cmdline").read_bytes()
                except OSError:
                    continue
                for kind, sign in reversed(KINDS.items()):
                    if sign in command and (kind != "driver (Python)" or b"java" not in command):
                        peaks[kind] = max(peaks[kind], runs.memory_of(pid))
                        break
            time.sleep(0.2)

    def everybody():
        """Our own processes: Spark's have a process group of theirs, in our session."""
        return list(runs.processes_of_session(process.pid))

    threading.Thread(target=watch, daemon=True).start()
    return peaks


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("counts", type=int, nargs="*", default=[100_000, 1_000_000])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shardmill-bench-") as work:
        folder = Path(work)
        tiny = folder / "tiny"
        runs.pack(runs.ROOT / "examples" / "flowers", folder / "small", "--image-size", "8",
                  "--name", "set", "--encode-quality", "50")
        runs.pictures.write_jpegs(sorted((folder / "small").glob("*.tfrecord*")), tiny)
        for count in args.counts:
            src, dst, peaks = folder / f"src{count}", folder / "set", {}
            runs.pictures.multiply(tiny, count, src)
            shutil.rmtree(dst, ignore_errors=True)
            run = runs.spark_pack(src, dst, folder, "--resize-mode", "no", "--encode-format", "keep",
                                  "--images-per-shard", 1000, "--name", "set",
                                  watch=lambda process: peaks.update(peaks=peaks_of(process)))
            told = ", ".join(f"{kind} {size / 1e6:.0f} MB" for kind, size in peaks["peaks"].items())
            print(f"{count:,} pictures in {run.tasks:,} tasks, {run.seconds:.0f} s "
                  f"(planned in {run.summary['plan_seconds']:.0f} s): {told}", flush=True)
            shutil.rmtree(src)
    print(runs.machine())


if __name__ == "__main__":
    main()
