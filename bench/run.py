#!/usr/bin/env python3
"""Runs shardmill side by side with its peers and writes the figures into docs/benchmarks.md.

    bench/run.py                     every part; `make bench` builds what is needed first
    bench/run.py flowers photos      some parts
    bench/run.py flowers --flowers-count 200 --rounds 1 --no-docs      a quick try

Parts:
  flowers  small pictures: shardmill, its peers, and the floor that libjpeg-turbo alone sets
  photos   the same on camera photographs
  small420 photographs made small, in 4:2:0, as most of the web has them: shardmill and the floor
  threads  shardmill alone: one thread against two
  scale    shardmill alone: 10,000 to 1,000,000 pictures
  jpeg     bytes and speed of the JPEG encoder
"""

import argparse
import datetime
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import measure
import peers_environment
import pictures
import tables

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "benchmarks.md"
PEERS = {
    "tfdata": "tf.data",
    "opencv_pool": "OpenCV, process pool",
    "pillow_pool": "Pillow with draft, process pool",
    "spark_tf": "PySpark and TensorFlow",
    "img2dataset_run": "img2dataset (4:2:0)",
}
POOLS = ("opencv_pool", "pillow_pool")
BUSY_LOAD = 0.3
ENCODER_PICTURES = 500
SIZE_OF_ONE_ROUND = 100000


def say(text=""):
    print(text, file=sys.stderr, flush=True)


# ---- Running one tool, and many side by side -----------------------------------------------------


class Bench:
    """What all parts share: arguments, the folder for pictures and shards, raw figures."""

    def __init__(self, args):
        self.args = args
        self.work = args.work.resolve()
        self.dst = self.work / "dst"
        self.raw = []
        self.notes = []
        self.load = os.getloadavg()[0]  # before any of ours is at work

    def note(self, text):
        say(f"  {text}")
        self.notes.append(text)

    def fresh_dst(self):
        """Each run finds no shards, and the disk at rest."""
        for dst in self.work.glob("dst*"):
            shutil.rmtree(dst)
        os.sync()

    def keep(self, part, tool, turn, run):
        self.raw.append({"part": part, "tool": tool, "round": turn, **run})
        return run

    def shardmill(self, src, *options, threads=None, sample=False):
        """One whole run of shardmill pack."""
        self.fresh_dst()
        return self.pack(src, self.dst, *options, threads=threads, sample=sample)

    def pack(self, src, dst, *options, threads=None, sample=False):
        command = [self.args.build / "shardmill", "pack", src, dst, "--log-format", "json",
                   "--threads", threads or self.args.threads, *options]
        done = measure.run(command, sample=sample)
        line = done.line
        return {"pictures": line["records"] if not line["dry_run"] else line["images_in"],
                "work": line["seconds"], "whole": done.seconds, "bytes": line["bytes_out"],
                "plan": line["plan_seconds"], "peak": done.peak_bytes}

    def peer(self, name, src, sample=False):
        self.fresh_dst()
        script = ROOT / "bench" / "peers" / f"{name}.py"
        done = measure.run([peers_environment.PYTHON, script, src, self.dst,
                            "--workers", self.args.threads], sample=sample)
        if not done.line:
            raise measure.Failed("no figures on its last line")
        return {"pictures": done.line["pictures"], "work": done.line["seconds"],
                "whole": done.seconds, "bytes": done.line["bytes_out"], "peak": done.peak_bytes}

    def floor(self, paths, *options):
        done = measure.run([self.args.build / "bench" / "floor", "--threads", self.args.threads,
                            *options], stdin=paths)
        return {"pictures": done.line["pictures"], "work": done.line["seconds"],
                "whole": done.seconds, "bytes": done.line["bytes_out"], "peak": done.peak_bytes}

    def side_by_side(self, part, tools, expected):
        """Runs every tool in turn, round after round; {tool: its counted runs}.

        The first round warms caches, watches memory, and is not counted.
        """
        runs = {name: [] for name in tools}
        peaks = {}
        for turn in range(self.args.rounds + 1):
            for name, tool in tools.items():
                if name not in runs:
                    continue
                try:
                    run = self.keep(part, name, turn, tool(sample=turn == 0))
                    if run["pictures"] != expected:
                        raise measure.Failed(f"{run['pictures']} of {expected} pictures")
                except measure.Failed as failure:
                    if name not in PEERS:
                        raise measure.Failed(f"{name}: {failure}") from failure
                    self.note(f"{PEERS[name]} is left out: {failure}")
                    del runs[name]
                    continue
                say(f"  {'warm-up' if turn == 0 else f'round {turn}'}  {name:20} "
                    f"{run['pictures'] / run['work']:8.1f} images/s at work, "
                    f"{run['pictures'] / run['whole']:8.1f} as a whole process")
                peaks[name] = max(peaks.get(name, 0), run["peak"])
                if turn > 0:
                    runs[name].append(run)
        for name, counted in runs.items():
            for run in counted:
                run["peak"] = peaks[name]
            figure = time_of(name)
            if tables.spread(counted, figure) > 0.1:
                self.note(f"the rounds of {name} lie {100 * tables.spread(counted, figure):.0f} % "
                          "apart: the machine was not quiet")
        return runs


