"""Runs in an environment with PySpark: does what test_spark.py looks at, and prints it as one object of JSON.

usage: in_spark.py FOLDER PICTURES [connect]
"""

import json
import os
import sys
import warnings
from pathlib import Path

os.environ["PYSPARK_PYTHON"] = sys.executable
warnings.simplefilter("ignore")

import shardmill  # noqa: E402
import shardmill.spark  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402

OPTIONS = {"shards": 4, "split": {"train": 0.8, "val": 0.2}, "name": "flowers", "on_progress": False}


def session(connect):
    builder = SparkSession.builder.config("spark.sql.shuffle.partitions", 2)
    builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    return (builder.remote("local[2]") if connect else builder.master("local[2]")).getOrCreate()


def rows(frame):
    return [row.asDict() for row in frame.collect()]


def told(function, *args, **options):
    """The error that a call ends with."""
    try:
        function(*args, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def main():
    folder, pictures, connect = Path(sys.argv[1]), sys.argv[2], "connect" in sys.argv[3:]
    spark = session(connect)
    shown = {}

    shown["pack"] = rows(shardmill.spark.pack(spark, pictures, folder / "pack", **OPTIONS))
    shown["again"] = rows(shardmill.spark.pack(spark, pictures, folder / "pack", **OPTIONS))
    shown["dry_run"] = rows(shardmill.spark.pack(spark, pictures, folder / "dry", dry_run=True, **OPTIONS))
    shown["no_pictures"] = told(shardmill.spark.pack, spark, "/nowhere", folder / "none")
    shown["no_option"] = told(shardmill.spark.pack, spark, pictures, folder / "none", imagesize=3)
    shown["no_worker"] = told(shardmill.spark.pack, spark, pictures, folder / "none", shards=2,
                              worker="local:/nowhere/shardmill")

    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    files = files.option("pathGlobFilter", "*.jpg").load(pictures)
    files = files.withColumn("label", F.element_at(F.split("path", "/"), -2))
    call = (files, "content", "label", folder / "dataframe")
    shown["dataframe"] = rows(shardmill.spark.pack_dataframe(*call, path_col="path", **OPTIONS))
    shown["dataframe_again"] = rows(shardmill.spark.pack_dataframe(*call, path_col="path", **OPTIONS))

    results = folder / "results.jsonl"
    trials = {"batches": 2, "batch_size": [4, 8], "repeat": 1, "cache": "warm", "readers": 1}
    frame = shardmill.spark.measure(spark, pictures, folder / "pack", executors=2, output=results, **trials)
    shown["measured"] = rows(frame.orderBy("trial"))
    shown["read"] = shardmill.read_results(results).rows
    shown["alone"] = rows(shardmill.spark.measure(spark, pictures, **{**trials, "batch_size": 8}))
    shown["measure_nothing"] = told(shardmill.spark.measure, spark, folder / "nothing")

    # Each picture twice, without a name or a label; and one that is none.
    nameless = files.select("content").union(files.select("content")).union(
        spark.createDataFrame([(bytearray(b"no picture"),)], "content binary"))
    shown["nameless"] = rows(shardmill.spark.pack_dataframe(
        nameless, "content", None, folder / "nameless-set", shards=3, on_progress=False))
    shown["twice"] = told(shardmill.spark.pack_dataframe, files.union(files), "content", "label", folder / "twice",
                          path_col="path", on_progress=False)
    spark.stop()
    print(json.dumps(shown))


if __name__ == "__main__":
    main()
