"""Packing and measuring on a Spark cluster, from a session or notebook that is there already.

    import shardmill.spark

    shards = shardmill.spark.pack(spark, "gs://bucket/photos", "gs://bucket/shards", image_size=224)
    shards.orderBy("seconds").show()

`pack` needs no Python on the executors: Spark's JVM pipes task lines through the `shardmill` program,
which it is shipped with. `pack_dataframe` packs pictures that are in a DataFrame. `measure` tells how
fast the executors' storage feeds them. See docs/spark.md.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import json
import os
import posixpath
import re
import shutil
import stat
import tarfile
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Set
from weakref import WeakKeyDictionary

from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import on_executor
from ._driver import ATTEMPTS, JOBS_AT_ONCE, await_slots, explain, job_size
from .local import Place
from .measuring import COLUMNS, TYPES, measure_words, read_place, read_results
from .program import EXIT_WITH_FAILURES, OnProgress, Option, Run, ShardmillError, UsageError, program, words_of

# Executors have no shardmill package: what runs there travels with the job.
cloudpickle.register_pickle_by_value(on_executor)  # type: ignore[no-untyped-call]

SHARDS = ("id long, file string, status string, inputs long, records long, failures long, warnings long, "
          "bytes_in long, bytes long, host string, threads int, seconds double, message string")
POLL_SECONDS = 0.05
IMAGES_PER_SHARD = 4096
BATCH = 32  # pictures
BROADCAST = 250_000  # names of pictures; with more, Spark chooses how to join


def pack(spark: SparkSession, src: Optional[Place], dst: Place, *, worker: Optional[Place] = None,
         on_progress: OnProgress = True, **options: Option) -> DataFrame:
    """Packs the pictures of src into training shards in dst, a Spark task each shard.

    src, dst: as `shardmill.pack` has them, where every executor reaches them: buckets, or folders
        that all machines share.
    worker: the program for the executors: a file, the bundle shardmill-worker-*.tgz, or "local:PATH"
        where it lies on every machine already. Without it, the program of this package; executors
        with an older C library than this machine's want the bundle.
    on_progress, options: as `shardmill.pack` has them.

    Returns a row for each shard that this call packed (`SHARDS`). The bytes are those of
    `shardmill.pack`. A picture that fails does not end the run: see the sum of `failures`, and
    DST/failures.jsonl. After an error or an interruption the same call goes on where it stopped.
    """
    places = ([] if src is None else [os.fspath(src)]) + [os.fspath(dst)]
    ship = _ship(spark, worker)
    run_all = _run_with_arrow if _is_connect(spark) else _run_with_pipe

    def carry_out(tasks: List[str]) -> Iterator[str]:
        return run_all(spark, ship, tasks, f"shardmill pack: {os.fspath(dst)}")

    return _shards(spark, _coordinate([*words_of(options), "--", *places], carry_out, on_progress))


def pack_dataframe(df: DataFrame, image_col: str, label_col: Optional[str], dst: Place, *,
                   path_col: Optional[str] = None, worker: Optional[Place] = None,
                   on_progress: OnProgress = True, **options: Option) -> DataFrame:
    """Packs the pictures of a DataFrame, such as that of `spark.read.format("binaryFile")`.

    image_col: a binary column, the pictures' files. label_col: their classes; None: no labels.
    path_col: their names, each once; they become file_name, without the folder they share, and
        decide each picture's place in the set. Without it a picture's name is its SHA-256.
    worker, on_progress, options: as `pack` has them, but shards are cut by `shards` or
        `images_per_shard` (4096). Executors need Python with pyarrow.

    The set is the one that `shardmill.pack` makes of the same files. The DataFrame is read twice,
    and must be the same both times: cache it when it is not. An executor holds the pictures of one
    shard for each of its tasks on its local disk; this machine, a line and an empty file a picture.
    """
    if "max_shard_size_mb" in options or "manifest" in options or "list" in options:
        raise UsageError("a DataFrame's shards are cut by shards= or images_per_shard=, and it is its own manifest")
    if "shards" not in options:
        options.setdefault("images_per_shard", IMAGES_PER_SHARD)
    spark = df.sparkSession
    ship = _ship(spark, worker)
    pictures = df.select(
        (F.col(path_col) if path_col else F.sha2(F.col(image_col), 256)).cast("string").alias("key"),
        F.col(image_col).alias("image"),
        (F.col(label_col).cast("string") if label_col else F.lit(None).cast("string")).alias("label"))
    with tempfile.TemporaryDirectory(prefix="shardmill-") as scratch:
        stand_in = _StandIn(Path(scratch), posixpath.basename(os.fspath(dst).rstrip("/")) or "set", pictures,
                            unique=path_col is not None)
        words = [*words_of(options), f"--manifest={stand_in.manifest}",
                 *([] if label_col else ["--labels=none"]), "--", str(stand_in.folder), os.fspath(dst)]

        def carry_out(tasks: List[str]) -> Iterator[str]:
            frame = stand_in.assign(pictures, _read_tasks(tasks))
            lines = frame.mapInArrow(on_executor.packs_pictures(ship.command), "line string")
            with _small_batches(spark):
                yield from _lines_of(spark, lines)

        return _shards(spark, _coordinate(words, carry_out, on_progress))


def measure(spark: SparkSession, *sources: Place, executors: int = 0, output: Optional[Place] = None,
            worker: Optional[Place] = None, **options: Option) -> DataFrame:
    """Measures how fast storage feeds pictures and shards to the executors. It only reads.

    sources: as `shardmill.measure` has them, where every executor reaches them.
    executors: so many start each trial together, at one moment; 0: one trial at a time on some executor.
    output: also keeps the results there, as JSON Lines that `shardmill report` and `read_results` read.
    worker: as `pack` has it. options: as `shardmill.measure` has them.

    Returns a row for each trial and executor (`shardmill.measuring.COLUMNS`). Executors need Python with
    pyarrow, since Spark's barrier has no other form.
    """
    ship = _ship(spark, worker)
    if executors:
        options = {**options, "mode": "concurrent", "executors": executors}
    with tempfile.TemporaryDirectory(prefix="shardmill-") as scratch:
        kept = os.fspath(output) if output is not None else os.path.join(scratch, "results.jsonl")
        words = ["--engine=lines", *measure_words(options, kept), "--", *(os.fspath(place) for place in sources)]
        with Run("measure", *words, on_progress=False, feed=True) as run:
            groups: Dict[int, List[str]] = {}
            for line in _read_plan(run):
                groups.setdefault(json.loads(line)["group"], []).append(line)
            try:
                for line in _run_trials(spark, ship, list(groups.values())):
                    if not run.feed(line):
                        break
            except _ClusterError as error:
                run.feed(json.dumps({"type": "error", "message": str(error)}))
            run.finish(EXIT_WITH_FAILURES)
        rows = read_results(kept).rows
    return spark.createDataFrame([tuple(row[name] for name in TYPES) for row in rows], COLUMNS)


def _run_trials(spark: SparkSession, ship: _Ship, groups: List[List[str]]) -> Iterator[str]:
    """A barrier stage for each group, of as many tasks as it has lines."""
    if not _is_connect(spark):  # Spark itself would wait for minutes
        await_slots(spark.sparkContext, max(map(len, groups), default=0), _ClusterError)  # type: ignore[no-untyped-call]
    for lines in groups:
        frame = spark.range(0, len(lines), 1, len(lines))  # a row a partition
        yield from _lines_of(spark, frame.mapInArrow(on_executor.measures(ship.command, lines), "line string",
                                                     barrier=True))


# ---- The coordinator: `shardmill pack --engine lines`

CarryOut = Callable[[List[str]], Iterator[str]]


def _coordinate(words: List[str], carry_out: CarryOut, on_progress: OnProgress) -> List[Dict[str, Any]]:
    """Runs pack, has its tasks carried out, and brings it their results; returns the results."""
    results: List[Dict[str, Any]] = []
    with Run("pack", "--engine=lines", "--log-format=json", *words, on_progress=on_progress, feed=True) as run:
        tasks = _read_plan(run)
        try:
            for line in _with_retries(carry_out, tasks):
                results.append(json.loads(line))
                if not run.feed(line):
                    break
        except _ClusterError as error:
            run.feed(json.dumps({"type": "error", "message": str(error)}))
        except Exception as error:
            if _is_interruption(error):
                raise KeyboardInterrupt from error
            raise
        run.finish(EXIT_WITH_FAILURES)
    return results


class _ClusterError(Exception):
    """Spark failed, not a task."""


def _is_interruption(error: Optional[BaseException]) -> bool:
    """Ctrl-C in a call of py4j's can come out as an error of py4j's."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _read_plan(run: Run) -> List[str]:
    tasks = []
    for line in run.lines():
        kind = json.loads(line).get("type")
        if kind == "task":
            tasks.append(line.rstrip("\n"))
        elif kind != "plan":  # "run"; or "done" or "error" at once
            break
    return tasks