def time_of(name):
    """The time that a tool is compared by: for shardmill the whole process, start and end included;
    for the others their work alone."""
    return "whole" if name.startswith("shardmill") else "work"


def images_per_second(runs, name, figure=None):
    return runs[name][0]["pictures"] / tables.median(runs[name], figure or time_of(name))


# ---- Flowers and photographs ---------------------------------------------------------------------


def usable_peers(bench):
    peers_environment.install()
    installed = peers_environment.versions()
    usable = {}
    for name, label in PEERS.items():
        if bench.args.peers is not None and name not in bench.args.peers:
            continue
        reason = peers_environment.why_not(name, installed)
        if reason is None:
            usable[name] = label
        else:
            bench.note(f"{label} is skipped: {reason}")
    return usable


def compare(bench, part, src, paths, floors):
    """shardmill, the floors and the peers on the same pictures; their runs and labels."""
    labels = {"shardmill": "**shardmill**"}
    tools = {"shardmill": lambda sample: bench.shardmill(src, sample=sample)}
    for name, (label, options) in floors.items():
        labels[name] = label
        tools[name] = lambda sample, options=options: bench.floor(paths, *options)
    for name, label in usable_peers(bench).items():
        labels[name] = label
        tools[name] = lambda sample, name=name: bench.peer(name, src, sample=sample)
    expected = len(paths.read_text().splitlines())
    return bench.side_by_side(part, tools, expected), labels


def comparison_table(runs, labels, floor):
    """The floors as they come, then the fastest first."""
    def is_floor(name):
        return name.startswith("floor")

    tools = sorted((name for name in runs if not is_floor(name)),
                   key=lambda name: -images_per_second(runs, name))
    rows = []
    for name in [*filter(is_floor, runs), *tools]:
        fast = images_per_second(runs, name)
        rows.append([
            labels[name],
            tables.rate(images_per_second(runs, name, "work")),
            "–" if is_floor(name) else tables.rate(images_per_second(runs, name, "whole")),
            f"{fast / images_per_second(runs, floor):.2f}",
            "–" if is_floor(name) else f"{images_per_second(runs, 'shardmill') / fast:.2f} x",
            tables.count(runs[name][0]["bytes"] / runs[name][0]["pictures"]),
            "–" if is_floor(name) else tables.megabytes(runs[name][0]["peak"]),
        ])
    return tables.table(["tool", "images/s, work", "images/s, whole process", "of the floor",
                         "shardmill against it", "bytes a picture", "peak memory"], rows)


def ratio(runs, name):
    return images_per_second(runs, "shardmill") / images_per_second(runs, name)


