"""Killed before any step that changes or flushes the file system: the same command ends the job, at
the bytes of a run that nobody disturbed."""

import os
import shutil
import signal
import subprocess

import pytest

from conftest import FAILURES, HANG, OK, SHARDMILL, need_tool, pack, run, tree

OPTIONS = ["--image-size", "16", "--shards", "3", "--split", "train=0.6,val=0.4", "--threads", "2"]


@pytest.fixture
def dies_at():
    """dies_at(step, ARGS...): whether the program was killed there, or came to its end before."""
    library = need_tool("die_at.so")
    if "asan" in SHARDMILL.parts or "tsan" in SHARDMILL.parts:
        pytest.skip("a sanitizer's run-time wants to be loaded first")

    def attempt(step, *args):
        done = subprocess.run([SHARDMILL, *args], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=HANG, env={**os.environ, "LD_PRELOAD": str(library),
                                                 "DIE_AT": str(step)})
        assert done.returncode in (OK, FAILURES, -signal.SIGKILL), done.stderr
        return done.returncode == -signal.SIGKILL

    return attempt


@pytest.fixture
def few(flowers):
    """20 pictures, two of them broken."""
    for folder in flowers.iterdir():
        for picture in sorted(folder.iterdir())[4:]:
            picture.unlink()
    for name in ("daisy", "tulips"):
        (flowers / name / "broken.jpg").write_bytes(b"\xff\xd8\xff\xd9")
    return flowers


def die_everywhere(dies_at, tmp_path, before, *args, code):
    """Runs args into copies of the set before (or into nothing), killed at each step and resumed."""
    def fresh(name):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        if before is not None:
            shutil.copytree(before, tmp_path / name)
        return tmp_path / name

    run("pack", *args, fresh("undisturbed"), code=code)
    expected = tree(tmp_path / "undisturbed")
    step = 1
    while dies_at(step, "pack", *args, fresh("disturbed")):
        pack(*args, tmp_path / "disturbed", code=code)
        assert tree(tmp_path / "disturbed") == expected, f"killed before step {step}"
        step += 1
    assert step > 10


def test_packing(dies_at, few, tmp_path):
    die_everywhere(dies_at, tmp_path, None, few, *OPTIONS, code=FAILURES)


def test_overwriting(dies_at, few, tmp_path):
    pack(few, tmp_path / "before", "--image-size", "24", "--shards", "5", "--name", "old", code=FAILURES)
    die_everywhere(dies_at, tmp_path, tmp_path / "before", few, *OPTIONS, "--overwrite", code=FAILURES)


def test_retrying(dies_at, few, tmp_path):
    pack(few, tmp_path / "before", *OPTIONS, code=FAILURES)
    good = next((few / "roses").glob("*.jpg")).read_bytes()
    for name in ("daisy", "tulips"):
        (few / name / "broken.jpg").write_bytes(good)
    die_everywhere(dies_at, tmp_path, tmp_path / "before", few, *OPTIONS, "--retry-failed", code=OK)


def test_retrying_in_part(dies_at, few, tmp_path):
    pack(few, tmp_path / "before", *OPTIONS, code=FAILURES)
    good = next((few / "roses").glob("*.jpg")).read_bytes()
    (few / "daisy" / "broken.jpg").write_bytes(good)
    die_everywhere(dies_at, tmp_path, tmp_path / "before", few, *OPTIONS, "--retry-failed", code=FAILURES)
