"""What people do to a tool that holds their only copy: kills at any moment, odd files, large sets."""

import csv
import os
import random
import subprocess
import sys
import time

import pytest

from conftest import (EXAMPLES, FAILURES, HANG, OK, SHARDMILL, crowd, kill, need_shared, need_tool,
                      pack, run, start, tree)

KILLS = 50


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
    for _ in range(10 * KILLS):  # some runs are over before their moment comes
        if cut_off == KILLS:
            break
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
    assert cut_off == KILLS, "it was mostly over before it could be killed"


# The most memory of a process counts what it had before it became another program, and a test with
# TensorFlow in it has much: so a small process starts what is measured.
MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss))
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 100)
"""


def measured(peak_file, *command, **kwargs):
    """Runs command; its exit code, what it printed, and the most memory it had, in MiB."""
    done = subprocess.run([sys.executable, "-c", MEASURE, peak_file, *command], timeout=HANG,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **kwargs)
    return done.returncode, done.stdout, int(peak_file.read_text()) / 1024


def dump(dump_pixels, path, peak_file):
    """A picture's row of dump_pixels, as score.py reads it."""
    code, out, peak = measured(peak_file, "timeout", "10", dump_pixels, "--resize-mode", "no",
                               "--decode", "exact", input=os.fsencode(f"{path}\n"))
    if code == 124:
        return {"path": path.name, "status": "timeout"}
    rows = list(csv.DictReader(out.decode(errors="replace").splitlines()))
    if code not in (0, 1) or len(rows) != 1:
        return {"path": path.name, "status": "crash"}
    return {**rows[0], "peak_mib": peak}


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
    results = [dump(dump_pixels, odd / row["path"], tmp_path / "peak") for row in expected]
    with open(tmp_path / "expected.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(expected)
    keys = ["path", "status", "width", "height", "mean_r", "mean_g", "mean_b", "peak_mib"]
    with open(tmp_path / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, keys, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(results)
    said = subprocess.run([sys.executable, odd / "score.py", tmp_path / "expected.csv",
                           tmp_path / "results.csv", "--mem-mib", "512"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    share = {line.split()[0]: float(line.split()[-1].rstrip("%"))
             for line in said.splitlines()[:3]}
    assert share["decode"] >= 98, said
    assert share["reject"] >= 95, said
    assert share["either"] == 100, said


def is_sanitized():
    return b"__asan_init" in SHARDMILL.read_bytes() or b"__tsan_init" in SHARDMILL.read_bytes()


def test_memory_stays_flat(tmp_path):
    """Ten times the pictures do not take more memory."""
    if is_sanitized():
        pytest.skip("sanitizers take memory of their own")
    small, large = crowd(tmp_path / "small", 3), crowd(tmp_path / "large", 30)
    peaks = []
    for src in (small, large):
        code, _, peak = measured(tmp_path / "peak", SHARDMILL, "pack", src,
                                 tmp_path / f"{src.name}-set", "--threads", "2")
        assert code == OK
        peaks.append(peak)
    few, many = peaks
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
