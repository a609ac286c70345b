"""Pixels before encoding, held against TensorFlow's; and the fast decoding against the exact."""

import csv
import math
import subprocess

import pytest

from conftest import EXAMPLES, HANG, need_shared, need_tool, shared

np = pytest.importorskip("numpy", reason="NumPy is not installed")


def dump(folder, pictures, *options):
    """The pixels that build/tests/dump_pixels gives for each picture, as arrays."""
    folder.mkdir()
    done = subprocess.run([need_tool("dump_pixels"), "--no-orient", "--raw", folder, *options],
                          input="".join(f"{picture}\n" for picture in pictures), text=True,
                          stdout=subprocess.PIPE, timeout=HANG, check=True)
    for number, row in enumerate(csv.DictReader(done.stdout.splitlines())):
        assert row["status"] == "ok", row
        pixels = np.fromfile(folder / f"{number}.rgb", np.uint8)
        yield pixels.reshape(int(row["out_h"]), int(row["out_w"]), 3)


def every_shape(count):
    """count Flowers of as many shapes as there are; the examples where ../shared is not there."""
    folder = shared("flowers")
    if folder is None:
        return sorted(EXAMPLES.glob("*/*.jpg"))
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    by_shape = {}
    for picture in sorted(folder.glob("*/*.jpg")):
        with image.open(picture) as opened:
            by_shape.setdefault(opened.size, []).append(picture)
    chosen = []
    while len(chosen) < count:  # one of each shape, then a second of each, and so on
        chosen += [pictures.pop() for pictures in by_shape.values() if pictures]
    return chosen[:count]


def scaled(a, b, c):
    """round(a * b / c), halves up, in whole numbers."""
    return (2 * a * b + c) // (2 * c)


@pytest.mark.parametrize("size", [(192, 192), (224, 160)], ids=["192", "224x160"])
@pytest.mark.parametrize("filter_name", ["bilinear", "triangle"])
def test_exact_is_tensorflows(tmp_path, filter_name, size):
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    width, height = size
    pictures = every_shape(200)
    ours = dump(tmp_path / "raw", pictures, "--decode", "exact", "--filter", filter_name,
                "--image-size", f"{width}x{height}")
    compared = 0
    for picture, pixels in zip(pictures, ours):
        image = tf.io.decode_jpeg(picture.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE")
        h, w = image.shape[:2]
        if width * h > height * w:
            new_width, new_height = width, scaled(h, width, w)
        else:
            new_width, new_height = scaled(w, height, h), height
        image = tf.image.resize(image, (new_height, new_width), antialias=filter_name == "triangle")
        top, left = (new_height - height) // 2, (new_width - width) // 2
        theirs = image[top:top + height, left:left + width].numpy()
        assert pixels.shape == theirs.shape
        assert np.abs(pixels - theirs).max() <= 1, picture
        compared += 1
    assert compared == len(pictures)


def psnr(left, right):
    error = np.mean(np.square(left.astype(np.float64) - right))
    return math.inf if error == 0 else 10 * math.log10(255 ** 2 / error)


def test_fast_is_close_to_exact(tmp_path):
    pictures = sorted(need_shared("photos").glob("*.jpg"))
    fast = dump(tmp_path / "fast", pictures, "--decode", "fast")
    exact = dump(tmp_path / "exact", pictures, "--decode", "exact")
    ratios = [psnr(left, right) for left, right in zip(fast, exact)]
    assert len(ratios) == len(pictures)
    assert np.mean(ratios) >= 45 and min(ratios) >= 34, [f"{ratio:.1f}" for ratio in ratios]