def _with_retries(carry_out: CarryOut, tasks: List[str]) -> Iterator[str]:
    """The result lines; a task that failed is tried again unless that can change nothing."""
    by_id = {json.loads(task)["id"]: task for task in tasks}
    for _ in range(ATTEMPTS):
        failed = []
        if not tasks:
            return
        for line in carry_out(tasks):
            result = json.loads(line)
            if result.get("status") != "ok" and not result.get("final"):
                failed.append(by_id[result["id"]])
            yield line
        tasks = failed


def _shards(spark: SparkSession, results: List[Dict[str, Any]]) -> DataFrame:
    last = {result["id"]: result for result in results}
    names = [column.split()[0] for column in SHARDS.split(", ")]
    return spark.createDataFrame([tuple(last[id].get(name) for name in names) for id in sorted(last)], SHARDS)


# ---- The program on the executors


class _Ship(NamedTuple):
    """How executors start the worker: a shell's words, in which the shipped file is searched for."""

    command: List[str]


_shipped: WeakKeyDictionary[object, Set[str]] = WeakKeyDictionary()
_folder: Optional[str] = None
# Spark puts files into the working folder of an executor, but not of every kind of executor.
_START = 'for folder in . "$0" "$SHARDMILL_FILES"; do [ -x "$folder/$1" ] && exec "$folder/$1" worker -j "$2"; done; ' \
         'echo "shardmill: $1 is not where Spark puts files; say worker=\\"local:PATH\\"" >&2; exit 127'


