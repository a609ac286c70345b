"""What people do to a tool that holds their only copy: kills at any moment, odd files, large sets."""

import csv
import os
import random
import resource
import subprocess
import sys
import time

import pytest

from conftest import (EXAMPLES, FAILURES, SHARDMILL, crowd, kill, need_shared, need_tool, pack, run,
                      start, tree)

KILLS = 50
MIB = 1 << 20


def test_killed_at_random_moments(tmp_path, dst):
    """Whenever it dies, the next run ends with the bytes of an undisturbed one."""
    src = crowd(tmp_path / "src", 10)
    options = ["--images-per-shard", "30", "--threads", "2"]
    began = time.monotonic()
    pack(src, tmp_path / "undisturbed", *options)
    whole_seconds = time.monotonic() - began
    whole = tree(tmp_path / "undisturbed")
    moments = random.Random(4)
    cut_off = 0
    for _ in range(KILLS):
        if (dst / "_SUCCESS").exists():
            subprocess.run(["rm", "-rf", dst], check=True)
        process = start("pack", src, dst, "--name", "src", *options)
        try:
            process.wait(moments.random() * whole_seconds)
        except subprocess.TimeoutExpired:
            kill(process)
            cut_off += 1
        if moments.random() < 0.3:  # else the next kill finds what this one left
            pack(src, dst, *options)
            assert tree(dst) == whole
    pack(src, dst, *options)
    assert tree(dst) == whole
    assert cut_off >= KILLS // 2, "it was mostly over before it could be killed"


def dump(dump_pixels, paths, seconds=10):
    """dump_pixels on paths in a process of its own: its rows, its peak in MiB, and how it ended."""
    process = subprocess.Popen([dump_pixels, "--resize-mode", "no", "--decode", "exact"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    try:
        out, _ = process.communicate(os.fsencode("\n".join(map(str, paths)) + "\n"),
                                     timeout=seconds * max(1, len(paths)))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return [], "timeout"
    ended = "ok" if process.returncode in (0, 1) else "crash"
    return list(csv.DictReader(out.decode(errors="replace").splitlines())), ended


def test_odd_jpegs_are_judged_as_others_judge_them(tmp_path):
    """98% of what decoders agree on is right, 95% of what all refuse is refused, all is reported."""
    odd = need_shared("odd-images")
    dump_pixels = need_tool("dump_pixels")
    csv.field_size_limit(1 << 24)
    with open(odd / "expected.csv", newline="") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames
        expected = [row for row in reader if row["fmt"] == "jpeg"]
    assert len(expected) > 300
    results = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    for row in expected:
        rows, ended = dump(dump_pixels, [odd / row["path"]])
        results += rows if ended == "ok" and rows else [{"path": row["path"], "status": ended}]
    with open(tmp_path / "expected.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(expected)
    keys = ["path", "status", "width", "height", "mean_r", "mean_g", "mean_b"]
    with open(tmp_path / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, keys, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(results)
    said = subprocess.run([sys.executable, odd / "score.py", tmp_path / "expected.csv",
                           tmp_path / "results.csv"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    share = {line.split()[0]: float(line.split()[-1].rstrip("%"))
             for line in said.splitlines()[:3]}
    assert share["decode"] >= 98, said
    assert share["reject"] >= 95, said
    assert share["either"] == 100, said
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak == before or peak < 512 * 1024, f"{peak} KiB"


def peak_mib(*args):
    """Runs shardmill and returns the most memory that it had, in MiB."""
    with open(os.devnull, "wb") as null:
        process = subprocess.Popen([SHARDMILL, *map(str, args)], stdout=null, stderr=null)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


def is_sanitized():
    return b"__asan_init" in SHARDMILL.read_bytes() or b"__tsan_init" in SHARDMILL.read_bytes()


def test_memory_stays_flat(tmp_path):
    """Ten times the pictures do not take more memory."""
    if is_sanitized():
        pytest.skip("sanitizers take memory of their own")
    small, large = crowd(tmp_path / "small", 3), crowd(tmp_path / "large", 30)
    few = peak_mib("pack", small, tmp_path / "a", "--threads", "2")
    many = peak_mib("pack", large, tmp_path / "b", "--threads", "2")
    assert many < 200
    assert many < few + 20


def test_little_memory_gives_the_same_at_any_thread_count(tmp_path):
    """A large progressive picture needs more than a thread's share, and gets it."""
    odd = need_shared("odd-images")
    for threads in ("1", "16"):
        run("pack", odd, tmp_path / threads, "--image-size", "32", "--memory", "64M", "--threads",
            threads, "-q", code=FAILURES)
    assert tree(tmp_path / "1") == tree(tmp_path / "16")


def test_a_hundred_thousand_classes(tmp_path, dst):
    """Each picture is a hard link in a folder of its own."""
    pictures = sorted(EXAMPLES.glob("*/*.jpg"), key=lambda path: path.stat().st_size)[:10]
    copies = []
    for i, picture in enumerate(pictures):
        copies.append(tmp_path / f"{i}.jpg")
        copies[-1].write_bytes(picture.read_bytes())
    count = 100_000
    for i in range(count):
        folder = tmp_path / "src" / f"class_{i:06}"
        os.makedirs(folder)
        os.link(copies[i % len(copies)], folder / "a.jpg")
    summary = pack(tmp_path / "src", dst, "--image-size", "16", "--no-shuffle")
    assert (summary["records"], summary["classes"]) == (count, count)
    names = (dst / "label.labels.txt").read_text().splitlines()
    assert (len(names), names[0], names[-1]) == (count, "class_000000", "class_099999")
    run("verify", dst)