def prepare(bench, name, src, count):
    """A folder of so many pictures, and the file that lists them for the floor."""
    folder = bench.work / name
    say(f"{name}: {count} pictures from {src}")
    pictures.repeat(src, count, folder)
    paths = bench.work / f"{name}.txt"
    paths.write_text("".join(f"{path}\n" for path in pictures.list_jpegs(folder)))
    return folder, paths


def run_flowers(bench):
    folder, paths = prepare(bench, "flowers", bench.args.flowers, bench.args.flowers_count)
    runs, labels = compare(bench, "flowers", folder, paths, {
        "floor": ("floor: libjpeg-turbo alone", []),
        "floor-optimal": ("floor with optimal Huffman tables", ["--optimal"]),
    })
    goals = tables.Goals()
    goals.at_least("of the floor", ratio(runs, "floor"), 0.9)
    goals.at_most("peak memory, MB", runs["shardmill"][0]["peak"] / 1e6, 200, "{:.0f}")
    if "tfdata" in runs:
        goals.at_least("times as fast as tf.data", ratio(runs, "tfdata"), 2.1)
    pools = [ratio(runs, name) for name in POOLS if name in runs]
    if pools:
        goals.at_least("times as fast as the faster process pool", min(pools), 1.4)
    return [f"{tables.count(bench.args.flowers_count)} pictures, "
            f"{describe_source(bench.args.flowers)}.",
            comparison_table(runs, labels, "floor"), goals.markdown()]


def run_photos(bench):
    folder, paths = prepare(bench, "photos", bench.args.photos, bench.args.photos_count)
    runs, labels = compare(bench, "photos", folder, paths, {
        "floor": ("floor: libjpeg-turbo alone, decoding at twice the size", ["--scale", "twice"]),
        "floor-cover": ("floor, decoding at the size", ["--scale", "cover"]),
        "floor-whole": ("floor, decoding whole", ["--scale", "whole"]),
    })
    goals = tables.Goals()
    goals.at_least("of the floor at the same DCT scale", ratio(runs, "floor"), 0.9)
    if "pillow_pool" in runs:
        goals.at_least("times as fast as Pillow's draft", ratio(runs, "pillow_pool"), 1.0)
    return [f"{tables.count(bench.args.photos_count)} pictures, "
            f"{describe_source(bench.args.photos)}.",
            comparison_table(runs, labels, "floor"), goals.markdown()]


def describe_source(src):
    files = pictures.list_jpegs(src)
    mean = sum(path.stat().st_size for path in files) / len(files)
    return f"from {tables.count(len(files))} different ones of {mean / 1000:,.0f} kB on average"


def run_small420(bench):
    """The photographs at a third of a million pixels, 4:2:0 and quality 85, by Pillow."""
    small = bench.work / "small420-originals"
    measure.run([peers_environment.PYTHON, ROOT / "bench" / "shrink.py", bench.args.photos, small])
    folder, paths = prepare(bench, "small420", small, bench.args.flowers_count)
    runs = bench.side_by_side("small420", {
        "shardmill": lambda sample: bench.shardmill(folder, sample=sample),
        "floor": lambda sample: bench.floor(paths),
    }, bench.args.flowers_count)
    labels = {"shardmill": "**shardmill**", "floor": "floor: libjpeg-turbo alone"}
    goals = tables.Goals()
    goals.at_least("of the floor", ratio(runs, "floor"), 1.8)
    return [f"{tables.count(bench.args.flowers_count)} pictures, {describe_source(small)}.",
            comparison_table(runs, labels, "floor"), goals.markdown()]


# ---- Scale ---------------------------------------------------------------------------------------


def two_processes(bench, folder):
    """Two runs at once, of a thread each: the slower one, which has the memory of both."""
    bench.fresh_dst()
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda i: bench.pack(folder, bench.work / f"dst-{i}", threads=1), (1, 2)))
    return {**max(runs, key=lambda run: run["work"]), "peak": sum(run["peak"] for run in runs)}


