"""The Python package as pip installs it, in an environment of its own."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from conftest import HANG, ROOT, SHARDMILL, crowd, pack, tree


def ended(*words, **kwargs):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=HANG, **kwargs)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The bin folder of a fresh environment with `pip install .` done."""
    folder = tmp_path_factory.mktemp("package") / "venv"
    assert ended(sys.executable, "-m", "venv", folder).returncode == 0
    done = ended(folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", ROOT)
    if done.returncode != 0 and "scikit-build-core" in done.stderr and "No matching distribution" in done.stderr:
        pytest.skip("scikit-build-core cannot be had")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "bin"


@pytest.fixture
def env(tmp_path):
    """Without the checkout in sight."""
    env = {name: value for name, value in os.environ.items() if name not in ("SHARDMILL", "PYTHONPATH")}
    return {**env, "PATH": "/usr/bin:/bin"}


def in_python(installed, env, code, *words):
    return ended(installed / "python", "-c", code, *words, env=env, cwd="/")


def test_command_and_module(installed, env):
    said = ended(installed / "shardmill", "--version", env=env, cwd="/").stdout
    assert said.splitlines()[0] == "shardmill " + (ROOT / "VERSION").read_text().strip()
    done = in_python(installed, env, "import shardmill; print(shardmill.__version__, shardmill.version())")
    assert done.stdout.split() == [said.split()[1]] * 2, done.stderr
    assert list((installed.parent / "lib").glob("python*/site-packages/shardmill/py.typed"))


def test_packs_what_the_command_packs(installed, env, flowers, dst, tmp_path):
    code = """import dataclasses, json, sys, shardmill
summary = shardmill.pack(sys.argv[1], sys.argv[2], image_size=(96, 64), split={"train": 0.8, "val": 0.2},
                         shards=3, shuffle=False, strict=False, orient=True, name=None)
print(json.dumps([dataclasses.asdict(summary), dataclasses.asdict(shardmill.verify(sys.argv[2], decode=True))]))"""
    (flowers / "roses" / "lost.jpg").write_text("<html>")
    done = in_python(installed, env, code, flowers, dst)
    assert done.returncode == 0, done.stderr
    summary, verified = json.loads(done.stdout)
    same = pack(flowers, tmp_path / "same", "--image-size", "96x64", "--split", "train=0.8,val=0.2", "--shards", "3",
                "--no-shuffle", code=3)
    assert tree(dst) == tree(tmp_path / "same")
    for told in ("records", "failures", "failure_reasons", "fingerprint", "splits", "bytes_out"):
        assert summary[told] == same[told]
    assert (verified["records"], verified["problems"]) == (60, [])


def test_errors_are_exceptions_with_the_programs_words(installed, env, flowers, dst):
    code = """import sys, shardmill
for src, options in ((sys.argv[1] + "/nowhere", {}), (sys.argv[1], {"imagesize": 3}), (sys.argv[1], {"shards": 0})):
    try:
        shardmill.pack(src, sys.argv[2], **options)
    except shardmill.ShardmillError as error:
        print(type(error).__name__, isinstance(error, ValueError), str(error).splitlines()[0])
shardmill.pack(sys.argv[1], sys.argv[2], shards=1)
shard = sys.argv[2] + "/flowers-train.tfrecord-00000-of-00001"
data = bytearray(open(shard, "rb").read())
data[100] ^= 1
open(shard, "wb").write(data)
verified = shardmill.verify(sys.argv[2])
print(verified.ok, verified.problems[0].file == shard)
"""
    done = in_python(installed, env, code, flowers, dst)
    assert done.returncode == 0, done.stderr
    nowhere, option, shards, verified = done.stdout.splitlines()
    assert nowhere.startswith("ShardmillError False there are no pictures: cannot look at")
    assert option.startswith("UsageError True shardmill pack: there is no option '--imagesize'; did you mean")
    assert shards.startswith("UsageError True shardmill pack: --shards")
    assert verified == "False True"


def test_ctrl_c_stops_it_cleanly_and_the_next_call_goes_on(installed, env, tmp_path, dst):
    pictures = crowd(tmp_path / "crowd", 30)
    code = """import sys, shardmill
shardmill.pack(sys.argv[1], sys.argv[2], image_size=1600, shards=60, threads=1)"""
    process = subprocess.Popen([installed / "python", "-c", code, pictures, dst], env=env, stderr=subprocess.PIPE,
                               # whoever runs the tests may ignore it, and children inherit that
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    while len(list(dst.glob("*.tfrecord-*"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate(timeout=HANG)[1]
    kept = len(list(dst.glob("*.tfrecord-*")))
    assert 3 <= kept < 60 and not (dst / "_SUCCESS").exists()
    assert not [path for path in dst.rglob("*") if "tmp" in path.name], "something half-written is left"


def test_progress_comes_and_may_stop_the_run(installed, env, tmp_path, dst):
    pictures = crowd(tmp_path / "crowd", 40)
    code = """import sys, shardmill
def stop(progress):
    print(progress.inputs_done, progress.inputs_total)
    raise StopIteration("seen enough")
try:
    shardmill.pack(sys.argv[1], sys.argv[2], image_size=1600, threads=1, on_progress=stop)
except StopIteration as error:
    print(error)"""
    done = in_python(installed, env, code, pictures, dst)
    counts, error = done.stdout.splitlines()
    assert 0 < int(counts.split()[0]) < int(counts.split()[1]) == 2400
    assert error == "seen enough" and not (dst / "_SUCCESS").exists()


def test_measures_and_keeps_results_as_tables(installed, env, flowers, tmp_path):
    """The package needs pyarrow for Parquet alone."""
    code = """import json, sys, shardmill
found = shardmill.measure(sys.argv[1], output=sys.argv[2] + "/r.jsonl", batch_size=[2, 5], batches=3, readers="1,2",
                          repeat=1, cache="warm")
assert shardmill.read_results(sys.argv[2] + "/r.jsonl") == found
found.write(sys.argv[2] + "/r.csv")
for call in (lambda: found.write("r.txt"), lambda: shardmill.read_results(sys.argv[2] + "/r.csv")):
    try:
        call()
        sys.exit("no error")
    except (ValueError, shardmill.ShardmillError):
        pass
print(json.dumps(found.rows))"""
    done = in_python(installed, env, code, flowers, tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {(row["batch_size"], row["readers"], row["images"]) for row in rows} == {
        (2, 1, 6), (2, 2, 6), (5, 1, 15), (5, 2, 15)}
    with open(tmp_path / "r.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["latency_p50_s"] for row in table] == [str(row["latency_p50_s"]) for row in rows]
    assert table[0]["source"] == str(flowers) and table[0]["error"] == ""


def test_results_as_arrow(flowers, tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.syspath_prepend(ROOT / "python")
    monkeypatch.setenv("SHARDMILL", str(SHARDMILL))
    import shardmill
    found = shardmill.measure(flowers, batch_size=4, batches=2, readers=1, repeat=2, cache="warm")
    found.write(tmp_path / "r.parquet")
    table = parquet.read_table(tmp_path / "r.parquet")
    assert table.to_pylist() == found.rows
    assert json.loads(table.schema.metadata[b"shardmill.run"])["planned"] == 2
