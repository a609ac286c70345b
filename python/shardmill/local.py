"""Packing and verifying on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Mapping, Optional, Type, TypeVar, Union

from .program import EXIT_WITH_FAILURES, OnProgress, Option, Run, ShardmillError, words_of

Place = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class SplitSummary:
    name: str
    inputs: int
    records: int
    shards: int


@dataclass(frozen=True)
class PackSummary:
    """What a run of pack did: images_in = records + failures, found = images_in + skipped."""

    name: str
    """of the set"""
    fingerprint: str
    """of the options and the pictures"""
    dry_run: bool
    found: int
    images_in: int
    records: int
    failures: int
    """named in DST/failures.jsonl, with the reason of each"""
    skipped: int
    """named in DST/skipped.jsonl"""
    warnings: int
    classes: int
    shards: int
    shards_kept: int
    """of these, found whole and left alone"""
    bytes_in: int
    bytes_out: int
    largest_shard: int
    retried: int
    recovered: int
    seconds: float
    plan_seconds: float
    threads: int
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    """summed over threads: read, decode, resize, encode, write"""
    failure_reasons: Mapping[str, int] = field(default_factory=dict)
    skip_reasons: Mapping[str, int] = field(default_factory=dict)
    splits: List[SplitSummary] = field(default_factory=list)


@dataclass(frozen=True)
class Problem:
    file: str
    message: str
    offset: Optional[int] = None
    """in bytes, where it is known"""


@dataclass(frozen=True)
class VerifySummary:
    """What verify found. `ok` when there is no problem."""

    shards: int
    records: int
    bytes: int
    seconds: float
    problems: List[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems


T = TypeVar("T")


def made_from(kind: Type[T], told: Mapping[str, Any]) -> T:
    """A dataclass from an object of JSON that may hold more than it names."""
    return kind(**{part.name: told[part.name] for part in fields(kind) if part.name in told})  # type: ignore[arg-type]


def pack_summary(told: Mapping[str, Any]) -> PackSummary:
    """The summary as an object from the program's JSON."""
    return made_from(PackSummary, {**told, "splits": [made_from(SplitSummary, each) for each in told["splits"]]})


def pack(src: Optional[Place], dst: Place, *, on_progress: OnProgress = True, **options: Option) -> PackSummary:
    """Packs the pictures of src into training shards in dst.

    src: a folder, a glob or a bucket's URL; None with `manifest` or `list` alone.
    dst: the folder or URL of the set; `tfds.builder_from_directory(dst)` reads it.
    on_progress: True prints a line on stderr now and then; or what to call with a `Progress`.
    options: those of `shardmill pack`, `--image-size` written image_size; see `Option` for values,
        and `shardmill.help("pack")` for all of them.

    A picture that fails does not end the run: see the summary's `failures`. Raises UsageError for
    options that make no sense, ShardmillError when the set could not be made. After an interruption
    (KeyboardInterrupt stops it cleanly) or an error, the same call goes on where it stopped.
    """
    places = ([] if src is None else [os.fspath(src)]) + [os.fspath(dst)]
    with Run("pack", "--log-format=json", *words_of(options), "--", *places, on_progress=on_progress) as run:
        told = list(run.lines())
        run.finish(EXIT_WITH_FAILURES)
    return pack_summary(_last_object(told))


def verify(dst: Place, **options: Option) -> VerifySummary:
    """Checks every record and count of the set (or the one TFRecord file) that dst names.

    options: those of `shardmill verify`; `decode=True` decodes every picture as well. What is wrong
    is in the summary's `problems`; ShardmillError tells what kept it from checking at all.
    """
    with Run("verify", "--log-format=json", *words_of(options), "--", os.fspath(dst), on_progress=False) as run:
        told = list(run.lines())
        run.finish(*([1] if told else []))
    problems = [made_from(Problem, event) for event in run.events if event.get("event") == "problem"]
    return made_from(VerifySummary, {**_last_object(told), "problems": problems})


def _last_object(lines: List[str]) -> Dict[str, Any]:
    try:
        told = json.loads(lines[-1])
    except (IndexError, ValueError):
        told = None
    if not isinstance(told, dict):
        raise ShardmillError("shardmill ended without a summary")
    return told