def run_threads(bench):
    """What a second thread gives, and beside it a second process, which is what the machine has to give.

    A machine's pace changes from minute to minute by more than what is looked for, so only runs
    right after one another are compared, in an order that changes, many times.
    """
    folder, _ = prepare(bench, "threads", bench.args.flowers, 2 * bench.args.flowers_count)
    tools = {"one": lambda: bench.shardmill(folder, threads=1),
             "two": lambda: bench.shardmill(folder, threads=2),
             "apart": lambda: two_processes(bench, folder)}
    order, rounds = list(tools), []
    dice = random.Random(1)
    for turn in range(bench.args.pairs):
        dice.shuffle(order)
        rounds.append({name: bench.keep("threads", name, turn, tools[name]()) for name in order})
        say("  " + ", ".join(f"{name} {run['pictures'] / run['work']:.0f} images/s"
                             for name, run in sorted(rounds[-1].items())))
    labels = {"one": "1 thread", "two": "2 threads", "apart": "2 processes of 1 thread"}
    processes = {"one": 1, "two": 1, "apart": 2}
    speedups = {name: [processes[name] * turn["one"]["work"] / turn[name]["work"] for turn in rounds]
                for name in tools}
    goals = tables.Goals()
    goals.at_least("speed-up from one thread to two", statistics.median(speedups["two"]), 1.9)
    rows = []
    for name, label in labels.items():
        rate = statistics.median(turn[name]["pictures"] / turn[name]["work"] for turn in rounds)
        rows.append([label, tables.rate(processes[name] * rate),
                     tables.median_and_quartiles(speedups[name]) if name != "one" else "1",
                     tables.megabytes(max(turn[name]["peak"] for turn in rounds))])
    return [f"Flowers, {tables.count(2 * bench.args.flowers_count)} pictures, "
            f"{bench.args.pairs} rounds in a random order. The speed-up is the median over the rounds of "
            "the ratio within each, with the quartiles:",
            tables.table(["", "images/s", "speed-up", "peak memory"], rows), goals.markdown()]


def small_pictures(bench):
    """A folder of a few pictures so small that what is not JPEG shows."""
    bench.shardmill(ROOT / "examples" / "flowers", "--image-size", "96x72")
    folder = bench.work / "small"
    pictures.write_jpegs(bench.dst.glob("*.tfrecord-*"), folder)
    return folder


def run_size(bench, small, count):
    """Planning and packing of so many pictures; medians."""
    folder = bench.work / f"links-{count}"
    began = time.monotonic()
    pictures.multiply(small, count, folder)
    say(f"scale: {count} links, made in {time.monotonic() - began:.1f} s")
    rounds = bench.args.rounds if count <= SIZE_OF_ONE_ROUND else 1
    options = ["--image-size", "64"]
    plans, packs = [], []
    for turn in range(rounds + 1):
        run = bench.keep("scale", f"plan-{count}", turn,
                         bench.shardmill(folder, *options, "--dry-run"))
        say(f"  planned in {run['plan']:.2f} s, {run['peak'] / 1e6:.0f} MB")
        if turn > 0:
            plans.append(run)
    for turn in range(1, rounds + 1):
        run = bench.keep("scale", f"pack-{count}", turn, bench.shardmill(folder, *options))
        say(f"  packed in {run['whole']:.2f} s, {run['peak'] / 1e6:.0f} MB")
        if run["pictures"] != count:
            raise measure.Failed(f"{run['pictures']} of {count} pictures were packed")
        packs.append(run)
    shutil.rmtree(folder)
    return {"count": count, "plan": tables.median(plans, "plan"),
            "plan_peak": max(run["peak"] for run in plans),
            "whole": tables.median(packs, "whole"), "peak": max(run["peak"] for run in packs)}


