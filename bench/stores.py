#!/usr/bin/env python3
"""Buckets: shardmill beside curl, google-cloud-storage and boto3, from servers on this machine.

    scripts/bench.sh stores                    all of it, some minutes
    scripts/bench.sh stores --part small       one part: small, large, pack or list
    scripts/bench.sh stores --rounds 5 --store s3

Tools run in turn, round after round; the first round warms up and is not counted. Printed are
medians. The server runs on the same cores: its share of them says when it was the limit.
"""

import argparse
import datetime
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from stores.pages import PAGES  # noqa: E402
from stores.servers import Absent, Gs, Seaweed, clean_environment  # noqa: E402

SHARDMILL = ROOT / "build" / "shardmill"
CURL_PARALLEL = [8, 16, 32, 64]
PYTHON_THREADS = 16
SMALL_BYTES, LARGE_BYTES = 16 << 10, 64 << 20
PAGE_SECONDS = [0, 0.01]  # as fast as the stand-in can; what a cloud takes at its best
TICK = os.sysconf("SC_CLK_TCK")


# ---- Measuring


def cpu_of(pid):
    """CPU seconds of a process and the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICK


def rounds(tools, count, server_pid=None):
    """Runs {name: function} in turn; {name: (median seconds, the server's median CPU share)}."""
    taken = {name: [] for name in tools}
    for number in range(count + 1):
        for name, tool in tools.items():
            before = cpu_of(server_pid) if server_pid else 0
            began = time.monotonic()
            tool()
            seconds = time.monotonic() - began
            share = ((cpu_of(server_pid) if server_pid else 0) - before) / seconds / os.cpu_count()
            if number > 0:
                taken[name].append((seconds, share))
    return {name: tuple(statistics.median(column) for column in zip(*runs))
            for name, runs in taken.items()}


def table(title, result, work, unit):
    """Speeds, and how many times as fast as each of the others shardmill is."""
    print(f"\n### {title}\n\n| tool | {unit} | seconds | server's share of the cores | shardmill against it |")
    print("|---|---|---|---|---|")
    ours = next(seconds for name, (seconds, _) in result.items() if name.startswith("shardmill"))
    for name, (seconds, share) in result.items():
        print(f"| {name} | {work / seconds:,.0f} | {seconds:.2f} | {share:.0%} | {seconds / ours:.2f} |")
    sys.stdout.flush()


# ---- Tools: each copies what lies below prefix into an empty folder


class Copies:
    def __init__(self, store, env, folder):
        self.store, self.env, self.folder = store, env, folder

    def into(self):
        target = self.folder / "down"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        return target

    def shardmill(self, prefix, parallel):
        subprocess.run([SHARDMILL, "cp", "-q", "-r", "-j", str(parallel), self.store.url(prefix),
                        self.into()], env=self.env, check=True)

    def urls(self, prefix):
        """{name: URL that needs no header}."""
        keys = self.store.keys(prefix + "/")
        if self.store.scheme == "gs":
            base = f"http://127.0.0.1:{self.store.port}/storage/v1/b/{self.store.bucket}/o/"
            return {key: base + key.replace("/", "%2F") + "?alt=media" for key in keys}
        return {key: self.store.client.generate_presigned_url(
            "get_object", {"Bucket": self.store.bucket, "Key": key}) for key in keys}

    def curl(self, prefix, parallel):
        target, config = self.into(), self.folder / "curl.txt"
        config.write_text("".join(f'url = "{url}"\noutput = "{target}/{key.replace("/", "-")}"\n'
                                  for key, url in self.urls(prefix).items()))
        # Making the list is not curl's time.
        return lambda: subprocess.run(["curl", "-s", "--no-progress-meter", "-f", "-Z", "--parallel-max", str(parallel),
                                       "-K", config], env=self.env, check=True,
                                      stderr=subprocess.DEVNULL)

    def python(self, prefix):
        if self.store.scheme == "gs":
            from google.cloud.storage import transfer_manager
            names = self.store.keys(prefix + "/")
            bucket = self.store.client.bucket(self.store.bucket)
            done = transfer_manager.download_many_to_path(
                bucket, names, str(self.into()), max_workers=PYTHON_THREADS,
                worker_type=transfer_manager.THREAD)
            assert not [one for one in done if isinstance(one, Exception)], done
            return
        target = self.into()
        with ThreadPoolExecutor(PYTHON_THREADS) as pool:
            list(pool.map(lambda key: self.store.client.download_file(
                self.store.bucket, key, str(target / key.replace("/", "-"))),
                self.store.keys(prefix + "/")))


def copying(store, env, folder, args, prefix, count, size):
    tools = Copies(store, env, folder)
    up = folder / "up"
    shutil.rmtree(up, ignore_errors=True)
    up.mkdir()
    for i in range(count):
        (up / f"{i:05}").write_bytes(random.Random(i).randbytes(size))
    subprocess.run([SHARDMILL, "cp", "-q", "-r", up, store.url(prefix)], env=env, check=True)
    shutil.rmtree(up)
    curls = {n: tools.curl(prefix, n) for n in CURL_PARALLEL}
    runs = {"shardmill cp -j 32": lambda: tools.shardmill(prefix, 32)}
    runs |= {f"curl, {n} at once": (lambda run: lambda: (tools.into(), run()))(run)
             for n, run in curls.items()}
    name = "transfer_manager" if store.scheme == "gs" else "boto3"
    runs[f"{name}, {PYTHON_THREADS} threads"] = lambda: tools.python(prefix)
    found = rounds(runs, args.rounds, store.process.child.pid)
    small = size < LARGE_BYTES
    table(f"{store.scheme}: {count:,} objects of {size >> 10:,} KiB", found,
          count if small else count * size / 1e6, "objects/s" if small else "MB/s")


def packing(store, env, folder, args):
    """The example pictures many times over, in the store and here, to the same place."""
    src = folder / "pictures"
    for picture in (ROOT / "examples" / "flowers").glob("*/*.jpg"):
        (src / picture.parent.name).mkdir(parents=True, exist_ok=True)
        for i in range(args.copies):
            shutil.copy(picture, src / picture.parent.name / f"{i:03}-{picture.name}")
    count = sum(1 for _ in src.glob("*/*.jpg"))
    subprocess.run([SHARDMILL, "cp", "-q", "-r", src, store.url("pictures")], env=env, check=True)

    def pack(source, target):
        shutil.rmtree(folder / "out", ignore_errors=True)
        subprocess.run([SHARDMILL, "pack", "-q", "--overwrite", "--shards", "8", source, target],
                       env=env, check=True)

    found = rounds({
        f"shardmill pack {store.scheme}→{store.scheme}":
            lambda: pack(store.url("pictures"), store.url("out")),
        "here→here": lambda: pack(src, folder / "out")}, args.rounds, store.process.child.pid)
    table(f"{store.scheme}: packing {count:,} pictures", found, count, "pictures/s")


def listing(env, args):
    for seconds in PAGE_SECONDS:
        for scheme in args.store:
            for bucket in "flat", "folders":
                with tempfile.TemporaryDirectory() as folder:
                    list_beside_curl(env, args, scheme, bucket, seconds, folder)


def list_beside_curl(env, args, scheme, bucket, seconds, folder):
    """The stand-in is a process of its own, so that its share of the cores can be told."""
    code = (f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
            "from stores.pages import PageMaker\n"
            f"server = PageMaker(seconds={seconds}); print(server.port, flush=True)\n"
            "server.serve_forever()")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        port = int(child.stdout.readline())
        where = f"http://127.0.0.1:{port}"
        pages = f"[0000-{PAGES - 1:04}]"
        url = (f"{where}/storage/v1/b/{bucket}/o?pageToken={pages}" if scheme == "gs" else
               f"{where}/{bucket}?list-type=2&continuation-token={pages}")
        env = {**env, "STORAGE_EMULATOR_HOST": where, "AWS_ENDPOINT_URL_S3": where,
               "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        found = rounds({
            "shardmill ls --count": lambda: subprocess.run(
                [SHARDMILL, "ls", "--count", f"{scheme}://{bucket}/all"], env=env, check=True,
                stdout=subprocess.DEVNULL),
            "curl, page after page, nothing read": lambda: subprocess.run(
                ["curl", "-s", "-o", f"{folder}/page", url], env=env, check=True)},
            args.rounds, child.pid)
        table(f"{scheme}: 1,000,000 objects, {bucket}, {seconds * 1000:.0f} ms a page", found, PAGES,
              "pages/s")
        child.kill()


def measure(store, env, folder, args):
    if "small" in args.part:
        copying(store, env, folder, args, "small", args.small, SMALL_BYTES)
    if "large" in args.part:
        copying(store, env, folder, args, "large", args.large, LARGE_BYTES)
    if "pack" in args.part:
        packing(store, env, folder, args)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with it
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=["small", "large", "pack", "list"],
                        default=["small", "large", "pack", "list"])
    parser.add_argument("--store", nargs="+", choices=["gs", "s3"], default=["gs", "s3"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=3000, help="objects (3000)")
    parser.add_argument("--large", type=int, default=8, help="objects of 64 MiB (8)")
    parser.add_argument("--copies", type=int, default=30, help="of each of 60 pictures (30)")
    args = parser.parse_args()
    today = datetime.date.today()
    print(f"{platform.machine()}, {os.cpu_count()} cores, {today}, load {os.getloadavg()[0]:.1f}; "
          f"medians of {args.rounds} rounds")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = clean_environment(folder)
        for scheme in args.store:
            (folder / scheme).mkdir()
            try:
                store = {"gs": Gs, "s3": Seaweed}[scheme](folder / scheme)
            except Absent as reason:
                print(f"\n{scheme} is left out: {reason}")
                continue
            try:
                measure(store, {**plain, **store.env()}, folder / scheme, args)
            finally:
                store.stop()
        if "list" in args.part:
            listing(plain, args)


if __name__ == "__main__":
    main()
