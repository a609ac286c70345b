"""What the scripts beside this one share: runs of shardmill on Spark and without it, and how long
their parts took. Times within Spark are those of its own event log."""

import atexit
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BENCH))
import pictures  # noqa: E402
from measure import memory_of, processes_of_session  # noqa: E402,F401

ROOT = BENCH.parent
PROGRAM = Path(os.environ.get("SHARDMILL", ROOT / "build" / "shardmill"))
PYTHON = ROOT / ".venv-bench" / "bin" / "python"
CORES = len(os.sched_getaffinity(0))


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def spark_home():
    """SPARK_HOME, or the pyspark package of .venv-bench."""
    if os.environ.get("SPARK_HOME"):
        return os.environ["SPARK_HOME"]
    homes = sorted(ROOT.glob(".venv-bench/lib/python3.*/site-packages/pyspark"))
    if not homes:
        sys.exit("bench: no Spark: set SPARK_HOME, or run bench/run.py once for .venv-bench")
    return str(homes[0])


def environment():
    return {**os.environ, "SPARK_HOME": spark_home(), "PYSPARK_PYTHON": str(PYTHON),
            "SPARK_LOCAL_IP": "127.0.0.1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def flowers(args):
    """The folder of pictures: as given, else the 3,670 flowers, else the examples."""
    if args.src:
        return args.src
    whole = ROOT.parent / "shared" / "flowers"
    return whole if whole.exists() else ROOT / "examples" / "flowers"


@dataclass
class Run:
    seconds: float        # from the command's start to its end
    cpu_seconds: float    # of all its processes
    summary: dict
    first_picture: float = 0.0   # seconds from the command to the first task
    work_seconds: float = 0.0    # from the first task's start to the last one's end
    tasks: int = 0

    @property
    def rate(self):
        """Pictures a second once the work has begun."""
        return self.summary["images_in"] / self.work_seconds


class Group:
    """A control group that counts the core time of all that runs in it. What processes tell of their
    children is not enough: the parent of Spark's Python workers never waits for them."""

    def __init__(self):
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        for _, root, kind, *_ in mounts:
            if kind == "cgroup2":
                self.path = Path(tempfile.mkdtemp(prefix="shardmill-bench-", dir=root))
                atexit.register(self.path.rmdir)
                return
        sys.exit("bench: no control groups, version 2, to count core time with")

    def used(self):
        words = (self.path / "cpu.stat").read_text().split()
        return int(words[words.index("usage_usec") + 1]) / 1e6

    def command(self, words):
        return ["sh", "-c", 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"', "sh", self.path, *words]

    def await_empty(self):
        """Spark leaves processes behind, which end by themselves."""
        while "populated 0" not in (self.path / "cgroup.events").read_text():
            time.sleep(0.02)


GROUP = Group()


def call(words, env=None, watch=None):
    """Runs a command; returns what it printed, its seconds, and the core-seconds of all it started."""
    before, began = GROUP.used(), time.monotonic()
    process = subprocess.Popen([str(word) for word in GROUP.command(words)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=env, start_new_session=True)
    if watch:
        watch(process)
    out, said = process.communicate()
    seconds = time.monotonic() - began
    GROUP.await_empty()
    if process.returncode not in (0, 3):
        sys.exit(f"bench: exit code {process.returncode}: {said[-2000:]}")
    return out, seconds, GROUP.used() - before


def pack(src, dst, *options):
    """A run without Spark. Planning, which a Spark run does before its first task too, is no work."""
    out, seconds, cores = call([PROGRAM, "pack", src, dst, *options, "--log-format", "json"])
    summary = json.loads(out)
    return Run(seconds, cores, summary, work_seconds=seconds - summary["plan_seconds"])


def spark_pack(src, dst, work, *options, master=f"local[{CORES}]", conf=(), prefix=(), watch=None):
    """A run on Spark. prefix goes before the command (ip netns exec …); watch(process) while it
    runs."""
    events = Path(work) / "events"
    shutil.rmtree(events, ignore_errors=True)
    events.mkdir(parents=True)
    settings = ["spark.eventLog.enabled=true", f"spark.eventLog.dir=file://{events}",
                "spark.eventLog.rolling.enabled=false", "spark.eventLog.compress=false",
                "spark.ui.enabled=false", *conf]
    words = [word for setting in settings for word in ("--conf", setting)]
    wall = time.time()
    out, seconds, cores = call([*prefix, PROGRAM, "pack", src, dst, *options, "--engine", "spark",
                                "--master", master, *words, "--log-format", "json"],
                               environment(), watch)
    run = Run(seconds, cores, json.loads(out))
    starts, ends = task_times(events)
    run.first_picture = min(starts) - wall
    run.work_seconds = max(ends) - min(starts)
    run.tasks = len(ends)
    return run


def task_times(events):
    """When the tasks of Spark's event log began and ended, in seconds since 1970."""
    starts, ends = [], []
    for log in sorted(path for path in events.rglob("*") if path.is_file()):
        with open(log, encoding="utf-8") as lines:
            for line in lines:
                if '"SparkListenerTaskEnd"' in line:
                    info = json.loads(line)["Task Info"]
                    starts.append(info["Launch Time"] / 1000)
                    ends.append(info["Finish Time"] / 1000)
    return starts, ends


def alternate(rounds, **kinds):
    """{name: [what the kind gave in each round]}: side by side, so that all have the same weather."""
    found = {name: [] for name in kinds}
    for number in range(rounds):
        for name, kind in kinds.items():
            found[name].append(kind())
            say(f"round {number + 1} of {rounds}: {name} done")
    return found


def median(values):
    return statistics.median(values)


def machine():
    return f"{CORES} cores, load {os.getloadavg()[0]:.1f} at the end"
