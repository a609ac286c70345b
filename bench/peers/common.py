"""What the peers share: their arguments, the list of pictures, tar shards, and the line they print.

Imported before anything slow, so that the imports which follow count as start-up and not as work.
"""

import time

STARTED = time.monotonic()

import argparse  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import tarfile  # noqa: E402
from pathlib import Path  # noqa: E402

SHARDS = 16


def parse_arguments(doc):
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("src", type=Path, help="folder of class folders of JPEG files")
    parser.add_argument("dst", type=Path, help="folder for the shards; made if need be")
    parser.add_argument("--workers", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--size", type=int, default=192, help="pixels a side (default: %(default)s)")
    parser.add_argument("--quality", type=int, default=95, help="of JPEG (default: %(default)s)")
    parser.add_argument("--shards", type=int, default=SHARDS, help="(default: %(default)s)")
    parser.add_argument("--spark", action="store_true", help="on Spark, where that is a choice")
    args = parser.parse_args()
    args.dst.mkdir(parents=True, exist_ok=True)
    return args


def list_pictures(src):
    """[(path, number of its class, path relative to src)] of every JPEG file, and the classes."""
    paths = sorted(path for path in src.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    classes = sorted({path.parent.name for path in paths})
    number = {name: i for i, name in enumerate(classes)}
    pictures = [(str(path), number[path.parent.name], str(path.relative_to(src))) for path in paths]
    return pictures, classes


def deal(pictures, hands=SHARDS):
    """The pictures in so many shares of nearly one size; no share is empty."""
    return [pictures[i::hands] for i in range(min(hands, len(pictures)))]


def write_tar(path, members):
    """A tar of (name, bytes). One member a picture: the folder in its name is the class."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def cover_size(width, height, size):
    """The size at which the shorter side of a picture is `size`."""
    scale = size / min(width, height)
    return max(size, round(width * scale)), max(size, round(height * scale))


def report(tool, pictures, work_began, work_ended, dst):
    """Prints the one line that bench/run.py reads."""
    shards = [path for path in dst.iterdir() if path.suffix == ".tar" or ".tfrecord" in path.name]
    print(json.dumps({
        "tool": tool,
        "pictures": pictures,
        "seconds": round(work_ended - work_began, 6),
        "startup_seconds": round(work_began - STARTED, 6),
        "bytes_out": sum(path.stat().st_size for path in shards),
    }), flush=True)