def _is_connect(spark: SparkSession) -> bool:
    return type(spark).__module__.startswith("pyspark.sql.connect")


def _ship(spark: SparkSession, worker: Optional[Place]) -> _Ship:
    threads = str(spark.conf.get("spark.task.cpus", "1"))
    place = program() if worker is None else os.fspath(worker)
    if place.startswith("local:"):
        return _Ship([place[len("local:"):], "worker", "-j", threads])
    path = _copy_named_by_content(place)
    if _is_connect(spark):
        owner: Any = spark
        add: Callable[[str], Any] = lambda file: spark.addArtifacts(file, file=True)
        root = "."
    else:
        from pyspark import SparkFiles
        owner = spark.sparkContext
        add = owner.addFile
        root = SparkFiles.getRootDirectory()
    shipped = _shipped.setdefault(owner, set())
    if path not in shipped:
        add(path)
        shipped.add(path)
    return _Ship(["/bin/sh", "-c", _START, root, os.path.basename(path), threads])


def _copy_named_by_content(place: str) -> str:
    """A copy of the program, out of its bundle, under a name of its content: Spark knows files by their
    names, for as long as a session lives."""
    global _folder
    if _folder is None:
        _folder = tempfile.mkdtemp(prefix="shardmill-")
        atexit.register(shutil.rmtree, _folder, ignore_errors=True)
    if place.endswith((".tgz", ".tar.gz")):
        with tarfile.open(place) as bundle:
            file = bundle.extractfile("bin/shardmill")
            if file is None:
                raise UsageError(f"{place} holds no bin/shardmill")
            content = file.read()
    else:
        content = Path(place).read_bytes()
    path = os.path.join(_folder, "shardmill-" + hashlib.sha256(content).hexdigest()[:16])
    if not os.path.exists(path):
        Path(path).write_bytes(content)
        os.chmod(path, stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    return path


# ---- Task lines through the cluster


def _run_with_pipe(spark: SparkSession, ship: _Ship, tasks: List[str], description: str) -> Iterator[str]:
    """JavaRDD.pipe, called on the driver's JVM: no Python starts on an executor. A partition is a task;
    a job is some of them, so that their results come before the last is done."""
    sc = spark.sparkContext
    jvm: Any = sc._jvm
    jsc: Any = sc._jsc
    size = job_size(sc, len(tasks))  # type: ignore[no-untyped-call]

    def java_list(items: List[str]) -> Any:
        made = jvm.java.util.ArrayList()
        for item in items:
            made.add(item)
        return made

    command = java_list(ship.command)
    with _described(sc, description):
        jobs = []
        for i in range(0, len(tasks), size):
            some = tasks[i:i + size]
            rdd = jsc.parallelize(java_list(some), len(some))
            jobs.append((rdd.pipe(command, jvm.java.util.HashMap(), False, 8192, "UTF-8").collectAsync(), some))
    try:
        while jobs:
            # Spark begins them in their order; asking for each takes some of a core.
            done = [(job, some) for job, some in jobs[:JOBS_AT_ONCE] if job.isDone()]
            for job, some in done:
                jobs.remove((job, some))
                with _told_by_spark(some):
                    results = list(job.get())
                yield from results
            if not done:
                time.sleep(POLL_SECONDS)
    finally:
        for job, _ in jobs:
            job.cancel(True)


@contextmanager
def _told_by_spark(tasks: List[str]) -> Iterator[None]:
    """What Spark says in many lines becomes a _ClusterError of one."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException
    try:
        yield
    except Py4JJavaError as error:
        if _is_interruption(error):
            raise
        said = error.java_exception.getCause() or error.java_exception
        group = [(task, 1) for task in tasks]
        raise _ClusterError(explain(Exception(said.getMessage()), group)) from error  # type: ignore[no-untyped-call]
    except PySparkException as error:
        if _is_interruption(error):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reasons = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
        raise _ClusterError((reasons or lines or [type(error).__name__])[-1]) from error


@contextmanager
def _described(sc: Any, description: str) -> Iterator[None]:
    """Jobs begun within have the description in Spark's user interface."""
    before = sc.getLocalProperty("spark.job.description")
    sc.setLocalProperty("spark.job.description", description)
    try:
        yield
    finally:
        sc.setLocalProperty("spark.job.description", before)


def _run_with_arrow(spark: SparkSession, ship: _Ship, tasks: List[str], description: str) -> Iterator[str]:
    """For Spark Connect, which has no RDD: a Python worker starts ours."""
    frame = spark.createDataFrame([(task,) for task in tasks], "task string").repartition(len(tasks))
    yield from _lines_of(spark, frame.mapInArrow(on_executor.carries_out(ship.command), "line string"))


def _lines_of(spark: SparkSession, frame: DataFrame) -> Iterator[str]:
    """A frame's lines: over Connect as its partitions end, else, where that would be a job after
    another, when all have ended."""
    with _told_by_spark([]):
        for row in frame.toLocalIterator() if _is_connect(spark) else frame.collect():
            yield row.line


# ---- Pictures of a DataFrame


class _Task(NamedTuple):
    line: str
    header: str
    inputs: bytes  # its part of the file of inputs
    names: List[str]


def _read_tasks(lines: List[str]) -> List[_Task]:
    tasks = []
    files: Dict[str, bytes] = {}
    for line in lines:
        task = json.loads(line)
        wanted = [str(task[part]) for part in ("header", "inputs")]
        files = {url: files[url] if url in files else read_place(url) for url in wanted}
        header, inputs = (files[url] for url in wanted)
        inputs = inputs[task["offset"]:task["offset"] + task["length"]]
        # "SIZE VERSION CLASS" NUL path NUL, and no columns: the manifest is ours
        names = [name.decode() for name in inputs.split(b"\0")[1::2]]
        tasks.append(_Task(line, header.decode(), inputs, names))
    return tasks


@contextmanager
def _small_batches(spark: SparkSession) -> Iterator[None]:
    """Pictures may be large: a worker of Python's takes few at once."""
    setting = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = str(spark.conf.get(setting))
    spark.conf.set(setting, BATCH)
    try:
        yield
    finally:
        spark.conf.set(setting, before)


class _StandIn:
    """A folder of empty files that have the names and sizes of the pictures, and times made from their
    content: what pack makes its plan from, and knows again when it is called again."""

    def __init__(self, scratch: Path, name: str, pictures: DataFrame, unique: bool) -> None:
        self.folder = scratch / "pictures" / name
        self.folder.mkdir(parents=True)
        self.manifest = scratch / "manifest.jsonl"
        self._unique = unique
        told = pictures.select("key", "label", F.length("image").alias("size"), F.xxhash64("image").alias("hash"))
        told = told.persist()
        try:
            shared = self._shared_folder(told)
            self._prefix = shared if unique else ""
            with open(self.manifest, "w", encoding="utf-8") as manifest:
                self._fill(told, manifest)
        finally:
            told.unpersist()

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}" if self._unique else name.split("-")[0]

    def assign(self, pictures: DataFrame, tasks: List[_Task]) -> DataFrame:
        """The pictures with a partition for each task, in which a row has the task itself."""
        spark = pictures.sparkSession
        slots = self._slots(spark, len(tasks))
        keys = sorted({(self._key(name), slots[i]) for i, task in enumerate(tasks) for name in task.names})
        specs = [(slots[i], json.dumps({"line": task.line, "header": task.header,
                                        "inputs": base64.b64encode(task.inputs).decode(),
                                        "keys": [self._key(name) for name in task.names]}))
                 for i, task in enumerate(tasks)]
        if not self._unique:
            pictures = pictures.dropDuplicates(["key"])
        places = spark.createDataFrame(keys, "key string, slot long")
        if len(keys) <= BROADCAST:
            places = F.broadcast(places)
        chosen = pictures.select("key", "image").join(places, "key")
        spec = spark.createDataFrame(specs, "slot long, spec string").select(
            F.lit(None).cast("string").alias("key"), F.lit(None).cast("binary").alias("image"), "slot", "spec")
        return chosen.withColumn("spec", F.lit(None).cast("string")).unionByName(spec).repartition(len(tasks), "slot")

    @staticmethod
    def _slots(spark: SparkSession, count: int) -> List[int]:
        """For each partition of count a number that Spark's hash puts there."""
        found: Dict[int, int] = {}
        start, step = 0, 32 * count
        while len(found) < count:
            place = F.expr(f"pmod(hash(id), {count})").alias("place")
            for row in spark.range(start, start + step).select(place, "id").collect():
                found.setdefault(row.place, row.id)
            start += step
        return [found[i] for i in range(count)]

    @staticmethod
    def _shared_folder(told: DataFrame) -> str:
        ends = told.agg(F.min("key").alias("least"), F.max("key").alias("most")).first()
        if ends is None or ends.least is None:
            return ""
        shared: str = os.path.commonprefix([ends.least, ends.most])
        return shared[:shared.rfind("/") + 1]

    def _fill(self, told: DataFrame, manifest: Any) -> None:
        seen: Counter[str] = Counter()
        for row in told.toLocalIterator():
            if row.key is None:
                raise ShardmillError("a row has no path, or no picture to name it by")
            name = row.key[len(self._prefix):]
            if not self._unique:
                seen[name] += 1
                name = name if seen[name] == 1 else f"{name}-{seen[name]}"
            self._stand_in(name, row)
            line = {"path": name} if row.label is None else {"path": name, "label": row.label}
            manifest.write(json.dumps(line) + "\n")

    def _stand_in(self, name: str, row: Any) -> None:
        parts = name.split("/")
        if "" in parts or "." in parts or ".." in parts or "\0" in name:
            raise ShardmillError(f"{row.key!r} is no path that a picture can have")
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(path, "xb") as file:
                file.truncate(row.size or 0)
        except FileExistsError:
            raise ShardmillError(f"two pictures have the path {row.key!r}") from None
        seconds = row.hash & 0x7FFFFFFF  # whole ones: not every file system has finer times
        os.utime(path, (seconds, seconds))