def run_scale(bench):
    goals = tables.Goals()
    small = small_pictures(bench)
    sizes = [run_size(bench, small, count) for count in bench.args.sizes]
    for size in sizes:
        if size["count"] == 1000000:
            goals.at_most("planning 1,000,000 pictures, seconds", size["plan"], 10, "{:.1f}")
            goals.at_most("peak memory with 1,000,000 pictures, MB", size["peak"] / 1e6, 300,
                          "{:.0f}")
    rows = [[tables.count(size["count"]), f"{size['plan']:.2f} s",
             f"{1e6 * size['plan'] / size['count']:.1f} µs", tables.megabytes(size["plan_peak"]),
             f"{size['whole']:.1f} s", tables.rate(size["count"] / size["whole"]),
             f"{1e6 * size['whole'] / size['count']:.0f} µs", tables.megabytes(size["peak"])]
            for size in sizes]
    return ["Hard links to pictures of 96x72, packed at 64x64 so that little of the time is JPEG:",
            tables.table(["pictures", "planned in", "a picture", "peak memory of planning",
                          "packed in", "images/s", "a picture", "peak memory of packing"], rows),
            goals.markdown()]


# ---- JPEG ----------------------------------------------------------------------------------------


def run_jpeg(bench):
    folder, paths = prepare(bench, "jpeg", bench.args.flowers, bench.args.flowers_count)
    bench.shardmill(folder)
    shards = sorted(bench.dst.glob("*.tfrecord-*"))
    line = measure.run([bench.args.build / "bench" / "huffman_bytes", *shards]).line
    bench.raw.append({"part": "jpeg", **line})
    rows = [[label, tables.count(line[key] / line["pictures"]),
             f"{line[key] / line['optimal']:.3f}"]
            for label, key in (("**shardmill**", "as_packed"),
                               ("optimal tables for each picture", "optimal"),
                               ("the standard's tables", "standard"))]
    goals = tables.Goals()
    goals.at_most("bytes, of those with optimal tables", line["as_packed"] / line["optimal"], 1.06,
                  "{:.3f}")
    result = ["Bytes of the same coefficients, coded with other Huffman tables:",
              tables.table(["Huffman tables", "bytes a picture", "of optimal"], rows),
              goals.markdown()]
    encoder = bench.args.build / "bench" / "jpeg_encode"
    if encoder.exists():
        some = bench.work / "encoder.txt"
        some.write_text("".join(paths.read_text().splitlines(keepends=True)[:ENCODER_PICTURES]))
        text = measure.run([encoder], stdin=some).text
        say(text)
        result += ["The encoder alone, one thread, CPU time:", f"```text\n{text.strip()}\n```"]
    return result


# ---- The machine and the program -----------------------------------------------------------------


def first_line(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              cwd=ROOT, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip().partition("\n")[0]


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def about_the_run(bench, part):
    """One paragraph: when, where, with what, how."""
    args = bench.args
    commit = first_line(["git", "rev-parse", "--short=12", "HEAD"])
    changed = first_line(["git", "status", "--porcelain", "--untracked-files=no", "--", "src"])
    libraries = [f"libjpeg-turbo {first_line(['pkg-config', '--modversion', 'libjpeg'])}"]
    if part in ("flowers", "photos"):
        installed = peers_environment.versions()
        libraries += [f"{package} {installed[package]}"
                      for package in sorted({needs[0] for needs in peers_environment.NEEDS.values()})
                      if package in installed]
        if peers_environment.java_version() > 0:
            libraries.append(f"Java {peers_environment.java_version()}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    medians = f"Medians of {args.rounds} rounds" if args.rounds > 1 else "One round"
    command = f"`shardmill pack SRC DST --log-format json --threads {args.threads}`"
    how = {
        "threads": "By `bench/run.py threads`; shardmill ran as `shardmill pack SRC DST --log-format json`",
        "scale": f"{medians}, but one for more than {tables.count(SIZE_OF_ONE_ROUND)} pictures, by "
                 f"`bench/run.py scale`; many pictures were packed by {command} and "
                 "`--image-size 64`, and planned by the same with `--dry-run`",
        "jpeg": f"By `bench/run.py jpeg`; the set was packed by {command}",
    }.get(part, f"{medians}, by `bench/run.py {part}`; shardmill ran as {command}")
    return (f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}, {processor()}, "
            f"{args.threads} of {os.cpu_count()} cores used, {memory:.0f} GiB of memory, "
            f"Linux {os.uname().release.partition('-')[0]}; "
            f"{first_line([args.build / 'shardmill', '--version'])} at {commit or 'no commit'}"
            f"{' with changes' if changed else ''}, {', '.join(libraries)}, "
            f"Python {sys.version_info.major}.{sys.version_info.minor}. {how}.")


PARTS = {"flowers": run_flowers, "photos": run_photos, "small420": run_small420,
         "threads": run_threads, "scale": run_scale, "jpeg": run_jpeg}


def run_part(bench, part):
    """Runs a part; its Markdown."""
    bench.notes = []
    shutil.rmtree(bench.work, ignore_errors=True)
    bench.work.mkdir(parents=True)
    if bench.load > BUSY_LOAD:
        bench.note(f"the load was {bench.load:.1f} before it began: the machine was not quiet")
    began = time.monotonic()
    try:
        result = PARTS[part](bench)
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)
    say(f"{part}: done in {time.monotonic() - began:.0f} s")
    notes = "\n".join(f"- {note}" for note in bench.notes)
    return "\n\n".join(text.strip() for text in [*result, about_the_run(bench, part), notes] if text)


