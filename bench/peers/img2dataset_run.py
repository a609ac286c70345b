"""img2dataset on file:// addresses, writing WebDataset shards.

What it does beside packing (hashes, EXIF) is switched off. Its JPEGs are 4:2:0: it has no option
for that, so it writes fewer bytes than the others and has less to encode.
"""

import common

import contextlib
import os
import sys
import tarfile
import tempfile
import time
import warnings
from pathlib import Path

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for its newest version
os.environ["PYTHONWARNINGS"] = "ignore"
warnings.simplefilter("ignore")

from img2dataset import download  # noqa: E402

SHARDS_PER_WORKER = 4  # it starts a worker anew after five


def count_samples(dst):
    """The pictures in the shards: a failed one has its text there, but no picture."""
    done = 0
    for path in dst.glob("*.tar"):
        with tarfile.open(path) as tar:
            done += sum(name.endswith(".jpg") for name in tar.getnames())
    return done


def start_spark(workers):
    """A session that img2dataset will find: its own would ask for 16 GB."""
    from pyspark.sql import SparkSession
    session = (SparkSession.builder.master(f"local[{workers}]").appName("bench")
               .config("spark.ui.enabled", "false").config("spark.driver.bindAddress", "127.0.0.1")
               .config("spark.driver.host", "127.0.0.1").getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    context = session.sparkContext
    context.parallelize(range(workers), workers).map(warm).collect()


def warm(_):
    """Imports img2dataset in a worker; slow enough that no worker gets all of the tasks."""
    import img2dataset.downloader  # noqa: F401
    time.sleep(1)


def main():
    args = common.parse_arguments(__doc__)
    if args.spark:
        start_spark(args.workers)
    began = time.monotonic()
    pictures, _ = common.list_pictures(args.src)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        addresses = Path(folder) / "pictures.txt"
        addresses.write_text("".join(Path(path).resolve().as_uri() + "\n" for path, _, _ in pictures))
        download(url_list=str(addresses), output_folder=str(args.dst), output_format="webdataset",
                 processes_count=args.workers, thread_count=16, image_size=args.size,
                 resize_mode="center_crop", encode_quality=args.quality,
                 number_sample_per_shard=-(-len(pictures) // (args.workers * SHARDS_PER_WORKER)),
                 compute_hash=None, extract_exif=False,
                 distributor="pyspark" if args.spark else "multiprocessing")
    ended = time.monotonic()
    common.report("img2dataset", count_samples(args.dst), began, ended, args.dst)


if __name__ == "__main__":
    main()
