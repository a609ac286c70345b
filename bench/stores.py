#!/usr/bin/env python3
"""Buckets: shardmill beside curl, google-cloud-storage and boto3, from servers on this machine.

    scripts/bench.sh stores                    all of it, some minutes
    scripts/bench.sh stores --part small       one part: small, large, pack, far or list
    scripts/bench.sh stores --rounds 5 --store s3

Tools run in turn, each round in another order; the first round warms up and is not counted. Printed
are medians. The server has one half of the cores, and the tools the other (--together: all share
all): who takes as many CPU seconds as there were is the limit.
"""

import argparse
import contextlib
import datetime
import os
import platform
import random
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from stores.pages import PAGES  # noqa: E402
from stores.servers import Absent, Gs, Seaweed, clean_environment  # noqa: E402

SHARDMILL = Path(os.environ.get("SHARDMILL", ROOT / "build" / "shardmill"))
PARALLEL, OUR_PARALLEL, CURL_PARALLEL = 64, [16, 32, 64], [8, 16, 32, 64]
PYTHON_THREADS = 16
SMALL_BYTES, LARGE_BYTES = 16 << 10, 64 << 20
PARTS = ["small", "large", "pack", "far", "list"]
FAR_SECONDS = 0.05  # the mean of what a request waits
PAGE_SECONDS = [0, 0.01]  # as fast as the stand-in can; what a cloud takes at its best
TICK = os.sysconf("SC_CLK_TCK")
SHARED = ROOT.parent / "shared" / "flowers"
FLOWERS = SHARED if SHARED.exists() else ROOT / "examples" / "flowers"
CORES = sorted(os.sched_getaffinity(0))
HALF = max(len(CORES) // 2, 1)


# ---- Whose cores are whose


class Cores:
    """What is started from now on stays on its half."""

    def __init__(self, together):
        alone = together or len(CORES) == 1
        self.servers, self.tools = (CORES, CORES) if alone else (CORES[:HALF], CORES[HALF:])

    def for_servers(self):
        os.sched_setaffinity(0, self.servers)

    def for_tools(self):
        os.sched_setaffinity(0, self.tools)

    def words(self):
        if self.servers == self.tools:
            return f"server and tools share {len(CORES)} cores"
        return f"{len(self.servers)} for the server, {len(self.tools)} for the tools"


# ---- Measuring


def cpu_of_ours():
    """CPU seconds of this process and the tools that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def cpu_of(pid):
    """CPU seconds of a process and the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICK


def rounds(tools, count, servers, clear=lambda: None):
    """Runs {name: function} in turn, each behind clear(), and each round in another order, for what ran
    before leaves memory and caches as they are; {name: medians of the seconds, the tool's CPU seconds
    and those of the servers, which are processes}."""
    def cpu_of_servers():
        return sum(cpu_of(server.pid) for server in servers)

    taken = {name: [] for name in tools}
    for number in range(count + 1):
        for name in random.Random(number).sample(list(tools), len(tools)):
            clear()
            server, ours, began = cpu_of_servers(), cpu_of_ours(), time.monotonic()
            tools[name]()
            seconds = time.monotonic() - began
            if number > 0:
                taken[name].append((seconds, cpu_of_ours() - ours, cpu_of_servers() - server))
    return {name: tuple(statistics.median(column) for column in zip(*runs))
            for name, runs in taken.items()}


def table(title, result, work, unit):
    """Speeds, and how many times as fast as each of the others shardmill is at its best."""
    print(f"\n### {title}\n\n| tool | {unit} | seconds | its CPU seconds | the server's | shardmill "
          "against it |\n|---|--:|--:|--:|--:|--:|")
    ours = min(taken[0] for name, taken in result.items() if name.startswith("shardmill"))
    for name, (seconds, cpu, server) in result.items():
        print(f"| {name} | {work / seconds:,.0f} | {seconds:.2f} | {cpu:.2f} | {server:.2f} | "
              f"{seconds / ours:.2f} |")
    sys.stdout.flush()


# ---- Tools: each copies what lies below prefix into an empty folder


class Copies:
    def __init__(self, store, env, folder):
        self.store, self.env, self.folder = store, env, folder
        self.target = folder

    def clear(self):
        """An empty folder. The files of the one before stay until the end, though empty: ext4 gives
        no inode away that was freed within the last seconds, and looking for others would be most
        of what is measured."""
        for path in self.folder.glob("down*/**/*"):
            if path.is_file() and path.stat().st_size > 0:
                os.truncate(path, 0)
        self.target = Path(tempfile.mkdtemp(dir=self.folder, prefix="down"))

    def shardmill(self, prefix, parallel):
        subprocess.run([SHARDMILL, "cp", "-q", "-r", "-j", str(parallel), self.store.url(prefix),
                        self.target], env=self.env, check=True)

    def shardmill_list(self, prefix):
        """What cp does first, and curl need not."""
        subprocess.run([SHARDMILL, "ls", self.store.url(prefix)], env=self.env, check=True,
                       stdout=subprocess.DEVNULL)

    def urls(self, prefix):
        """{name: URL that needs no header}."""
        keys = self.store.keys(prefix + "/")
        if self.store.scheme == "gs":
            base = f"http://127.0.0.1:{self.store.port}/storage/v1/b/{self.store.bucket}/o/"
            return {key: base + key.replace("/", "%2F") + "?alt=media" for key in keys}
        return {key: self.store.client.generate_presigned_url(
            "get_object", {"Bucket": self.store.bucket, "Key": key}) for key in keys}

    def curl(self, prefix, parallel):
        # Making the list is not curl's time.
        config = self.folder / "curl.txt"
        config.write_text("".join(f'url = "{url}"\noutput = "{key.replace("/", "-")}"\n'
                                  for key, url in self.urls(prefix).items()))
        return lambda: subprocess.run(["curl", "-s", "--no-progress-meter", "-f", "-Z", "--parallel-max", str(parallel),
                                       "-K", config, "--output-dir", self.target], env=self.env,
                                      check=True, stderr=subprocess.DEVNULL)

    def python(self, prefix):
        if self.store.scheme == "gs":
            from google.cloud.storage import transfer_manager
            names = self.store.keys(prefix + "/")
            bucket = self.store.client.bucket(self.store.bucket)
            done = transfer_manager.download_many_to_path(
                bucket, names, str(self.target), max_workers=PYTHON_THREADS,
                worker_type=transfer_manager.THREAD)
            assert not [one for one in done if isinstance(one, Exception)], done
            return
        with ThreadPoolExecutor(PYTHON_THREADS) as pool:
            list(pool.map(lambda key: self.store.client.download_file(
                self.store.bucket, key, str(self.target / key.replace("/", "-"))),
                self.store.keys(prefix + "/")))


def upload(store, keys, content):
    """With the store's own client, so that objects have the checksums that it gives them."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: store.put(key, content(key)), keys))


def upload_noise(store, prefix, count, size):
    upload(store, [f"{prefix}/{i:05}" for i in range(count)],
           lambda key: random.Random(key).randbytes(size))


def copying(store, env, folder, args, prefix, count, size):
    tools = Copies(store, env, folder)
    upload_noise(store, prefix, count, size)
    curls = {n: tools.curl(prefix, n) for n in CURL_PARALLEL}
    runs = {f"shardmill cp -j {n}": partial(tools.shardmill, prefix, n) for n in OUR_PARALLEL}
    runs["of it, listing"] = lambda: tools.shardmill_list(prefix)
    runs |= {f"curl, {n} at once, told the names": run for n, run in curls.items()}
    name = "transfer_manager" if store.scheme == "gs" else "boto3"
    runs[f"{name}, {PYTHON_THREADS} threads"] = lambda: tools.python(prefix)
    found = rounds(runs, args.rounds, [store.process.child], tools.clear)
    small = size < LARGE_BYTES
    table(f"{store.scheme}: {count:,} objects of {size >> 10:,} KiB", found,
          count if small else count * size / 1e6, "objects/s" if small else "MB/s")


def upload_pictures(store, folder, args):
    """The folder of them, as in the store; their number, and the mean of their sizes."""
    src, count = folder / "pictures", 0
    for picture in sorted(args.flowers.glob("*/*.jpg")):
        (src / picture.parent.name).mkdir(parents=True, exist_ok=True)
        for i in range(args.copies):
            shutil.copy(picture, src / picture.parent.name / f"{i:03}-{picture.name}")
            count += 1
    size = sum(path.stat().st_size for path in src.glob("*/*.jpg")) / count
    upload(store, [f"pictures/{path.relative_to(src)}" for path in src.glob("*/*.jpg")],
           lambda key: (src / key.partition("/")[2]).read_bytes())
    return src, count, size


def pack_into(env, source, target):
    subprocess.run([SHARDMILL, "pack", "-q", "--overwrite", "--shards", "8", source, target],
                   env=env, check=True)


def packing(store, env, folder, args):
    """The same pictures in the store and here, into the store and here."""
    src, count, size = upload_pictures(store, folder, args)
    there, out, pack = store.url("pictures"), store.url("out"), partial(pack_into, env)
    found = rounds({
        f"shardmill pack {store.scheme}→{store.scheme}": lambda: pack(there, out),
        f"{store.scheme}→here": lambda: pack(there, folder / "out"),
        f"here→{store.scheme}": lambda: pack(src, out),
        "here→here": lambda: pack(src, folder / "out")}, args.rounds, [store.process.child],
        lambda: shutil.rmtree(folder / "out", ignore_errors=True))
    table(f"{store.scheme}: packing {count:,} pictures of {size / 1000:.0f} kB", found, count, "pictures/s")


@contextlib.contextmanager
def far_away(store, plain, cores):
    """The store behind a proxy that lets requests wait; gives the proxy's process, and the environment
    in which it is the store."""
    near = store.port
    cores.for_servers()
    with subprocess.Popen([sys.executable, ROOT / "bench" / "far.py", str(near), str(FAR_SECONDS)],
                          stdout=subprocess.PIPE, text=True) as proxy:
        cores.for_tools()
        try:
            store.port = int(proxy.stdout.readline())
            if store.scheme == "s3":
                store.connect(store.port)  # what makes curl's URLs
            yield proxy, {**plain, **store.env()}
        finally:
            proxy.kill()  # else leaving Popen's block waits for it
            store.port = near
    if store.scheme == "s3":
        store.connect(near)


def far(store, near, plain, folder, args, cores):
    upload_noise(store, "far", args.small, SMALL_BYTES)
    src, count, size = upload_pictures(store, folder, args)
    out = folder / "out"
    with far_away(store, plain, cores) as (proxy, env):
        servers = [store.process.child, proxy]
        tools = Copies(store, env, folder)
        where = f"{store.scheme}, {FAR_SECONDS * 1000:.0f} ms a request"
        found = rounds({
            f"shardmill cp -j {PARALLEL}": lambda: tools.shardmill("far", PARALLEL),
            f"curl, {PARALLEL} at once, told the names": tools.curl("far", PARALLEL)},
            args.rounds, servers, tools.clear)
        table(f"{where}: {args.small:,} objects of 16 KiB", found, args.small, "objects/s")
        found = rounds({f"shardmill pack {store.scheme}→here":
                        lambda: pack_into(env, store.url("pictures"), out),
                        "here→here": lambda: pack_into(env, src, out)}, args.rounds, servers,
                       lambda: shutil.rmtree(out, ignore_errors=True))
        table(f"{where}: packing {count:,} pictures of {size / 1000:.0f} kB", found, count, "pictures/s")


def listing(env, args, cores):
    for seconds in PAGE_SECONDS:
        for scheme in args.store:
            for bucket in "flat", "folders":
                with tempfile.TemporaryDirectory() as folder:
                    list_beside_curl(env, args, cores, scheme, bucket, seconds, folder)
    for scheme in args.store:
        peaks = [peak_of_listing(env, cores, scheme, pages) for pages in (PAGES // 10, PAGES)]
        print(f"\n{scheme}: peak memory of listing {PAGES // 10 * 1000:,} and {PAGES * 1000:,} objects: "
              + ", ".join(f"{peak:.1f} MB" for peak in peaks))


@contextlib.contextmanager
def page_maker(env, cores, seconds=0, pages=PAGES):
    """A process of its own, so that its share of the cores can be told: it, its URL, and the
    environment in which it is the store."""
    code = (f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})\n"
            "from stores.pages import PageMaker\n"
            f"server = PageMaker(seconds={seconds}, pages={pages}); print(server.port, flush=True)\n"
            "server.serve_forever()")
    cores.for_servers()
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        cores.for_tools()
        try:
            where = f"http://127.0.0.1:{int(child.stdout.readline())}"
            yield child, where, {**env, "STORAGE_EMULATOR_HOST": where, "AWS_ENDPOINT_URL_S3": where,
                                 "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        finally:
            child.kill()


def list_beside_curl(env, args, cores, scheme, bucket, seconds, folder):
    with page_maker(env, cores, seconds) as (child, where, env):
        pages = f"[0000-{PAGES - 1:04}]"
        url = (f"{where}/storage/v1/b/{bucket}/o?pageToken={pages}" if scheme == "gs" else
               f"{where}/{bucket}?list-type=2&continuation-token={pages}")
        found = rounds({
            "shardmill ls --count": lambda: subprocess.run(
                [SHARDMILL, "ls", "--count", f"{scheme}://{bucket}/all"], env=env, check=True,
                stdout=subprocess.DEVNULL),
            "curl, page after page, nothing read": lambda: subprocess.run(
                ["curl", "-s", "-o", f"{folder}/page", url], env=env, check=True)},
            args.rounds, [child])
        table(f"{scheme}: 1,000,000 objects, {bucket}, {seconds * 1000:.0f} ms a page", found, PAGES,
              "pages/s")


def peak_of_listing(env, cores, scheme, pages):
    """The most memory that `ls` had, in MB, looked at many times while it runs."""
    peak = 0
    with page_maker(env, cores, pages=pages) as (_, _, env):
        child = subprocess.Popen([SHARDMILL, "ls", f"{scheme}://folders/all"], env=env,
                                 stdout=subprocess.DEVNULL)
        while child.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{child.pid}/status").read_text())
            peak = max(peak, int(found[1]) * 1024 / 1e6) if found else peak
            time.sleep(0.002)
    assert child.returncode == 0
    return peak


def measure(store, plain, folder, args, cores):
    env = {**plain, **store.env()}
    if "small" in args.part:
        copying(store, env, folder, args, "small", args.small, SMALL_BYTES)
    if "large" in args.part:
        copying(store, env, folder, args, "large", args.large, LARGE_BYTES)
    if "pack" in args.part:
        packing(store, env, folder, args)
    if "far" in args.part:
        far(store, env, plain, folder, args, cores)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with it
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--store", nargs="+", choices=["gs", "s3"], default=["gs", "s3"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=3000, help="objects (3000)")
    parser.add_argument("--large", type=int, default=8, help="objects of 64 MiB (8)")
    parser.add_argument("--flowers", type=Path, default=FLOWERS, help="pictures in class folders")
    parser.add_argument("--copies", type=int, default=1, help="of each picture (1)")
    parser.add_argument("--together", action="store_true", help="server and tools share all cores")
    args = parser.parse_args()
    cores = Cores(args.together)
    today = datetime.date.today()
    print(f"{platform.machine()}, {cores.words()}, {today}, load {os.getloadavg()[0]:.1f}; "
          f"medians of {args.rounds} rounds")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = clean_environment(folder)
        for scheme in args.store:
            (folder / scheme).mkdir()
            cores.for_servers()
            try:
                store = {"gs": Gs, "s3": Seaweed}[scheme](folder / scheme)
            except Absent as reason:
                print(f"\n{scheme} is left out: {reason}")
                continue
            cores.for_tools()
            try:
                measure(store, plain, folder / scheme, args, cores)
            finally:
                store.stop()
        if "list" in args.part:
            listing(plain, args, cores)


if __name__ == "__main__":
    main()
