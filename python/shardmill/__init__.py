"""Folders of images into training shards (TFRecord), by the `shardmill` program that this package carries.

    import shardmill

    summary = shardmill.pack("photos", "shards", image_size=224, split={"train": 0.9, "val": 0.1})
    print(summary.records, "records,", summary.failures, "failures")
    assert shardmill.verify("shards").ok

    shardmill.measure("photos", "shards", quick=True).write("results.parquet")

Options are those of the command line, `--image-size` written `image_size`; `shardmill.help("pack")`
prints them all. On a Spark cluster: `shardmill.spark`.
"""

from __future__ import annotations

from importlib import metadata

from .program import Option, OnProgress, Progress, ShardmillError, UsageError, help, program, version
from .local import PackSummary, Problem, SplitSummary, VerifySummary, pack, verify
from .measuring import Results, measure, read_results

__all__ = [
    "OnProgress",
    "Option",
    "PackSummary",
    "Problem",
    "Progress",
    "Results",
    "ShardmillError",
    "SplitSummary",
    "UsageError",
    "VerifySummary",
    "help",
    "measure",
    "pack",
    "program",
    "read_results",
    "verify",
    "version",
]
try:
    __version__ = metadata.version("shardmill")
except metadata.PackageNotFoundError:  # run from a checkout
    __version__ = "0"
