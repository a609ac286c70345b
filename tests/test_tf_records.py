"""Real TensorFlow, and TensorFlow Datasets, read what is packed: every record, label and count."""

import re
import textwrap
from collections import Counter

import pytest

from conftest import CLASSES, EXAMPLES, OK, ROOT, pack, read_tfrecord, shards

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
tfds = pytest.importorskip("tensorflow_datasets", reason="TensorFlow Datasets is not installed")

TFDS = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "file_name": tf.io.FixedLenFeature([], tf.string),
}

# As the course's Keras notebooks declare it.
FAST_AND_LEAN = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "class": tf.io.FixedLenFeature([], tf.int64),
    "label": tf.io.FixedLenFeature([], tf.string),
    "size": tf.io.FixedLenFeature([2], tf.int64),
    "one_hot_class": tf.io.VarLenFeature(tf.float32),
}


def parsed(folder, features, compression=""):
    files = [str(path) for path in shards(folder)]
    for record in tf.data.TFRecordDataset(files, compression_type=compression):
        yield tf.io.parse_single_example(record, features)


def sources():
    return {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.glob("*/*.jpg")}


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_tensorflow_reads_every_record(dst, compression):
    pack(EXAMPLES, dst, "--shards", "4", "--compression", compression)
    seen = set()
    for example in parsed(dst, TFDS, "GZIP" if compression == "gzip" else ""):
        name = example["file_name"].numpy().decode()
        assert CLASSES[example["label"].numpy()] == name.split("/")[0]
        assert tf.io.decode_jpeg(example["image"]).shape == (192, 192, 3)
        seen.add(name)
    assert seen == sources()


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_tfds_reads_the_set(dst, compression):
    summary = pack(EXAMPLES, dst, "--shards", "5", "--split", "train=0.7,val=0.3", "--name", "blumen",
                   "--version", "2.1.0", "--compression", compression)
    builder = tfds.builder_from_directory(str(dst))
    info = builder.info
    assert (info.name, str(info.version)) == ("blumen", "2.1.0")
    assert info.features["label"].names == CLASSES
    assert info.features["image"].shape == (192, 192, 3)
    assert {split["name"]: split["records"] for split in summary["splits"]} == \
        {name: split.num_examples for name, split in info.splits.items()}
    assert info.splits.total_num_examples == 60
    assert sum(split.num_shards for split in info.splits.values()) == 5
    if compression == "gzip":
        return  # TFDS 4.9 opens TFRecord files as uncompressed; tf.data reads them, see above
    assert info.dataset_size == sum(len(r.data) for path in shards(dst) for r in read_tfrecord(path))
    counts = Counter()
    for split in info.splits:
        for example in tfds.as_numpy(builder.as_dataset(split=split)):
            name = example["file_name"].decode()
            assert CLASSES[example["label"]] == name.split("/")[0]
            assert example["image"].shape == (192, 192, 3)
            counts[name] += 1
    assert set(counts) == sources() and set(counts.values()) == {1}


def test_tfds_reads_subsplits(dst):
    pack(EXAMPLES, dst, "--shards", "3")
    builder = tfds.builder_from_directory(str(dst))
    halves = [len(list(builder.as_dataset(split=half))) for half in ("train[:50%]", "train[50%:]")]
    assert halves == [30, 30]


@pytest.mark.parametrize("options, shape", [
    (["--image-size", "160x96"], (96, 160, 3)),
    (["--resize-mode", "border", "--image-size", "64"], (64, 64, 3)),
    (["--resize-mode", "keep_ratio", "--image-size", "64"], (None, None, 3)),
    (["--resize-mode", "no", "--encode-format", "keep"], (None, None, 3)),
])
def test_tfds_knows_the_shape(dst, options, shape):
    pack(EXAMPLES, dst, *options)
    builder = tfds.builder_from_directory(str(dst))
    assert builder.info.features["image"].shape == shape
    for example in builder.as_dataset(split="train"):
        assert all(want in (None, got) for want, got in zip(shape, example["image"].shape))


def test_without_labels(dst):
    pack(EXAMPLES, dst, "--labels", "none")
    builder = tfds.builder_from_directory(str(dst))
    assert set(builder.info.features) == {"image", "file_name"}
    assert len(list(builder.as_dataset(split="train"))) == 60


def test_the_courses_notebooks_read_fast_and_lean(dst):
    pack(EXAMPLES, dst, "--schema", "fast-and-lean", "--shards", "3", "--image-size", "160x96")
    seen = Counter()
    for example in parsed(dst, FAST_AND_LEAN):
        image = tf.reshape(tf.io.decode_jpeg(example["image"], channels=3), [*example["size"], 3])
        number, label = example["class"].numpy(), example["label"].numpy().decode()
        one_hot = tf.sparse.to_dense(example["one_hot_class"]).numpy().tolist()
        assert image.shape == (96, 160, 3)
        assert CLASSES[number] == label
        assert one_hot == [float(i == number) for i in range(5)]
        seen[label] += 1
    assert seen == dict.fromkeys(CLASSES, 12)
    assert (dst / "class.labels.txt").read_text().split() == CLASSES


def test_tfds_reads_fast_and_lean(dst):
    pack(EXAMPLES, dst, "--schema", "fast-and-lean")
    builder = tfds.builder_from_directory(str(dst))
    assert builder.info.features["class"].names == CLASSES
    assert len(list(builder.as_dataset(split="train"))) == 60


def test_names_are_tfdss(dst):
    pack(EXAMPLES, dst, "--shards", "4", "--split", "train=0.5,test=0.5", "--name", "flowers_2")
    names = [path.name for path in shards(dst)]
    assert len(names) == 4
    assert all(re.fullmatch(r"flowers_2-(train|test)\.tfrecord-\d{5}-of-\d{5}", name) for name in names)
    assert (dst / "label.labels.txt").read_text() == "".join(f"{name}\n" for name in CLASSES)
    assert (dst / "_SUCCESS").exists()


def test_a_retried_set_is_read(flowers, dst):
    picture = next((flowers / "roses").glob("*.jpg"))
    good = picture.read_bytes()
    picture.write_bytes(good[:200])
    pack(flowers, dst, "--shards", "2", code=3)
    picture.write_bytes(good)
    pack(flowers, dst, "--shards", "2", "--retry-failed", code=OK)
    builder = tfds.builder_from_directory(str(dst))
    assert builder.info.splits["train"].num_examples == 60
    names = {example["file_name"].decode() for example in tfds.as_numpy(builder.as_dataset(split="train"))}
    assert names == sources()


def test_the_readmes_code_runs(flowers, tmp_path, monkeypatch):
    pack(flowers, tmp_path / "packed", "--split", "train=0.8,val=0.2")
    monkeypatch.chdir(tmp_path)
    seen = []

    class Model:
        def fit(self, batches):
            seen.append([image.shape for image, label in batches])

    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", (ROOT / "README.md").read_text(), re.MULTILINE)
    programs = [textwrap.dedent(block) for block in blocks if "import tensorflow" in block]
    assert len(programs) == 2
    for program in programs:
        names = {"model": Model()}
        exec(program, names)
        assert next(iter(names["train"]))[0].shape == (32, 192, 192, 3)
    assert seen
