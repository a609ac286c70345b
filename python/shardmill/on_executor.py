"""What runs in Spark's Python workers. It travels there by value, so it imports no other part of the
package; executors need pyarrow beside pyspark, nothing of ours."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List

Batches = Callable[[Iterable[Any]], Iterator[Any]]


def carries_out(command: List[str]) -> Batches:
    """For mapInArrow: task lines into result lines."""

    def carry_out(batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            for task in batch.column(0).to_pylist():
                yield _batch(_work(command, task))

    return carry_out


def measures(command: List[str], tasks: List[str], lead: float = 3) -> Batches:
    """For mapInArrow behind a barrier: numbers of tasks into their result lines. Members of one trial
    begin lead seconds after the last has come, at one moment of their clocks."""

    def measure(batches: Iterable[Any]) -> Iterator[Any]:
        from pyspark import BarrierTaskContext
        here = BarrierTaskContext.get()
        moments = here.allGather(repr(time.time() + lead))
        for batch in batches:
            for number in batch.column(0).to_pylist():
                task = json.loads(tasks[number])
                if len(moments) > 1:
                    task["start_at"] = max(map(float, moments))
                result = json.loads(_work(command, json.dumps(task)))
                if "row" in result:
                    result["row"]["executor"] = here.getTaskInfos()[here.partitionId()].address
                yield _batch(json.dumps(result))

    return measure


def packs_pictures(command: List[str]) -> Batches:
    """For mapInArrow: the pictures of one task, and the task itself, into its result line."""

    def pack_pictures(batches: Iterable[Any]) -> Iterator[Any]:
        with tempfile.TemporaryDirectory(prefix="shardmill-") as scratch:
            spec = None
            files: Dict[str, str] = {}
            for batch in batches:
                for row in range(batch.num_rows):
                    told = batch.column("spec")[row].as_py()
                    if told is not None:
                        spec = json.loads(told)
                    else:
                        key = batch.column("key")[row].as_py()
                        files[key] = path = os.path.join(scratch, str(len(files)))
                        with open(path, "wb") as file:
                            file.write(batch.column("image")[row].as_buffer() or b"")
            if spec is not None:
                yield _batch(_pack(command, scratch, spec, files))

    return pack_pictures


def _batch(line: str) -> Any:
    import pyarrow
    return pyarrow.RecordBatch.from_pydict({"line": [line]})


def _work(command: List[str], task: str) -> str:
    """The worker's answer to one task."""
    from pyspark import SparkFiles
    done = subprocess.run(command, input=task + "\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          encoding="utf-8", errors="replace",
                          env={**os.environ, "SHARDMILL_FILES": SparkFiles.getRootDirectory()})
    if done.returncode != 0 or not done.stdout:
        raise RuntimeError(f"the worker ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def _pack(command: List[str], scratch: str, spec: Dict[str, Any], files: Dict[str, str]) -> str:
    """Lays the pictures out as the task names them, and points the task there."""
    inputs = base64.b64decode(spec["inputs"])
    base = os.path.join(scratch, "pictures")
    told = inputs.split(b"\0")
    for numbers, name, key in zip(told[0::2], told[1::2], spec["keys"]):
        path = os.path.join(base, os.fsdecode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if key not in files:
            continue  # the DataFrame has changed: the worker tells of a picture that is not there
        os.link(files[key], path)
        version = int(numbers.split()[1])
        os.utime(path, ns=(version, version))
    header = json.loads(spec["header"])
    header["base"] = base
    task = json.loads(spec["line"])
    task["offset"] = 0
    for part, content in (("header", json.dumps(header).encode()), ("inputs", inputs)):
        task[part] = os.path.join(scratch, part)
        with open(task[part], "wb") as file:
            file.write(content)
    return _work(command, json.dumps(task))
