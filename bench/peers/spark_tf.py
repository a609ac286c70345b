"""PySpark on local cores, TensorFlow in mapPartitionsWithIndex, one TFRecord file a partition.

The course "Fast and Lean Data Science" and what was made of it pack pictures in this way. Spark's
start and TensorFlow's import in the Python workers count as start-up, though every job pays them.
"""

import common

import os
import sys
import time

os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pyspark.sql import SparkSession  # noqa: E402


def warm(_):
    """Imports TensorFlow in a worker; slow enough that no worker gets all of the tasks."""
    import tensorflow as tf
    tf.constant(0)
    time.sleep(1)
    yield os.getpid()


def make_pack_partition(dst, size, quality):
    # Nothing at the head of this file can be used in here: it runs in another process.
    def pack_partition(number, pictures):
        import tensorflow as tf

        def convert(path):
            image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
            height, width = image.shape[:2]
            scale = size / min(height, width)
            cover = max(size, round(height * scale)), max(size, round(width * scale))
            image = tf.image.resize(image, cover)
            top, left = (cover[0] - size) // 2, (cover[1] - size) // 2
            image = tf.cast(tf.round(image[top:top + size, left:left + size]), tf.uint8)
            return tf.io.encode_jpeg(image, quality=quality, optimize_size=True,
                                     chroma_downsampling=False).numpy()

        def of_bytes(value):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

        done = 0
        with tf.io.TFRecordWriter(f"{dst}/spark-{number:05d}.tfrecord") as writer:
            for path, label, name in pictures:
                features = {
                    "image": of_bytes(convert(path)), "file_name": of_bytes(name.encode()),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))}
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
                done += 1
        yield done

    return pack_partition


def main():
    args = common.parse_arguments(__doc__)
    spark = (SparkSession.builder.master(f"local[{args.workers}]").appName("bench")
             .config("spark.ui.enabled", "false")
             .config("spark.driver.bindAddress", "127.0.0.1")
             .config("spark.driver.host", "127.0.0.1")
             .getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    context = spark.sparkContext
    context.parallelize(range(args.workers), args.workers).mapPartitions(warm).collect()

    began = time.monotonic()
    pictures, _ = common.list_pictures(args.src)
    pack_partition = make_pack_partition(str(args.dst), args.size, args.quality)
    done = sum(context.parallelize(pictures, args.shards)
               .mapPartitionsWithIndex(pack_partition).collect())
    ended = time.monotonic()
    common.report("spark_tf", done, began, ended, args.dst)
    spark.stop()


if __name__ == "__main__":
    main()
