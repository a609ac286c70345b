"""The tf.data pipeline: read, decode, resize to cover, crop, encode, write TFRecord files.

The way TensorFlow's own tutorials write it, with as many calls at once as tf.data finds best.
"""

import common

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402


def make_convert(size, quality):
    def convert(path):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        shape = tf.cast(tf.shape(image)[:2], tf.float32)
        cover = tf.cast(tf.round(shape * (size / tf.reduce_min(shape))), tf.int32)
        cover = tf.maximum(cover, size)
        image = tf.image.resize(image, cover)
        top, left = (cover[0] - size) // 2, (cover[1] - size) // 2
        image = tf.cast(tf.round(image[top:top + size, left:left + size]), tf.uint8)
        return tf.io.encode_jpeg(image, quality=quality, optimize_size=True,
                                 chroma_downsampling=False)

    return convert


def make_example(data, label, name):
    def of_bytes(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {"image": of_bytes(data), "file_name": of_bytes(name),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def main():
    args = common.parse_arguments(__doc__)
    tf.config.threading.set_intra_op_parallelism_threads(args.workers)
    tf.config.threading.set_inter_op_parallelism_threads(args.workers)
    tf.constant(0)  # the runtime starts with the first tensor
    began = time.monotonic()
    pictures, _ = common.list_pictures(args.src)
    paths, labels, names = (list(column) for column in zip(*pictures))
    convert = make_convert(args.size, args.quality)
    records = tf.data.Dataset.from_tensor_slices((paths, labels, names)).map(
        lambda path, label, name: (convert(path), label, name),
        num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    writers = [tf.io.TFRecordWriter(str(args.dst / f"tfdata.tfrecord-{i:05d}-of-{common.SHARDS:05d}"))
               for i in range(common.SHARDS)]
    done = 0
    for data, label, name in records.as_numpy_iterator():
        writers[done % common.SHARDS].write(make_example(data, label, name))
        done += 1
    for writer in writers:
        writer.close()
    common.report("tfdata", done, began, time.monotonic(), args.dst)


if __name__ == "__main__":
    main()
