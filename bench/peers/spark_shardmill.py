"""shardmill called from a Spark session, which has run a job of shardmill's before: measured as
spark_tf.py is, beside which it stands, listing included.
"""

import common

import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ.setdefault("SHARDMILL", str(ROOT / "build" / "shardmill"))
warnings.simplefilter("ignore")
sys.path.insert(0, str(ROOT / "python"))

import shardmill.spark  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402


def main():
    args = common.parse_arguments(__doc__)
    spark = (SparkSession.builder.master(f"local[{args.workers}]").appName("bench")
             .config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
             .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
             .getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    options = {"image_size": args.size, "encode_quality": args.quality, "on_progress": False}
    with tempfile.TemporaryDirectory() as folder:
        shardmill.spark.pack(spark, ROOT / "examples" / "flowers", f"{folder}/first",
                             shards=args.workers, **options).collect()

    began = time.monotonic()
    shards = shardmill.spark.pack(spark, args.src, args.dst, shards=args.shards, overwrite=True,
                                  **options)
    done = sum(row.records for row in shards.collect())
    common.report("spark_shardmill", done, began, time.monotonic(), args.dst)
    spark.stop()


if __name__ == "__main__":
    main()
