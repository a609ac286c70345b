"""Bad pictures never end a run, and none is dropped in silence."""

import os
import signal
import struct

import pytest

from conftest import (EXAMPLES, FAILURES, FATAL, HANG, OK, crowd, examples, file_names, lines,
                      need_shared, pack, refused, run, shards, start, wait_until)


def a_picture(folder, number=0):
    return sorted((folder / "daisy").glob("*.jpg"))[number]


def png(width, height):
    """A PNG file's first bytes, as much as its kind is told by."""
    return (b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0)
            + bytes(40))


def with_size(jpeg, width, height):
    """The JPEG file with another size in its frame header."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
    return jpeg[:at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9:]


BAD = {
    "empty.jpg": (lambda jpeg: b"", "empty_file"),
    "page.jpg": (lambda jpeg: b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n" * 20,
                 "not_an_image"),
    "noise.jpg": (lambda jpeg: bytes(range(1, 256)) * 8, "not_an_image"),
    "png.jpg": (lambda jpeg: png(20, 20), "unsupported"),
    "gif.jpg": (lambda jpeg: b"GIF89a\x10\x00\x10\x00\x80\x00\x00" + bytes(30), "unsupported"),
    "headless.jpg": (lambda jpeg: jpeg[:100], "corrupt"),
    "vast.jpg": (lambda jpeg: with_size(jpeg, 60000, 60000), "too_many_pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_is_a_failure_with_a_reason(flowers, dst, name):
    content, reason = BAD[name]
    (flowers / "roses" / name).write_bytes(content(a_picture(flowers).read_bytes()))
    summary = pack(flowers, dst, code=FAILURES)
    assert (summary["records"], summary["failures"], summary["skipped"]) == (60, 1, 0)
    assert summary["failure_reasons"] == {reason: 1}
    (failure,) = lines(dst / "failures.jsonl")
    assert failure["path"] == f"roses/{name}"
    assert (failure["reason"], failure["label"], failure["split"]) == (reason, "roses", "train")
    assert failure["message"] and failure["stage"]
    run("verify", dst, "--decode")


def test_many_at_once_add_up(flowers, dst):
    jpeg = a_picture(flowers).read_bytes()
    for name, (content, _) in BAD.items():
        (flowers / "tulips" / name).write_bytes(content(jpeg))
    summary = pack(flowers, dst, "--shards", "3", code=FAILURES)
    assert (summary["found"], summary["records"], summary["failures"]) == (67, 60, 7)
    assert {os.path.basename(f["path"]): f["reason"] for f in lines(dst / "failures.jsonl")} == \
        {name: reason for name, (_, reason) in BAD.items()}


def test_a_good_picture_by_content_not_by_name(flowers, dst):
    a_picture(flowers, 0).rename(flowers / "daisy" / "photo.png")
    a_picture(flowers, 1).rename(flowers / "daisy" / "photo")
    assert pack(flowers, dst)["records"] == 60
    assert {"daisy/photo.png", "daisy/photo"} < set(file_names(dst))


def test_a_truncated_picture_is_packed_with_a_warning(flowers, dst):
    cut = a_picture(flowers)
    cut.write_bytes(cut.read_bytes()[:-2000])
    summary = pack(flowers, dst)
    assert (summary["records"], summary["warnings"]) == (60, 1)
    (warning,) = lines(dst / "warnings.jsonl")
    assert warning["path"] == f"daisy/{cut.name}" and warning["message"]
    strict = dst.with_name("strict")
    summary = pack(flowers, strict, "--strict", code=FAILURES)
    assert (summary["records"], summary["failure_reasons"]) == (59, {"warnings": 1})
    assert (strict / "warnings.jsonl").read_bytes() == b""


@pytest.mark.parametrize("decode", ["fast", "exact"])
def test_only_the_end_marker_missing_is_good(flowers, dst, decode):
    picture = a_picture(flowers)
    jpeg = picture.read_bytes()
    assert jpeg.endswith(b"\xff\xd9")
    options = ["--strict", "--no-shuffle", "--decode", decode]
    pack(flowers, dst.with_name("whole"), *options)
    picture.write_bytes(jpeg[:-2])
    assert pack(flowers, dst, *options)["warnings"] == 0
    assert examples(dst) == examples(dst.with_name("whole"))


def test_what_is_no_picture_is_skipped_and_named(flowers, dst):
    (flowers / "roses" / "notes.txt").write_text("seen in Kew")
    (flowers / "roses" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (flowers / ".thumbnails").mkdir()
    (flowers / ".thumbnails" / "x.jpg").write_bytes(a_picture(flowers).read_bytes())
    (flowers / "loose.jpg").write_bytes(a_picture(flowers).read_bytes())
    os.mkfifo(flowers / "roses" / "pipe.jpg")
    os.symlink("..", flowers / "roses" / "up")
    summary = pack(flowers, dst)
    skipped = {line["path"]: line["reason"] for line in lines(dst / "skipped.jsonl")}
    assert skipped == {
        "roses/notes.txt": "not_an_image", "roses/.DS_Store": "hidden", ".thumbnails": "hidden",
        "loose.jpg": "no_class", "roses/pipe.jpg": "special_file", "roses/up": "link_loop"}
    assert (summary["records"], summary["skipped"]) == (60, 6)


def test_links_are_followed_and_dangling_ones_fail(flowers, dst):
    (flowers / "irises").symlink_to(flowers / "roses")
    (flowers / "tulips" / "gone.jpg").symlink_to("nowhere.jpg")
    summary = pack(flowers, dst, code=FAILURES)
    assert (summary["records"], summary["failure_reasons"]) == (72, {"not_found": 1})
    assert lines(dst / "failures.jsonl")[0]["path"] == "tulips/gone.jpg"


def test_odd_names(flowers, dst):
    jpeg = a_picture(flowers).read_bytes()
    names = [b"x" * 251 + b".jpg", b"caf\xe9.jpg", "caf\u00e9 \u2603.jpg".encode(), b"two\nlines.jpg",
             b'quote"back\\slash.jpg', b" space .jpg", b"-dash.jpg"]
    for name in names:
        with open(os.path.join(os.fsencode(flowers), b"roses", name), "wb") as file:
            file.write(jpeg)
    broken = os.path.join(os.fsencode(flowers), b"roses", b"broken \xe9.jpg")
    with open(broken, "wb") as file:
        file.write(b"\xff\xd8\xff nothing")
    summary = pack(flowers, dst, code=FAILURES)
    assert (summary["records"], summary["failures"]) == (60 + len(names), 1)
    packed = {example["file_name"][0] for example in examples(dst)}
    assert {b"roses/" + name for name in names} < packed
    (failure,) = lines(dst / "failures.jsonl")  # valid JSON, whatever the name
    assert failure["path"].startswith("roses/broken ")
    run("verify", dst)


def test_max_failures_stops_early(flowers, dst):
    for picture in (flowers / "roses").glob("*.jpg"):
        picture.write_bytes(b"")
    for limit in ("3", "10%"):
        said = run("pack", flowers, dst, "--max-failures", limit, code=FATAL).stderr
        assert "max-failures" in said
        assert not (dst / "_SUCCESS").exists()
    pack(flowers, dst.with_name("enough"), "--max-failures", "12", code=FAILURES)
    pack(flowers, dst.with_name("percent"), "--max-failures", "20%", code=FAILURES)


def test_retry_failed(flowers, dst):
    pictures = sorted((flowers / "roses").glob("*.jpg"))[:3]
    good = [picture.read_bytes() for picture in pictures]
    for picture in pictures:
        picture.write_bytes(b"\xff\xd8\xff")
    options = ["--shards", "3"]
    assert pack(flowers, dst, *options, code=FAILURES)["failures"] == 3
    before = {path.read_bytes() for path in shards(dst)}

    for picture, jpeg in zip(pictures[:2], good):
        picture.write_bytes(jpeg)
    summary = pack(flowers, dst, *options, "--retry-failed", code=FAILURES)
    assert (summary["retried"], summary["recovered"], summary["failures"]) == (3, 2, 1)
    assert before < {path.read_bytes() for path in shards(dst)}, "a shard was touched"
    assert len(shards(dst)) == 4
    assert [f["path"] for f in lines(dst / "failures.jsonl")] == [f"roses/{pictures[2].name}"]
    run("verify", dst)

    pictures[2].write_bytes(good[2])
    summary = pack(flowers, dst, *options, "--retry-failed", code=OK)
    assert (summary["retried"], summary["recovered"], summary["failures"]) == (1, 1, 0)
    assert len(set(file_names(dst))) == len(file_names(dst)) == 60
    assert (dst / "failures.jsonl").read_bytes() == b""
    run("verify", dst)


def test_retry_without_failures_changes_nothing(dst):
    pack(EXAMPLES, dst)
    before = [path.read_bytes() for path in shards(dst)]
    assert pack(EXAMPLES, dst, "--retry-failed")["retried"] == 0
    assert [path.read_bytes() for path in shards(dst)] == before


def test_files_that_change_or_vanish_meanwhile(tmp_path, dst):
    src = crowd(tmp_path / "src", 50)
    *_, changed, vanished = sorted((src / "tulips").iterdir())
    process = start("pack", src, dst, "--no-shuffle", "--images-per-shard", "40", "--threads", "1")
    assert wait_until(lambda: shards(dst), process)
    process.send_signal(signal.SIGSTOP)
    vanished.unlink()
    jpeg = changed.read_bytes()
    changed.unlink()
    changed.write_bytes(jpeg + b"\0")
    process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=HANG) == FAILURES
    assert {line["path"]: line["reason"] for line in lines(dst / "failures.jsonl")} == {
        f"tulips/{changed.name}": "changed", f"tulips/{vanished.name}": "not_found"}
    run("verify", dst)


def test_unreadable(flowers, dst):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    a_picture(flowers).chmod(0)
    (flowers / "tulips").chmod(0)
    try:
        summary = pack(flowers, dst, code=FAILURES)
        assert summary["failure_reasons"] == {"access_denied": 1, "unreadable_folder": 1}
    finally:
        (flowers / "tulips").chmod(0o755)


def test_one_picture(tmp_path, dst):
    (tmp_path / "src" / "a").mkdir(parents=True)
    (tmp_path / "src" / "a" / "b.jpg").write_bytes(a_picture(EXAMPLES).read_bytes())
    summary = pack(tmp_path / "src", dst, "--split", "train=0.9,val=0.1", "--shards", "1")
    assert summary["records"] == 1
    run("verify", dst)


def test_no_picture_is_refused(tmp_path, dst):
    (tmp_path / "src").mkdir()
    assert str(tmp_path / "src") in refused("pack", tmp_path / "src", dst)
    assert not (dst / "_SUCCESS").exists()


def test_odd_images_get_a_verdict_each(dst):
    odd = need_shared("odd-images")
    done = run("pack", odd, dst, "--image-size", "32", "--log-format", "json", code=FAILURES)
    assert done.stdout.startswith("{")
    listed = sum(len(lines(dst / name)) for name in ("failures.jsonl", "skipped.jsonl"))
    found = sum(len(files) for _, _, files in os.walk(odd))
    assert len(examples(dst)) + listed == found
    run("verify", dst, "--decode")
