"""Killed, stopped or run twice: what is there is whole, and running again ends at the same bytes."""

import json
import os
import signal
import subprocess

from conftest import (EXAMPLES, FAILURES, FATAL, OK, SHARDMILL, crowd, file_names, kill, pack, refused,
                      run, shards, start, tree, wait_until)

# Many small shards on one thread: there is always a moment between two of them.
OPTIONS = ["--images-per-shard", "40", "--threads", "1"]


def test_killed_again_and_again(tmp_path, dst):
    src = crowd(tmp_path / "src", 25)
    pack(src, tmp_path / "undisturbed", *OPTIONS)
    whole = tree(tmp_path / "undisturbed")
    kills = 0
    while kills < 8:
        before = len(shards(dst))
        process = start("pack", src, dst, "--name", "src", *OPTIONS)
        if not wait_until(lambda: len(shards(dst)) > before + kills % 3, process):
            break
        kill(process)
        kills += 1
        for path in shards(dst):
            assert path.read_bytes() == whole[path.name], f"{path.name} is not whole"
        assert not (dst / "_SUCCESS").exists() or len(shards(dst)) == 38
    assert kills >= 2, "it was over before it could be killed"
    kept = len(shards(dst))
    summary = pack(src, dst, *OPTIONS)
    assert summary["shards_kept"] in (kept - 1, kept)  # the last one may lack its result
    assert tree(dst) == whole


def test_nothing_left_to_do(dst):
    pack(EXAMPLES, dst, "--shards", "3")
    before = {path: path.stat().st_mtime_ns for path in shards(dst)}
    summary = pack(EXAMPLES, dst, "--shards", "3")
    assert (summary["shards"], summary["shards_kept"]) == (3, 3)
    assert {path: path.stat().st_mtime_ns for path in shards(dst)} == before


def test_a_damaged_shard_is_redone(dst):
    pack(EXAMPLES, dst, "--shards", "4")
    whole = tree(dst)
    lost, cut = shards(dst)[1], shards(dst)[2]
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:-100])
    assert pack(EXAMPLES, dst, "--shards", "4")["shards_kept"] == 2
    assert tree(dst) == whole


def test_interrupted(tmp_path, dst):
    src = crowd(tmp_path / "src", 50)
    pack(src, tmp_path / "undisturbed", *OPTIONS)
    process = start("pack", src, dst, *OPTIONS, stderr=subprocess.PIPE)
    assert wait_until(lambda: shards(dst), process)
    assert kill(process, signal.SIGINT) != OK
    said = process.stderr.read().decode()
    process.stderr.close()
    assert "resume" in said or "again" in said
    assert "Traceback" not in said and not (dst / "_SUCCESS").exists()
    whole = tree(tmp_path / "undisturbed")
    assert 0 < len(shards(dst)) < len(shards(tmp_path / "undisturbed"))
    for path in shards(dst):
        assert path.read_bytes() == whole[path.name]
    pack(src, dst, *OPTIONS)
    assert tree(dst) == whole


def test_other_options_are_refused(dst):
    pack(EXAMPLES, dst, "--image-size", "64", "--shards", "2")
    before = tree(dst)
    said = refused("pack", EXAMPLES, dst, "--image-size", "96", "--shards", "2")
    assert "64" in said and "96" in said and "--overwrite" in said
    assert tree(dst) == before
    pack(EXAMPLES, dst, "--image-size", "96", "--shards", "2", "--overwrite")
    pack(EXAMPLES, dst.with_name("fresh"), "--image-size", "96", "--shards", "2")
    assert tree(dst) == tree(dst.with_name("fresh"))


def test_other_inputs_are_refused(flowers, dst):
    pack(flowers, dst)
    new = flowers / "roses" / "new.jpg"
    new.write_bytes(next((flowers / "tulips").glob("*.jpg")).read_bytes())
    assert "--overwrite" in refused("pack", flowers, dst)
    assert pack(flowers, dst, "--overwrite")["records"] == 61
    assert "roses/new.jpg" in file_names(dst)


def test_overwrite_leaves_nothing_of_the_old_set(dst):
    pack(EXAMPLES, dst, "--shards", "6", "--name", "old", "--split", "train=0.5,val=0.5")
    pack(EXAMPLES, dst, "--shards", "2", "--name", "new", "--overwrite")
    pack(EXAMPLES, dst.with_name("fresh"), "--shards", "2", "--name", "new")
    assert tree(dst) == tree(dst.with_name("fresh"))


def test_what_is_not_a_set_is_left_alone(dst):
    dst.mkdir()
    (dst / "thesis.txt").write_text("ten years of work")
    refused("pack", EXAMPLES, dst)
    done = subprocess.run([SHARDMILL, "pack", EXAMPLES, dst, "--overwrite"], capture_output=True)
    assert (dst / "thesis.txt").read_text() == "ten years of work", done.stderr


def test_one_at_a_time(tmp_path, dst):
    src = crowd(tmp_path / "src", 50)
    first = start("pack", src, dst, *OPTIONS)
    assert wait_until(lambda: shards(dst), first)
    first.send_signal(signal.SIGSTOP)
    try:
        said = refused("pack", src, dst, *OPTIONS, code=FATAL)
        assert str(dst) in said
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=300) == OK
    run("verify", dst)


def test_plan_names_its_options(dst):
    pack(EXAMPLES, dst, "--image-size", "64")
    plan = json.loads((dst / "plan.json").read_text())
    assert "64" in json.dumps(plan)


def test_packing_on_after_a_retry_of_mended_files(flowers, dst):
    options = ["--image-size", "16", "--shards", "3"]
    broken = flowers / "daisy" / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xd9")
    pack(flowers, dst, *options, code=FAILURES)
    broken.write_bytes(next((flowers / "roses").glob("*.jpg")).read_bytes())
    assert pack(flowers, dst, *options, "--retry-failed")["recovered"] == 1
    before = tree(dst)
    summary = pack(flowers, dst, *options)
    assert summary["shards_kept"] == summary["shards"] == 4
    assert tree(dst) == before
    run("verify", dst)
    # What had not failed, and was changed, is told of still.
    kept = next((flowers / "roses").glob("*.jpg"))
    os.utime(kept, (1, 1))
    assert "other pictures" in refused("pack", flowers, dst, *options)


def test_a_retry_does_not_hide_that_others_changed(flowers, dst):
    options = ["--image-size", "16", "--shards", "3"]
    broken = flowers / "daisy" / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xd9")
    pack(flowers, dst, *options, code=FAILURES)
    good = next((flowers / "roses").glob("*.jpg"))
    broken.write_bytes(good.read_bytes())
    for picture in flowers.glob("tulips/*.jpg"):  # some of every shard
        os.utime(picture, (1, 1))
    assert pack(flowers, dst, *options, "--retry-failed")["recovered"] == 1
    assert "other pictures" in refused("pack", flowers, dst, *options)