def whole_numbers(text):
    return [int(number) for number in text.split(",")]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = ROOT.parent / "shared"
    flowers = shared / "flowers"
    parser.add_argument("parts", nargs="*", metavar="PART", help="which to run (all)")
    parser.add_argument("--flowers", type=Path, metavar="SRC", help="pictures of the part flowers",
                        default=flowers if flowers.is_dir() else ROOT / "examples" / "flowers")
    parser.add_argument("--photos", type=Path, metavar="SRC", default=shared / "photos",
                        help="pictures of the part photos")
    parser.add_argument("--flowers-count", type=int, default=3000, metavar="N",
                        help="repeated to so many (%(default)s)")
    parser.add_argument("--photos-count", type=int, default=200, metavar="N",
                        help="repeated to so many (%(default)s)")
    parser.add_argument("--sizes", type=whole_numbers, default=[10000, 100000, 1000000],
                        metavar="N,N,…", help="of the part scale (10000,100000,1000000)")
    parser.add_argument("--peers", type=lambda text: text.split(","), metavar="NAME,NAME,…",
                        help=f"only these of {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=3, help="counted ones (%(default)s)")
    parser.add_argument("--pairs", type=int, default=30,
                        help="rounds of the part threads (%(default)s)")
    parser.add_argument("--threads", type=int, default=2,
                        help="and processor cores for each tool (%(default)s)")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where shardmill is built")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "bench-work",
                        help="folder for pictures and shards; emptied and removed")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/benchmarks.md alone")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part '{sorted(unknown)[0]}'; there are {', '.join(PARTS)}")
    if args.rounds < 1 or args.threads < 1 or args.pairs < 2:
        parser.error("--rounds and --threads are at least 1, --pairs at least 2")
    return args


def main():
    args = parse_arguments()
    parts = args.parts or list(PARTS)
    if not args.parts and not args.photos.is_dir():
        say(f"bench: no photographs in '{args.photos}', so that part is skipped; see --photos")
        parts.remove("photos")
    for program in ("shardmill", "bench/floor"):
        if not (args.build / program).exists():
            sys.exit(f"bench: '{args.build / program}' is not built: run `make bench`")
    # The same cores for all, also where a program counts them itself.
    cores = sorted(os.sched_getaffinity(0))[:args.threads]
    os.sched_setaffinity(0, cores)

    bench = Bench(args)
    for part in parts:
        try:
            text = run_part(bench, part)
        except measure.Failed as failure:
            sys.exit(f"bench: {part}: {failure}")
        print(f"\n## {part}\n\n{text}\n", flush=True)
        if not args.no_docs:
            DOCS.write_text(tables.put_between(DOCS.read_text(), part, text))
    raw = args.build / "bench" / "results.json"
    raw.write_text(json.dumps(bench.raw, indent=1) + "\n")
    say(f"every single run: {raw}")


if __name__ == "__main__":
    main()
