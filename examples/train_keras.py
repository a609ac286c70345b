#!/usr/bin/env python3
"""Trains a small Keras model on a set that `shardmill pack` made.

    shardmill pack flowers packed --split train=0.8,val=0.2
    python examples/train_keras.py packed

With --compare it trains the same model on the same pictures as a tf.data pipeline prepares them from
the JPEG files, and tells whether the two agree:

    python examples/train_keras.py packed --compare flowers

Needs TensorFlow and tensorflow-datasets. On two cores, 1,500 pictures and three seeds take about three
minutes for each of the two. The exit code is 1 when --compare finds a difference.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_datasets as tfds  # noqa: E402


def shrink(image, size):
    """What the model sees of a picture: size x size, kept as bytes so that a set fits in memory."""
    small = tf.image.resize(image, (size, size), antialias=True)
    return tf.cast(tf.round(small), tf.uint8)


def in_memory(pictures, size):
    """A dataset of (image, label) as two arrays."""
    pictures = pictures.map(lambda image, label: (shrink(image, size), label),
                            num_parallel_calls=tf.data.AUTOTUNE)
    images, labels = zip(*tfds.as_numpy(pictures))
    return np.stack(images), np.array(labels)


def packed_pictures(builder, split):
    """(image, label) of every record: this is all that it takes to read a packed set."""
    records = builder.as_dataset(split=split)
    return records.map(lambda record: (record["image"], record["label"]))


def file_pictures(builder, split, folder):
    """(image, label) of the same pictures, from their JPEG files as tf.data prepares them."""
    height, width, _ = builder.info.features["image"].shape

    def cover_and_crop(record):
        data = tf.io.read_file(tf.strings.join([folder, "/", record["file_name"]]))
        # The default, the fast DCT, is up to 6 levels off.
        image = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        scale = tf.reduce_max([height, width] / size)
        new_size = tf.maximum(tf.cast(tf.round(size * scale), tf.int32), [height, width])
        image = tf.image.resize(image, new_size, antialias=True)
        top, left = (new_size[0] - height) // 2, (new_size[1] - width) // 2
        return image[top:top + height, left:left + width], record["label"]

    skip_pixels = {"image": tfds.decode.SkipDecoding()}
    records = builder.as_dataset(split=split, decoders=skip_pixels)
    return records.map(cover_and_crop, num_parallel_calls=tf.data.AUTOTUNE)


def make_model(size, classes):
    def block(filters):
        return [keras.layers.Conv2D(filters, 3, padding="same", use_bias=False),
                keras.layers.BatchNormalization(), keras.layers.ReLU(), keras.layers.MaxPooling2D()]

    return keras.Sequential([
        keras.layers.Input((size, size, 3)),
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.RandomFlip("horizontal"),
        *block(16), *block(32), *block(64), *block(96),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(classes, activation="softmax"),
    ])


def train(train_set, val_set, seed, classes, epochs):
    """Trains one model from scratch; returns its accuracy on val_set."""
    keras.utils.set_random_seed(seed)
    images, labels = train_set
    batch = 32
    steps = epochs * -(-len(images) // batch)
    model = make_model(images.shape[1], classes)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
                  loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, batch_size=batch, epochs=epochs, verbose=0)
    return model.evaluate(*val_set, verbose=0)[1]


def train_all(title, load, args, classes):
    """Loads the pictures and trains once a seed; prints and returns the accuracies."""
    began = time.monotonic()
    train_set, val_set = (in_memory(load(split), args.size) for split in (args.train, args.val))
    print(f"{title}: {len(train_set[1])} pictures to train on, {len(val_set[1])} to validate",
          flush=True)
    scores = []
    for seed in range(args.seeds):
        scores.append(train(train_set, val_set, seed, classes, args.epochs))
        print(f"  seed {seed}: validation accuracy {scores[-1]:.3f}", flush=True)
    print(f"  mean {np.mean(scores):.3f}, spread {np.ptp(scores):.3f}, "
          f"{time.monotonic() - began:.0f} s", flush=True)
    return scores


def parse_arguments():
    summary, details = __doc__.split("\n", 1)
    parser = argparse.ArgumentParser(description=summary, epilog=details,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", help="folder that shardmill pack made, with two splits")
    parser.add_argument("--compare", metavar="SRC", help="the folder of JPEG files it was made from")
    parser.add_argument("--train", default="train", help="split to train on (default: %(default)s)")
    parser.add_argument("--val", default="val", help="split to validate on (default: %(default)s)")
    parser.add_argument("--size", type=int, default=64, help="pixels a side that the model sees")
    parser.add_argument("--epochs", type=int, default=12, help="(default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="models to train (default: %(default)s)")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if not (Path(args.set) / "dataset_info.json").exists():
        sys.exit(f"train_keras: '{args.set}' is no packed set: it has no dataset_info.json")
    builder = tfds.builder_from_directory(args.set)
    for split in (args.train, args.val):
        if split not in builder.info.splits:
            sys.exit(f"train_keras: the set has no split '{split}', only "
                     f"{', '.join(builder.info.splits)}: pack with --split train=0.8,val=0.2")
    classes = builder.info.features["label"].num_classes

    packed = train_all("packed set", lambda split: packed_pictures(builder, split), args, classes)
    if args.compare is None:
        return 0
    files = train_all("tf.data on the files",
                      lambda split: file_pictures(builder, split, args.compare), args, classes)
    apart = abs(np.mean(packed) - np.mean(files))
    spread = max(np.ptp(packed), np.ptp(files))
    agree = apart <= spread
    print(f"the means are {apart:.3f} apart, {'within' if agree else 'outside'} the spread "
          f"of the seeds, {spread:.3f}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
