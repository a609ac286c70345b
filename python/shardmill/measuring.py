"""Measuring storage on this machine, and results of measurements as tables."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from .local import Place
from .program import EXIT_WITH_FAILURES, Option, Run, ShardmillError, words_of

SCHEMA = "shardmill.measure/1"
LATENCIES = ("mean", "p50", "p95", "p99", "max")
COLUMNS = (
    "trial long, source string, format string, batch_size long, batches long, readers long, read_size long, "
    "`order` string, cache string, repeat long, decode boolean, step_ms double, image_size long, members long, "
    "member long, images long, bytes long, rounds double, seconds double, first_byte_s double, first_batch_s double, "
    "reads long, " + ", ".join(f"latency_{name}_s double" for name in LATENCIES) + ", cpu_user_s double, "
    "cpu_system_s double, device_bytes long, socket_bytes long, resident_before double, resident_after double, "
    "retries long, stall_s double, blocked_s double, undecoded long, engine string, host string, executor string, "
    "start_s double, end_s double, marks array<string>, error string, status string")
"""The columns of results as tables, as Spark writes a schema; docs/measuring.md tells what each holds."""
TYPES: Dict[str, str] = {name.strip("`"): kind for name, kind in (each.split() for each in COLUMNS.split(", "))}


@dataclass(frozen=True)
class Results:
    """A measurement: what is known of the run, and a row for each trial, in the order of execution."""

    run: Dict[str, Any]
    """version, time, host, cores, memory, sources"""
    rows: List[Dict[str, Any]] = field(default_factory=list)
    """with the names of `COLUMNS`; None: not known. A trial that failed has an `error`."""

    def arrow(self) -> Any:
        """A pyarrow.Table."""
        import pyarrow
        kinds = {"long": pyarrow.int64(), "double": pyarrow.float64(), "string": pyarrow.string(),
                 "boolean": pyarrow.bool_(), "array<string>": pyarrow.list_(pyarrow.string())}
        schema = pyarrow.schema([(name, kinds[kind]) for name, kind in TYPES.items()],
                                metadata={"shardmill.run": json.dumps(self.run)})
        return pyarrow.Table.from_pylist(self.rows, schema)

    def pandas(self) -> Any:
        """A pandas.DataFrame."""
        import pandas
        return pandas.DataFrame(self.rows, columns=list(TYPES))

    def write(self, path: Place) -> None:
        """Writes the rows to a .parquet file (with pyarrow), or a .csv, in which marks are words in one field."""
        ending = Path(path).suffix
        if ending == ".parquet":
            from pyarrow import parquet
            parquet.write_table(self.arrow(), os.fspath(path))
        elif ending == ".csv":
            with open(path, "w", encoding="utf-8", newline="") as file:
                out = csv.DictWriter(file, list(TYPES))
                out.writeheader()
                out.writerows({**row, "marks": " ".join(row["marks"])} for row in self.rows)
        else:
            raise ValueError(f"{os.fspath(path)!r}: results are written as .parquet or .csv")


def measure(*sources: Place, output: Optional[Place] = None, **options: Option) -> Results:
    """Measures how fast storage feeds the pictures and shards of sources, on this machine. It only reads.

    output: also keeps the results there, as JSON Lines that `read_results` and `shardmill report` read.
    options: those of `shardmill measure`, `--batch-size` written batch_size; lists are "1,4,16" or
        ["cold", "warm"]; `shardmill.help("measure")` prints them all. On Spark: `shardmill.spark.measure`.

    Trials that failed are rows with an `error`; ShardmillError tells that all did, or none was run.
    """
    with tempfile.TemporaryDirectory(prefix="shardmill-") as scratch:
        kept = os.fspath(output) if output is not None else os.path.join(scratch, "results.jsonl")
        places = [os.fspath(place) for place in sources]
        with Run("measure", *measure_words(options, kept), "--", *places, on_progress=False) as run:
            for _ in run.lines():  # the table for people
                pass
            run.finish(EXIT_WITH_FAILURES)
        return read_results(kept)


def measure_words(options: Mapping[str, Option], output: str) -> List[str]:
    """The command line's words: here a list is one option's values."""
    joined: Dict[str, Option] = {
        name: ",".join(map(str, value)) if isinstance(value, (list, tuple, range)) and name != "conf" else value
        for name, value in options.items()}
    return ["--quiet", f"--output={output}", *words_of(joined)]


def read_results(path: Place) -> Results:
    """Reads results of `shardmill measure`: a file of JSON Lines, or its URL in a store."""
    lines = read_place(os.fspath(path)).decode("utf-8").splitlines()
    try:
        told = [json.loads(line) for line in lines]
        if not told or any(each["schema"] != SCHEMA for each in told) or told[0]["kind"] != "run":
            raise ValueError
    except (ValueError, LookupError, TypeError):
        raise ShardmillError(f"'{os.fspath(path)}' holds no results of the schema {SCHEMA}") from None
    return Results(told[0], [_row(each) for each in told[1:]])


def _row(told: Mapping[str, Any]) -> Dict[str, Any]:
    latency = told.get("latency_s") or {}
    flat = {**told, **{f"latency_{name}_s": latency.get(name) for name in LATENCIES}}
    return {name: flat.get(name) for name in TYPES}


def read_place(url: str) -> bytes:
    """A file, with the program's own access to stores."""
    if "://" not in url:
        return Path(url).read_bytes()
    with tempfile.TemporaryDirectory(prefix="shardmill-") as scratch:
        copy = os.path.join(scratch, "copy")
        with Run("cp", "--quiet", url, copy, on_progress=False) as run:
            run.finish()
        return Path(copy).read_bytes()
