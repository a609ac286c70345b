"""shardmill.spark in PySpark 4, PySpark 3.5 and over Spark Connect: the sets are the local engine's."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import CLASSES, HANG, ROOT, SHARDMILL, examples, lines, pack, run, tree

ENVIRONMENTS = {"4": (".venv-spark",), "3.5": (".venv-spark35",), "connect": (".venv-spark", "connect")}


def spark_python(environment):
    """The Python of an environment with PySpark, or the test is skipped."""
    python = ROOT / environment / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{environment} is not there (scripts/install-deps.sh --with-tests makes it)")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java (scripts/install-deps.sh --with-tests installs it)")
    return python


def run_in_spark(environment, *words):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "SHARDMILL": str(SHARDMILL), "SPARK_LOCAL_IP": "127.0.0.1",
           "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}  # starting is most of it
    for name in ("SPARK_HOME", "SPARK_REMOTE", "PYSPARK_DRIVER_PYTHON"):
        env.pop(name, None)
    return subprocess.run([spark_python(environment), *words], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=3 * HANG)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The example pictures, and one that is none."""
    folder = tmp_path_factory.mktemp("spark") / "flowers"
    shutil.copytree(ROOT / "examples" / "flowers", folder, ignore=shutil.ignore_patterns("LICENSE.txt"))
    (folder / "tulips" / "lost.jpg").write_text("<html>")
    return folder


@pytest.fixture(scope="module")
def local(pictures):
    """What the local engine makes of them."""
    folder = pictures.parent / "local"
    pack(pictures, folder, "--shards", "4", "--split", "train=0.8,val=0.2", "--name", "flowers", code=3)
    return folder


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def done(request, pictures, tmp_path_factory):
    """(folder of the sets, what in_spark.py tells)."""
    folder = tmp_path_factory.mktemp("sets")
    environment, *words = ENVIRONMENTS[request.param]
    ended = run_in_spark(environment, ROOT / "tests" / "python" / "in_spark.py", folder, pictures, *words)
    assert ended.returncode == 0, ended.stderr
    return folder, json.loads(ended.stdout.splitlines()[-1])


def shards_of(folder):
    return {name: content for name, content in tree(folder).items() if "tfrecord" in name and "stats" not in name}


def test_a_cluster_makes_the_same_set(done, local):
    folder, told = done
    assert tree(folder / "pack") == tree(local)
    assert [row["status"] for row in told["pack"]] == ["ok"] * 4
    assert sum(row["records"] for row in told["pack"]) == 60
    assert sum(row["failures"] for row in told["pack"]) == 1
    assert [row["file"] for row in told["pack"]] == sorted(path.name for path in local.glob("*.tfrecord-*"))


def test_what_is_done_is_left_alone(done):
    folder, told = done
    assert told["again"] == told["dry_run"] == told["dataframe_again"] == []
    assert not (folder / "dry").exists()


def test_errors_are_the_programs_own(done):
    folder, told = done
    assert "ShardmillError: there are no pictures: cannot look at '/nowhere'" in told["no_pictures"]
    assert "UsageError" in told["no_option"] and "did you mean '--image-size'" in told["no_option"]
    assert told["no_worker"].startswith("ShardmillError") and "/nowhere/shardmill" in told["no_worker"]
    assert not (folder / "none" / "_SUCCESS").exists()


def test_a_dataframe_of_files_makes_the_same_records(done, local):
    folder, told = done
    assert shards_of(folder / "dataframe") == shards_of(local)
    same = ["failures.jsonl", "dataset_info.json", "features.json", "label.labels.txt"]
    assert {name: (folder / "dataframe" / name).read_bytes() for name in same} == \
        {name: (local / name).read_bytes() for name in same}
    assert sum(row["records"] for row in told["dataframe"]) == 60
    run("verify", folder / "dataframe", "--decode")


def test_pictures_without_names_all_arrive(done):
    folder, told = done
    assert sum(row["records"] for row in told["nameless"]) == 120
    failures = lines(folder / "nameless-set" / "failures.jsonl")
    assert [failure["reason"] for failure in failures] == ["not_an_image"] * 3
    names = [example["file_name"][0] for example in examples(folder / "nameless-set")]
    assert len(set(names)) == 120 and len({name[:64] for name in names}) == 60
    run("verify", folder / "nameless-set", "--decode")
    assert "ShardmillError: two pictures have the path" in told["twice"]


def test_tensorflow_reads_it(done):
    tfds = pytest.importorskip("tensorflow_datasets")
    folder, _ = done
    for name in ("pack", "dataframe"):
        builder = tfds.builder_from_directory(str(folder / name))
        assert builder.info.features["label"].names == CLASSES
        assert sum(1 for split in ("train", "val") for _ in builder.as_dataset(split=split)) == 60


def test_types_hold():
    python = spark_python(".venv-spark")
    ended = subprocess.run([python, "-m", "mypy", "--cache-dir", os.devnull], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert ended.returncode == 0, ended.stdout


def test_trials_are_measured_by_executors_together(done):
    """Two members each, which began at one moment; the DataFrame holds what the file holds."""
    _, told = done
    rows = told["measured"]
    assert rows == told["read"] and len(rows) == 2 * 2 * 2
    assert [row["error"] for row in rows] == [None] * 8
    assert sorted((row["format"], row["batch_size"], row["member"]) for row in rows) == sorted(
        (form, size, member) for form in ("files", "tfrecord") for size in (4, 8) for member in (0, 1))
    for row in rows:
        assert row["images"] == 2 * row["batch_size"] and row["seconds"] > 0 < row["latency_mean_s"]
        assert row["members"] == 2 and row["executor"] and isinstance(row["marks"], list)
    for first, second in zip(rows[0::2], rows[1::2]):
        assert abs(first["start_s"] - second["start_s"]) < 1
    (alone,) = told["alone"]
    assert alone["members"] is None and alone["images"] == 16
    assert "ShardmillError" in told["measure_nothing"] and "cannot look at" in told["measure_nothing"]
