"""What happens to a picture, seen with Pillow: geometry, orientation, encoding, keep mode."""

import io
import os

import pytest

from conftest import EXAMPLES, FAILURES, examples, pack, refused

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def pictures(folder):
    """{file_name: JPEG bytes} of a packed set."""
    return {os.fsdecode(e["file_name"][0]): e["image"][0] for e in examples(folder)}


def opened(folder):
    return {name: Image.open(io.BytesIO(jpeg)) for name, jpeg in pictures(folder).items()}


def mean_difference(left, right):
    """Of two pictures of one size, in levels of 255."""
    left, right = left.convert("RGB").tobytes(), right.convert("RGB").tobytes()
    assert len(left) == len(right)
    return sum(abs(a - b) for a, b in zip(left, right)) / len(left)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG", **{"quality": 95, "subsampling": 0, **options})


def stripes(width, height):
    """A smooth picture without symmetry."""
    image = Image.new("RGB", (width, height))
    image.putdata([(255 * x // width, 255 * y // height, 255 * x * y // (width * height))
                   for y in range(height) for x in range(width)])
    return image


# ---- Geometry


@pytest.mark.parametrize("mode, size", [
    ("center_crop", lambda w, h: (96, 64)),
    ("border", lambda w, h: (96, 64)),
    ("keep_ratio", lambda w, h: (round(w * max(96 / w, 64 / h)), round(h * max(96 / w, 64 / h)))),
    ("keep_ratio_largest",
     lambda w, h: (round(w * min(96 / w, 64 / h)), round(h * min(96 / w, 64 / h)))),
    ("no", lambda w, h: (w, h)),
])
def test_size_of_each_mode(dst, mode, size):
    pack(EXAMPLES, dst, "--resize-mode", mode, "--image-size", "96x64")
    for name, image in opened(dst).items():
        with Image.open(EXAMPLES / name) as source:
            expected = size(*source.size)
        assert all(abs(a - b) <= 1 for a, b in zip(image.size, expected)), name
        assert mode == "keep_ratio" or image.size == expected, name


def test_border_is_white(tmp_path, dst):
    save(tmp_path / "src" / "a" / "wide.jpg", Image.new("RGB", (200, 50), (10, 20, 200)))
    pack(tmp_path / "src", dst, "--resize-mode", "border", "--image-size", "64")
    (image,) = opened(dst).values()
    assert all(min(image.getpixel((32, y))) > 250 for y in (2, 20, 43, 61))
    assert image.getpixel((32, 32))[2] > 180 and image.getpixel((32, 32))[0] < 40


@pytest.mark.parametrize("pixels", ["1x1", "1x900", "900x1", "7x3"])
@pytest.mark.parametrize("mode", ["center_crop", "border", "keep_ratio_largest"])
def test_tiny_and_thin_pictures(tmp_path, dst, pixels, mode):
    width, height = map(int, pixels.split("x"))
    save(tmp_path / "src" / "a" / "x.jpg", Image.new("RGB", (width, height), (90, 160, 30)))
    pack(tmp_path / "src", dst, "--resize-mode", mode, "--image-size", "32")
    (image,) = opened(dst).values()
    assert max(image.size) == 32
    assert mode != "center_crop" or mean_difference(image, Image.new("RGB", (32, 32), (90, 160, 30))) < 3


@pytest.mark.parametrize("filter_name, resampling", [
    ("triangle", "BILINEAR"), ("area", "BOX"), ("lanczos3", "LANCZOS")])
def test_filters_are_pillows(tmp_path, dst, filter_name, resampling):
    for picture in sorted(EXAMPLES.glob("*/*.jpg"))[::6]:
        with Image.open(picture) as image:
            side = min(image.size) // 64 * 64  # whole boxes: Pillow's BOX rounds broken ones
            left, top = (image.width - side) // 2, (image.height - side) // 2
            save(tmp_path / "src" / "a" / picture.name,
                 image.crop((left, top, left + side, top + side)))
    pack(tmp_path / "src", dst, "--filter", filter_name, "--decode", "exact", "--image-size", "64",
         "--encode-quality", "100")
    for name, image in opened(dst).items():
        with Image.open(tmp_path / "src" / name) as source:
            expected = source.resize((64, 64), getattr(Image.Resampling, resampling))
        assert mean_difference(image, expected) < 1.5, name


# ---- Kinds of JPEG


@pytest.mark.parametrize("mode, options", [
    ("RGB", {"progressive": True}),
    ("RGB", {"subsampling": 1}),
    ("RGB", {"subsampling": 2}),
    ("RGB", {"subsampling": 2, "progressive": True, "optimize": True}),
    ("RGB", {"restart_marker_rows": 1}),
    ("L", {}),
    ("CMYK", {}),
])
def test_every_kind_gives_the_same_picture(tmp_path, dst, mode, options):
    source = stripes(301, 257)
    if mode == "L":
        source = source.convert("L")
    save(tmp_path / "src" / "a" / "x.jpg", source.convert(mode), **options)
    pack(tmp_path / "src", dst, "--image-size", "64")
    (image,) = opened(dst).values()
    expected = source.convert("RGB").resize((75, 64), Image.Resampling.BILINEAR).crop((5, 0, 69, 64))
    assert image.mode == "RGB"
    assert mean_difference(image, expected) < 4


# ---- Orientation

# What turns the upright picture into the stored one, by value of the EXIF tag.
STORED = {1: [], 2: ["FLIP_LEFT_RIGHT"], 3: ["ROTATE_180"], 4: ["FLIP_TOP_BOTTOM"], 5: ["TRANSPOSE"],
          6: ["ROTATE_90"], 7: ["TRANSVERSE"], 8: ["ROTATE_270"]}


def orientations(folder):
    upright = stripes(320, 200)
    for value, turns in STORED.items():
        stored = upright
        for turn in turns:
            stored = stored.transpose(getattr(Image.Transpose, turn))
        exif = Image.Exif()
        exif[0x0112] = value
        save(folder / "a" / f"{value}.jpg", stored, exif=exif)
    return upright


@pytest.mark.parametrize("mode", ["center_crop", "no"])
def test_all_eight_orientations_are_upright(tmp_path, dst, mode):
    upright = orientations(tmp_path / "src")
    pack(tmp_path / "src", dst, "--resize-mode", mode, "--image-size", "96x60")
    size = (96, 60) if mode == "center_crop" else (320, 200)
    expected = upright.resize(size, Image.Resampling.BILINEAR)
    images = opened(dst)
    assert len(images) == 8
    for name, image in images.items():
        assert image.size == size, name
        assert mean_difference(image, expected) < 3, name
        assert image.getexif().get(0x0112, 1) == 1, f"{name} would be turned twice"


def test_no_orient_leaves_them(tmp_path, dst):
    orientations(tmp_path / "src")
    pack(tmp_path / "src", dst, "--resize-mode", "no", "--no-orient")
    for name, image in opened(dst).items():
        with Image.open(tmp_path / "src" / name) as source:
            assert image.size == source.size
            assert mean_difference(image, source) < 3


# ---- Encoding


def sampling(jpeg):
    """The first component's sampling factors, from the frame header."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(jpeg[at + 2:at + 4], "big")
    return divmod(jpeg[at + 11], 16)


@pytest.mark.parametrize("chroma, factors", [("444", (1, 1)), ("422", (2, 1)), ("420", (2, 2))])
def test_chroma(dst, chroma, factors):
    pack(EXAMPLES, dst, "--chroma", chroma)
    assert {sampling(jpeg) for jpeg in pictures(dst).values()} == {factors}


def test_quality(tmp_path):
    sizes = []
    for quality in ("50", "80", "95"):
        pack(EXAMPLES, tmp_path / quality, "--encode-quality", quality)
        sizes.append(sum(map(len, pictures(tmp_path / quality).values())))
    assert sizes == sorted(sizes) and sizes[0] * 2 < sizes[2]


def test_exact_and_fast_are_close(tmp_path):
    for decode in ("exact", "fast"):
        pack(EXAMPLES, tmp_path / decode, "--decode", decode, "--image-size", "64")
    fast, exact = opened(tmp_path / "fast"), opened(tmp_path / "exact")
    assert all(mean_difference(fast[name], exact[name]) < 4 for name in exact)


# ---- Bytes untouched


def test_keep_passes_the_files_through(dst):
    pack(EXAMPLES, dst, "--resize-mode", "no", "--encode-format", "keep")
    kept = pictures(dst)
    assert len(kept) == 60
    assert all(jpeg == (EXAMPLES / name).read_bytes() for name, jpeg in kept.items())


def test_keep_still_refuses_what_is_no_picture(flowers, dst):
    (flowers / "roses" / "page.jpg").write_bytes(b"<html>")
    summary = pack(flowers, dst, "--resize-mode", "no", "--encode-format", "keep", code=FAILURES)
    assert summary["failure_reasons"] == {"not_an_image": 1}


def test_keep_excludes_resizing(dst):
    assert "--resize-mode no" in refused("pack", EXAMPLES, dst, "--encode-format", "keep", code=2)
