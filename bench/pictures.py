"""Makes folders of as many pictures as are wanted, by hard links, outside of what is measured."""

import os
import shutil
import struct
from pathlib import Path

LINKS_MAX = 30000  # of one file: ext4 allows 65,000
PER_FOLDER = 1000


def list_jpegs(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))


def repeat(src, count, dst):
    """Fills dst with `count` pictures of src in their class folders, each as often as need be.

    The first of each is a copy, so that neither another file system nor a link more on the
    originals matters.
    """
    originals = list_jpegs(src)
    if not originals:
        raise FileNotFoundError(f"no JPEG files in '{src}'")
    if count < len(originals):  # some of every class
        originals = [originals[i * len(originals) // count] for i in range(count)]
    copies = []
    for i in range(count):
        original = originals[i % len(originals)]
        turn = i // len(originals)
        path = dst / original.parent.name / (f"{turn}-{original.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if turn == 0:
            shutil.copyfile(original, path)
            copies.append(path)
        else:
            os.link(copies[i % len(originals)], path)


def jpegs_of_tfrecord(path):
    """The pictures in a TFRecord file: the one JPEG that each record holds."""
    data = Path(path).read_bytes()
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        record = data[at + 12:at + 12 + length]
        yield record[record.index(b"\xff\xd8\xff"):record.rindex(b"\xff\xd9") + 2]
        at += length + 16


def write_jpegs(shards, dst):
    """Writes the pictures of TFRecord files as files."""
    dst.mkdir(parents=True)
    jpegs = (jpeg for shard in sorted(shards) for jpeg in jpegs_of_tfrecord(shard))
    for i, jpeg in enumerate(jpegs):
        (dst / f"{i:04d}.jpg").write_bytes(jpeg)


def multiply(src, count, dst):
    """Fills dst with `count` hard links to the few pictures of src, a thousand a class folder."""
    originals = list_jpegs(src)
    dst.mkdir()
    sources = []
    for i in range(max(len(originals), -(-count // LINKS_MAX))):
        sources.append(dst / f".source-{i:05d}.jpg")  # hidden, so not packed
        shutil.copyfile(originals[i % len(originals)], sources[-1])
    for first in range(0, count, PER_FOLDER):
        folder = dst / f"class-{first // PER_FOLDER:05d}"
        folder.mkdir()
        for i in range(first, min(first + PER_FOLDER, count)):
            os.link(sources[i % len(sources)], f"{folder}/{i:08d}.jpg")
    for source in sources:
        source.unlink()  # its links keep the file
